"""What every reader gives, and what every reader reads from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

SECTOR_BYTES = 512
"""The unit of every disk size and of every format's smallest piece."""


class Severity(StrEnum):
    """What a problem means for somebody who wants to publish the image."""

    REFUSED = "refused"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One objection to an image.

    `rule` is a stable CamelCase name, `message` says field, value and limit.
    """

    rule: str
    message: str
    severity: Severity


class Extent(NamedTuple):
    """A byte range of a disk or file that may hold data.

    What lies between extents is zeros for sure.
    """

    offset: int
    length: int


class ByteSource(Protocol):
    """A file, block device or remote object, read at any offset from many threads at once."""

    @property
    def name(self) -> str:
        """For messages: a path or URL, no secrets."""

    @property
    def size_bytes(self) -> int:
        """Length, fixed when the source was opened."""

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills `buffer` from `offset`.

        Raises `Invalid` (`ImageTruncated`) when the source is shorter than that.
        """

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        """The parts of `[offset, offset + length)` that are not holes, in order.

        All of it where that is unknown.
        """

    def check_unchanged(self) -> None:
        """Raises `Conflict` (`SourceChanged`) when the source is not what was opened.

        Compares device, inode, size, mtime and ctime of a file, ETag and size of an object.
        """

    def close(self) -> None:
        """Gives the source back; reading later is an error."""


class Disk(Protocol):
    """One guest-visible disk. Reading is thread-safe and never changes the file."""

    @property
    def format(self) -> str:
        """`raw`, `vhd`, `vhdx` or `qcow2`."""

    @property
    def subformat(self) -> str:
        """`fixed`, `dynamic`, `differencing`, or for qcow2 its version as `v2` or `v3`.

        `raw` for raw.
        """

    @property
    def size_bytes(self) -> int:
        """Guest-visible size; a multiple of 512."""

    @property
    def sources(self) -> Sequence[ByteSource]:
        """Every source that is read, this one's first, then its parents'; none may change."""

    @property
    def problems(self) -> Sequence[Problem]:
        """Warnings found on opening.

        What makes an image unreadable is raised as `Invalid` instead.
        """

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        """The parts of `[offset, offset + length)` that may hold data, in order, disjoint.

        The rest is zeros for sure.

        Cheap: consults tables and SEEK_HOLE, reads no content.
        """

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills `buffer` with the guest's bytes from `offset`, zeros included.

        Raises `Invalid` (`ImageDamaged`, `ImageTruncated`) where the content cannot be had, never
        gives other bytes.
        """

    def close(self) -> None:
        """Closes every source."""
