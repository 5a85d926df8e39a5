"""A sparse source that guards its bounds, and what is true of every disk."""

from collections.abc import Iterator
from itertools import islice

from disks.memory import assert_extents_hold, read_all, read_range
from images.sparse import SparseBytes
from imgrepl.disks.disk import Disk, Extent
from imgrepl.disks.runs import merged

_PAGE_BYTES = 4096


class MemorySource:
    """Bytes that fail the test when they are read outside of their bounds.

    Pages between the layers are holes.
    """

    def __init__(self, data: SparseBytes | bytes, name: str = "memory.img") -> None:
        self.data = data if isinstance(data, SparseBytes) else SparseBytes(len(data), ((0, data),))
        self.name = name
        self.size_bytes = self.data.length
        self.reads = 0
        self.closed = False

    def read_into(self, offset: int, buffer: memoryview) -> None:
        assert not self.closed, "read after close"
        self.reads += 1
        buffer[:] = self.data.read(offset, buffer.nbytes)

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        end = min(offset + length, self.size_bytes)
        pages: set[int] = set()
        for at, content in self.data.layers:
            low, high = max(at, offset), min(at + len(content), end)
            pages.update(range(low // _PAGE_BYTES, -(-high // _PAGE_BYTES)) if low < high else ())
        for start, size in merged(Extent(p * _PAGE_BYTES, _PAGE_BYTES) for p in sorted(pages)):
            low, high = max(start, offset), min(start + size, end)
            yield Extent(low, high - low)

    def check_unchanged(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def assert_disk_is(disk: Disk, content: bytes) -> None:
    """It has this content, and none of it outside of its extents."""
    assert disk.size_bytes == len(content)
    assert read_all(disk) == content
    assert_extents_hold(disk, content, 0, len(content))


def poke(disk: Disk) -> None:
    """Reads some of a disk that may be of any size."""
    for offset in {0, disk.size_bytes // 2, max(disk.size_bytes - 65536, 0)}:
        read_range(disk, offset, min(65536, disk.size_bytes - offset))
    end = 0
    for extent in islice(disk.data_extents(0, disk.size_bytes), 1000):
        assert extent.length > 0
        assert extent.offset >= end
        end = extent.offset + extent.length
    assert end <= disk.size_bytes
