"""Where a guest's bytes are: runs of one kind, in sorted arrays, found by bisection."""

from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgrepl.disks.disk import ByteSource, Disk, Extent

HOLE_SEARCH_BYTES_MIN = 1024 * 1024
"""Shorter runs are not asked for holes of the file: two system calls would save too little."""


class Kind(IntEnum):
    """Where the bytes of a run come from."""

    ZERO = 0
    PARENT = 1
    DATA = 2
    """From the file, at `location`."""
    PARTIAL = 3
    """From the file, at `location`, or from the parent, sector by sector."""
    COMPRESSED = 4
    """From one compressed cluster; `location` is its entry."""


class Run(NamedTuple):
    """Guest bytes `[offset, offset + length)` of one kind."""

    offset: int
    length: int
    kind: Kind
    location: int


_KINDS = tuple(Kind)
_MOVING = (Kind.DATA, Kind.PARTIAL)


class RunMap:
    """Runs that cover `[start, end)` without a gap, as 17 bytes each."""

    def __init__(
        self,
        starts: NDArray[np.int64],
        kinds: NDArray[np.uint8],
        locations: NDArray[np.int64],
        end: int,
    ) -> None:
        assert starts.size == kinds.size == locations.size > 0, "a map covers something"
        self._starts = starts
        self._kinds = kinds
        self._locations = locations
        self._end = end

    @classmethod
    def of_units(
        cls,
        start: int,
        end: int,
        unit_bytes: int,
        kinds: NDArray[np.uint8],
        locations: NDArray[np.int64],
        *,
        units_per_cluster: int = 1,
    ) -> "RunMap":
        """Merges units that continue each other; the last unit may reach past `end`.

        `locations` count for kinds that have one. A compressed cluster is a run of its own.
        """
        moving = (kinds == Kind.DATA) | (kinds == Kind.PARTIAL)
        fresh = np.ones(kinds.size, dtype=np.bool_)
        fresh[1:] = kinds[1:] != kinds[:-1]
        fresh[1:] |= moving[1:] & (locations[1:] != locations[:-1] + unit_bytes)
        fresh[::units_per_cluster] |= kinds[::units_per_cluster] == Kind.COMPRESSED
        starts = np.flatnonzero(fresh)
        kinds, locations = kinds[starts], locations[starts]
        starts *= unit_bytes
        starts += start
        return cls(starts, kinds, locations, end)

    def __len__(self) -> int:
        return self._starts.size

    def between(self, offset: int, end: int) -> Iterator[Run]:
        """The runs of `[offset, end)`, which lies within the map, cut to it."""
        first = int(np.searchsorted(self._starts, offset, side="right")) - 1
        last = int(np.searchsorted(self._starts, end, side="left"))
        starts = self._starts[first:last].tolist()
        ends = [*starts[1:], min(end, self._end)]
        kinds = self._kinds[first:last].tolist()
        locations = self._locations[first:last].tolist()
        for start, stop, number, location in zip(starts, ends, kinds, locations, strict=True):
            cut, kind = max(offset - start, 0), _KINDS[number]
            moved = location + cut if kind in _MOVING else location
            yield Run(start + cut, min(stop, end) - start - cut, kind, moved)


def fill_zeros(buffer: memoryview) -> None:
    """Zeros all of `buffer` without another buffer of its size."""
    np.frombuffer(buffer, dtype=np.uint8).fill(0)


def read_zero_extended(origin: Disk | ByteSource, offset: int, buffer: memoryview) -> None:
    """Reads what `origin` has; past its end are zeros."""
    there = max(min(origin.size_bytes - offset, buffer.nbytes), 0)
    if there:
        origin.read_into(offset, buffer[:there])
    if there < buffer.nbytes:
        fill_zeros(buffer[there:])


def stored_extents(source: ByteSource, run: Run) -> Iterator[Extent]:
    """The parts of a run at `run.location` of `source` that are no holes of it."""
    length = min(run.length, source.size_bytes - run.location)
    if 0 < length < HOLE_SEARCH_BYTES_MIN:
        yield Extent(run.offset, length)
    elif length > 0:
        for extent in source.data_extents(run.location, length):
            yield Extent(extent.offset - run.location + run.offset, extent.length)


def parent_extents(parent: Disk, offset: int, length: int) -> Iterator[Extent]:
    """The data extents of the part of `[offset, offset + length)` that lies in the parent."""
    there = min(length, parent.size_bytes - offset)
    return parent.data_extents(offset, there) if there > 0 else iter(())


def merged(extents: Iterable[Extent]) -> Iterator[Extent]:
    """Joins neighbours that touch; `extents` are in order and disjoint."""
    start = end = 0
    for offset, length in extents:
        if offset != end:
            if end > start:
                yield Extent(start, end - start)
            start = offset
        end = offset + length
    if end > start:
        yield Extent(start, end - start)
