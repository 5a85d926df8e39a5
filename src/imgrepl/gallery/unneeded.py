"""What nothing needs in a place, as far as the index knows: the collector's half of the truth.

The other half is the records in the buckets. A version needs a pack in the places where its
replicas stand; an operation needs what it pinned, until it ends.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from imgrepl.gallery import moved
from imgrepl.gallery.bulk import in_lists
from imgrepl.gallery.packs import (
    COLUMNS,
    CONDEMNED,
    DAMAGED,
    INTENDED,
    PRESENT,
    PlacePack,
    pack_of,
)
from imgrepl.gallery.schema import (
    PackState,
    content_packs,
    moved_parts,
    moved_uses,
    operations,
    packs,
    pins,
    place_contents,
    place_packs,
    replicas,
    version_disks,
    versions,
)
from imgrepl.gallery.standing import replica_here
from imgrepl.model.ids import ContentId, OperationId, PackId, PlaceId

_EVERY_ROW = 1 << 20
STORED: tuple[PackState, ...] = (PRESENT, DAMAGED, CONDEMNED)
"""States of objects that take room and are not given up yet."""


class PackSum(NamedTuple):
    """How many packs, and the stored bytes of all."""

    packs: int
    bytes: int


class UnneededSeal(NamedTuple):
    """A content that has no business in a place; its seals there are below `next_revision`."""

    content_id: ContentId
    next_revision: int


def packs_in(
    tx: Connection,
    place_id: PlaceId,
    limit: int,
    *,
    after: str = "",
    states: Collection[PackState] = STORED,
    among: Collection[PackId] | None = None,
) -> list[PlacePack]:
    """Packs in `states` that nothing needs here, at most `limit`, by id from behind `after`.

    Only those `among` some packs, a list's worth at most, where these are given.

    Nothing: no committed version with a replica in this place names them, and no operation that has
    not ended pins them.
    """
    rows = (
        sa.select(*COLUMNS)
        .join(packs, packs.c.pack_id == place_packs.c.pack_id)
        .where(
            place_packs.c.place_id == place_id,
            place_packs.c.state.in_(states),
            place_packs.c.pack_id > after,
            ~_named(tx, place_id),
            ~_pinned(),
        )
        .order_by(place_packs.c.pack_id)
        .limit(limit)
    )
    if among is not None:
        rows = rows.where(place_packs.c.pack_id.in_(among))
    return [pack_of(row) for row in tx.execute(rows)]


def among(
    tx: Connection, place_id: PlaceId, pack_ids: Iterable[PackId], states: Collection[PackState]
) -> set[PackId]:
    """Those of `pack_ids` that stand in one of `states` here and that nothing needs here."""
    return {
        row.pack_id
        for batch in in_lists(pack_ids)
        for row in packs_in(tx, place_id, _EVERY_ROW, states=states, among=batch)
    }


def pinned_in(tx: Connection, place_id: PlaceId, pack_ids: Iterable[PackId]) -> set[PackId]:
    """Those of `pack_ids` that an operation which has not ended holds here."""
    found: set[PackId] = set()
    for batch in in_lists(pack_ids):
        held = (
            sa.select(pins.c.pack_id)
            .join(operations, operations.c.operation_id == pins.c.operation_id)
            .where(
                pins.c.place_id == place_id,
                pins.c.pack_id.in_(batch),
                operations.c.ended_at.is_(None),
            )
        )
        found.update(PackId(pack_id) for pack_id in tx.scalars(held))
    return found


def pins_on_unneeded(tx: Connection, place_id: PlaceId) -> dict[OperationId, PackSum]:
    """What only operations hold here: for each that has not ended, what it pins of that."""
    rows = (
        sa.select(
            pins.c.operation_id, sa.func.count().label("packs"), sa.func.sum(packs.c.pack_bytes)
        )
        .join(operations, operations.c.operation_id == pins.c.operation_id)
        .join(
            place_packs,
            sa.and_(
                place_packs.c.place_id == pins.c.place_id, place_packs.c.pack_id == pins.c.pack_id
            ),
        )
        .join(packs, packs.c.pack_id == place_packs.c.pack_id)
        .where(
            pins.c.place_id == place_id,
            operations.c.ended_at.is_(None),
            place_packs.c.state.in_(STORED),
            ~_named(tx, place_id),
        )
        .group_by(pins.c.operation_id)
        .order_by(pins.c.operation_id)
    )
    return {OperationId(row[0]): PackSum(row[1], int(row[2])) for row in tx.execute(rows)}


def stored(tx: Connection, place_id: PlaceId) -> PackSum:
    """All packs that lie here and are not given up."""
    row = tx.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(packs.c.pack_bytes), 0))
        .select_from(place_packs)
        .join(packs, packs.c.pack_id == place_packs.c.pack_id)
        .where(place_packs.c.place_id == place_id, place_packs.c.state.in_(STORED))
    ).one()
    return PackSum(row[0], int(row[1]))


def abandoned_intents(
    tx: Connection, place_id: PlaceId, limit: int, *, of: Collection[OperationId] = ()
) -> list[PlacePack]:
    """Intents whose operation has ended or is in `of`: one HEAD each tells what became of them."""
    ended = sa.exists().where(
        operations.c.operation_id == place_packs.c.operation_id, operations.c.ended_at.is_not(None)
    )
    rows = (
        sa.select(*COLUMNS)
        .join(packs, packs.c.pack_id == place_packs.c.pack_id)
        .where(
            place_packs.c.place_id == place_id,
            place_packs.c.state == INTENDED,
            sa.or_(ended, place_packs.c.operation_id.in_(of)) if of else ended,
        )
        .limit(limit)
    )
    return [pack_of(row) for row in tx.execute(rows)]


def seals_in(tx: Connection, place_id: PlaceId) -> list[UnneededSeal]:
    """Contents that were once sealed here and that no version with a replica here names.

    Versions that are being published count: theirs may be sealed at any moment.
    """
    named = sa.exists().where(
        version_disks.c.content_id == place_contents.c.content_id,
        replica_here(tx, place_id),
        replicas.c.version_id == version_disks.c.version_id,
    )
    rows = sa.select(place_contents.c.content_id, place_contents.c.next_revision).where(
        place_contents.c.place_id == place_id, ~named
    )
    return [UnneededSeal(ContentId(row[0]), row[1]) for row in tx.execute(rows)]


def release_ended_pins(tx: Connection) -> None:
    """Drops pins that an operation took after it had been ended from elsewhere."""
    ended = sa.select(operations.c.operation_id).where(operations.c.ended_at.is_not(None))
    tx.execute(sa.delete(pins).where(pins.c.operation_id.in_(ended)))


def _named(tx: Connection, place_id: PlaceId) -> ColumnElement[bool]:
    """That a version which stands here needs the pack: for itself, or for what it has of others."""
    stands = sa.and_(
        versions.c.id == version_disks.c.version_id,
        versions.c.committed,
        replicas.c.version_id == versions.c.id,
        replica_here(tx, place_id),
    )
    itself = sa.exists().where(
        content_packs.c.pack_id == place_packs.c.pack_id,
        version_disks.c.content_id == content_packs.c.content_id,
        stands,
        ~moved.is_met(place_packs.c.place_id),
    )
    for_others = sa.exists().where(
        moved_parts.c.place_id == place_packs.c.place_id,
        moved_parts.c.part_id == place_packs.c.pack_id,
        moved_uses.c.place_id == moved_parts.c.place_id,
        moved_uses.c.pack_id == moved_parts.c.pack_id,
        version_disks.c.content_id == moved_uses.c.content_id,
        stands,
    )
    return sa.or_(itself, for_others)


def _pinned() -> ColumnElement[bool]:
    return sa.exists().where(
        pins.c.place_id == place_packs.c.place_id,
        pins.c.pack_id == place_packs.c.pack_id,
        operations.c.operation_id == pins.c.operation_id,
        operations.c.ended_at.is_(None),
    )
