"""Ports, process marks, guards, keys, files and plans: what a lab is made of."""

import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imgrepl.clock import SystemClock
from imgrepl.errors import Conflict, Corrupt, Invalid, NotFound, Unavailable, UsageError
from imgrepl.lab import guard, state
from imgrepl.lab.files import locked
from imgrepl.lab.keys import credentials_file, make_keys, read_keys
from imgrepl.lab.plan import SERVERS_MAX, LabOptions, plan_servers
from imgrepl.lab.ports import HOST, free_ports, is_free
from imgrepl.lab.process import ProcessMark, end, is_running, mark_of
from imgrepl.lab.program import Command
from imgrepl.lab.programs import program_of
from imgrepl.lab.servers import StartedServer, last_log_lines
from imgrepl.lab.state import LabServer, LabState
from imgrepl.model.region import normal_region_name


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def eventually(condition: Callable[[], bool], seconds_max: float = 10) -> bool:
    deadline = time.monotonic() + seconds_max
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def server_in(folder: Path, region: str = "eastus", number: int = 0) -> LabServer:
    server = LabServer(
        region=region,
        display_name=region,
        number=number,
        bucket=f"imgrepl-{region}",
        ports={"s3": 20_000 + number},
        folder=folder / state.server_name(region, number),
    )
    server.folder.mkdir(parents=True, exist_ok=True)
    return server


class TestPorts:
    def test_a_port_that_somebody_listens_on_is_not_free(self) -> None:
        with socket.create_server((HOST, 0)) as listener:
            port = listener.getsockname()[1]
            assert not is_free(port)
        assert is_free(port)

    def test_free_ports_are_different_and_avoid_what_is_to_be_avoided(self) -> None:
        first = free_ports(8)
        second = free_ports(8, avoid=first)
        assert len({*first, *second}) == 16

    def test_too_many_ports_are_refused_with_their_number(self) -> None:
        with pytest.raises(Unavailable, match="3 free ports are needed"):
            free_ports(3, avoid=range(20_000, 30_000))

    def test_a_listener_that_closed_with_open_connections_leaves_its_port_free(self) -> None:
        with socket.create_server((HOST, 0)) as listener:
            port = listener.getsockname()[1]
            with socket.create_connection((HOST, port)) as client:
                accepted, _ = listener.accept()
                accepted.close()
                client.recv(1)
        assert is_free(port)


class TestProcessMarks:
    def test_a_mark_is_the_same_as_long_as_the_process_runs(
        self, sleeper: subprocess.Popen[bytes]
    ) -> None:
        mark = mark_of(sleeper.pid)
        assert mark is not None
        assert mark == mark_of(sleeper.pid)
        assert is_running(mark)

    def test_a_dead_process_that_nobody_waited_for_does_not_run(
        self, sleeper: subprocess.Popen[bytes]
    ) -> None:
        mark = mark_of(sleeper.pid)
        assert mark is not None
        sleeper.kill()
        assert eventually(lambda: not is_running(mark))
        assert mark_of(sleeper.pid) is None

    def test_a_process_that_got_the_number_of_another_is_not_killed(
        self, sleeper: subprocess.Popen[bytes]
    ) -> None:
        other = ProcessMark(pid=sleeper.pid, started="some boot:12345")
        assert end([other], clock=SystemClock(), grace_seconds=0) == ()
        time.sleep(0.1)
        assert sleeper.poll() is None

    def test_a_process_that_ignores_the_request_to_end_is_killed(self) -> None:
        ignorant = "import signal,time; signal.signal(15, signal.SIG_IGN); print(flush=True)"
        command = [sys.executable, "-c", ignorant + "; time.sleep(60)"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            mark = mark_of(process.pid)
            assert mark is not None
            assert end([mark], clock=SystemClock(), grace_seconds=0.2) == ()
            assert process.wait() == -9

    def test_a_process_whose_name_looks_like_fields_is_read_right(self, tmp_path: Path) -> None:
        odd = tmp_path / "a) Z 1 ("
        odd.symlink_to("/bin/sleep")
        with subprocess.Popen([str(odd), "60"]) as process:
            mark = mark_of(process.pid)
            process.kill()
        assert mark is not None

    def test_ps_tells_processes_apart_where_there_is_no_proc(
        self, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        there = Path.exists
        monkeypatch.setattr(Path, "exists", lambda path: "/proc" not in str(path) and there(path))
        mark = mark_of(sleeper.pid)
        assert mark is not None
        assert ":" in mark.started
        assert is_running(mark)
        sleeper.kill()
        assert eventually(lambda: not is_running(mark))


STARTER = """
import sys, time
from pathlib import Path
from imgrepl.lab.program import Command
from imgrepl.lab.servers import StartedServer
from imgrepl.lab.state import LabServer
folder = Path(sys.argv[1])
server = LabServer(region="eastus", display_name="East US", number=0, bucket="b",
                   ports={"s3": 1}, folder=folder)
command = Command(arguments=("/bin/sleep", "60"), environment={})
started = StartedServer(server, command)
if sys.argv[2] == "keep":
    started.keep()
print(started.mark.pid, flush=True)
time.sleep(60)
"""


class TestGuard:
    def start(self, folder: Path, word: str) -> tuple["subprocess.Popen[str]", ProcessMark]:
        starter = subprocess.Popen(
            [sys.executable, "-c", STARTER, str(folder), word], stdout=subprocess.PIPE, text=True
        )
        assert starter.stdout is not None
        mark = mark_of(int(starter.stdout.readline()))
        starter.stdout.close()
        assert mark is not None
        return starter, mark

    def test_a_starter_that_is_killed_leaves_no_orphan(self, tmp_path: Path) -> None:
        starter, mark = self.start(tmp_path, "wait")
        assert is_running(mark)
        starter.kill()
        starter.wait()
        assert eventually(lambda: not is_running(mark))

    def test_a_kept_server_outlives_its_starter_and_is_on_record(self, tmp_path: Path) -> None:
        starter, mark = self.start(tmp_path, "keep")
        starter.kill()
        starter.wait()
        time.sleep(0.2)
        recorded = replace(server_in(tmp_path), folder=tmp_path).read_mark()
        still_running = is_running(mark)
        end([mark], clock=SystemClock(), grace_seconds=1)
        assert still_running
        assert recorded == mark

    def test_a_server_runs_in_a_session_of_its_own(self, tmp_path: Path) -> None:
        server = server_in(tmp_path)
        started = StartedServer(server, Command(arguments=("/bin/sleep", "60"), environment={}))
        sid = os.getsid(started.mark.pid)
        started.abandon()
        assert sid == started.mark.pid
        assert not is_running(started.mark)

    def test_a_program_that_cannot_start_is_named_with_the_reason(self, tmp_path: Path) -> None:
        command = Command(arguments=(str(tmp_path / "no such program"),), environment={})
        with pytest.raises(Unavailable, match="No such file") as caught:
            StartedServer(server_in(tmp_path), command)
        assert caught.value.code == "ServerDied"
        assert str(tmp_path) in str(caught.value.hint)

    def test_a_guard_needs_nothing_but_the_standard_library(self) -> None:
        source = Path(guard.__file__).read_text(encoding="utf-8")
        assert "imgrepl" not in source

    def test_the_end_of_a_long_log_is_shown(self, tmp_path: Path) -> None:
        server = server_in(tmp_path)
        assert last_log_lines(server) == ()
        server.log_file.write_text("".join(f"line {n}\n" for n in range(10_000)))
        assert last_log_lines(server)[-1] == "line 9999"
        assert len(last_log_lines(server)) == 5


class TestStateAndKeys:
    def test_what_is_saved_is_loaded(self, tmp_path: Path) -> None:
        servers = (server_in(tmp_path), server_in(tmp_path, number=1), server_in(tmp_path, "a-b"))
        lab = LabState(folder=tmp_path, program="minio", version="7", servers=servers)
        state.save(lab)
        assert state.load(tmp_path) == lab
        assert [path.name for path in tmp_path.glob(".*")] == []

    def test_a_region_has_one_endpoint_for_each_of_its_servers(self, tmp_path: Path) -> None:
        servers = (server_in(tmp_path), server_in(tmp_path, number=1), server_in(tmp_path, "west"))
        lab = LabState(folder=tmp_path, program="minio", version="7", servers=servers)
        east, west = lab.regions
        assert [endpoint.endpoint_url for endpoint in east.standard] == [
            "http://127.0.0.1:20000",
            "http://127.0.0.1:20001",
        ]
        assert len(west.standard) == 1
        assert east.standard[0].addressing == "path"
        assert east.standard[0].credentials_file == str(tmp_path / "credentials")

    def test_a_folder_without_a_lab_is_not_found(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="there is no lab in"):
            state.load(tmp_path)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            "{}",
            '{"layout": 2, "program": "minio", "version": "1", "servers": []}',
            '{"layout": 1, "program": "minio", "version": "1", "servers": 3}',
            '{"layout": 1, "program": "minio", "version": "1", "servers": [{"region": "a"}]}',
        ],
    )
    def test_a_lab_file_that_is_none_is_corrupt_and_named(self, tmp_path: Path, text: str) -> None:
        state.lab_file(tmp_path).write_text(text)
        with pytest.raises(Corrupt, match=r"lab\.json"):
            state.load(tmp_path)

    def test_a_mark_file_that_is_none_is_corrupt_and_named(self, tmp_path: Path) -> None:
        server = server_in(tmp_path)
        assert server.read_mark() is None
        server.mark_file.write_text(json.dumps({"pid": "many"}))
        with pytest.raises(Corrupt, match=r"server\.pid"):
            server.read_mark()

    def test_keys_are_made_once_at_random_and_only_their_owner_may_read_them(
        self, tmp_path: Path
    ) -> None:
        keys = make_keys(tmp_path)
        assert make_keys(tmp_path) == keys == read_keys(tmp_path)
        assert stat.S_IMODE(credentials_file(tmp_path).stat().st_mode) == 0o600
        other = tmp_path / "other"
        other.mkdir()
        assert make_keys(other) != keys

    def test_boto3_reads_the_key_file(self, tmp_path: Path) -> None:
        import botocore.session

        keys = make_keys(tmp_path)
        session = botocore.session.Session()
        session.set_config_variable("credentials_file", str(credentials_file(tmp_path)))
        session.set_config_variable("profile", "default")
        credentials = session.get_credentials()
        assert credentials is not None
        assert credentials.access_key == keys.access_key_id
        assert credentials.secret_key == keys.secret_access_key

    def test_lost_and_broken_keys_say_the_way_out(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="is gone") as caught:
            read_keys(tmp_path)
        assert "lab up" in str(caught.value.hint)
        credentials_file(tmp_path).write_text("[default]\n")
        with pytest.raises(Corrupt, match="holds no key pair"):
            read_keys(tmp_path)

    def test_a_second_command_on_the_same_lab_is_refused(self, tmp_path: Path) -> None:
        with (
            locked(tmp_path),
            pytest.raises(Conflict, match="another `imgrepl lab` command"),
            locked(tmp_path),
        ):
            pass
        with locked(tmp_path):
            """The lock went with its block."""


class TestPlan:
    minio = program_of("minio")
    seaweedfs = program_of("seaweedfs")

    def lab_of(self, options: LabOptions) -> LabState:
        servers = plan_servers(options, self.minio, None)
        return LabState(folder=options.folder, program="minio", version="1", servers=servers)

    def test_a_new_lab_has_three_regions_with_names_for_people(self, tmp_path: Path) -> None:
        servers = plan_servers(LabOptions(folder=tmp_path), self.seaweedfs, None)
        assert [(server.region, server.display_name) for server in servers] == [
            ("eastus", "East US"),
            ("westeurope", "West Europe"),
            ("southeastasia", "Southeast Asia"),
        ]
        ports = [port for server in servers for port in server.ports.values()]
        assert len(set(ports)) == 3 * 8

    def test_a_plain_name_that_is_known_gets_its_name_for_people(self, tmp_path: Path) -> None:
        options = LabOptions(folder=tmp_path, regions=("westeurope", "mars"))
        servers = plan_servers(options, self.minio, None)
        assert [server.display_name for server in servers] == ["West Europe", "mars"]

    def test_a_lab_grows_and_keeps_what_it_has(self, tmp_path: Path) -> None:
        lab = self.lab_of(LabOptions(folder=tmp_path, regions=("eastus",)))
        more = LabOptions(folder=tmp_path, regions=("eastus", "mars"), servers_per_region=None)
        servers = plan_servers(more, self.minio, lab)
        assert servers[0] == lab.servers[0]
        assert [server.name for server in servers] == ["eastus-0", "mars-0"]

    def test_without_regions_a_lab_keeps_its_own(self, tmp_path: Path) -> None:
        lab = self.lab_of(LabOptions(folder=tmp_path, regions=("mars",)))
        assert plan_servers(LabOptions(folder=tmp_path), self.minio, lab) == lab.servers

    def test_another_number_of_servers_for_a_region_is_refused(self, tmp_path: Path) -> None:
        options = LabOptions(folder=tmp_path, regions=("mars",), servers_per_region=2)
        lab = self.lab_of(options)
        assert [server.number for server in lab.servers] == [0, 1]
        with pytest.raises(Conflict, match="mars has 2 servers in this lab, 3 were asked for"):
            plan_servers(replace(options, servers_per_region=3), self.minio, lab)

    def test_too_many_servers_are_refused_with_the_limit(self, tmp_path: Path) -> None:
        options = LabOptions(folder=tmp_path, servers_per_region=SERVERS_MAX)
        with pytest.raises(Invalid, match=f"at most {SERVERS_MAX} servers"):
            plan_servers(options, self.minio, None)

    def test_no_servers_for_a_region_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(Invalid, match="at least 1 server"):
            plan_servers(LabOptions(folder=tmp_path, servers_per_region=0), self.minio, None)

    def test_long_region_names_give_valid_bucket_names(self, tmp_path: Path) -> None:
        name = "a" * 54 + "-" + "b" * 8
        assert normal_region_name(name) == name
        (server,) = plan_servers(LabOptions(folder=tmp_path, regions=(name,)), self.minio, None)
        assert server.bucket == "imgrepl-" + "a" * 54
        assert len(server.bucket) <= 63

    def test_a_program_nobody_knows_is_wrong_usage(self) -> None:
        with pytest.raises(UsageError, match="'ceph' is no server program of a lab: seaweedfs"):
            program_of("ceph")
