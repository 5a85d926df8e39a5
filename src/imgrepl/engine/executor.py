"""Stage 7, the work: packs reach the places of every region.

With an intent before and a row behind each.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from imgrepl.engine.context import Engine
from imgrepl.engine.intents import IntentBook
from imgrepl.engine.pack_reading import pack_in, pack_key, read_whole_pack
from imgrepl.engine.server_copy import copy_pack
from imgrepl.engine.uploads import put_pack
from imgrepl.gallery import packs
from imgrepl.gallery.packs import PlacePack
from imgrepl.layout import keys
from imgrepl.model.ids import OperationId, PackId, PlaceId
from imgrepl.model.plan import Move, PackMove
from imgrepl.model.proof import ProofLevel
from imgrepl.model.region import Place
from imgrepl.store.protocols import Store


class PackMover:
    """Reads, sends and copies the packs of one plan.

    `places` are all places that the plan names. What was put or fully read becomes a source for
    server-side copies; a server that cannot copy is sent the bytes instead.
    """

    def __init__(
        self,
        engine: Engine,
        operation_id: OperationId,
        places: Mapping[PlaceId, Place],
        moves: Sequence[PackMove],
    ) -> None:
        self._engine = engine
        self._places = places
        self._lock = threading.Lock()
        self._proven: set[tuple[PlaceId, PackId]] = set()
        self.done_bytes: Counter[PlaceId] = Counter()
        wanted: dict[str, list[tuple[PlaceId, PackId, int]]] = defaultdict(list)
        for move in moves:
            for target in move.targets():
                region = places[target].region
                wanted[region].append((target, move.pack_id, move.pack_bytes))
        self._books = {
            region: IntentBook(engine, operation_id, rows) for region, rows in wanted.items()
        }

    def regions_of(self, move: Move) -> list[str]:
        """The regions that receive something in `move`."""
        return list(dict.fromkeys(self._places[target].region for target in move.targets()))

    def read(self, move: PackMove, source: PlaceId | None = None) -> bytes:
        """The pack, proven by its SHA-256; a holder that gives something else is marked damaged."""
        place_id = source if source is not None else move.read_from
        assert place_id is not None, "only moves that need it are read"
        return self.read_at(self._places[place_id], move)

    def read_at(self, place: Place, move: PackMove) -> bytes:
        """The same out of any place: its server may copy it from there afterwards."""
        body = read_whole_pack(self._engine, place, move.pack_id)
        with self._lock:
            self._proven.add((place.id, move.pack_id))
        return body

    def deliver(self, region: str, move: PackMove, body: bytes | None) -> None:
        """Does the region's part of `move`."""
        for lead in move.leads:
            if self._places[lead.target].region == region:
                self._put(region, move, lead.target, self._body(move, body))
                for sibling in lead.siblings:
                    self._copy(region, move, lead.target, sibling, body)
        for source, target in move.copies:
            if self._places[target].region == region:
                self._copy(region, move, source, target, body)

    def confirm(self, region: str) -> None:
        """Commits the confirmations that are still collected."""
        if region in self._books:
            self._books[region].flush()

    def _put(self, region: str, move: PackMove, target: PlaceId, body: bytes) -> None:
        row = self._books[region].intend(target, move.pack_id)
        if row.state != packs.PRESENT:
            key = keys.pack_key(move.pack_id, row.generation)
            put_pack(self._store(target), key, move.pack_id, body)
            self._books[region].confirm(target, move.pack_id, ProofLevel.PUT_CHECKSUM)
        self._note_done(target, move)

    def _copy(
        self, region: str, move: PackMove, source: PlaceId, target: PlaceId, body: bytes | None
    ) -> None:
        row = self._books[region].intend(target, move.pack_id)
        if row.state == packs.PRESENT:
            self._note_done(target, move)
            return
        level = None
        if self._may_copy(move, source):
            level = self._server_copy(move, source, target, row)
        if level is None:
            self._put(region, move, target, self._body(move, body, source))
            return
        self._books[region].confirm(target, move.pack_id, level)
        self._note_done(target, move)

    def _may_copy(self, move: PackMove, source: PlaceId) -> bool:
        """Whether the source was put or read by us: the pack may have been read elsewhere."""
        with self._lock:
            return source != move.read_from or (source, move.pack_id) in self._proven

    def _server_copy(
        self, move: PackMove, source: PlaceId, target: PlaceId, row: PlacePack
    ) -> ProofLevel | None:
        source_store, target_store = self._store(source), self._store(target)
        return copy_pack(
            source_store,
            self._key_in(source, move.pack_id),
            target_store,
            keys.pack_key(move.pack_id, row.generation),
            (move.pack_id, move.pack_bytes),
        )

    def _key_in(self, place_id: PlaceId, pack_id: PackId) -> str:
        book = self._books.get(self._places[place_id].region)
        row = book.row(place_id, pack_id) if book is not None else None
        if row is None:
            return pack_key(pack_in(self._engine, self._places[place_id], pack_id))
        return keys.pack_key(pack_id, row.generation)

    def _body(self, move: PackMove, body: bytes | None, source: PlaceId | None = None) -> bytes:
        return body if body is not None else self.read(move, source)

    def _note_done(self, target: PlaceId, move: PackMove) -> None:
        with self._lock:
            self.done_bytes[target] += move.pack_bytes

    def _store(self, place_id: PlaceId) -> Store:
        return self._engine.stores.of(self._places[place_id])
