"""Up, down and status with a server program of a few lines, which answers at once."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from imgrepl.clock import SystemClock
from imgrepl.errors import Conflict, NotFound, Unavailable
from imgrepl.lab import lab as lab_module
from imgrepl.lab import process, programs, state
from imgrepl.lab.files import locked
from imgrepl.lab.keys import Keys
from imgrepl.lab.lab import Condition, down, status, up
from imgrepl.lab.plan import LabOptions
from imgrepl.lab.ports import HOST
from imgrepl.lab.process import ProcessMark, end, is_running, mark_of
from imgrepl.lab.program import Command
from imgrepl.lab.state import LabServer, LabState
from imgrepl.model.events import Event, Notice, silent

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Tiny:
    """A server program that answers HEAD."""

    kind = "tiny"
    title = "Tiny"
    port_names: tuple[str, ...] = ("s3",)
    grace_seconds = 2.0
    script = SERVER
    never_ready = False

    def find(self, environment: Mapping[str, str]) -> Path | None:
        return None if "NO_TINY" in environment else Path(sys.executable)

    def absence(self) -> str:
        return "no Tiny here"

    def version(self, binary: Path) -> str:
        return binary.name

    def prepare(self, binary: Path, server: LabServer, keys: Keys) -> Command:
        assert keys.secret_access_key
        server.data_folder.mkdir(parents=True, exist_ok=True)
        arguments = (str(binary), "-I", "-c", self.script, str(server.ports["s3"]))
        return Command(arguments=(*arguments, str(server.folder)), environment={})

    def make_ready(self, server: LabServer, keys: Keys) -> str | None:
        assert keys.secret_access_key
        if self.never_ready:
            return "still thinking"
        connection = http.client.HTTPConnection(HOST, server.ports["s3"], timeout=2)
        try:
            connection.request("HEAD", "/")
            connection.getresponse().close()
        except OSError as error:
            return str(error)
        finally:
            connection.close()
        return None

    def warnings(self, server: LabServer, keys: Keys) -> tuple[str, ...]:
        assert keys
        return (f"{server.name} is tiny",)

    def leftovers(self, server: LabServer) -> tuple[Path, ...]:
        return (server.folder.parent.parent / f"left-by-{server.name}",)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Tiny:
    program = Tiny()
    monkeypatch.setattr(programs, "_BY_PREFERENCE", (program,))
    return program


@pytest.fixture
def folder(tmp_path: Path, tiny: Tiny) -> Iterator[Path]:
    assert tiny
    path = tmp_path / "some lab"
    yield path
    down(path, delete=True, events=silent, clock=SystemClock())


def start(folder: Path, *regions: str, **options: Any) -> LabState:
    events = options.pop("events", silent)
    clock = options.pop("clock", SystemClock())
    environment = options.pop("environment", {})
    return up(
        LabOptions(folder=folder, regions=regions, **options),
        events=events,
        clock=clock,
        environment=environment,
    )


def marks_of(lab: LabState) -> list[ProcessMark | None]:
    return [server.read_mark() for server in lab.servers]


def processes_below(folder: Path) -> list[int]:
    """Processes that have this folder in their arguments, and are neither we nor dead."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in arguments and mark_of(int(entry.name)):
            found.append(int(entry.name))
    return found


def eventually(condition: Callable[[], bool], seconds_max: float = 10) -> bool:
    deadline = time.monotonic() + seconds_max
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class TestUp:
    def test_every_region_answers_and_is_told_with_its_address(self, folder: Path) -> None:
        events: list[Event] = []
        lab = start(folder, "East US", "mars", events=events.append)
        assert [region.name for region in lab.regions] == ["eastus", "mars"]
        assert [one.condition for one in status(folder)] == [Condition.RUNNING] * 2
        texts = [event.text for event in events if isinstance(event, Notice)]
        for server in lab.servers:
            assert any(server.endpoint_url in text for text in texts)
            assert f"{server.name} is tiny" in texts

    def test_again_it_keeps_what_runs_also_without_the_program(self, folder: Path) -> None:
        lab = start(folder, "eastus", "mars")
        marks = marks_of(lab)
        assert start(folder, environment={"NO_TINY": "1"}) == lab
        assert marks_of(lab) == marks

    def test_it_adds_regions_to_a_running_lab(self, folder: Path) -> None:
        first = start(folder, "eastus")
        second = start(folder, "mars")
        assert second.servers[0] == first.servers[0]
        assert [one.condition for one in status(folder)] == [Condition.RUNNING] * 2

    def test_a_server_that_died_is_reported_and_started_on_its_port_and_data(
        self, folder: Path
    ) -> None:
        lab = start(folder, "eastus", "mars")
        dead, alive = lab.servers
        (dead.data_folder / "kept").write_text("data")
        mark = dead.read_mark()
        assert mark is not None
        os.kill(mark.pid, signal.SIGKILL)
        assert eventually(lambda: not is_running(mark))
        assert [one.condition for one in status(folder)] == [Condition.DIED, Condition.RUNNING]
        alive_mark = alive.read_mark()
        assert start(folder).servers == lab.servers
        assert dead.read_mark() not in (None, mark)
        assert alive.read_mark() == alive_mark
        assert (dead.data_folder / "kept").read_text() == "data"

    def test_a_server_whose_port_was_taken_gets_another(self, folder: Path) -> None:
        lab = start(folder, "eastus")
        down(folder, delete=False, events=silent, clock=SystemClock())
        with socket.create_server((HOST, lab.servers[0].ports["s3"])):
            again = start(folder)
        assert again.servers[0].ports != lab.servers[0].ports
        assert state.load(folder) == again
        assert [one.condition for one in status(folder)] == [Condition.RUNNING]

    def test_a_race_for_a_port_is_lost_without_harm(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lab = start(folder, "eastus", "mars")
        down(folder, delete=False, events=silent, clock=SystemClock())
        monkeypatch.setattr(lab_module, "is_free", lambda _port: True)
        events: list[Event] = []
        with socket.create_server((HOST, lab.servers[0].ports["s3"])):
            # Tiny's own look would take the listener of the test for its server.
            monkeypatch.setattr(Tiny, "make_ready", not_before_death(lab.servers[0]))
            again = start(folder, events=events.append)
        assert again.servers[0].ports != lab.servers[0].ports
        assert again.servers[1].ports == lab.servers[1].ports
        assert state.load(folder) == again
        assert any("was taken meanwhile" in getattr(event, "text", "") for event in events)
        assert [one.condition for one in status(folder)] == [Condition.RUNNING] * 2

    def test_a_server_that_does_not_start_is_named_with_its_log_and_the_others_end(
        self, folder: Path, tiny: Tiny
    ) -> None:
        tiny.script = "raise SystemExit('no disk left')"
        with pytest.raises(Unavailable, match="eastus-0 did not start") as caught:
            start(folder, "eastus")
        assert caught.value.code == "ServerDied"
        assert "no disk left" in caught.value.details
        assert processes_below(folder) == []

    def test_servers_that_are_never_ready_end_at_the_deadline_with_the_reason(
        self, folder: Path, tiny: Tiny
    ) -> None:
        tiny.never_ready = True
        with pytest.raises(Unavailable, match="cannot be used yet: eastus-0, mars-0") as caught:
            start(folder, "eastus", "mars", start_seconds_max=0.3)
        assert caught.value.details == ("eastus-0: still thinking", "mars-0: still thinking")
        assert processes_below(folder) == []
        assert [one.condition for one in status(folder)] == [Condition.ENDED] * 2

    def test_an_interrupt_ends_what_was_started_and_nothing_else(
        self, folder: Path, tiny: Tiny
    ) -> None:
        class Impatient(SystemClock):
            def sleep(self, seconds: float) -> None:  # noqa: ARG002
                raise KeyboardInterrupt

        running = start(folder, "eastus")
        tiny.never_ready = True
        with pytest.raises(KeyboardInterrupt):
            start(folder, "mars", clock=Impatient())
        mark = running.servers[0].read_mark()
        assert mark is not None
        assert processes_below(folder) == [mark.pid]

    def test_a_killed_up_leaves_no_orphan(self, folder: Path, tmp_path: Path) -> None:
        script = tmp_path / "starter.py"
        script.write_text(
            "import sys\n"
            f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
            "import test_lab_lifecycle as tests\n"
            "from pathlib import Path\n"
            "tests.Tiny.never_ready = True\n"
            "tests.programs._BY_PREFERENCE = (tests.Tiny(),)\n"
            "tests.start(Path(sys.argv[1]), 'eastus', 'mars')\n"
        )
        # With `some lab` in their arguments are: the starter, two guards and two servers.
        with subprocess.Popen([sys.executable, str(script), str(folder)]) as starter:
            assert eventually(lambda: len(processes_below(folder)) == 5)
            starter.kill()
        assert eventually(lambda: processes_below(folder) == [])

    def test_another_program_cannot_read_the_data_and_is_refused(self, folder: Path) -> None:
        start(folder, "eastus")
        with pytest.raises(Conflict, match="keeps its data with tiny, minio cannot read it"):
            start(folder, server="minio")

    def test_a_machine_without_any_program_is_told_what_to_install(self, folder: Path) -> None:
        with pytest.raises(NotFound) as caught:
            start(folder, environment={"NO_TINY": "1"})
        assert caught.value.details == ("no Tiny here",)
        with pytest.raises(NotFound, match="no Tiny here"):
            start(folder, server="tiny", environment={"NO_TINY": "1"})

    def test_two_commands_at_once_are_kept_apart(self, folder: Path) -> None:
        start(folder, "eastus")
        with locked(folder), pytest.raises(Conflict, match="another `imgrepl lab` command"):
            start(folder, "eastus")


def not_before_death(server: LabServer) -> Callable[[Tiny, LabServer, Keys], str | None]:
    """Tiny's readiness, but never on this server's own port."""
    real = Tiny.make_ready

    def make_ready(self: Tiny, asked: LabServer, keys: Keys) -> str | None:
        return "taken" if asked.ports == server.ports else real(self, asked, keys)

    return make_ready


class TestDown:
    def test_it_ends_the_servers_and_keeps_their_data(self, folder: Path) -> None:
        lab = start(folder, "eastus", "mars")
        marks = [mark for mark in marks_of(lab) if mark]
        ended = down(folder, delete=False, events=silent, clock=SystemClock())
        assert ended == lab.servers
        assert not any(is_running(mark) for mark in marks)
        assert [one.condition for one in status(folder)] == [Condition.ENDED] * 2
        assert lab.servers[0].data_folder.exists()

    def test_with_delete_nothing_is_left_behind(self, folder: Path) -> None:
        lab = start(folder, "eastus")
        left_over = folder.parent / "left-by-eastus-0"
        left_over.write_text("a socket")
        state.scratch_folder(folder).mkdir()
        (state.scratch_folder(folder) / "index.db").write_text("an index of this lab")
        down(folder, delete=True, events=silent, clock=SystemClock())
        assert not folder.exists()
        assert not left_over.exists()
        assert processes_below(folder) == []
        assert down(folder, delete=True, events=silent, clock=SystemClock()) == ()
        assert lab.servers

    def test_with_delete_what_is_not_the_labs_stays(self, folder: Path) -> None:
        start(folder, "eastus")
        (folder / "mine.txt").write_text("not the lab's")
        down(folder, delete=True, events=silent, clock=SystemClock())
        assert [path.name for path in folder.iterdir()] == ["mine.txt"]

    def test_a_process_with_the_number_of_a_dead_server_is_not_touched(self, folder: Path) -> None:
        (server,) = start(folder, "eastus").servers
        mark = server.read_mark()
        assert mark is not None
        end([mark], clock=SystemClock(), grace_seconds=0)
        with subprocess.Popen(["sleep", "60"]) as stranger:
            server.write_mark(ProcessMark(pid=stranger.pid, started=mark.started))
            assert [one.condition for one in status(folder)] == [Condition.DIED]
            assert down(folder, delete=False, events=silent, clock=SystemClock()) == ()
            time.sleep(0.1)
            untouched = stranger.poll() is None
            stranger.kill()
        assert untouched

    def test_a_process_that_cannot_be_ended_stops_the_deletion(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (server,) = start(folder, "eastus").servers
        with monkeypatch.context() as patched:
            patched.setattr(process, "end", lambda marks, **_options: tuple(marks))
            with pytest.raises(Unavailable, match="do not end, not even killed"):
                down(folder, delete=True, events=silent, clock=SystemClock())
        assert server.data_folder.exists()
        assert [one.condition for one in status(folder)] == [Condition.RUNNING]


class TestStatus:
    def test_a_server_that_runs_but_does_not_answer_is_told_apart(
        self, folder: Path, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tiny.script = "import time; time.sleep(60)"
        monkeypatch.setattr(Tiny, "make_ready", lambda *_arguments: None)
        start(folder, "eastus")
        (one,) = status(folder)
        assert one.condition == Condition.SILENT
        assert one.pid is not None
        events: list[Event] = []
        start(folder, "eastus", events=events.append)
        assert [event.level for event in events if isinstance(event, Notice)] == ["warning"]

    def test_a_folder_without_a_lab_is_not_found(self, folder: Path) -> None:
        with pytest.raises(NotFound, match="there is no lab in"):
            status(folder)
