"""Places: rows made on first use, which stay where they were made.

A place keeps the position of its endpoint in its region's set. So a region may be given further
servers: places that exist stay, and only new ones spread over all.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from imgrepl.errors import Conflict, NotFound
from imgrepl.gallery.endpoints import endpoint_of, json_of
from imgrepl.gallery.schema import (
    PackState,
    moved_packs,
    moved_parts,
    moved_uses,
    pins,
    place_contents,
    place_packs,
    place_records,
    places,
)
from imgrepl.model.ids import PlaceId
from imgrepl.model.region import Endpoint, Place, PlaceRole, Region

NOT_STORED = PlaceId(0)
"""The id of a place that no index has: for one look at it."""


def ensure(tx: Connection, region: Region, role: PlaceRole, number: int) -> Place:
    """Place `number` of `role` in `region`, made when it is new.

    Raises `Invalid` (`StorageTypeNotOffered`) where the region has no such role.
    """
    chosen = sa.select(places).where(
        places.c.region == region.name, places.c.role == role, places.c.number == number
    )
    row = tx.execute(chosen).one_or_none()
    if row is None:
        endpoint = region.endpoint_of(role, number)
        tx.execute(
            sa.insert(places).values(
                region=region.name,
                role=role,
                number=number,
                position=number % len(region.standard) if role is PlaceRole.STANDARD else 0,
                endpoint=json_of(endpoint),
            )
        )
        row = tx.execute(chosen).one()
    return _place_of(row)


def get(tx: Connection, place_id: PlaceId) -> Place:
    """The place. Raises `NotFound` (`PlaceNotFound`)."""
    row = tx.execute(sa.select(places).where(places.c.id == place_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no place {place_id}", code="PlaceNotFound", target=str(place_id))
    return _place_of(row)


def of_region(tx: Connection, region_name: str) -> list[Place]:
    """Every place that this region has used so far."""
    chosen = sa.select(places).where(places.c.region == region_name)
    return [_place_of(row) for row in tx.execute(chosen.order_by(places.c.role, places.c.number))]


def list_all(tx: Connection) -> list[Place]:
    """Every place of the index."""
    order = (places.c.region, places.c.role, places.c.number)
    return [_place_of(row) for row in tx.execute(sa.select(places).order_by(*order))]


def prepared(tx: Connection, place_id: PlaceId) -> Mapping[str, Any] | None:
    """What the probe found when the place got its header; None where it has none yet."""
    value: Mapping[str, Any] | None = tx.scalar(
        sa.select(places.c.capabilities).where(places.c.id == place_id)
    )
    return value


def set_prepared(tx: Connection, place_id: PlaceId, capabilities: Mapping[str, Any] | None) -> None:
    """Notes that the place has its header and what its server can; None takes the note back."""
    value = None if capabilities is None else dict(capabilities)
    tx.execute(sa.update(places).where(places.c.id == place_id).values(capabilities=value))


def follow(tx: Connection, region: Region) -> None:
    """Gives the region's places its endpoints as they are now.

    Raises `Conflict` (`RegionInUse`) where a place that holds packs would lie under another URL.
    An empty place whose role or position is gone is forgotten; the server and the credentials of
    any may change. Of another server nothing is believed that guards against other writers, until
    it is probed.
    """
    for row in tx.execute(sa.select(places).where(places.c.region == region.name)).all():
        endpoint = _endpoint_now(region, row)
        mine = places.c.id == row.id
        if endpoint is not None and endpoint.url == row.endpoint["url"]:
            tx.execute(sa.update(places).where(mine).values(endpoint=json_of(endpoint)))
            if endpoint.endpoint_url != endpoint_of(row.endpoint).endpoint_url:
                set_prepared(tx, PlaceId(row.id), _doubted(row.capabilities))
        elif holds_packs(tx, row.id):
            raise Conflict(
                f"place {_place_of(row).name} holds packs under {row.endpoint['url']}; its URL"
                " cannot change",
                code="RegionInUse",
                target=region.name,
                hint="add URLs after those there are, or add a region of another name",
            )
        else:
            _forget(tx, row.id)


def holds_packs(tx: Connection, place_id: PlaceId) -> bool:
    """Whether any pack is, may be, or is still to be deleted there."""
    held = sa.and_(place_packs.c.place_id == place_id, place_packs.c.state != PackState.GONE)
    return tx.scalar(sa.select(place_packs.c.pack_id).where(held).limit(1)) is not None


def forget_empty(tx: Connection, region_name: str) -> None:
    """Removes the region's places; none of them may hold packs."""
    for number in tx.scalars(sa.select(places.c.id).where(places.c.region == region_name)).all():
        assert not holds_packs(tx, PlaceId(number)), f"place {number} holds packs"
        _forget(tx, number)


def forget(tx: Connection, place_id: PlaceId) -> None:
    """Removes a place, in which nobody has been."""
    assert not holds_packs(tx, place_id), f"place {place_id} holds packs"
    _forget(tx, place_id)


def abandon(tx: Connection, region_name: str) -> None:
    """Forgets the region's places with all that was in them: their servers are gone for good."""
    for place in of_region(tx, region_name):
        _forget(tx, place.id)


def _forget(tx: Connection, number: int) -> None:
    moved = (moved_uses, moved_parts, moved_packs)
    for table in (pins, *moved, place_contents, place_packs, place_records):
        tx.execute(sa.delete(table).where(table.c.place_id == number))
    tx.execute(sa.delete(places).where(places.c.id == number))


def _doubted(capabilities: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if capabilities is None:
        return None
    return {**capabilities, "conditional_put": False, "conditional_swap": False}


def _endpoint_now(region: Region, row: Row[Any]) -> Endpoint | None:
    role = PlaceRole(row.role)
    if role is PlaceRole.PREMIUM:
        return region.endpoint_of(role, row.number) if region.premium else None
    if role is not PlaceRole.STANDARD:
        return region.endpoint_of(role, row.number) if region.zones else None
    if row.position >= len(region.standard):
        return None
    alone = replace(region, standard=(region.standard[row.position],))
    return alone.endpoint_of(role, row.number)


def _place_of(row: Row[Any]) -> Place:
    return Place(
        id=PlaceId(row.id),
        region=row.region,
        role=PlaceRole(row.role),
        number=row.number,
        endpoint=endpoint_of(row.endpoint),
    )
