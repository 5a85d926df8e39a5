"""Reading packs out of a place, with every byte proven before anybody uses it."""

import hashlib
from contextlib import suppress

from imgrepl.engine.context import Engine
from imgrepl.engine.places import check_features
from imgrepl.errors import Corrupt, ImgreplError, NotFound, Unavailable
from imgrepl.gallery import packs
from imgrepl.gallery.packs import PlacePack
from imgrepl.layout import keys
from imgrepl.layout.pack import footer_digest
from imgrepl.model.ids import PackId
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Place


def pack_in(engine: Engine, place: Place, pack_id: PackId) -> PlacePack:
    """The object that a pack is in `place`. Raises `NotFound` (`PackMissing`)."""
    with engine.index.read() as tx:
        row = packs.present_in(tx, place.id, [pack_id]).get(pack_id)
    if row is None:
        raise NotFound(
            f"{place.name} has no healthy copy of pack {pack_id}",
            code="PackMissing",
            target=pack_id,
        )
    return row


def pack_key(row: PlacePack) -> str:
    """Where the object lies."""
    return keys.pack_key(row.pack_id, row.generation)


def read_whole_pack(engine: Engine, place: Place, pack_id: PackId) -> bytes:
    """All bytes of a pack, proven by its name; records the proof, or that the pack is damaged.

    Raises `Corrupt` (`PackDamaged`) and `NotFound`, after which the place no longer counts as a
    holder; and what `check_features` raises.
    """
    check_features(engine, place)
    store = engine.stores.of(place)
    key = pack_key(pack_in(engine, place, pack_id))
    try:
        body = store.get(key)
    except NotFound as error:
        blame(engine, place, pack_id, error)
        raise
    if hashlib.sha256(body).hexdigest() != pack_id:
        set_damaged(engine, place, pack_id, "its bytes do not have its SHA-256")
        raise Corrupt(
            f"{store.url}/{key} does not hold the bytes that it is named after",
            code="PackDamaged",
            target=pack_id,
            hint="run `imgrepl image-version repair`",
        )
    with suppress(Unavailable), engine.index.begin() as tx:
        proof = Proof(ProofLevel.FULL_READ, engine.clock.now())
        packs.record_proofs(tx, place.id, [(pack_id, proof)])
        packs.note_footer(tx, pack_id, footer_digest(body))
    return body


def blame(engine: Engine, place: Place, pack_id: PackId, error: ImgreplError) -> None:
    """Notes what reading a pack failed with.

    Not where the bucket or directory itself is not there: a disk that is not mounted comes back as
    it was, and says nothing of the packs on it.
    """
    if error.code != "BucketMissing":
        set_damaged(engine, place, pack_id, error.message)


def set_damaged(engine: Engine, place: Place, pack_id: PackId, reason: str) -> None:
    """From now on the pack in `place` is no dedup hit and no copy source.

    Who may read the index but not write it goes on all the same: the next one finds it as well.
    """
    with suppress(Unavailable), engine.index.begin() as tx:
        packs.set_damaged(tx, place.id, pack_id, reason)
