"""Stage 2, first half: a disk as windows that are read once, in order, and cut as they come."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imgrepl.chunking.cutter import Cutter
from imgrepl.disks.disk import Disk, Extent
from imgrepl.model.chunker import SEGMENT_BYTES
from imgrepl.model.manifest import padded_bytes

WINDOWS_READ_AHEAD = 2
"""Windows that are being read while one is cut."""


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


def cut_windows(
    disk: Disk, cutter: Cutter, window_bytes: int, pool: Executor
) -> Iterator[CutWindow]:
    """Reads `disk` in windows of `window_bytes`, never its holes, and cuts them.

    Reads the next windows in `pool` while one is cut. A chunk that a window leaves open is carried
    into the next one, if that is adjacent and in the same segment. Raises what the reader raises;
    the cuts do not depend on `window_bytes`.
    """
    carry = memoryview(b"")
    windows = _read_ahead(disk, window_bytes, cutter.bytes_max, pool)
    current = next(windows, None)
    while current is not None:
        following = next(windows, None)
        data = current.behind(carry)
        last_of_segment = current.end % SEGMENT_BYTES == 0
        final = last_of_segment or following is None or following.offset != current.end
        cuts = cutter.cut(data, final=final)
        offset = current.offset - len(carry)
        yield CutWindow(offset, data, cuts.chunks, cuts.occupied_bytes, current.read_bytes)
        carry = data[cuts.consumed :]
        current = following


class _ReadWindow(NamedTuple):
    """A window that is being read. Its buffer begins with room for what is carried into it."""

    offset: int
    end: int
    read_bytes: int
    buffer: Future[memoryview]

    def behind(self, carry: memoryview) -> memoryview:
        """The window's bytes, once they are read, with the carried ones before them."""
        buffer = self.buffer.result()
        start = len(buffer) - (self.end - self.offset) - len(carry)
        assert start >= 0, f"{len(carry)} bytes are carried, more than the longest chunk has"
        buffer[start : start + len(carry)] = carry
        return buffer[start:]


def _read_ahead(
    disk: Disk, window_bytes: int, carry_bytes_max: int, pool: Executor
) -> Iterator[_ReadWindow]:
    ahead: deque[_ReadWindow] = deque()
    for offset, extents in _windows(disk, window_bytes):
        end = min(offset + window_bytes, padded_bytes(disk.size_bytes))
        # made here and filled there: memory that one thread asks for is found again when it is free
        room = np.empty(carry_bytes_max + end - offset, np.uint8)
        buffer = pool.submit(_read, disk, offset, end, extents, room)
        read_bytes = sum(extent.length for extent in extents)
        ahead.append(_ReadWindow(offset, end, read_bytes, buffer))
        if len(ahead) > WINDOWS_READ_AHEAD:
            yield ahead.popleft()
    yield from ahead


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


def _read(
    disk: Disk, offset: int, end: int, extents: list[Extent], room: npt.NDArray[np.uint8]
) -> memoryview:
    """Fills the end of `room` with the window; what lies between extents is zero."""
    start = len(room) - (end - offset)
    if len(extents) != 1 or extents[0].length != end - offset:
        room[start:] = 0
    buffer = memoryview(room.data)
    for extent in extents:
        at = start + extent.offset - offset
        disk.read_into(extent.offset, buffer[at : at + extent.length])
    return buffer
