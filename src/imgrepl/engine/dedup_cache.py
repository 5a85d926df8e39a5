"""The dedup cache: which pack, and which slot of it, holds a chunk.

A local folder of its own that any number of processes use at once. It is never the truth: a hit
counts only if the gallery index says that its pack is live and present, and whatever is lost here,
pack footers rebuild. So nothing is synced to disk: what was added outlives the process that added
it, and what a crash of the machine damaged is found by its checksum and dropped.

New packs go to this process's journal and to a table in memory. When that has its share of the
memory, the journal becomes a run, sorted and immutable, and four runs or more of like size become
one. Memory for M bytes: M/8 for the table, 5/8 for what is resident of runs (0.08 bytes a chunk,
1 more for as many as fit, and 48 for those of the smallest runs), M/4 while merging, and 1 MiB for
the pages being looked at.
"""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from imgrepl.engine.dedup_entries import PackChunks, Slot
from imgrepl.engine.dedup_folder import JOURNAL, CacheFolder
from imgrepl.engine.dedup_journal import Journal
from imgrepl.engine.dedup_run import PageBuffer, Query
from imgrepl.engine.dedup_runs import RunSet
from imgrepl.errors import Corrupt, Unavailable
from imgrepl.layout.pack import FrameEntry, PackFooter
from imgrepl.model.ids import ChunkId, PackId

MEMORY_BYTES_MIN = 1 << 20

_TABLE_ENTRY_BYTES = 320
"""What a chunk takes in the table: an id, a slot, and their place in a dict."""

_LOOKUPS_AT_ONCE = 256


class DedupCache:
    """Chunk id → pack and slot, for one store. Thread-safe.

    Sees what was in `folder` when it was opened and all that it adds itself; what other processes
    add meanwhile, from time to time. Any call raises `Unavailable` (`CacheUnavailable`) when the
    folder cannot be used.
    """

    def __init__(self, folder: Path, *, memory_bytes_max: int) -> None:
        assert memory_bytes_max >= MEMORY_BYTES_MIN, memory_bytes_max
        self._path = folder
        self._table_entries_max = memory_bytes_max // 8 // _TABLE_ENTRY_BYTES
        self._lock = threading.Lock()
        self._journal: Journal | None = None
        self._table: dict[bytes, Slot] = {}
        self._table_packs: set[bytes] = set()
        self._buffer = PageBuffer(_LOOKUPS_AT_ONCE)
        self._forgotten: set[bytes] = set()
        with self._using():
            self._folder = CacheFolder(folder)
            self._runs = RunSet(self._folder, memory_bytes_max)
            self._runs.open_files()
            self._runs.merge_when_due()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def lookup(self, chunk_ids: Sequence[ChunkId]) -> list[Slot | None]:
        """Where each chunk is, or None; of several places the newest.

        A chunk costs one read of 4 KiB at most, none where its run fits in memory.
        """
        slots: list[Slot | None] = []
        with self._using():
            for at in range(0, len(chunk_ids), _LOOKUPS_AT_ONCE):
                slots += self._lookup(chunk_ids[at : at + _LOOKUPS_AT_ONCE])
        return slots

    def add_pack(self, pack_id: PackId, contents: PackFooter | Sequence[FrameEntry]) -> None:
        """Makes a pack's chunks known; when this returns they outlive the process."""
        chunks = _chunks_of(pack_id, contents)
        with self._using():
            self._open_journal().add(chunks)
            self._forgotten.discard(chunks.pack_id)
            self._tabulate(chunks)
            if len(self._table) >= self._table_entries_max:
                self._seal_journal()

    def pack_ids(self) -> set[PackId]:
        """The packs whose chunks are all known."""
        with self._using():
            return {PackId(pack_id.hex()) for pack_id in self._known_packs()}

    def forget(self, pack_ids: Collection[PackId]) -> None:
        """Drops packs and their chunks. A pack that is added again later is known again."""
        with self._using():
            gone = self._known_packs() & {bytes.fromhex(pack_id) for pack_id in pack_ids}
            if not gone:
                return
            self._open_journal().forget(gone)
            self._forgotten |= gone
            self._runs.set_forgotten(self._forgotten)
            if not gone.isdisjoint(self._table_packs):
                self._tabulate_journal()

    def close(self) -> None:
        """Closes every file. The journal stays, and belongs to who opens the folder next."""
        with self._lock:
            self._runs.close()
            if self._journal is not None:
                self._journal.close()
                self._journal = None

    @contextmanager
    def _using(self) -> Iterator[None]:
        """Holds the lock, and tells of a folder that cannot be used."""
        with self._lock:
            try:
                yield
            except OSError as error:
                raise Unavailable(
                    f"the dedup cache in {self._path} cannot be used: {error}",
                    code="CacheUnavailable",
                    target=str(self._path),
                    hint="make room or mend its permissions; it may be deleted at any time",
                ) from error

    def _known_packs(self) -> set[bytes]:
        living = {pack_id for run in self._runs for pack_id in run.living()}
        return living.union(self._table_packs)

    def _lookup(self, chunk_ids: Sequence[ChunkId]) -> list[Slot | None]:
        slots: list[Slot | None] = list(map(self._table.get, chunk_ids))
        if None not in slots:
            return slots
        query = Query.of(chunk_ids)
        missing = np.array([slot is None for slot in slots], np.bool_)
        for run in self._runs:
            try:
                rows, found = run.lookup(query, missing, self._buffer)
            except Corrupt:
                self._runs.drop(run)
                continue
            for row, slot in zip(reversed(rows.tolist()), reversed(found), strict=True):
                slots[row] = slot  # of several, the first is the newest
            missing[rows] = False
        return slots

    def _open_journal(self) -> Journal:
        if self._journal is None:
            self._journal = Journal(self._folder.create(JOURNAL))
        return self._journal

    def _seal_journal(self) -> None:
        """Makes a run of the journal; the next pack begins a new one."""
        assert self._journal is not None, "what is in the table is in the journal"
        self._runs.take_journal(self._journal)
        self._journal = None
        self._table, self._table_packs = {}, set()
        self._forgotten = set()
        self._runs.set_forgotten(self._forgotten)
        self._runs.merge_when_due()

    def _tabulate(self, chunks: PackChunks) -> None:
        """Puts a pack in the table; the newest place of a chunk counts."""
        pack_id = PackId(chunks.pack_id.hex())
        ids = chunks.chunk_ids
        keys = [ids[at : at + 32] for at in range(0, len(ids), 32)]
        slots = zip(range(len(keys)), chunks.stored_bytes.tolist(), strict=True)
        self._table.update(
            (key, Slot(pack_id, *slot)) for key, slot in zip(keys, slots, strict=True)
        )
        self._table_packs.add(chunks.pack_id)

    def _tabulate_journal(self) -> None:
        """Makes the table anew from what the journal says in the end."""
        self._table, self._table_packs = {}, set()
        for chunks in self._open_journal().content().added.values():
            self._tabulate(chunks)


def _chunks_of(pack_id: PackId, contents: PackFooter | Sequence[FrameEntry]) -> PackChunks:
    if isinstance(contents, PackFooter):
        ids, stored = contents.chunk_ids, contents.stored_bytes.astype(np.uint32)
    else:
        ids = b"".join([entry.chunk_id for entry in contents])
        stored = np.array([entry.stored_bytes for entry in contents], np.uint32)
    return PackChunks(bytes.fromhex(pack_id), ids, stored)
