"""A file as it would be after some writes that are only held in memory."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

from imgrepl.disks.disk import ByteSource, Extent
from imgrepl.disks.fields import past_the_end
from imgrepl.disks.runs import fill_zeros, read_zero_extended


class Write(NamedTuple):
    """Bytes `[start, end)` become `content`, or zeros where that is None."""

    start: int
    end: int
    content: bytes | None


class PatchedSource:
    """A source with writes laid over it, of `size_bytes`; what it lacks up to there is zeros.

    Never writes to the source, and never closes it by itself: `close` passes on.
    """

    def __init__(self, base: ByteSource, writes: Sequence[Write], size_bytes: int) -> None:
        self._base = base
        self.name = base.name
        self.size_bytes = size_bytes
        self._patches = flattened(writes)
        self._starts = [patch.start for patch in self._patches]

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills `buffer`, later writes winning over earlier ones and over the source."""
        end = offset + buffer.nbytes
        if end > self.size_bytes:
            raise past_the_end(self, "a read", offset, buffer.nbytes)
        read_zero_extended(self._base, offset, buffer)
        for patch in self._within(offset, end):
            start, stop = max(patch.start, offset), min(patch.end, end)
            part = buffer[start - offset : stop - offset]
            if patch.content is None:
                fill_zeros(part)
            else:
                part[:] = patch.content[start - patch.start : stop - patch.start]

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        """The source's own extents, less what was zeroed, with what was written."""
        end = min(offset + length, self.size_bytes)
        for patch in self._within(offset, end):
            yield from self._base_extents(offset, patch.start)
            start, offset = max(patch.start, offset), min(patch.end, end)
            if patch.content is not None:
                yield Extent(start, offset - start)
        yield from self._base_extents(offset, end)

    def check_unchanged(self) -> None:
        """Asks the source."""
        self._base.check_unchanged()

    def close(self) -> None:
        """Closes the source."""
        self._base.close()

    def _within(self, offset: int, end: int) -> Iterator[Write]:
        for number in range(max(bisect_right(self._starts, offset) - 1, 0), len(self._starts)):
            patch = self._patches[number]
            if patch.start >= end:
                return
            if patch.end > offset:
                yield patch

    def _base_extents(self, offset: int, end: int) -> Iterator[Extent]:
        if end > offset:
            yield from self._base.data_extents(offset, end - offset)


def flattened(writes: Sequence[Write]) -> list[Write]:
    """The same result as doing `writes` in order, as disjoint pieces sorted by place.

    O(n log n): walks all boundaries with the writes that are open there in a heap, newest first.
    """
    by_start = sorted(range(len(writes)), key=lambda number: writes[number].start)
    boundaries = sorted({edge for write in writes for edge in (write.start, write.end)})
    newest_first: list[int] = []
    pieces: list[Write] = []
    opened = 0
    for start, end in pairwise(boundaries):
        while opened < len(by_start) and writes[by_start[opened]].start <= start:
            heappush(newest_first, -by_start[opened])
            opened += 1
        while newest_first and writes[-newest_first[0]].end <= start:
            heappop(newest_first)
        if newest_first:
            pieces.append(_piece(writes[-newest_first[0]], start, end))
    return pieces


def _piece(write: Write, start: int, end: int) -> Write:
    if write.content is None:
        return Write(start, end, None)
    return Write(start, end, write.content[start - write.start : end - write.start])
