"""After a crash: what was intended and never confirmed is looked at again, with one HEAD each."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from imgrepl.engine.context import Engine
from imgrepl.errors import ImgreplError, NotFound
from imgrepl.gallery import packs
from imgrepl.gallery.packs import PlacePack
from imgrepl.layout import keys
from imgrepl.model.ids import OperationId
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Place


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
    with ThreadPoolExecutor(engine.options.heads_in_flight, "resume") as pool:
        found = list(pool.map(lambda row: _look(engine, by_id[row.place_id], row), intents))
    with engine.index.begin() as tx:
        for row, outcome in zip(intents, found, strict=True):
            if isinstance(outcome, Proof):
                packs.confirm(tx, row.place_id, row.pack_id, outcome)
            elif outcome is False:
                packs.drop_intent(tx, row.place_id, row.pack_id)


def _look(engine: Engine, place: Place, row: PlacePack) -> Proof | bool | None:
    """A proof, False where the pack is not there, None where that cannot be told."""
    try:
        info = engine.stores.of(place).head(keys.pack_key(row.pack_id, row.generation))
    except NotFound:
        return False
    except ImgreplError:
        return None
    if info.size_bytes != row.pack_bytes:
        return False
    if info.sha256 == bytes.fromhex(row.pack_id):
        return Proof(ProofLevel.PUT_CHECKSUM, engine.clock.now())
    return Proof(ProofLevel.SIZE, engine.clock.now())
