"""Which versions stand in a place: those with a replica whose storage type takes it there."""

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from imgrepl.gallery import places
from imgrepl.gallery.schema import replicas
from imgrepl.model.ids import PlaceId
from imgrepl.model.region import StorageAccountType, roles_of


def replica_here(tx: Connection, place_id: PlaceId) -> ColumnElement[bool]:
    """That a row of `replicas` stands in this place. Raises `NotFound` (`PlaceNotFound`)."""
    place = places.get(tx, place_id)
    types = [kind for kind in StorageAccountType if place.role in roles_of(kind)]
    return sa.and_(
        replicas.c.region == place.region,
        replicas.c.number == place.number,
        replicas.c.storage_account_type.in_(types),
    )
