"""Stage 3: what the source place lacks; what is reused is pinned before anything relies on it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from imgrepl.engine.dedup_entries import Slot
from imgrepl.model.ids import ChunkId, PackId


@dataclass(slots=True, eq=False)
class OpenPack:
    """A pack as the engine sees it while it ingests: its id is known once it is closed."""

    pack_id: PackId | None = None
    pack_bytes: int = 0


@dataclass(slots=True, eq=False)
class ChunkRef:
    """Where a chunk is, or will be: the packer fills in those that are new."""

    pack: OpenPack | None = None
    slot: int = -1
    stored_bytes: int = 0


class Decision(NamedTuple):
    """One chunk's fate. `new` is set for the first appearance of what the place lacks."""

    ref: ChunkRef
    new: bool


class KnownChunks(Protocol):
    """The dedup cache, or what stands for it."""

    def lookup(self, chunk_ids: Sequence[ChunkId]) -> list[Slot | None]:
        """Where each chunk is, or None."""


class Deduplicator:
    """Knows each chunk that the source place has, or is about to get from this operation.

    Not thread-safe: one coordinator asks in disk order, so that the outcome does not depend on
    timing. `pin` takes pack ids, pins those that are present in the source place and gives those;
    it is asked once a pack.
    """

    def __init__(
        self, cache: KnownChunks, pin: Callable[[Iterable[PackId]], dict[PackId, int]]
    ) -> None:
        self._cache = cache
        self._pin = pin
        self._usable: dict[PackId, OpenPack | None] = {}
        self._pending: dict[ChunkId, ChunkRef] = {}

    def decide(self, chunk_ids: Sequence[ChunkId]) -> list[Decision]:
        """The fate of each chunk, in order."""
        unknown = [chunk_id for chunk_id in chunk_ids if chunk_id not in self._pending]
        hits = dict(zip(unknown, self._cache.lookup(unknown), strict=True))
        self._pin_new({hit.pack_id for hit in hits.values() if hit is not None})
        decisions = []
        for chunk_id in chunk_ids:
            ref = self._pending.get(chunk_id)
            if ref is not None:
                decisions.append(Decision(ref, new=False))
                continue
            hit = hits[chunk_id]
            pack = self._usable.get(hit.pack_id) if hit is not None else None
            if hit is not None and pack is not None:
                decisions.append(Decision(ChunkRef(pack, hit.slot, hit.stored_bytes), new=False))
                continue
            ref = self._pending[chunk_id] = ChunkRef()
            decisions.append(Decision(ref, new=True))
        return decisions

    def stored(self, pack: OpenPack, chunk_ids: Sequence[ChunkId]) -> None:
        """`pack` is durable and in the cache: its chunks are found there from now on."""
        assert pack.pack_id is not None, "only a closed pack is stored"
        self._usable[pack.pack_id] = pack
        for chunk_id in chunk_ids:
            self._pending.pop(chunk_id, None)

    def _pin_new(self, pack_ids: set[PackId]) -> None:
        unseen = pack_ids - self._usable.keys()
        if not unseen:
            return
        pinned = self._pin(unseen)
        for pack_id in unseen:
            size = pinned.get(pack_id)
            self._usable[pack_id] = None if size is None else OpenPack(pack_id, size)
