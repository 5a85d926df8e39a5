"""A disk of another store as a disk that can be read and cut anew."""

import threading
from bisect import bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from imgrepl.disks.disk import ByteSource, Extent, Problem
from imgrepl.engine.context import Engine
from imgrepl.engine.fetching import Fetched, chunks_of, plain_lengths, slots_of, with_pack
from imgrepl.model.manifest import Manifest, Run
from imgrepl.model.region import Place
from imgrepl.model.slots import SlotRange

_PACKS_KEPT = 4


class _Kept(NamedTuple):
    """A pack as it was fetched, and the plain length of each slot that the disk needs of it."""

    fetched: Fetched
    lengths: dict[int, int]


class StoredDisk:
    """A `Disk` out of the packs that hold it, each chunk proven before a byte of it is given.

    Memory: the last four packs that were used, compressed, and the chunks of one read.
    """

    def __init__(
        self, engine: Engine, manifest: Manifest, places: Sequence[Place], disk_format: str
    ) -> None:
        self._engine = engine
        self._manifest = manifest
        self._places = places
        self._format = disk_format
        self._starts = [run.disk_offset for run in manifest.runs]
        self._runs_of: dict[int, list[Run]] = defaultdict(list)
        for run in manifest.runs:
            self._runs_of[run.pack].append(run)
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def format(self) -> str:
        return self._format

    @property
    def subformat(self) -> str:
        return self._format

    @property
    def size_bytes(self) -> int:
        return self._manifest.size_bytes

    @property
    def sources(self) -> Sequence[ByteSource]:
        return ()

    @property
    def problems(self) -> Sequence[Problem]:
        return ()

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        """The runs that touch the range, cut to it."""
        end = min(offset + length, self.size_bytes)
        for run in self._runs_from(offset):
            if run.disk_offset >= end:
                return
            start = max(run.disk_offset, offset)
            stop = min(run.disk_offset + run.length_bytes, end)
            if start < stop:
                yield Extent(start, stop - start)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills `buffer`. Raises `Corrupt` where no place has a healthy copy, and `Unavailable`."""
        end = offset + len(buffer)
        buffer[:] = bytes(len(buffer))
        for run in self._runs_from(offset):
            if run.disk_offset >= end:
                return
            for at, chunk in self._chunks(run, offset, end):
                start, stop = max(at, offset), min(at + len(chunk), end)
                buffer[start - offset : stop - offset] = chunk[start - at : stop - at]

    def close(self) -> None:
        """Lets go of the packs that were fetched."""
        with self._lock:
            self._kept.clear()

    def _runs_from(self, offset: int) -> Iterator[Run]:
        first = max(0, bisect_right(self._starts, offset) - 1)
        runs = self._manifest.runs
        return (runs[number] for number in range(first, len(runs)))

    def _chunks(self, run: Run, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """The chunks of a run that touch `[start, end)`, each with its offset on the disk."""
        kept = self._pack(run.pack)
        position = run.disk_offset
        wanted: list[tuple[int, int, int]] = []
        for slot in range(run.first_slot, run.first_slot + run.slots):
            length = kept.lengths[slot]
            if position < end and position + length > start:
                wanted.append((position, length, slot))
            position += length
        if not wanted:
            return
        first_at, first_slot = wanted[0][0], wanted[0][2]
        total = sum(length for _at, length, _slot in wanted)
        part = Run(first_at, total, run.pack, first_slot, len(wanted))
        chunks = chunks_of(self._engine, kept.fetched, part)
        yield from zip([at for at, _length, _slot in wanted], chunks, strict=True)

    def _pack(self, number: int) -> _Kept:
        """A pack of the disk, as it is kept or fetched and proven now."""
        with self._lock:
            kept = self._kept.get(number)
            if kept is None:
                kept = self._kept[number] = self._fetched(number)
                if len(self._kept) > _PACKS_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(number)
            return kept

    def _fetched(self, number: int) -> _Kept:
        runs = self._runs_of[number]

        def proven(fetched: Fetched) -> _Kept:
            lengths: dict[int, int] = {}
            for run in runs:  # proven whole, before any of it is relied on
                for _chunk in chunks_of(self._engine, fetched, run):
                    pass
                slots = range(run.first_slot, run.first_slot + run.slots)
                each = plain_lengths(fetched, SlotRange(run.first_slot, run.slots))
                lengths.update(zip(slots, each, strict=True))
            return _Kept(fetched, lengths)

        use = self._manifest.packs[number]
        return with_pack(self._engine, use, slots_of(runs), self._places, proven)
