"""Stage 7 for places that need little of some packs: their frames, verbatim, in new packs.

Frames are read once, each proven by its chunk's id, and packed as they are; the new pack goes where
it is needed like any other, and only then does `moved` say what is in it.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence

from imgrepl.engine.context import Engine
from imgrepl.engine.fetching import Fetched, frames_of, with_pack
from imgrepl.engine.gathering import nearest_first
from imgrepl.engine.moving import Change, note_moved
from imgrepl.engine.server_copy import copy_pack
from imgrepl.engine.uploads import put_pack
from imgrepl.gallery import contents, moved, packs
from imgrepl.gallery import places as place_rows
from imgrepl.gallery.packs import PlacePack
from imgrepl.layout import keys
from imgrepl.layout.content import Buffer
from imgrepl.layout.moved import MovedRun
from imgrepl.layout.pack import FrameEntry, encode_pack, footer_digest, pack_id_of
from imgrepl.model.ids import ContentId, OperationId, PackId, PlaceId
from imgrepl.model.manifest import PackUse
from imgrepl.model.plan import FramesMove, Lead, PackFrames
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Place
from imgrepl.store.protocols import Store

_Frame = tuple[FrameEntry, Buffer]


class FrameMover:
    """Reads, packs and delivers frames for `content_ids`, whose needs are met afterwards."""

    def __init__(
        self,
        engine: Engine,
        operation_id: OperationId,
        places: Mapping[PlaceId, Place],
        content_ids: Sequence[ContentId],
    ) -> None:
        self._engine = engine
        self._operation_id = operation_id
        self._places = places
        self._lock = threading.Lock()
        self.done_bytes: Counter[PlaceId] = Counter()
        with engine.index.read() as tx:
            self._named = moved.uses(tx, content_ids)
            rows = [contents.get(tx, content_id) for content_id in content_ids]
        self._generations = {row.content_id: row.generation for row in rows if row is not None}

    def read(self, move: FramesMove, region: str | None = None) -> bytes:
        """The new pack: the frames of `move`, from where the plan says or from any other holder.

        For one `region` alone the holders that are nearest to it come first. Empty where nothing is
        lacking. Raises `Corrupt`, `NotFound` or `Unavailable` where no holder gives them.
        """
        if move.pack_bytes == 0:
            return b""
        found: list[_Frame] = []
        for frames in move.frames:
            found += self._frames(frames, region)
        entries, bodies = [entry for entry, _ in found], [body for _, body in found]
        return encode_pack(self._engine.domain.domain_id, bodies, entries)

    def deliver(self, region: str, move: FramesMove, body: bytes) -> None:
        """Puts the new pack into the region's places, and says there what became of the old."""
        pack_id = pack_id_of(body) if body else None
        for lead in move.leads:
            if self._places[lead.target].region != region:
                continue
            if pack_id is not None:
                self._bring(pack_id, body, lead)
            for target in (lead.target, *lead.siblings):
                self._note(target, move, pack_id)
                with self._lock:
                    self.done_bytes[target] += move.pack_bytes

    def _frames(self, frames: PackFrames, region: str | None) -> list[_Frame]:
        def collect(fetched: Fetched) -> list[_Frame]:
            return [
                frame
                for wanted in frames.need.lacking
                for frame in frames_of(self._engine, fetched, wanted)
            ]

        use = PackUse(frames.pack_id, frames.pack_bytes, frames.need.frame_bytes)
        sources = self._sources(frames, region)
        return with_pack(self._engine, use, frames.need.lacking, sources, collect)

    def _sources(self, frames: PackFrames, region: str | None) -> list[Place]:
        with self._engine.index.read() as tx:
            whole = [row.place_id for row in packs.holders(tx, [frames.pack_id])[frames.pack_id]]
            through = moved.places_with(tx, frames.pack_id)
            found = [place_rows.get(tx, number) for number in dict.fromkeys([*whole, *through])]
        if region is not None:
            return nearest_first(found, {region}, region)
        return sorted(found, key=lambda place: place.id != frames.read_from)

    def _bring(self, pack_id: PackId, body: bytes, lead: Lead) -> None:
        """Puts the pack into the first place; the others have their server copy it from there."""
        first = self._place(lead.target, pack_id, body, None)
        for sibling in lead.siblings:
            self._place(sibling, pack_id, body, first)

    def _place(
        self, target: PlaceId, pack_id: PackId, body: bytes, source: PlacePack | None
    ) -> PlacePack:
        """The intent, the pack, its confirmation (F-1, F-2)."""
        with self._engine.index.begin() as tx:
            row = packs.intend(tx, self._operation_id, target, pack_id, len(body))
            packs.note_footer(tx, pack_id, footer_digest(body))
        if row.state == packs.PRESENT:
            return row
        level = None if source is None else self._copied(source, row)
        if level is None:
            put_pack(self._store(target), keys.pack_key(pack_id, row.generation), pack_id, body)
            level = ProofLevel.PUT_CHECKSUM
        with self._engine.index.begin() as tx:
            packs.confirm(tx, target, pack_id, Proof(level, self._engine.clock.now()))
        return row

    def _copied(self, source: PlacePack, row: PlacePack) -> ProofLevel | None:
        return copy_pack(
            self._store(source.place_id),
            keys.pack_key(source.pack_id, source.generation),
            self._store(row.place_id),
            keys.pack_key(row.pack_id, row.generation),
            (row.pack_id, row.pack_bytes),
        )

    def _store(self, place_id: PlaceId) -> Store:
        return self._engine.stores.of(self._places[place_id])

    def _note(self, target: PlaceId, move: FramesMove, new_pack: PackId | None) -> None:
        slot = 0
        for frames in move.frames:
            runs = []
            for lacking in frames.need.lacking:
                assert new_pack is not None, "what is lacking was packed"
                runs.append(MovedRun(lacking.first_slot, lacking.slots, new_pack, slot))
                slot += lacking.slots
            if new_pack == frames.pack_id:
                continue  # its frames were all of them: the pack itself is there now
            users = self._named.get(frames.pack_id, {})
            change = Change(
                pack_id=frames.pack_id,
                runs=tuple(runs),
                needed=frames.need.needed,
                uses={user: self._generations[user] for user in users if user in self._generations},
            )
            note_moved(self._engine, self._operation_id, self._places[target], change)
