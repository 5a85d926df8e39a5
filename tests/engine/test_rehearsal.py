"""A dry run: what would be sent counts as sent, and memory does not grow with the disk."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.pieces import PieceDisk, blocks
from engine.test_ingest import MEBIBYTE, OPTIONS, Endless
from imgrepl.disks.disk import Disk
from imgrepl.engine.dedup import Deduplicator
from imgrepl.engine.dedup_cache import MEMORY_BYTES_MIN, DedupCache
from imgrepl.engine.ingest import Ingest, IngestCounts
from imgrepl.engine.packer import ClosedPack
from imgrepl.engine.rehearsal import Discarded, Supposed
from imgrepl.layout.pack import FrameEntry
from imgrepl.model.domain import DEFAULT_DOMAIN
from imgrepl.model.ids import PackId


class Counting(Discarded):
    """Counts the chunks that are remembered whenever a pack is let go."""

    most_remembered = 0
    deduplicator: Deduplicator

    def submit(self, pack: ClosedPack) -> None:
        super().submit(pack)
        self.most_remembered = max(self.most_remembered, len(self.deduplicator._pending))


@pytest.fixture
def caches(tmp_path: Path) -> Iterator[tuple[DedupCache, DedupCache]]:
    with (
        DedupCache(tmp_path / "sent", memory_bytes_max=MEMORY_BYTES_MIN) as sent,
        DedupCache(tmp_path / "there", memory_bytes_max=MEMORY_BYTES_MIN) as there,
    ):
        yield sent, there


def rehearse(
    disk: Disk, caches: tuple[DedupCache, DedupCache], present: dict[PackId, int] | None = None
) -> tuple[Counting, IngestCounts]:
    sent, there = caches
    sink = Counting(sent)
    deduplicator = sink.deduplicator = Deduplicator(
        Supposed(sent, there), lambda ids: {one: 1 for one in ids if one in (present or {})}
    )
    with ThreadPoolExecutor(2) as pool:
        work = Ingest(
            domain=DEFAULT_DOMAIN,
            options=OPTIONS,
            deduplicator=deduplicator,
            sink=sink,
            stop=threading.Event(),
        )
        work.disk(disk, pool, lambda _read: None)
        work.flush()
    return sink, work.counts


def test_chunks_are_forgotten_once_their_pack_is_named(
    caches: tuple[DedupCache, DedupCache],
) -> None:
    sink, counts = rehearse(Endless(16 * MEBIBYTE), caches)
    assert counts.new_bytes == 16 * MEBIBYTE
    assert len(sink.packs) > 16 * MEBIBYTE // (2 * OPTIONS.pack_bytes_target)
    chunks = 16 * MEBIBYTE // (32 << 10)
    assert sink.most_remembered > 0
    assert sink.most_remembered < chunks / 4


def test_what_occurs_again_much_later_would_be_sent_once(
    caches: tuple[DedupCache, DedupCache],
) -> None:
    data = blocks(range(1, 200))
    _sink, counts = rehearse(PieceDisk(8 * MEBIBYTE, {0: data, 4 * MEBIBYTE: data}), caches)
    assert counts.new_bytes == len(data)


def test_a_pack_that_is_not_there_any_more_does_not_hide_what_would_be_sent(
    caches: tuple[DedupCache, DedupCache],
) -> None:
    """The cache of the place remembers packs that were collected since."""
    sent, there = caches
    data = blocks(range(1, 200))
    once = PieceDisk(8 * MEBIBYTE, {0: data})
    entries: dict[PackId, list[FrameEntry]] = {}

    class Keeping(Discarded):
        def submit(self, pack: ClosedPack) -> None:
            super().submit(pack)
            assert pack.handle.pack_id is not None
            there.add_pack(pack.handle.pack_id, pack.entries)
            entries[pack.handle.pack_id] = pack.entries

    with ThreadPoolExecutor(2) as pool:
        work = Ingest(
            domain=DEFAULT_DOMAIN,
            options=OPTIONS,
            deduplicator=Deduplicator(there, lambda _ids: {}),
            sink=Keeping(),
            stop=threading.Event(),
        )
        work.disk(once, pool, lambda _read: None)
        work.flush()
    assert entries
    twice = PieceDisk(8 * MEBIBYTE, {0: data, 4 * MEBIBYTE: data})
    _sink, counts = rehearse(twice, (sent, there))
    assert counts.new_bytes == len(data)
    _sink, counts = rehearse(twice, (sent, there), dict.fromkeys(entries, 1))
    assert counts.new_bytes == 0
