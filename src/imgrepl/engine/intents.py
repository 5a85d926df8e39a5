"""Intents and confirmations of one region, many to a transaction.

An intent is committed before its object is written, a confirmation after; a crash in between costs
one HEAD per intent.
"""

import threading
from collections.abc import Sequence

from imgrepl.engine.context import Engine
from imgrepl.gallery import packs
from imgrepl.gallery.packs import PlacePack
from imgrepl.model.ids import OperationId, PackId, PlaceId
from imgrepl.model.proof import Proof, ProofLevel

_Key = tuple[PlaceId, PackId]


class IntentBook:
    """Rows of what one region will get. Thread-safe.

    `wanted` lists (place, pack, bytes) in the order in which they will be asked for.
    """

    def __init__(
        self,
        engine: Engine,
        operation_id: OperationId,
        wanted: Sequence[tuple[PlaceId, PackId, int]],
    ) -> None:
        self._engine = engine
        self._operation_id = operation_id
        self._wanted = wanted
        self._positions = {(place, pack): at for at, (place, pack, _) in enumerate(wanted)}
        self._rows: dict[_Key, PlacePack] = {}
        self._confirmed: dict[_Key, Proof] = {}
        self._lock = threading.Lock()

    def intend(self, place_id: PlaceId, pack_id: PackId) -> PlacePack:
        """The row of a pack that is about to be written.

        Commits it, and some that follow, first.
        """
        with self._lock:
            row = self._rows.get((place_id, pack_id))
            if row is None:
                self._intend_from(self._positions[place_id, pack_id])
                row = self._rows[place_id, pack_id]
            return row

    def row(self, place_id: PlaceId, pack_id: PackId) -> PlacePack | None:
        """The row of a pack that this book already intended."""
        with self._lock:
            return self._rows.get((place_id, pack_id))

    def confirm(self, place_id: PlaceId, pack_id: PackId, level: ProofLevel) -> None:
        """The pack is there; the row may follow a little later."""
        proof = Proof(level, self._engine.clock.now())
        with self._lock:
            self._confirmed[place_id, pack_id] = proof
            if len(self._confirmed) >= self._engine.options.rows_per_batch:
                self._flush()

    def flush(self) -> None:
        """Commits every confirmation."""
        with self._lock:
            self._flush()

    def _intend_from(self, start: int) -> None:
        batch = self._wanted[start : start + self._engine.options.rows_per_batch]
        with self._engine.index.begin() as tx:
            for place_id, pack_id, pack_bytes in batch:
                if (place_id, pack_id) not in self._rows:
                    self._rows[place_id, pack_id] = packs.intend(
                        tx, self._operation_id, place_id, pack_id, pack_bytes
                    )

    def _flush(self) -> None:
        if not self._confirmed:
            return
        with self._engine.index.begin() as tx:
            for (place_id, pack_id), proof in self._confirmed.items():
                packs.confirm(tx, place_id, pack_id, proof)
        self._confirmed.clear()
