"""How much a replica would take that is not there yet, or give back that is."""

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery import contents, lookups, places
from imgrepl.gallery.packs import PRESENT, present_in
from imgrepl.gallery.schema import content_packs, packs, place_packs, replicas, version_disks
from imgrepl.gallery.standing import replica_here
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.region import Place, roles_of
from imgrepl.model.replica import Replica


def lacking_bytes(tx: Connection, version: ImageVersion, replica: Replica) -> int:
    """Bytes of the version's packs that the replica's places lack; a place that is new lacks all.

    An upper bound: of a pack that is needed in part, parts alone are brought.
    """
    sizes = contents.pack_bytes_of(tx, contents.packs_of(tx, version.content_ids))
    found = _places(tx, replica)
    new = len(roles_of(replica.storage_account_type)) - len(found)
    there = sum(
        row.pack_bytes for place in found for row in present_in(tx, place.id, sizes).values()
    )
    return sum(sizes.values()) * (new + len(found)) - there


def own_bytes(tx: Connection, version: ImageVersion, replica: Replica) -> int:
    """Bytes of packs in the replica's places that no other version needs there."""
    return sum(_own_bytes_in(tx, version, place) for place in _places(tx, replica))


def _own_bytes_in(tx: Connection, version: ImageVersion, place: Place) -> int:
    number = lookups.version_number(tx, version.id)
    mine = (
        sa.select(content_packs.c.pack_id)
        .join(version_disks, version_disks.c.content_id == content_packs.c.content_id)
        .where(version_disks.c.version_id == number)
    )
    others = (
        sa.select(content_packs.c.pack_id)
        .join(version_disks, version_disks.c.content_id == content_packs.c.content_id)
        .join(replicas, replicas.c.version_id == version_disks.c.version_id)
        .where(replicas.c.version_id != number, replica_here(tx, place.id))
    )
    own = (
        sa.select(sa.func.coalesce(sa.func.sum(packs.c.pack_bytes), 0))
        .join(place_packs, place_packs.c.pack_id == packs.c.pack_id)
        .where(
            place_packs.c.place_id == place.id,
            place_packs.c.state == PRESENT,
            packs.c.pack_id.in_(mine),
            packs.c.pack_id.not_in(others),
        )
    )
    return int(tx.execute(own).scalar_one())


def _places(tx: Connection, replica: Replica) -> list[Place]:
    """The places that it stands in, as far as they were ever used."""
    roles = roles_of(replica.storage_account_type)
    return [
        place
        for place in places.of_region(tx, replica.region)
        if place.role in roles and place.number == replica.number
    ]
