"""After a crash: what was intended and never confirmed is looked at again, with one HEAD each."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import Connection

from imgrepl.engine.context import Engine
from imgrepl.errors import ImgreplError, NotFound
from imgrepl.gallery import packs
from imgrepl.gallery.packs import PlacePack
from imgrepl.layout import keys
from imgrepl.model.ids import OperationId, PlaceId
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Place


@dataclass(frozen=True, kw_only=True)
class LookedAt:
    """An intent, and what a HEAD told of its object. `proof` is None where it is not there.

    Where the place does not answer nothing is `told`.
    """

    row: PlacePack
    proof: Proof | None
    told: bool = True


def settle_intents(engine: Engine, operation_id: OperationId, within: Sequence[Place]) -> None:
    """Confirms each intent in `within` whose object is there with the right size, drops the others.

    An intent whose place does not answer stays open: the next attempt, or the collector, looks
    again.
    """
    by_id = {place.id: place for place in within}
    with engine.index.read() as tx:
        intents = [row for row in packs.open_intents(tx, operation_id) if row.place_id in by_id]
    if not intents:
        return
    looked = look(engine, by_id, intents)
    with engine.index.begin() as tx:
        settle(tx, looked)


def look(
    engine: Engine, places: Mapping[PlaceId, Place], intents: Sequence[PlacePack]
) -> list[LookedAt]:
    """One HEAD for each of `intents`, a few at once."""
    if not intents:
        return []
    with ThreadPoolExecutor(engine.options.heads_in_flight, "resume") as pool:
        return list(pool.map(lambda row: _look(engine, places[row.place_id], row), intents))


def settle(tx: Connection, looked: Iterable[LookedAt]) -> None:
    """Confirms what is there and drops what is not; their operation must still be the same."""
    for one in looked:
        if one.proof is not None:
            packs.confirm(tx, one.row.place_id, one.row.pack_id, one.proof)
        elif one.told:
            packs.drop_intent(tx, one.row.place_id, one.row.pack_id)


def _look(engine: Engine, place: Place, row: PlacePack) -> LookedAt:
    try:
        info = engine.stores.of(place).head(keys.pack_key(row.pack_id, row.generation))
    except NotFound:
        return LookedAt(row=row, proof=None)
    except ImgreplError:
        return LookedAt(row=row, proof=None, told=False)
    if info.size_bytes != row.pack_bytes:
        return LookedAt(row=row, proof=None)
    proven = info.sha256 == bytes.fromhex(row.pack_id)
    level = ProofLevel.PUT_CHECKSUM if proven else ProofLevel.SIZE
    return LookedAt(row=row, proof=Proof(level, engine.clock.now()))
