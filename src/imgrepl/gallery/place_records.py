"""Which revision of a resource's record is known to be durable in a place."""

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery.bulk import insert_missing
from imgrepl.gallery.lookups import resource_key
from imgrepl.gallery.records_log import Resource
from imgrepl.gallery.schema import place_records
from imgrepl.model.ids import IncarnationId, PlaceId


def revision_in(
    tx: Connection, place_id: PlaceId, resource: Resource, incarnation: IncarnationId
) -> int | None:
    """The highest revision that was written there, or None."""
    revision: int | None = tx.scalar(
        sa.select(place_records.c.revision).where(_is(place_id, resource, incarnation))
    )
    return revision


def note(
    tx: Connection,
    place_id: PlaceId,
    resource: Resource,
    incarnation: IncarnationId,
    revision: int,
) -> None:
    """The record of this revision is durable there."""
    row = {
        "place_id": place_id,
        "resource_key": resource_key(resource),
        "incarnation": incarnation,
        "revision": revision,
    }
    insert_missing(tx, place_records, [row])
    tx.execute(
        sa.update(place_records)
        .where(_is(place_id, resource, incarnation), place_records.c.revision < revision)
        .values(revision=revision)
    )


def places_with(tx: Connection, resource: Resource, incarnation: IncarnationId) -> list[PlaceId]:
    """Where any revision of the resource's record is."""
    chosen = sa.select(place_records.c.place_id).where(
        place_records.c.resource_key == resource_key(resource),
        place_records.c.incarnation == incarnation,
    )
    return [PlaceId(number) for number in tx.scalars(chosen.order_by(place_records.c.place_id))]


def all_in(tx: Connection, place_id: PlaceId) -> dict[tuple[str, IncarnationId], int]:
    """The highest revision known in a place, by folded path and incarnation."""
    rows = tx.execute(sa.select(place_records).where(place_records.c.place_id == place_id))
    return {(row.resource_key, IncarnationId(row.incarnation)): row.revision for row in rows}


def _is(
    place_id: PlaceId, resource: Resource, incarnation: IncarnationId
) -> sa.ColumnElement[bool]:
    return sa.and_(
        place_records.c.place_id == place_id,
        place_records.c.resource_key == resource_key(resource),
        place_records.c.incarnation == incarnation,
    )
