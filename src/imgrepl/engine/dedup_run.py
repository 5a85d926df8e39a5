"""Runs: sorted, immutable files of the dedup cache, read page by page.

```
pages     4,096 bytes each: XXH3-64 of the rest seeded with the page's number, 102 entries
filter    a 64-bit word for every 8 entries: 4 bits set for each
fences    for every page, the number its first entry is sorted by
packs     ids and numbers of entries
forgets   ids of packs that are gone from all files older than this one
trailer   counts and checksums
```

Resident are the fences, 0.08 bytes an entry, the packs and, as far as the cache's budget goes, the
filter, 1 byte an entry, or all, 48 bytes. With the filter, of 25 chunks that are not here one costs
a page; with all in memory no look costs one.
"""

import os
from collections.abc import Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64, xxh3_64_digest, xxh3_64_intdigest

from imgrepl.engine.dedup_entries import ENTRY, Entries, Slot, Words, columns_of, packs_of
from imgrepl.errors import Corrupt
from imgrepl.model.ids import ChunkId, PackId

PAGE_BYTES = 4096
PAGE_ENTRIES = (PAGE_BYTES - 8) // ENTRY.itemsize
PAGE = np.dtype(
    {
        "names": ["checksum", "entries"],
        "formats": ["<u8", (ENTRY, PAGE_ENTRIES)],
        "offsets": [0, 8],
        "itemsize": PAGE_BYTES,
    }
)
PACK = np.dtype([("id", "V32"), ("entries", "<u4")])
FILTER_ENTRIES_PER_WORD = 8
TRAILER = Struct("<8sQQII8s8s8s")
"""Magic, entries, filter words, packs, forgets; XXH3-64 of the filter, the index, the trailer."""
MAGIC = b"\x89IRrun1\n"

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Pages = npt.NDArray[np.void]

_FILTER_PIECE_BYTES = 1 << 20
_PAGES_LOADED_AT_ONCE = 64
_NO_ROWS: Rows = np.zeros(0, np.int64)
_NO_WHERE: Words = np.zeros(0, np.uint64)


class RunShape(NamedTuple):
    """Where the sections of a run lie; follows from its counts."""

    entries: int
    filter_words: int
    packs: int
    forgets: int

    @property
    def pages(self) -> int:
        return -(-self.entries // PAGE_ENTRIES)

    @property
    def filter_at(self) -> int:
        return self.pages * PAGE_BYTES

    @property
    def index_at(self) -> int:
        return self.filter_at + 8 * self.filter_words

    @property
    def index_bytes(self) -> int:
        return 8 * self.pages + PACK.itemsize * self.packs + 32 * self.forgets

    @property
    def file_bytes(self) -> int:
        return self.index_at + self.index_bytes + TRAILER.size


class Resident(IntEnum):
    """What of a run is in memory besides its fences."""

    NOTHING = 0
    FILTER = 1
    ALL = 2


class Query(NamedTuple):
    """Chunk ids to look for, with what every run needs of them."""

    words: Words
    keys: Words
    bits: Words

    @classmethod
    def of(cls, chunk_ids: Sequence[ChunkId]) -> "Query":
        """A query for `chunk_ids`, a row for each."""
        words = np.frombuffer(b"".join(chunk_ids), "<u8").reshape(-1, 4)
        return cls(words, words[:, 0].astype(np.uint64), filter_bits(words))


class PageBuffer:
    """Room for some pages, used again and again: a new one for each read costs half as much again.

    What it gave is only good until it is filled again.
    """

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self._data = bytearray(pages * PAGE_BYTES)
        view = memoryview(self._data)
        starts = range(0, len(view), PAGE_BYTES)
        self._targets = [(view[at : at + PAGE_BYTES],) for at in starts]
        self._checked = [view[at + 8 : at + PAGE_BYTES] for at in starts]

    def fill(self, descriptor: int, numbers: Sequence[int]) -> Pages | None:
        """The pages of those numbers, or None when one is short or not what was written."""
        for number, target in zip(numbers, self._targets, strict=False):
            if os.preadv(descriptor, target, number * PAGE_BYTES) != PAGE_BYTES:
                return None
        read = np.frombuffer(self._data, PAGE, len(numbers))
        digests = list(map(xxh3_64_intdigest, self._checked, numbers))
        return read if read["checksum"].tolist() == digests else None


class Run:
    """An open run. Not thread-safe. Every read raises `Corrupt` for what was not written so.

    `path` is None when the file has no name any more. `alive` tells for each pack of the table
    whether it counts: what newer files forgot does not.
    """

    def __init__(self, descriptor: int, path: Path | None, sequence: int) -> None:
        self.path, self.sequence = path, sequence
        self._descriptor = descriptor
        self._filter: Words | None = None
        self._sorted: tuple[Words, Entries] | None = None
        self.shape, self._filter_digest, index_digest = self._read_trailer()
        index = self._read(self.shape.index_at, self.shape.index_bytes)
        if xxh3_64_digest(index) != index_digest:
            raise self._corrupt("its index does not agree with its checksum")
        pages, packs_end = self.shape.pages, self.shape.index_bytes - 32 * self.shape.forgets
        self._fences = np.frombuffer(index, "<u8", pages).astype(np.uint64)
        self.packs = np.frombuffer(index[8 * pages : packs_end], PACK)
        self._pack_ids: bytes = self.packs["id"].tobytes()
        self.forgets = frozenset(index[at : at + 32] for at in range(packs_end, len(index), 32))
        self.alive = np.ones(self.shape.packs, np.bool_)

    def resident_bytes(self, resident: Resident) -> int:
        """Memory it takes, when that much is kept."""
        fences = self._fences.nbytes + self.packs.nbytes + len(self._pack_ids)
        extra = (0, 8 * self.shape.filter_words, (8 + ENTRY.itemsize) * self.shape.entries)
        return fences + extra[resident]

    def pack_id(self, pack: int) -> bytes:
        """The id of the pack at that position of the table."""
        return self._pack_ids[32 * pack : 32 * pack + 32]

    def living(self) -> Iterator[bytes]:
        """Ids of the packs that count."""
        for identity in self.packs["id"][self.alive]:
            yield bytes(identity)

    def set_forgotten(self, pack_ids: set[bytes]) -> None:
        """Takes note of what newer files forgot."""
        self.alive[:] = True
        if pack_ids:
            self.alive[:] = [self.pack_id(at) not in pack_ids for at in range(self.shape.packs)]

    def keep(self, resident: Resident) -> None:
        """Loads that much into memory, and lets go of the rest."""
        if resident != Resident.FILTER:
            self._filter = None
        elif self._filter is None:
            self._filter = self._load_filter()
        if resident != Resident.ALL:
            self._sorted = None
        elif self._sorted is None:
            self._sorted = self._load_entries()

    def lookup(self, query: Query, missing: Mask, buffer: PageBuffer) -> tuple[Rows, list[Slot]]:
        """Rows of `query` that are `missing`, are here and count, in any order, and their slots."""
        if not self.shape.entries:
            return _NO_ROWS, []
        if self._sorted is not None:
            rows, where = self._look_in_memory(query, np.flatnonzero(missing), *self._sorted)
            return rows, self._slots(where)
        rows, pages = self._pages_of(query, self._candidates(query, missing))
        found_rows, found = [_NO_ROWS], [_NO_WHERE]
        for at in range(0, len(rows), buffer.pages):
            part = slice(at, at + buffer.pages)
            columns = self._look_in_pages(query, rows[part], pages[part], buffer)
            found_rows.append(columns[0])
            found.append(columns[1])
        return np.concatenate(found_rows), self._slots(np.concatenate(found))

    def batches(self, pages_at_once: int) -> Iterator[Entries]:
        """All entries in order, those of dead packs too."""
        for first in range(0, self.shape.pages, pages_at_once):
            end = min(first + pages_at_once, self.shape.pages)
            rest = self.shape.entries - first * PAGE_ENTRIES
            buffer = PageBuffer(end - first)
            pages = buffer.fill(self._descriptor, range(first, end))
            yield self._checked(pages).reshape(-1)[:rest]

    def close(self) -> None:
        """Closes the file; the run is of no use afterwards."""
        self._filter = self._sorted = None
        os.close(self._descriptor)

    def _read_trailer(self) -> tuple[RunShape, bytes, bytes]:
        size = os.fstat(self._descriptor).st_size
        trailer = self._read(max(0, size - TRAILER.size), TRAILER.size)
        magic, *counts, filter_digest, index_digest, digest = TRAILER.unpack(trailer)
        if magic != MAGIC or digest != xxh3_64_digest(trailer[: -len(digest)]):
            raise self._corrupt("it does not end like a run")
        shape = RunShape(*counts)
        if shape.file_bytes != size:
            raise self._corrupt(f"it has {size} bytes where {shape.file_bytes} are stated")
        return shape, filter_digest, index_digest

    def _candidates(self, query: Query, missing: Mask) -> Rows:
        """Missing rows that may be here."""
        if self._filter is None:
            return np.flatnonzero(missing)
        present = self._filter[filter_positions(query.keys, self.shape.filter_words)]
        return np.flatnonzero(((present & query.bits) == query.bits) & missing)

    def _pages_of(self, query: Query, rows: Rows) -> tuple[Rows, Rows]:
        """Each row with the page to look in; with several where equal numbers span pages."""
        keys = query.keys[rows]
        last = np.searchsorted(self._fences, keys, "right") - 1
        if not (self._fences[last] == keys).any() and (last >= 0).all():
            return rows, last
        first = np.maximum(np.searchsorted(self._fences, keys, "left") - 1, 0)
        return _spread(rows, first, last + 1)

    def _look_in_memory(
        self, query: Query, rows: Rows, keys: Words, entries: Entries
    ) -> tuple[Rows, Words]:
        wanted = query.keys[rows]
        first = np.searchsorted(keys, wanted)
        here = keys[np.minimum(first, len(keys) - 1)] == wanted
        if not here.any():
            return _NO_ROWS, _NO_WHERE
        end = np.searchsorted(keys, wanted[here], "right")
        rows, at = _spread(rows[here], first[here], end)
        return self._counting(query, rows, entries[at])

    def _look_in_pages(
        self, query: Query, rows: Rows, pages: Rows, buffer: PageBuffer
    ) -> tuple[Rows, Words]:
        entries = self._checked(buffer.fill(self._descriptor, pages.tolist()))
        pair, column = np.nonzero(entries["id"][:, :, 0] == query.keys[rows][:, None])
        written = pages[pair] * PAGE_ENTRIES + column < self.shape.entries
        pair, column = pair[written], column[written]
        return self._counting(query, rows[pair], entries[pair, column])

    def _counting(self, query: Query, rows: Rows, found: Entries) -> tuple[Rows, Words]:
        """Of entries that `rows` may be, those that are equal in full and whose pack counts."""
        right = (found["id"] == query.words[rows]).all(axis=1)
        right[right] = self.alive[packs_of(found["where"][right])]
        return rows[right], found["where"][right]

    def _slots(self, where: Words) -> list[Slot]:
        if not len(where):
            return []
        packs, slots, stored = columns_of(where)
        names = {pack: PackId(self.pack_id(pack).hex()) for pack in set(packs)}
        return list(map(Slot, map(names.__getitem__, packs), slots, stored))

    def _checked(self, pages: Pages | None) -> Entries:
        if pages is None:
            raise self._corrupt("it ends early or a page does not agree with its checksum")
        return pages["entries"]

    def _load_entries(self) -> tuple[Words, Entries]:
        """What entries are sorted by, and entries."""
        entries, at = np.empty(self.shape.entries, ENTRY), 0
        for batch in self.batches(_PAGES_LOADED_AT_ONCE):
            entries[at : at + len(batch)] = batch
            at += len(batch)
        return entries["id"][:, 0].astype(np.uint64), entries

    def _load_filter(self) -> Words:
        words = np.empty(self.shape.filter_words, np.uint64)
        view, checksum = memoryview(words.data).cast("B"), xxh3_64()
        for at in range(0, len(view), _FILTER_PIECE_BYTES):
            piece = view[at : at + _FILTER_PIECE_BYTES]
            piece[:] = self._read(self.shape.filter_at + at, len(piece))
            checksum.update(piece)
        if checksum.digest() != self._filter_digest:
            raise self._corrupt("its filter does not agree with its checksum")
        return words

    def _read(self, at: int, length: int) -> bytes:
        data = os.pread(self._descriptor, length, at)
        if len(data) != length:
            raise self._corrupt("it ends early")
        return data

    def _corrupt(self, what: str) -> Corrupt:
        return Corrupt(f"dedup cache file {self.path}: {what}", code="CacheCorrupt")


def _spread(rows: Rows, first: Rows, end: Rows) -> tuple[Rows, Rows]:
    """Each row as often as there are numbers from its `first` to before its `end`, with those."""
    reach = end - first
    if (reach == 1).all():
        return rows, first
    rows = np.repeat(rows, reach)
    return rows, np.repeat(end - np.cumsum(reach), reach) + np.arange(len(rows))


def filter_positions(keys: Words, filter_words: int) -> Rows:
    """Which word of the filter speaks for each of `keys`; grows with them."""
    high = keys >> np.uint64(32)
    return ((high * np.uint64(filter_words)) >> np.uint64(32)).astype(np.int64)


def filter_bits(words: Words) -> Words:
    """The four bits that each row sets in its word."""
    source, low_six = words[:, 1], np.uint64(63)
    bits = np.uint64(1) << (source & low_six)
    for shift in (6, 12, 18):
        bits |= np.uint64(1) << ((source >> np.uint64(shift)) & low_six)
    return bits
