"""Real S3 servers for one run: on free ports of this machine, ended with it, also by a kill."""

import contextlib
import os
import shutil
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.tables import Report
from imgrepl.clock import SystemClock
from imgrepl.lab.keys import Keys, make_keys
from imgrepl.lab.ports import free_ports
from imgrepl.lab.programs import binary_of, program_of
from imgrepl.lab.s3 import client_of
from imgrepl.lab.servers import Crew
from imgrepl.lab.state import LabServer
from imgrepl.model.events import Event

PROJECT = Path(__file__).resolve().parents[2]
KINDS = ("minio", "seaweedfs")
_START_SECONDS_MAX = 120.0
_LIST_SECONDS_MAX = 60.0
_KEYS_PER_DELETE = 1000


@dataclass(frozen=True, kw_only=True)
class S3Server:
    """A running server with one bucket. `title` names program and version."""

    kind: str
    title: str
    server: LabServer
    keys: Keys
    client: Any

    @property
    def endpoint_url(self) -> str:
        return self.server.endpoint_url

    @property
    def bucket(self) -> str:
        return self.server.bucket

    def environment(self) -> Mapping[str, str]:
        """The account, as every S3 program reads it."""
        return {
            "AWS_ACCESS_KEY_ID": self.keys.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.keys.secret_access_key,
            "AWS_REGION": "us-east-1",
        }

    def objects(self, prefix: str = "") -> dict[str, int]:
        """Every key below a prefix, with its size in bytes."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", ())}

    def delete(self, keys: list[str]) -> None:
        for start in range(0, len(keys), _KEYS_PER_DELETE):
            objects = [{"Key": key} for key in keys[start : start + _KEYS_PER_DELETE]]
            self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": objects})

    def make_bucket(self, bucket: str) -> None:
        self.client.create_bucket(Bucket=bucket)

    def remove_bucket(self, bucket: str) -> None:
        """With all that is in it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for page in pages:
            for item in page.get("Contents", ()):
                self.client.delete_object(Bucket=bucket, Key=item["Key"])
        self.client.delete_bucket(Bucket=bucket)

    def free_space(self) -> None:
        """Gives back what deleted objects still take: both servers would do so minutes later."""
        if self.kind == "minio":
            trash = self.server.data_folder / ".minio.sys" / "tmp" / ".trash"
            for left in trash.iterdir() if trash.exists() else ():
                shutil.rmtree(left, ignore_errors=True)
        else:
            port = self.server.ports["master"]
            vacuum = f"http://127.0.0.1:{port}/vol/vacuum?garbageThreshold=0.01"
            with urllib.request.urlopen(vacuum, timeout=_START_SECONDS_MAX):
                pass


def installed(kinds: Sequence[str], report: Report) -> list[str]:
    """Those of `kinds` that this machine has; the report says which ones are left out, and why."""
    found = []
    for kind in kinds:
        program = program_of(kind)
        if program.find(_environment()) is None:
            report.notes.append(f"**{program.title} is left out**: {program.absence()}.")
        else:
            found.append(kind)
    return found


@contextlib.contextmanager
def running(kind: str, folder: Path) -> Iterator[S3Server]:
    """One server with its data below `folder`, which must not exist; gone when the block ends."""
    program = program_of(kind)
    binary = binary_of(program, _environment())
    folder.mkdir(parents=True)
    keys = make_keys(folder)
    server = LabServer(
        region="bench",
        display_name="Bench",
        number=0,
        bucket="bench",
        ports=dict(zip(program.port_names, free_ports(len(program.port_names)), strict=True)),
        folder=folder / "server",
    )
    crew = Crew(program, binary, keys, events=_ignore, clock=SystemClock())
    try:
        crew.start([server])
        crew.wait_until_ready(seconds_max=_START_SECONDS_MAX)
        (ready,) = crew.servers
        client = client_of(ready, keys, read_seconds_max=_LIST_SECONDS_MAX)
        title = f"{program.title} {program.version(binary)}"
        yield S3Server(kind=kind, title=title, server=ready, keys=keys, client=client)
        client.close()
    finally:
        crew.abandon()
        for left in program.leftovers(server):
            left.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def search_path() -> str:
    """Where programs are looked for: `.tools/bin` of the project, then PATH."""
    return os.pathsep.join([str(PROJECT / ".tools" / "bin"), os.environ.get("PATH", os.defpath)])


def _environment() -> Mapping[str, str]:
    return {**os.environ, "PATH": search_path()}


def _ignore(_event: Event) -> None:
    """Nobody watches a server start here."""
