"""Galleries."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from imgrepl.errors import Conflict
from imgrepl.gallery import lookups, revisions
from imgrepl.gallery.lookups import fold
from imgrepl.gallery.schema import definitions, galleries
from imgrepl.gallery.shares import grant_values, granted, sharing_of
from imgrepl.model.gallery import Gallery, GalleryId, ProvisioningState
from imgrepl.model.ids import IncarnationId
from imgrepl.model.sharing import PRIVATE, profile_to_json

CHILDREN_SHOWN_MAX = 20


def create(tx: Connection, gallery: Gallery) -> None:
    """Adds a gallery. Raises `Conflict` (`GalleryExists`): names are unique in a subscription."""
    taken = sa.select(galleries.c.group_name, galleries.c.name, galleries.c.location).where(
        galleries.c.subscription_key == fold(gallery.id.subscription),
        galleries.c.name_key == fold(gallery.id.gallery),
    )
    if row := tx.execute(taken).one_or_none():
        raise Conflict(
            f"gallery {row.name} exists in resource group {row.group_name}, in {row.location}",
            code="GalleryExists",
            target=str(gallery.id),
            hint="a gallery's name is unique in its subscription, whatever its group and region",
        )
    tx.execute(
        sa.insert(galleries).values(
            subscription=gallery.id.subscription,
            subscription_key=fold(gallery.id.subscription),
            group_name=gallery.id.group,
            group_key=fold(gallery.id.group),
            name=gallery.id.gallery,
            name_key=fold(gallery.id.gallery),
            incarnation=gallery.incarnation,
            location=gallery.location,
            created_at=gallery.created_at,
            revision=gallery.revision,
            next_revision=gallery.revision + 1,
            **_mutable(gallery),
        )
    )


def get(tx: Connection, gallery: GalleryId) -> Gallery:
    """The gallery. Raises `NotFound` (`GalleryNotFound`)."""
    return find(tx, gallery) or lookups.no_gallery(gallery)


def find(tx: Connection, gallery: GalleryId) -> Gallery | None:
    """The gallery, or None."""
    row = tx.execute(sa.select(galleries).where(lookups.is_gallery(gallery))).one_or_none()
    return None if row is None else _gallery_of(row)


def list_all(
    tx: Connection, *, subscription: str | None = None, group: str | None = None
) -> list[Gallery]:
    """Galleries by name, of one subscription or group where given."""
    chosen: sa.Select[Any] = sa.select(galleries)
    if subscription is not None:
        chosen = chosen.where(galleries.c.subscription_key == fold(subscription))
    if group is not None:
        chosen = chosen.where(galleries.c.group_key == fold(group))
    order = (galleries.c.subscription_key, galleries.c.group_key, galleries.c.name_key)
    return [_gallery_of(row) for row in tx.execute(chosen.order_by(*order))]


def count(tx: Connection, subscription: str, location: str) -> int:
    """How many galleries the subscription has in this region."""
    mine = sa.and_(
        galleries.c.subscription_key == fold(subscription), galleries.c.location == location
    )
    return tx.execute(sa.select(sa.func.count()).where(mine).select_from(galleries)).scalar_one()


def update(tx: Connection, gallery: Gallery) -> None:
    """Writes what may change. Raises `NotFound`; `Conflict` (`ChangedMeanwhile`)."""
    number = lookups.gallery_number(tx, gallery.id)
    values = _mutable(gallery)
    revisions.write(tx, galleries, number, revision=gallery.revision, values=values)


def adopt(tx: Connection, gallery: Gallery) -> None:
    """Makes the index say what a record says: adds the gallery, or follows a higher revision.

    An older or equal revision of the same incarnation changes nothing. Raises `Conflict`
    (`GalleryExists`) where another group of the subscription has the name.
    """
    known = find(tx, gallery.id)
    if known is None:
        create(tx, gallery)
    elif known.incarnation != gallery.incarnation or known.revision < gallery.revision:
        number = lookups.gallery_number(tx, gallery.id)
        values = _mutable(gallery) | {
            "incarnation": gallery.incarnation,
            "location": gallery.location,
            "created_at": gallery.created_at,
        }
        revisions.overwrite(tx, galleries, number, revision=gallery.revision, values=values)


def set_home(tx: Connection, gallery: GalleryId, location: str, revision: int) -> None:
    """Another home region. Raises `NotFound`; `Conflict` (`ChangedMeanwhile`)."""
    number = lookups.gallery_number(tx, gallery)
    revisions.write(tx, galleries, number, revision=revision, values={"location": location})


def next_revision(tx: Connection, gallery: GalleryId) -> int:
    """A revision that no record of this gallery has carried. Raises `NotFound`."""
    return revisions.allocate(tx, galleries, lookups.gallery_number(tx, gallery))


def remove(tx: Connection, gallery: GalleryId) -> None:
    """Removes an empty gallery. Raises `NotFound`; `Conflict` (`NotEmpty`) with its children."""
    number = lookups.gallery_number(tx, gallery)
    children = sa.select(definitions.c.name).where(definitions.c.gallery_id == number)
    names = list(tx.scalars(children.order_by(definitions.c.name_key)))
    if names:
        raise Conflict(
            f"gallery {gallery} still holds {len(names)} image definitions",
            code="NotEmpty",
            target=str(gallery),
            details=names[:CHILDREN_SHOWN_MAX],
            hint="delete them first, or use `imgrepl gallery delete --recursive`",
        )
    tx.execute(sa.delete(galleries).where(galleries.c.id == number))


def _mutable(gallery: Gallery) -> dict[str, Any]:
    return {
        "description": gallery.description,
        "tags": dict(gallery.tags),
        "soft_delete_enabled": gallery.soft_delete_enabled,
        "soft_delete_retention_days": gallery.soft_delete_retention_days,
        "soft_delete_grace_days": gallery.soft_delete_grace_days,
        "sharing": None if gallery.sharing == PRIVATE else profile_to_json(gallery.sharing),
        **grant_values(gallery.grants),
        "provisioning_state": gallery.provisioning_state,
    }


def _gallery_of(row: Row[Any]) -> Gallery:
    return Gallery(
        id=GalleryId(subscription=row.subscription, group=row.group_name, gallery=row.name),
        incarnation=IncarnationId(row.incarnation),
        revision=row.revision,
        location=row.location,
        description=row.description,
        tags=row.tags,
        soft_delete_enabled=row.soft_delete_enabled,
        soft_delete_retention_days=row.soft_delete_retention_days,
        soft_delete_grace_days=row.soft_delete_grace_days,
        sharing=sharing_of(row.sharing),
        grants=granted(row.grants),
        created_at=row.created_at,
        provisioning_state=ProvisioningState(row.provisioning_state),
    )
