"""How many resources there are by subscription and region, and how large the largest are."""

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery.schema import (
    definitions,
    galleries,
    version_disks,
    version_targets,
    versions,
)
from imgrepl.model.gallery import ReplicationMode


class Scope(NamedTuple):
    """Where Azure counts resources: a subscription, in one region."""

    subscription: str
    region: str


class Largest(NamedTuple):
    """The largest there are: replicas of a version in a region, and disks in bytes."""

    replica_count: int
    disk_bytes: int
    shallow_disk_bytes: int


def galleries_by_scope(tx: Connection) -> dict[Scope, int]:
    """Galleries of each subscription in each region."""
    chosen = sa.select(sa.func.count().label("found")).select_from(galleries)
    return _by_scope(tx, chosen, galleries.c.location)


def definitions_by_scope(tx: Connection) -> dict[Scope, int]:
    """Image definitions of each subscription in each region."""
    chosen = sa.select(sa.func.count().label("found")).join_from(
        definitions, galleries, galleries.c.id == definitions.c.gallery_id
    )
    return _by_scope(tx, chosen, definitions.c.location)


def versions_by_scope(tx: Connection) -> dict[Scope, int]:
    """Image versions of each subscription in each region, staged ones and the bin included."""
    grouped = (
        sa.select(versions.c.definition_id, versions.c.location, sa.func.count().label("versions"))
        .group_by(versions.c.location, versions.c.definition_id)
        .subquery()
    )
    chosen = (
        sa.select(sa.func.sum(grouped.c.versions).label("found"))
        .join_from(grouped, definitions, definitions.c.id == grouped.c.definition_id)
        .join(galleries, galleries.c.id == definitions.c.gallery_id)
    )
    return _by_scope(tx, chosen, grouped.c.location)


def largest(tx: Connection) -> Largest:
    """Of all versions; 0 where there are none."""
    shallow = versions.c.replication_mode == ReplicationMode.SHALLOW
    size = version_disks.c.provisioned_bytes
    disks = sa.select(
        sa.func.max(sa.case((~shallow, size), else_=0)),
        sa.func.max(sa.case((shallow, size), else_=0)),
    ).join_from(version_disks, versions, versions.c.id == version_disks.c.version_id)
    full_bytes, shallow_bytes = tx.execute(disks).one()
    replica_count = tx.scalar(sa.select(sa.func.max(version_targets.c.replica_count)))
    return Largest(replica_count or 0, full_bytes or 0, shallow_bytes or 0)


def _by_scope(
    tx: Connection, chosen: sa.Select[Any], location: sa.ColumnElement[str]
) -> dict[Scope, int]:
    named = sa.func.min(galleries.c.subscription).label("subscription")
    keys = (galleries.c.subscription_key, location)
    rows = tx.execute(chosen.add_columns(named, location).group_by(*keys).order_by(*keys))
    return {Scope(row.subscription, row.location): int(row.found) for row in rows}
