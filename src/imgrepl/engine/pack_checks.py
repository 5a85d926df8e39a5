"""Proves single packs, by the store's word or by reading them, and notes what was found."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from imgrepl.engine.context import Engine
from imgrepl.engine.damage import LOST, PackDamage, examine
from imgrepl.engine.moved_checks import MISSING
from imgrepl.engine.pack_reading import pack_key, set_damaged
from imgrepl.engine.unreadable import read_whole
from imgrepl.errors import Conflict, Corrupt, NotFound
from imgrepl.gallery import packs
from imgrepl.gallery.packs import PlacePack
from imgrepl.layout.pack import footer_digest, verify_pack
from imgrepl.model.ids import PackId
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Place
from imgrepl.store.protocols import Reads

Check = Callable[[Reads, PlacePack], ProofLevel]
"""Raises `NotFound` and `Corrupt` for a pack that is not what it should be."""

_UNPROVEN = (packs.DAMAGED, packs.INTENDED)
"""States of a pack that is not relied on, whatever a HEAD says of it."""


class BadPack(NamedTuple):
    """A pack that is not what it should be, and what is left of it.

    It is not `noted` in the index where the whole place is not there: it may come back as it was.
    """

    key: str
    pack_id: PackId
    reason: str
    damage: PackDamage
    noted: bool = True


class _Damaged(Corrupt):
    """A pack that was read, and found to be damaged."""

    def __init__(self, error: Corrupt, damage: PackDamage) -> None:
        super().__init__(error.message)
        self.damage = damage


def outcome_of(store: Reads, row: PlacePack, check: Check) -> ProofLevel | BadPack:
    """How the pack was proven, or what is wrong with it. Raises `Unavailable`."""
    key = pack_key(row)
    try:
        return check(store, row)
    except NotFound as error:
        return BadPack(key, row.pack_id, MISSING, LOST, noted=error.code != "BucketMissing")
    except _Damaged as error:
        return BadPack(key, row.pack_id, error.message, error.damage)
    except Corrupt as error:
        return BadPack(key, row.pack_id, error.message, LOST)


def by_asking(store: Reads, row: PlacePack) -> ProofLevel:
    """Its length and, where the store states one, its checksum."""
    if row.state in _UNPROVEN:
        raise Corrupt(row.reason or "it was begun and never confirmed")
    return _stated(store, row)


def _stated(store: Reads, row: PlacePack) -> ProofLevel:
    info = store.head(pack_key(row))
    if info.size_bytes != row.pack_bytes:
        raise Corrupt(f"it has {info.size_bytes} bytes instead of {row.pack_bytes}")
    if info.sha256 is None:
        return ProofLevel.SIZE
    if info.sha256 != bytes.fromhex(row.pack_id):
        raise Corrupt("the store states another SHA-256 for it")
    return ProofLevel.SIZE


def by_reading(engine: Engine, place: Place) -> Check:
    """All of its bytes, their digest, and every chunk decoded; and what the store states of it."""

    def check(store: Reads, row: PlacePack) -> ProofLevel:
        body = read_whole(engine, place, pack_key(row))
        try:
            verify_pack(body, row.pack_id, engine.domain.chunk_key)
        except Corrupt as error:
            damage = examine(body, row.pack_id, engine.domain.chunk_key, row.footer_digest)
            raise _Damaged(error, damage) from error
        _stated(store, row)
        if row.footer_digest is None:
            with engine.index.begin() as tx:
                packs.note_footer(tx, row.pack_id, footer_digest(body))
        return ProofLevel.FULL_READ

    return check


def record(
    engine: Engine,
    place: Place,
    rows: Mapping[PackId, PlacePack],
    outcomes: Mapping[PackId, ProofLevel | BadPack],
) -> None:
    """Notes proofs and faults; a pack that was called damaged and was read whole is so no more."""
    now = engine.clock.now()
    proofs = [(p, Proof(o, now)) for p, o in outcomes.items() if not isinstance(o, BadPack)]
    with engine.index.begin() as tx:
        for pack_id, proof in proofs:
            if rows[pack_id].state in _UNPROVEN:
                with suppress(Conflict):  # it was given up meanwhile
                    packs.confirm(tx, place.id, pack_id, proof)
        packs.record_proofs(tx, place.id, proofs)
    for pack_id, outcome in outcomes.items():
        if isinstance(outcome, BadPack) and outcome.noted:
            set_damaged(engine, place, pack_id, outcome.reason)
