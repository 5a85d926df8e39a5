"""Raw images: the file is the disk."""

from collections.abc import Iterator, Sequence

from imgrepl.disks.disk import SECTOR_BYTES, ByteSource, Extent, Problem
from imgrepl.disks.faults import warning
from imgrepl.disks.runs import read_zero_extended
from imgrepl.errors import Invalid


class RawDisk:
    """A raw image; a last sector that is cut short is filled up with zeros, with a warning."""

    format = "raw"
    subformat = "raw"

    def __init__(self, source: ByteSource) -> None:
        if source.size_bytes == 0:
            raise Invalid(f"{source.name} holds 0 bytes", code="ImageEmpty", target=source.name)
        self._source = source
        self.sources: Sequence[ByteSource] = (source,)
        excess = source.size_bytes % SECTOR_BYTES
        self.size_bytes = source.size_bytes + (SECTOR_BYTES - excess if excess else 0)
        self.problems: Sequence[Problem] = (_unaligned(source),) if excess else ()

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        """What the file system does not know to be a hole."""
        return self._source.data_extents(offset, min(length, self.size_bytes - offset))

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills `buffer` from `offset`."""
        assert 0 <= offset <= self.size_bytes - buffer.nbytes, "reads end with the disk"
        read_zero_extended(self._source, offset, buffer)

    def close(self) -> None:
        """Closes the file."""
        self._source.close()


def _unaligned(source: ByteSource) -> Problem:
    message = (
        f"{source.size_bytes} bytes are no multiple of the sector size {SECTOR_BYTES}; the last "
        "sector is read as if it were filled up with zeros"
    )
    return warning(source, "RawSizeUnaligned", message)
