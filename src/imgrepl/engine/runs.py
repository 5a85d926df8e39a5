"""A disk's manifest while it grows: runs, the packs they name, and the content id."""

from imgrepl.engine.dedup import ChunkRef, OpenPack
from imgrepl.layout.content import ContentDigest
from imgrepl.model.ids import ChunkId
from imgrepl.model.manifest import Manifest, PackUse, Run


class _Use:
    """What one disk uses of one pack: slots as bits of an integer, stored bytes once a slot."""

    __slots__ = ("number", "slots", "used_bytes")

    def __init__(self, number: int) -> None:
        self.number = number
        self.slots = 0
        self.used_bytes = 0


class ManifestBuilder:
    """Takes chunks in disk order. Memory: one `Run` per run and some 300 bytes per pack."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._digest = ContentDigest()
        self._uses: dict[OpenPack, _Use] = {}
        self._runs: list[Run] = []
        self._open: Run | None = None
        self._chunks = 0
        self.occupied_bytes = 0

    def add(self, disk_offset: int, length: int, chunk_id: ChunkId, ref: ChunkRef) -> None:
        """The next chunk; `ref` must know its pack and slot by now."""
        assert ref.pack is not None, "a chunk is packed before its run is written"
        self._digest.add(disk_offset, length, chunk_id)
        self._chunks += 1
        self.occupied_bytes += length
        use = self._uses.get(ref.pack)
        if use is None:
            use = self._uses[ref.pack] = _Use(len(self._uses))
        bit = 1 << ref.slot
        if not use.slots & bit:
            use.slots |= bit
            use.used_bytes += ref.stored_bytes
        self._extend(disk_offset, length, use.number, ref.slot)

    def _extend(self, disk_offset: int, length: int, pack: int, slot: int) -> None:
        run = self._open
        if (
            run is not None
            and run.pack == pack
            and run.first_slot + run.slots == slot
            and run.disk_offset + run.length_bytes == disk_offset
        ):
            self._open = Run(
                run.disk_offset, run.length_bytes + length, pack, run.first_slot, run.slots + 1
            )
            return
        if run is not None:
            self._runs.append(run)
        self._open = Run(disk_offset, length, pack, slot, 1)

    def finish(self) -> Manifest:
        """The manifest, once every pack that was named is closed."""
        runs = (*self._runs, self._open) if self._open is not None else ()
        return Manifest(
            content_id=self._digest.finish(self._size_bytes),
            size_bytes=self._size_bytes,
            occupied_bytes=self.occupied_bytes,
            chunks=self._chunks,
            packs=tuple(_pack_use(pack, use) for pack, use in self._uses.items()),
            runs=runs,
        )


def _pack_use(pack: OpenPack, use: _Use) -> PackUse:
    assert pack.pack_id is not None, "a manifest is finished after its packs are closed"
    return PackUse(pack.pack_id, pack.pack_bytes, use.used_bytes)
