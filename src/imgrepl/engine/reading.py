"""Stage 2, first half: a disk as windows that are read once, in order, and cut as they come."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from imgrepl.chunking.cutter import Cutter
from imgrepl.disks.disk import Disk, Extent
from imgrepl.model.chunker import SEGMENT_BYTES
from imgrepl.model.manifest import BLOCK_BYTES


class CutWindow(NamedTuple):
    """Chunks of one window, in disk order.

    `data` holds the bytes; `chunks` are `(start, end)` positions in it; `disk_offset` is where
    `data[0]` lies on the disk. `read_bytes` came from the source for this window.
    """

    disk_offset: int
    data: memoryview
    chunks: list[tuple[int, int]]
    occupied_bytes: int
    read_bytes: int


def allocated_bytes(disk: Disk) -> int:
    """What a reader will have to read: the disk's extents, without its holes."""
    return sum(extent.length for extent in disk.data_extents(0, disk.size_bytes))


def cut_windows(disk: Disk, cutter: Cutter, window_bytes: int) -> Iterator[CutWindow]:
    """Reads `disk` in windows of `window_bytes`, never its holes, and cuts them.

    A chunk that a window leaves open is carried into the next one, if that is adjacent and in the
    same segment. Raises what the reader raises; the cuts do not depend on `window_bytes`.
    """
    carry: memoryview | None = None
    windows = _windows(disk, window_bytes)
    current = next(windows, None)
    while current is not None:
        following = next(windows, None)
        offset, extents = current
        end = min(offset + window_bytes, _padded(disk.size_bytes))
        carried = len(carry) if carry is not None else 0
        data = _read(disk, offset, end, extents, carry)
        final = end % SEGMENT_BYTES == 0 or following is None or following[0] != end
        cuts = cutter.cut(data, final=final)
        read_bytes = sum(extent.length for extent in extents)
        yield CutWindow(offset - carried, data, cuts.chunks, cuts.occupied_bytes, read_bytes)
        carry = data[cuts.consumed :] if cuts.consumed < len(data) else None
        current = following


def _windows(disk: Disk, window_bytes: int) -> Iterator[tuple[int, list[Extent]]]:
    """Aligned windows that hold data, each with its extents."""
    start, extents = -1, list[Extent]()
    for extent in disk.data_extents(0, disk.size_bytes):
        position, extent_end = extent.offset, extent.offset + extent.length
        while position < extent_end:
            window = position - position % window_bytes
            if window != start:
                if extents:
                    yield start, extents
                start, extents = window, []
            stop = min(extent_end, window + window_bytes)
            extents.append(Extent(position, stop - position))
            position = stop
    if extents:
        yield start, extents


def _padded(size_bytes: int) -> int:
    return size_bytes + -size_bytes % BLOCK_BYTES


def _read(
    disk: Disk, offset: int, end: int, extents: list[Extent], carry: memoryview | None
) -> memoryview:
    """The carried bytes and the window behind them; what lies between extents is zero."""
    carried = len(carry) if carry is not None else 0
    whole = len(extents) == 1 and extents[0].length == end - offset
    make = np.empty if whole else np.zeros
    array = make(carried + end - offset, np.uint8)
    data = memoryview(array.data)
    if carry is not None:
        data[:carried] = carry
    for extent in extents:
        at = carried + extent.offset - offset
        disk.read_into(extent.offset, data[at : at + extent.length])
    return data
