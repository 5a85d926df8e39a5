"""A source that needs no file, and whole disks as bytes."""

from collections.abc import Iterator

from imgrepl.disks.disk import Disk, Extent
from imgrepl.errors import Invalid


class BytesSource:
    """Bytes in memory; `extents` are those that are no holes, all of them by default."""

    def __init__(
        self, content: bytes, name: str = "memory", extents: list[Extent] | None = None
    ) -> None:
        self._extents = [Extent(0, len(content))] if extents is None else extents
        self.content = content
        self.name = name
        self.size_bytes = len(content)
        self.closed = False
        self.reads: list[tuple[int, int]] = []

    def read_into(self, offset: int, buffer: memoryview) -> None:
        self.reads.append((offset, buffer.nbytes))
        if offset < 0 or offset + buffer.nbytes > self.size_bytes:
            raise Invalid("read behind the end", code="ImageTruncated")
        buffer[:] = self.content[offset : offset + buffer.nbytes]

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        for extent in self._extents:
            start = max(extent.offset, offset)
            stop = min(extent.offset + extent.length, offset + length)
            if start < stop:
                yield Extent(start, stop - start)

    def check_unchanged(self) -> None:
        assert not self.closed

    def close(self) -> None:
        self.closed = True


def read_range(disk: Disk, offset: int, length: int) -> bytes:
    """The guest's bytes, read into a buffer that held something else before."""
    buffer = bytearray(b"\xa5" * length)
    disk.read_into(offset, memoryview(buffer))
    return bytes(buffer)


def read_all(disk: Disk) -> bytes:
    return read_range(disk, 0, disk.size_bytes)


def assert_extents_hold(disk: Disk, content: bytes, offset: int, length: int) -> None:
    """Extents are in order, disjoint, inside the range, and leave out nothing but zeros."""
    at = offset
    for start, count in disk.data_extents(offset, length):
        assert count > 0
        assert start >= at
        assert not any(content[at:start]), f"data in the hole [{at}, {start})"
        at = start + count
    assert at <= offset + length
    assert not any(content[at : offset + length]), f"data in the hole behind {at}"
