"""Where the slots of another store's packs are in this one, and the manifests that follow."""

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from imgrepl.engine.context import Engine
from imgrepl.engine.dedup import ChunkRef, OpenPack
from imgrepl.engine.footers import read_footer
from imgrepl.engine.foreign import ForeignVersion, PackNeed
from imgrepl.engine.runs import ManifestBuilder
from imgrepl.errors import Corrupt
from imgrepl.gallery import packs
from imgrepl.layout.pack import FrameEntry, PackFooter
from imgrepl.model.ids import ChunkId, PackId
from imgrepl.model.manifest import Manifest, PackUse
from imgrepl.model.region import Place

_FOOTERS_KEPT = 128


class _Chunk(NamedTuple):
    chunk_id: ChunkId
    plain_bytes: int
    stored_bytes: int


class _Elsewhere(NamedTuple):
    """A pack that did not come whole: slots, and for each the number of a handle and its slot."""

    slots: "array[int]"
    handles: "array[int]"
    there: "array[int]"
    entries: dict[int, FrameEntry]


class SlotMap:
    """Knows the packs that did not come whole; all others are here under their own name.

    Memory: 12 bytes for each needed slot of those, and the footers that were used last.
    """

    def __init__(self, engine: Engine, home: Place, foreign: ForeignVersion) -> None:
        self._engine = engine
        self._home = home
        self._foreign = foreign
        self._handles: list[OpenPack] = []
        self._numbers: dict[OpenPack, int] = {}
        self._elsewhere: dict[PackId, _Elsewhere] = {}
        self._footers: OrderedDict[PackId, PackFooter] = OrderedDict()

    def note(
        self,
        pack_id: PackId,
        slots: Sequence[int],
        refs: Sequence[ChunkRef],
        *,
        entries: Sequence[FrameEntry] = (),
    ) -> None:
        """These slots are where `refs` say. `entries` are kept where no footer could say them."""
        self._elsewhere[pack_id] = _Elsewhere(
            slots=array("I", slots),
            handles=array("I", [self._number(ref) for ref in refs]),
            there=array("I", [ref.slot for ref in refs]),
            entries=dict(zip(slots, entries, strict=True)) if entries else {},
        )

    def _number(self, ref: ChunkRef) -> int:
        assert ref.pack is not None, "a chunk is placed before it is noted"
        if ref.pack not in self._numbers:
            self._numbers[ref.pack] = len(self._handles)
            self._handles.append(ref.pack)
        return self._numbers[ref.pack]

    def translated(self, manifest: Manifest) -> Manifest:
        """The manifest of the same disk in this store: itself, where every pack came whole.

        Raises `Corrupt` (`ManifestCorrupt`) where the slots do not give the content it names: what
        is published here later may be of that name, and would be taken to be this.
        """
        found = self._built(manifest)
        if found.content_id != manifest.content_id:
            raise _of_another(manifest)
        moved = any(use.pack_id in self._elsewhere for use in manifest.packs)
        return found if moved else manifest

    def _built(self, manifest: Manifest) -> Manifest:
        """The disk chunk by chunk, as the footers name them."""
        own: dict[PackId, OpenPack] = {}
        builder = ManifestBuilder(manifest.size_bytes)
        for run in manifest.runs:
            use = manifest.packs[run.pack]
            offset = run.disk_offset
            for slot in range(run.first_slot, run.first_slot + run.slots):
                chunk = self._chunk(use, slot)
                named, at = self._located(use, slot)
                assert named.pack_id is not None, "manifests are translated once packs are closed"
                pack = own.setdefault(named.pack_id, named)
                ref = ChunkRef(pack, at, chunk.stored_bytes)
                if offset + chunk.plain_bytes > run.disk_offset + run.length_bytes:
                    raise _of_another(manifest)
                builder.add(offset, chunk.plain_bytes, chunk.chunk_id, ref)
                offset += chunk.plain_bytes
        return builder.finish()

    def _located(self, use: PackUse, slot: int) -> tuple[OpenPack, int]:
        """The pack of this store that has the chunk, and its slot there."""
        one = self._elsewhere.get(use.pack_id)
        if one is None:
            return OpenPack(use.pack_id, use.pack_bytes), slot
        at = bisect_left(one.slots, slot)
        return self._handles[one.handles[at]], one.there[at]

    def _chunk(self, use: PackUse, slot: int) -> _Chunk:
        one = self._elsewhere.get(use.pack_id)
        if one is not None and one.entries:
            entry = one.entries[slot]
            return _Chunk(entry.chunk_id, entry.plain_bytes, entry.stored_bytes)
        footer = self._footer(use)
        if slot >= footer.slots:
            raise Corrupt(
                f"slot {slot} of pack {use.pack_id} is named, which the pack does not have",
                code="ManifestCorrupt",
                hint="`imgrepl image-version repair` mends it where it comes from",
            )
        plain, stored = int(footer.plain_bytes[slot]), int(footer.stored_bytes[slot])
        return _Chunk(footer.chunk_id(slot), plain, stored)

    def _footer(self, use: PackUse) -> PackFooter:
        footer = self._footers.get(use.pack_id)
        if footer is None:
            footer = self._footers[use.pack_id] = self._read_footer(use)
            if len(self._footers) > _FOOTERS_KEPT:
                self._footers.popitem(last=False)
        self._footers.move_to_end(use.pack_id)
        return footer

    def _read_footer(self, use: PackUse) -> PackFooter:
        """From this store where the pack is here, else from the one it is copied from."""
        with self._engine.index.read() as tx:
            row = packs.present_in(tx, self._home.id, [use.pack_id]).get(use.pack_id)
        if row is not None:
            return read_footer(self._engine.stores.of(self._home), row)
        need = PackNeed(pack_id=use.pack_id, pack_bytes=use.pack_bytes, slots=())
        found = self._foreign.footer_of(need)
        assert found is not None, "a pack that no place has whole has its entries kept"
        return found


def _of_another(manifest: Manifest) -> Corrupt:
    return Corrupt(
        f"the packs of {manifest.content_id} give another content",
        code="ManifestCorrupt",
        target=manifest.content_id,
        hint="`imgrepl image-version repair` mends it where it comes from",
    )
