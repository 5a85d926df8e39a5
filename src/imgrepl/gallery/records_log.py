"""Tombstones of deleted resources.

Kept for good, so that a region that was away does not bring back what was deleted meanwhile. The
revision that a record carries is allocated by its resource's module.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery.lookups import resource_key
from imgrepl.gallery.schema import place_records, tombstones
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId
from imgrepl.model.ids import IncarnationId, PlaceId

Resource = GalleryId | DefinitionId | VersionId


@dataclass(frozen=True, kw_only=True)
class Tombstone:
    """A deletion. `resource_key` is the folded path; `revision` that of the tombstone's record."""

    resource_key: str
    incarnation: IncarnationId
    revision: int
    at: datetime


def bury(tx: Connection, resource: Resource, incarnation: IncarnationId, revision: int) -> None:
    """Notes that this incarnation was deleted. Again, and with a higher revision: it is raised."""
    key = resource_key(resource)
    this = sa.and_(tombstones.c.resource_key == key, tombstones.c.incarnation == incarnation)
    lower = sa.update(tombstones).where(this, tombstones.c.revision < revision)
    if tx.execute(lower.values(revision=revision)).rowcount:
        return
    if tx.scalar(sa.select(tombstones.c.revision).where(this)) is None:
        row = {"resource_key": key, "incarnation": incarnation, "revision": revision}
        tx.execute(sa.insert(tombstones).values(row))


def find(tx: Connection, resource: Resource, incarnation: IncarnationId) -> Tombstone | None:
    """The tombstone of this incarnation, or None."""
    chosen = sa.select(tombstones).where(
        tombstones.c.resource_key == resource_key(resource),
        tombstones.c.incarnation == incarnation,
    )
    row = tx.execute(chosen).mappings().one_or_none()
    return None if row is None else Tombstone(**row)


def below(tx: Connection, gallery: GalleryId) -> list[Tombstone]:
    """The tombstones of what lay in a gallery, by resource."""
    prefix = resource_key(gallery) + "/"
    return [stone for stone in list_all(tx) if stone.resource_key.startswith(prefix)]


def untold(tx: Connection, place_id: PlaceId) -> list[Tombstone]:
    """The tombstones of what a place has a record of, as far as is known without having them."""
    here = place_records.c
    chosen = (
        sa.select(tombstones)
        .join(
            place_records,
            sa.and_(
                here.resource_key == tombstones.c.resource_key,
                here.incarnation == tombstones.c.incarnation,
            ),
        )
        .where(here.place_id == place_id, here.revision < tombstones.c.revision)
        .order_by(tombstones.c.resource_key, tombstones.c.at)
    )
    return [Tombstone(**row) for row in tx.execute(chosen).mappings()]


def list_all(tx: Connection) -> list[Tombstone]:
    """Every tombstone, by resource."""
    chosen = sa.select(tombstones).order_by(tombstones.c.resource_key, tombstones.c.at)
    return [Tombstone(**row) for row in tx.execute(chosen).mappings()]
