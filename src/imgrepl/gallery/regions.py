"""Regions."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row, Table

from imgrepl.errors import Conflict, NotFound
from imgrepl.gallery import places
from imgrepl.gallery.endpoints import endpoint_of, json_of
from imgrepl.gallery.schema import definitions, galleries, regions, version_targets
from imgrepl.model.region import Region

_HOLDERS: tuple[tuple[Table, str, str], ...] = (
    (version_targets, "region", "image versions target it"),
    (galleries, "location", "galleries have it as their home"),
    (definitions, "location", "image definitions have it as their home"),
    (regions, "parent", "edge zones belong to it"),
)


def add(tx: Connection, region: Region) -> None:
    """Adds a region. Raises `Conflict` (`RegionExists`); `NotFound` for an unknown parent."""
    if _row(tx, region.name) is not None:
        raise Conflict(
            f"region {region.name} exists",
            code="RegionExists",
            target=region.name,
            hint=f"`imgrepl region update {region.name}` changes it",
        )
    if region.parent is not None:
        get(tx, region.parent)
    tx.execute(sa.insert(regions).values(name=region.name, **_values_of(region)))


def get(tx: Connection, name: str) -> Region:
    """The region of this normal name. Raises `NotFound` (`RegionNotFound`), naming those known."""
    row = _row(tx, name)
    if row is None:
        known = list(tx.scalars(sa.select(regions.c.name).order_by(regions.c.name)))
        raise NotFound(
            f"there is no region {name}; known are: {', '.join(known) or 'none yet'}",
            code="RegionNotFound",
            target=name,
            hint=f"`imgrepl region add {name} --url s3://BUCKET` adds it",
        )
    return _region_of(row)


def list_all(tx: Connection) -> list[Region]:
    """Every region, by name."""
    return [_region_of(row) for row in tx.execute(sa.select(regions).order_by(regions.c.name))]


def update(tx: Connection, region: Region) -> None:
    """Writes what may change; its places follow.

    Raises `NotFound`; `Conflict` (`RegionInUse`) where packs would be looked for elsewhere.
    """
    get(tx, region.name)
    if region.parent is not None:
        get(tx, region.parent)
    mine = regions.c.name == region.name
    tx.execute(sa.update(regions).where(mine).values(_values_of(region)))
    places.follow(tx, region)


def remove(tx: Connection, name: str) -> None:
    """Removes an unused region. Raises `NotFound`; `Conflict` (`RegionInUse`) with who uses it."""
    get(tx, name)
    refuse_used(tx, name)
    places.forget_empty(tx, name)
    tx.execute(sa.delete(regions).where(regions.c.name == name))


def refuse_used(tx: Connection, name: str) -> None:
    """Passes for a region that nothing uses. Raises `Conflict` (`RegionInUse`) with who does."""
    uses = list(_uses(tx, name))
    if uses:
        raise Conflict(
            f"region {name} is in use",
            code="RegionInUse",
            target=name,
            details=uses,
            hint="remove it from the versions' target regions, then run `imgrepl collect`",
        )


def _uses(tx: Connection, name: str) -> Iterable[str]:
    for table, column, what in _HOLDERS:
        counted = sa.select(sa.func.count()).select_from(table).where(table.c[column] == name)
        if count := tx.scalar(counted):
            yield f"{count} {what}"
    for place in places.of_region(tx, name):
        if places.holds_packs(tx, place.id):
            yield f"place {place.name} holds packs"


def _row(tx: Connection, name: str) -> Row[Any] | None:
    return tx.execute(sa.select(regions).where(regions.c.name == name)).one_or_none()


def _values_of(region: Region) -> dict[str, Any]:
    return {
        "display_name": region.display_name,
        "standard": [json_of(endpoint) for endpoint in region.standard],
        "zones": [json_of(endpoint) for endpoint in region.zones],
        "premium": None if region.premium is None else json_of(region.premium),
        "parent": region.parent,
    }


def _region_of(row: Row[Any]) -> Region:
    return Region(
        name=row.name,
        display_name=row.display_name,
        standard=tuple(endpoint_of(value) for value in row.standard),
        zones=tuple(endpoint_of(value) for value in row.zones),
        premium=None if row.premium is None else endpoint_of(row.premium),
        parent=row.parent,
    )
