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
from imgrepl.store.protocols import ObjectInfo


@dataclass(frozen=True, kw_only=True)
class LookedAt:
    """An intent, and what a HEAD told of its object. `proof` is None where it is not there.

    Where the place does not answer nothing is `told`. `wrong` says why the object is not the pack.
    """

    row: PlacePack
    proof: Proof | None
    told: bool = True
    wrong: str | None = None


def settle_intents(engine: Engine, operation_id: OperationId, within: Sequence[Place]) -> None:
    """Confirms each intent in `within` whose object is there and right, drops the others.

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
    """Confirms what is there and drops what is not; their operation must still be the same.

    Where something else has the pack's key, the pack counts as damaged and gets another key.
    """
    for one in looked:
        if one.proof is not None:
            packs.confirm(tx, one.row.place_id, one.row.pack_id, one.proof)
            if one.wrong is not None:
                packs.set_damaged(tx, one.row.place_id, one.row.pack_id, one.wrong)
        elif one.told:
            packs.drop_intent(tx, one.row.place_id, one.row.pack_id)


def _look(engine: Engine, place: Place, row: PlacePack) -> LookedAt:
    try:
        info = engine.stores.of(place).head(keys.pack_key(row.pack_id, row.generation))
    except NotFound as error:
        return LookedAt(row=row, proof=None, told=error.code != "BucketMissing")
    except ImgreplError:
        return LookedAt(row=row, proof=None, told=False)
    proven = info.sha256 == bytes.fromhex(row.pack_id)
    level = ProofLevel.PUT_CHECKSUM if proven else ProofLevel.SIZE
    return LookedAt(row=row, proof=Proof(level, engine.clock.now()), wrong=_why_wrong(row, info))


def _why_wrong(row: PlacePack, info: ObjectInfo) -> str | None:
    if info.size_bytes != row.pack_bytes:
        return f"it has {info.size_bytes} bytes instead of {row.pack_bytes}"
    if info.sha256 not in (None, bytes.fromhex(row.pack_id)):
        return "the store states another SHA-256 for it"
    return None
