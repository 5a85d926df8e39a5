"""All of an ingest's reading and none of its writing: what it would send."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from imgrepl.engine.context import Engine
from imgrepl.engine.dedup import Deduplicator
from imgrepl.engine.dedup_cache import DedupCache
from imgrepl.engine.dedup_entries import Slot
from imgrepl.engine.ingest import IngestCounts
from imgrepl.engine.packer import ClosedPack
from imgrepl.engine.publisher import DiskSource, ingest_disks, presence
from imgrepl.engine.reporting import Reporter
from imgrepl.engine.sealer import IngestedDisk
from imgrepl.model.ids import ChunkId, PackId
from imgrepl.model.region import Place

_MEMORY_BYTES = 16 << 20
"""Of the cache for what would be sent; the rest of it lies in a temporary folder."""


def rehearse(
    engine: Engine, home: Place | None, disks: Sequence[DiskSource], subject: str
) -> tuple[list[IngestedDisk], IngestCounts, "Discarded"]:
    """Does all of the reading and none of the writing: what an ingest into `home` would send.

    `home` is None where the place does not exist yet, so that everything is new to it.
    """
    with (
        TemporaryDirectory(prefix="imgrepl-dry-run-") as folder,
        DedupCache(Path(folder), memory_bytes_max=_MEMORY_BYTES) as sent,
        engine.open_cache() as there,
    ):
        sink = Discarded(sent)
        deduplicator = Deduplicator(Supposed(sent, there), presence(engine, home))
        reporter = Reporter(engine, "read", subject)
        with reporter:
            ingested, counts = ingest_disks(engine, disks, deduplicator, sink, reporter)
    return ingested, counts, sink


class Discarded:
    """A `PackSink` that names packs, counts them and lets them go.

    What was in them goes into the cache `sent`, so that memory does not grow with the disk.
    """

    def __init__(self, sent: DedupCache | None = None) -> None:
        self._sent = sent
        self._named: list[ClosedPack] = []
        self.packs: dict[PackId, int] = {}

    def submit(self, pack: ClosedPack) -> None:
        """Encodes `pack`, as its length and name are part of the answer."""
        pack_id, body = pack.encode()
        self.packs[pack_id] = len(body)
        pack.bodies.give_back(body)
        if self._sent is not None:
            self._sent.add_pack(pack_id, pack.entries)
            self._named.append(pack)

    def finished(self) -> list[ClosedPack]:
        """Those that `sent` has; without it none, and every chunk stays in the deduplicator."""
        named, self._named = self._named, []
        return named

    def drain(self) -> None:
        """Has nothing to wait for."""


class Supposed:
    """What a place would have by now: what was sent to it, and what was there before."""

    def __init__(self, sent: DedupCache, there: DedupCache) -> None:
        self._sent, self._there = sent, there

    def lookup(self, chunk_ids: Sequence[ChunkId]) -> list[Slot | None]:
        found = self._sent.lookup(chunk_ids)
        unsent = [number for number, slot in enumerate(found) if slot is None]
        known = self._there.lookup([chunk_ids[number] for number in unsent])
        for number, slot in zip(unsent, known, strict=True):
            found[number] = slot
        return found
