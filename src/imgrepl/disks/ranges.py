"""Byte ranges and buffers: what every reader does with them."""

from collections.abc import Iterable, Iterator

import numpy as np

from imgrepl.disks.disk import ByteSource, Disk, Extent


def read_bytes(source: ByteSource, offset: int, length: int) -> bytes:
    """`length` bytes of a table or header; the caller has bounded `length`.

    Raises `Invalid` (`ImageTruncated`) when the source is shorter than that.
    """
    buffer = bytearray(length)
    source.read_into(offset, memoryview(buffer))
    return bytes(buffer)


def fill_with_zeros(buffer: memoryview) -> None:
    """Overwrites the whole of `buffer`."""
    np.frombuffer(buffer, dtype=np.uint8)[:] = 0


def merged(extents: Iterable[Extent]) -> Iterator[Extent]:
    """The same bytes in as few extents as possible; `extents` are in order and disjoint."""
    start = stop = 0
    for extent in extents:
        if extent.offset != stop:
            if stop > start:
                yield Extent(start, stop - start)
            start = extent.offset
        stop = extent.offset + extent.length
    if stop > start:
        yield Extent(start, stop - start)


def read_padded(disk: Disk, offset: int, buffer: memoryview) -> None:
    """Fills `buffer` from `offset`; what lies behind the end of `disk` is zeros.

    So a child reads a parent that is smaller than itself.
    """
    there = max(min(disk.size_bytes - offset, buffer.nbytes), 0)
    if there:
        disk.read_into(offset, buffer[:there])
    if there < buffer.nbytes:
        fill_with_zeros(buffer[there:])


def extents_within(disk: Disk, offset: int, length: int) -> Iterator[Extent]:
    """The data extents of the part of `[offset, offset + length)` that lies in `disk`."""
    there = min(disk.size_bytes - offset, length)
    return disk.data_extents(offset, there) if there > 0 else iter(())
