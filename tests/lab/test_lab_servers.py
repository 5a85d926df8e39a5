"""Labs of real servers: what the engine asks of a region, they do."""

import base64
import hashlib
import os
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from imgrepl.clock import SystemClock
from imgrepl.lab import programs, s3
from imgrepl.lab.keys import make_keys, read_keys
from imgrepl.lab.lab import Condition, down, status, up
from imgrepl.lab.plan import LabOptions
from imgrepl.lab.process import is_running
from imgrepl.lab.state import LabServer, LabState
from imgrepl.model.events import Event, Notice, silent

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.servers

PACK = bytes(range(256)) * 65_536
PROJECT_TOOLS = Path(__file__).resolve().parents[2] / ".tools" / "bin"
LOOPBACK, LOOPBACK_6 = "0100007F", "00000000000000000000000001000000"  # as in /proc/net/tcp
ENVIRONMENT = {"PATH": f"{PROJECT_TOOLS}{os.pathsep}{os.environ.get('PATH', '')}"}


@pytest.fixture(scope="module", params=["seaweedfs", "minio"])
def lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabState]:
    program = programs.program_of(request.param)
    if program.find(ENVIRONMENT) is None:
        pytest.skip(program.absence())
    folder = tmp_path_factory.mktemp(request.param) / "lab"
    options = LabOptions(folder=folder, server=request.param, regions=("East US",))
    yield start(options)
    down(folder, delete=True, events=silent, clock=SystemClock())
    assert not folder.exists()


@pytest.fixture
def client(lab: LabState) -> Iterator["S3Client"]:
    client = s3.client_of(lab.servers[0], read_keys(lab.folder))
    yield client
    client.close()


def start(options: LabOptions) -> LabState:
    return up(options, events=silent, clock=SystemClock(), environment=ENVIRONMENT)


def server_of(lab: LabState) -> LabServer:
    return lab.servers[0]


def sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def test_a_pack_is_put_with_its_checksum_and_given_back(lab: LabState, client: "S3Client") -> None:
    bucket = server_of(lab).bucket
    client.put_object(Bucket=bucket, Key="p", Body=PACK, ChecksumSHA256=sha256(PACK))
    head = client.head_object(Bucket=bucket, Key="p", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == sha256(PACK)
    with client.get_object(Bucket=bucket, Key="p")["Body"] as body:
        assert body.read() == PACK


def test_a_wrong_checksum_is_refused(lab: LabState, client: "S3Client") -> None:
    bucket = server_of(lab).bucket
    with pytest.raises(ClientError) as caught:
        client.put_object(Bucket=bucket, Key="w", Body=PACK, ChecksumSHA256=sha256(b"other"))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_what_is_there_is_not_put_again(lab: LabState, client: "S3Client") -> None:
    bucket = server_of(lab).bucket
    client.put_object(Bucket=bucket, Key="once", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError) as caught:
        client.put_object(Bucket=bucket, Key="once", Body=b"2", IfNoneMatch="*")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


def test_a_pack_is_copied_inside_the_server(lab: LabState, client: "S3Client") -> None:
    bucket = server_of(lab).bucket
    client.put_object(Bucket=bucket, Key="a", Body=PACK, ChecksumSHA256=sha256(PACK))
    client.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    with client.get_object(Bucket=bucket, Key="b")["Body"] as body:
        assert hashlib.sha256(body.read()).digest() == hashlib.sha256(PACK).digest()


def test_readiness_leaves_nothing_in_the_bucket(lab: LabState, client: "S3Client") -> None:
    listed = client.list_objects_v2(Bucket=server_of(lab).bucket, Prefix="imgrepl-lab")
    assert listed["KeyCount"] == 0


def test_other_keys_are_refused(lab: LabState, tmp_path: Path) -> None:
    assert s3.answers(server_of(lab), read_keys(lab.folder))
    assert not s3.answers(server_of(lab), make_keys(tmp_path))


def test_the_keys_stand_in_no_argument_and_in_no_file_that_others_may_read(lab: LabState) -> None:
    secret = read_keys(lab.folder).secret_access_key.encode()
    mark = server_of(lab).read_mark()
    assert mark is not None
    assert secret not in Path(f"/proc/{mark.pid}/cmdline").read_bytes()
    for path in server_of(lab).folder.glob("*"):
        if path.is_file() and secret in path.read_bytes():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nobody_else_on_the_network_can_reach_the_servers(lab: LabState) -> None:
    mark = server_of(lab).read_mark()
    assert mark is not None
    sockets = {str(link.readlink()) for link in Path(f"/proc/{mark.pid}/fd").iterdir()}
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{mark.pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                listening.append(fields[1].split(":")[0])
    assert len(listening) >= len(server_of(lab).ports)
    assert set(listening) <= {LOOPBACK, LOOPBACK_6}


def test_a_killed_server_is_reported_and_comes_back_with_its_data(
    lab: LabState, client: "S3Client"
) -> None:
    server = server_of(lab)
    client.put_object(Bucket=server.bucket, Key="kept", Body=PACK, ChecksumSHA256=sha256(PACK))
    mark = server.read_mark()
    assert mark is not None
    os.kill(mark.pid, signal.SIGKILL)
    while is_running(mark):
        time.sleep(0.02)
    assert [one.condition for one in status(lab.folder)] == [Condition.DIED]
    assert start(LabOptions(folder=lab.folder)) == lab
    assert [one.condition for one in status(lab.folder)] == [Condition.RUNNING]
    with client.get_object(Bucket=server.bucket, Key="kept")["Body"] as body:
        assert body.read() == PACK


def test_data_outlives_down_and_up_on_other_ports(
    lab: LabState, client: "S3Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_of(lab)
    client.put_object(Bucket=server.bucket, Key="moved", Body=PACK, ChecksumSHA256=sha256(PACK))
    down(lab.folder, delete=False, events=silent, clock=SystemClock())
    assert not list(Path("/tmp").glob(f"seaweedfs-*-{server.ports['s3']}.sock"))
    with monkeypatch.context() as patched:
        patched.setattr("imgrepl.lab.lab.is_free", lambda port: port not in server.ports.values())
        moved = start(LabOptions(folder=lab.folder))
    assert not set(moved.servers[0].ports.values()) & set(server.ports.values())
    other = s3.client_of(moved.servers[0], read_keys(lab.folder))
    with other.get_object(Bucket=server.bucket, Key="moved")["Body"] as body:
        assert body.read() == PACK
    other.close()


@pytest.mark.parametrize("lab", ["minio"], indirect=True)
def test_minio_that_keeps_old_versions_is_warned_of(lab: LabState) -> None:
    current = status(lab.folder)[0].server
    client = s3.client_of(current, read_keys(lab.folder))
    client.put_bucket_versioning(
        Bucket=current.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    client.close()
    down(lab.folder, delete=False, events=silent, clock=SystemClock())
    events: list[Event] = []
    up(
        LabOptions(folder=lab.folder),
        events=events.append,
        clock=SystemClock(),
        environment=ENVIRONMENT,
    )
    warnings = [one.text for one in events if isinstance(one, Notice) and one.level == "warning"]
    assert len(warnings) == 1
    assert "keeps old versions" in warnings[0]


def test_the_first_program_of_this_machine_is_chosen_and_the_reason_told() -> None:
    events: list[Event] = []
    chosen = programs.choose(ENVIRONMENT, events.append)
    if programs.program_of("seaweedfs").find(ENVIRONMENT) is None:
        assert chosen.kind == "minio"
        assert "SeaweedFS" in str(events[0])
    else:
        assert chosen.kind == "seaweedfs"
        assert events == []


def test_a_binary_that_is_gone_from_path_is_no_binary(tmp_path: Path) -> None:
    assert programs.program_of("minio").find({"PATH": str(tmp_path)}) is None
    shutil.copy("/bin/sleep", tmp_path / "minio")
    assert programs.program_of("minio").find({"PATH": str(tmp_path)}) == tmp_path / "minio"
