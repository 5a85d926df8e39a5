"""An image together with what a reader must say of it."""

from dataclasses import dataclass
from enum import StrEnum

from images.sparse import SparseBytes


class Verdict(StrEnum):
    """What a reader must do with an image."""

    REJECT = "reject"
    """Refuse to open it and name the fault."""
    READ_ERROR = "read-error"
    """May open it; must fail when the bad part is read."""
    WARN = "warn"
    """Read it and say so."""
    OK = "ok"
    """Read it: valid, though unusual."""


@dataclass(frozen=True)
class HostileImage:
    """A file by this name with these bytes; parents are looked for beside it."""

    name: str
    data: SparseBytes
    verdict: Verdict
    why: str


def reject(name: str, data: SparseBytes, why: str) -> HostileImage:
    return HostileImage(name, data, Verdict.REJECT, why)


def read_error(name: str, data: SparseBytes, why: str) -> HostileImage:
    return HostileImage(name, data, Verdict.READ_ERROR, why)


def warn(name: str, data: SparseBytes, why: str) -> HostileImage:
    return HostileImage(name, data, Verdict.WARN, why)


def ok(name: str, data: SparseBytes, why: str) -> HostileImage:
    return HostileImage(name, data, Verdict.OK, why)
