"""Packs, and where each stands in each place.

A row of `place_packs` is one object: its key carries the row's generation. A pack has at most one
living row in a place; a new one begins a generation that was never deleted, so that a delayed
DELETE hits nothing that lives. What was condemned under an earlier epoch is not rescued: the owner
of that time may have sent its DELETE. States move along `EDGES` only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row

from imgrepl.errors import Conflict
from imgrepl.gallery import identity
from imgrepl.gallery.bulk import in_lists, insert_missing
from imgrepl.gallery.schema import (
    LIVE_PACK_STATES,
    PackState,
    packs,
    pins,
    place_packs,
)
from imgrepl.gallery.types import DatabaseNow
from imgrepl.model.ids import OperationId, PackId, PlaceId
from imgrepl.model.proof import Proof, ProofLevel

INTENDED = PackState.INTENDED
PRESENT = PackState.PRESENT
DAMAGED = PackState.DAMAGED
CONDEMNED = PackState.CONDEMNED
DELETING = PackState.DELETING
GONE = PackState.GONE

EDGES: Mapping[PackState, frozenset[PackState]] = {
    INTENDED: frozenset({PRESENT}),
    PRESENT: frozenset({DAMAGED, CONDEMNED}),
    DAMAGED: frozenset({PRESENT, DELETING}),
    CONDEMNED: frozenset({PRESENT, DELETING}),
    DELETING: frozenset({GONE}),
    GONE: frozenset(),
}
"""Where a row may go next. Only a condemned pack is rescued; what is being deleted never is."""

COLUMNS = (place_packs, packs.c.pack_bytes, packs.c.footer_digest)
"""What `pack_of` reads."""


@dataclass(frozen=True, kw_only=True)
class PlacePack:
    """One object. `changed_at` is when its state last moved, by the database's clock.

    `footer_digest` is that of the pack's footer, where this index knows it.
    """

    place_id: PlaceId
    pack_id: PackId
    pack_bytes: int
    generation: int
    state: PackState
    proof: Proof | None
    changed_at: datetime
    reason: str | None = None
    footer_digest: bytes | None = None


def intend(
    tx: Connection, operation_id: OperationId, place_id: PlaceId, pack_id: PackId, pack_bytes: int
) -> PlacePack:
    """Notes that the operation is about to put this pack here, and pins it.

    What is present stays so and what is condemned is rescued: `state` tells that nothing is to be
    put. A damaged object, and one that may not be rescued, is given up for deletion and the pack
    begins a new generation.
    """
    insert_missing(tx, packs, [{"pack_id": pack_id, "pack_bytes": pack_bytes}])
    _pin(tx, operation_id, place_id, [pack_id])
    rows = _of_pack(tx, place_id, pack_id)
    floor = identity.generation_floor(tx)
    live = next((row for row in rows if row.state in LIVE_PACK_STATES), None)
    if live is not None and _is_lost(live, floor):
        _move(tx, place_id, [pack_id], (live.state,), DELETING)
        live = None
    if live is None:
        used = [row.generation + 1 for row in rows]
        generation = max([floor, *used])
        _insert_intent(tx, operation_id, place_id, pack_id, generation)
    elif live.state == CONDEMNED:
        _move(tx, place_id, [pack_id], (CONDEMNED,), PRESENT)
    elif live.state == INTENDED:
        mine = _rows_of(place_id, [pack_id], (INTENDED,))
        tx.execute(sa.update(place_packs).where(mine).values(operation_id=operation_id))
    return next(row for row in _of_pack(tx, place_id, pack_id) if row.state in LIVE_PACK_STATES)


def confirm(tx: Connection, place_id: PlaceId, pack_id: PackId, proof: Proof) -> None:
    """The pack is there: intended or damaged becomes present.

    Raises `Conflict` (`IntentLost`) where no living row of it is left to confirm.
    """
    states = (INTENDED, DAMAGED, PRESENT)
    changed = tx.execute(
        sa.update(place_packs)
        .where(_rows_of(place_id, [pack_id], states))
        .values(
            state=PRESENT,
            operation_id=None,
            reason=None,
            proof_level=proof.level,
            proof_at=proof.at,
            changed_at=DatabaseNow(),
        )
    )
    if changed.rowcount != 1:
        raise Conflict(
            f"pack {pack_id} is not expected in place {place_id} any more",
            code="IntentLost",
            target=pack_id,
        )


def note_footer(tx: Connection, pack_id: PackId, digest: bytes) -> None:
    """The pack, which was proven by its name, has this footer: any other is another pack's."""
    unknown = sa.and_(packs.c.pack_id == pack_id, packs.c.footer_digest.is_(None))
    tx.execute(sa.update(packs).where(unknown).values(footer_digest=digest.hex()))


def drop_intent(tx: Connection, place_id: PlaceId, pack_id: PackId) -> None:
    """The pack never arrived. Only an intended row goes; its generation may be used again."""
    tx.execute(sa.delete(place_packs).where(_rows_of(place_id, [pack_id], (INTENDED,))))


def open_intents(tx: Connection, operation_id: OperationId) -> list[PlacePack]:
    """What the operation was about to put and has not confirmed: one HEAD each tells."""
    return matching(tx, place_packs.c.operation_id == operation_id)


def pin_present(
    tx: Connection, operation_id: OperationId, place_id: PlaceId, pack_ids: Iterable[PackId]
) -> set[PackId]:
    """Pins those of `pack_ids` that are present here, rescuing condemned ones; gives those."""
    held: set[PackId] = set()
    own = place_packs.c.generation >= identity.generation_floor(tx)
    for batch in in_lists(pack_ids):
        _move(tx, place_id, batch, (CONDEMNED,), PRESENT, only=own)
        present = sa.select(place_packs.c.pack_id).where(_rows_of(place_id, batch, (PRESENT,)))
        here = [PackId(pack_id) for pack_id in tx.scalars(present)]
        _pin(tx, operation_id, place_id, here)
        held.update(here)
    return held


def release_all_pins(tx: Connection) -> None:
    """Whatever any operation held: it must ask again for what it needs."""
    tx.execute(sa.delete(pins))


def release_pins(tx: Connection, operation_id: OperationId) -> None:
    """The operation needs nothing any more."""
    tx.execute(sa.delete(pins).where(pins.c.operation_id == operation_id))


def present_in(
    tx: Connection, place_id: PlaceId, pack_ids: Iterable[PackId]
) -> dict[PackId, PlacePack]:
    """Those of `pack_ids` that are present here and undamaged."""
    found: dict[PackId, PlacePack] = {}
    for batch in in_lists(pack_ids):
        rows = matching(tx, _rows_of(place_id, batch, (PRESENT,)))
        found.update((row.pack_id, row) for row in rows)
    return found


def live_in(
    tx: Connection, place_id: PlaceId, pack_ids: Iterable[PackId]
) -> dict[PackId, PlacePack]:
    """The living row of those of `pack_ids` that have one here, damaged ones included."""
    found: dict[PackId, PlacePack] = {}
    for batch in in_lists(pack_ids):
        rows = matching(tx, _rows_of(place_id, batch, LIVE_PACK_STATES))
        found.update((row.pack_id, row) for row in rows)
    return found


def holders(tx: Connection, pack_ids: Iterable[PackId]) -> dict[PackId, list[PlacePack]]:
    """Every place that each pack is present in; a pack that is nowhere has an empty list."""
    wanted = list(pack_ids)
    found: dict[PackId, list[PlacePack]] = {pack_id: [] for pack_id in wanted}
    for batch in in_lists(wanted):
        present = sa.and_(place_packs.c.pack_id.in_(batch), place_packs.c.state == PRESENT)
        for row in matching(tx, present):
            found[row.pack_id].append(row)
    return found


def copies(tx: Connection, pack_id: PackId) -> list[PlacePack]:
    """Every object of this pack, in all places, that lives: damaged and intended ones included."""
    return matching(tx, place_packs.c.pack_id == pack_id, place_packs.c.state.in_(LIVE_PACK_STATES))


def all_in(tx: Connection, place_id: PlaceId) -> list[PlacePack]:
    """Every object that is, may be, or is still to be deleted in this place."""
    living = (*LIVE_PACK_STATES, DELETING)
    return matching(tx, place_packs.c.place_id == place_id, place_packs.c.state.in_(living))


def present_ids(tx: Connection, place_id: PlaceId) -> set[PackId]:
    """What is present in a place, by ids alone, which one text out of an index brings over.

    Every publication asks this: as rows, 13,000 packs took half as long as publishing a small disk.
    """
    here = sa.and_(place_packs.c.place_id == place_id, place_packs.c.state == PRESENT)
    chosen = sa.select(sa.func.aggregate_strings(place_packs.c.pack_id, ",")).where(here)
    listed: str | None = tx.scalar(chosen)
    return cast("set[PackId]", set(listed.split(","))) if listed else set()


def in_state(
    tx: Connection, place_id: PlaceId, state: PackState, packs_max: int
) -> list[PlacePack]:
    """Objects in this state, of at most `packs_max` packs and then all of theirs."""
    rows = sa.and_(place_packs.c.place_id == place_id, place_packs.c.state == state)
    chosen = sa.select(place_packs.c.pack_id).where(rows).distinct()
    first = list(tx.scalars(chosen.order_by(place_packs.c.pack_id).limit(packs_max)))
    return [
        row
        for batch in in_lists(first)
        for row in matching(tx, _rows_of(place_id, batch, (state,)))
    ]


def set_damaged(tx: Connection, place_id: PlaceId, pack_id: PackId, reason: str) -> None:
    """Its bytes are not what they should be: no dedup hit and no source any more."""
    _move(tx, place_id, [pack_id], (PRESENT,), DAMAGED, reason=reason)


def record_proofs(
    tx: Connection, place_id: PlaceId, proofs: Iterable[tuple[PackId, Proof]]
) -> None:
    """Notes how present packs were proven. A weaker proof does not replace a stronger one."""
    rows = [
        {"pack": pack_id, "level": int(proof.level), "moment": proof.at}
        for pack_id, proof in proofs
    ]
    if not rows:
        return
    tx.execute(
        sa.update(place_packs)
        .where(
            place_packs.c.place_id == place_id,
            place_packs.c.pack_id == sa.bindparam("pack"),
            place_packs.c.state == PRESENT,
            place_packs.c.proof_level <= sa.bindparam("level"),
        )
        .values(proof_level=sa.bindparam("level"), proof_at=sa.bindparam("moment")),
        rows,
    )


def set_state(
    tx: Connection,
    place_id: PlaceId,
    pack_ids: Iterable[PackId],
    from_states: Iterable[PackState],
    to_state: PackState,
) -> int:
    """Moves those that are in `from_states`, and tells how many were; the others stay."""
    sources = tuple(from_states)
    return sum(_move(tx, place_id, batch, sources, to_state) for batch in in_lists(pack_ids))


def _move(
    tx: Connection,
    place_id: PlaceId,
    pack_ids: Sequence[PackId],
    sources: tuple[PackState, ...],
    to_state: PackState,
    reason: str | None = None,
    *,
    only: ColumnElement[bool] | None = None,
) -> int:
    illegal = [source for source in sources if to_state not in EDGES[source]]
    assert not illegal, f"no pack goes from {', '.join(illegal)} to {to_state}"
    assert to_state != PRESENT or INTENDED not in sources, "only a proof makes a pack present"
    moving = _rows_of(place_id, pack_ids, sources)
    return tx.execute(
        sa.update(place_packs)
        .where(moving if only is None else sa.and_(moving, only))
        .values(state=to_state, reason=reason, changed_at=DatabaseNow())
    ).rowcount


def _is_lost(live: PlacePack, floor: int) -> bool:
    """Whether this object is of no use to who wants to put its pack."""
    return live.state == DAMAGED or (live.state == CONDEMNED and live.generation < floor)


def _pin(
    tx: Connection, operation_id: OperationId, place_id: PlaceId, pack_ids: Iterable[PackId]
) -> None:
    rows = [
        {"operation_id": operation_id, "place_id": place_id, "pack_id": pack_id}
        for pack_id in pack_ids
    ]
    insert_missing(tx, pins, rows)


def _insert_intent(
    tx: Connection, operation_id: OperationId, place_id: PlaceId, pack_id: PackId, generation: int
) -> None:
    tx.execute(
        sa.insert(place_packs).values(
            place_id=place_id,
            pack_id=pack_id,
            generation=generation,
            state=INTENDED,
            operation_id=operation_id,
            changed_at=DatabaseNow(),
        )
    )


def _rows_of(
    place_id: PlaceId, pack_ids: Sequence[PackId], states: Sequence[PackState]
) -> ColumnElement[bool]:
    return sa.and_(
        place_packs.c.place_id == place_id,
        place_packs.c.pack_id.in_(pack_ids),
        place_packs.c.state.in_(states),
    )


def _of_pack(tx: Connection, place_id: PlaceId, pack_id: PackId) -> list[PlacePack]:
    return matching(tx, place_packs.c.place_id == place_id, place_packs.c.pack_id == pack_id)


def matching(tx: Connection, *conditions: ColumnElement[bool]) -> list[PlacePack]:
    """Rows that meet all conditions, by place, pack and generation."""
    rows = sa.select(*COLUMNS).join(packs, packs.c.pack_id == place_packs.c.pack_id)
    order = (place_packs.c.place_id, place_packs.c.pack_id, place_packs.c.generation)
    return [pack_of(row) for row in tx.execute(rows.where(*conditions).order_by(*order))]


def pack_of(row: Row[Any]) -> PlacePack:
    """A row of `place_packs` that carries its pack's columns."""
    level = row.proof_level
    return PlacePack(
        place_id=PlaceId(row.place_id),
        pack_id=PackId(row.pack_id),
        pack_bytes=row.pack_bytes,
        generation=row.generation,
        state=PackState(row.state),
        proof=None if level is None else Proof(ProofLevel(level), row.proof_at),
        changed_at=row.changed_at,
        reason=row.reason,
        footer_digest=None if row.footer_digest is None else bytes.fromhex(row.footer_digest),
    )
