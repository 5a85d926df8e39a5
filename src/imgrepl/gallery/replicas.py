"""Replicas: what each version has in each region."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row

from imgrepl.gallery import lookups
from imgrepl.gallery.bulk import insert_missing
from imgrepl.gallery.schema import definitions, galleries, replicas, version_targets, versions
from imgrepl.model import states
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId, VersionName
from imgrepl.model.proof import ProofLevel
from imgrepl.model.region import StorageAccountType
from imgrepl.model.replica import Replica, ReplicaState


def plan(tx: Connection, version: VersionId, wanted: Iterable[Replica]) -> None:
    """Adds those replicas that are not there yet and leaves the others as they stand.

    Raises `NotFound`.
    """
    number = lookups.version_number(tx, version)
    rows = [
        {
            "version_id": number,
            "region": replica.region,
            "number": replica.number,
            "storage_account_type": replica.storage_account_type,
            "state": replica.state,
            "bytes_done": replica.bytes_done,
            "bytes_total": replica.bytes_total,
            "detail": replica.detail,
            "proof_level": replica.proof,
            "verified_at": replica.verified_at,
        }
        for replica in wanted
    ]
    insert_missing(tx, replicas, rows)


def of_version(tx: Connection, version: VersionId) -> list[Replica]:
    """A version's replicas: regions in the order of its targets, then by number.

    Those of a region that is no target any more come last. Raises `NotFound`.
    """
    number = lookups.version_number(tx, version)
    chosen = _in_order().where(replicas.c.version_id == number)
    return [_replica_of(row) for row in tx.execute(chosen)]


def of_definition(tx: Connection, definition: DefinitionId) -> dict[VersionName, list[Replica]]:
    """The replicas of each version that has any, as `of_version` gives them. Raises `NotFound`."""
    number = lookups.definition_number(tx, definition)
    chosen = (
        _in_order()
        .join(versions, versions.c.id == replicas.c.version_id)
        .add_columns(versions.c.major, versions.c.minor, versions.c.patch)
        .where(versions.c.definition_id == number)
    )
    found: defaultdict[VersionName, list[Replica]] = defaultdict(list)
    for row in tx.execute(chosen):
        found[VersionName(row.major, row.minor, row.patch)].append(_replica_of(row))
    return dict(found)


def of_all(tx: Connection) -> dict[VersionId, list[Replica]]:
    """The replicas of each version that has any, as `of_version` gives them."""
    chosen = (
        _in_order()
        .join(versions, versions.c.id == replicas.c.version_id)
        .join(definitions, definitions.c.id == versions.c.definition_id)
        .join(galleries, galleries.c.id == definitions.c.gallery_id)
        .add_columns(
            versions.c.major,
            versions.c.minor,
            versions.c.patch,
            definitions.c.name.label("in_definition"),
            galleries.c.subscription.label("in_subscription"),
            galleries.c.group_name.label("in_group"),
            galleries.c.name.label("in_gallery"),
        )
    )
    found: dict[VersionId, list[Replica]] = {}
    for row in tx.execute(chosen):
        gallery = GalleryId(
            subscription=row.in_subscription, group=row.in_group, gallery=row.in_gallery
        )
        definition = gallery.definition(row.in_definition)
        version = definition.version(VersionName(row.major, row.minor, row.patch))
        found.setdefault(version, []).append(_replica_of(row))
    return found


def _in_order() -> sa.Select[Any]:
    same_region = sa.and_(
        version_targets.c.version_id == replicas.c.version_id,
        version_targets.c.region == replicas.c.region,
    )
    last = sa.func.coalesce(version_targets.c.position, 1 << 30)
    return (
        sa.select(replicas)
        .outerjoin(version_targets, same_region)
        .order_by(last, replicas.c.region, replicas.c.number)
    )


def set_state(  # noqa: PLR0913 - one keyword per column
    tx: Connection,
    version: VersionId,
    region: str,
    number: int,
    *,
    state: ReplicaState,
    bytes_done: int | None = None,
    bytes_total: int | None = None,
    detail: str | None = None,
    proof: ProofLevel | None = None,
    verified_at: datetime | None = None,
) -> None:
    """Sets the state, and of the rest what is not None.

    A replica that the plan dropped meanwhile is not brought back, and one that is complete does not
    fail: what it has was proven. Raises `NotFound`; `Conflict` (`IllegalStateMove`).
    """
    given = {
        "bytes_done": bytes_done,
        "bytes_total": bytes_total,
        "detail": detail,
        "proof_level": proof,
        "verified_at": verified_at,
    }
    values = {name: value for name, value in given.items() if value is not None}
    mine = replicas.c.version_id == lookups.version_number(tx, version)
    this = sa.and_(mine, replicas.c.region == region, replicas.c.number == number)
    present = tx.scalar(sa.select(replicas.c.state).where(this))
    if present is None or (present, state) == (ReplicaState.COMPLETED, ReplicaState.FAILED):
        return
    states.check_replica(f"{version} in {region}, replica {number}", ReplicaState(present), state)
    tx.execute(sa.update(replicas).where(this).values(state=state, **values))


def drop(tx: Connection, version: VersionId, region: str, numbers_from: int = 0) -> None:
    """Forgets the region's replicas from this number on. Raises `NotFound`."""
    tx.execute(
        sa.delete(replicas).where(
            replicas.c.version_id == lookups.version_number(tx, version),
            replicas.c.region == region,
            replicas.c.number >= numbers_from,
        )
    )


def completed_regions(tx: Connection, definition: DefinitionId) -> dict[VersionName, set[str]]:
    """For each committed version: the regions with at least one completed replica.

    One is enough: a region whose count is being raised goes on serving. Raises `NotFound`.
    """
    number = lookups.definition_number(tx, definition)
    name = (versions.c.major, versions.c.minor, versions.c.patch)
    chosen = (
        sa.select(*name, replicas.c.region)
        .join(replicas, _completed_of(versions.c.id))
        .where(versions.c.definition_id == number, versions.c.committed)
        .distinct()
    )
    found: defaultdict[VersionName, set[str]] = defaultdict(set)
    for major, minor, patch, region in tx.execute(chosen):
        found[VersionName(major, minor, patch)].add(region)
    return dict(found)


def _completed_of(version_id: ColumnElement[int]) -> ColumnElement[bool]:
    return sa.and_(replicas.c.version_id == version_id, replicas.c.state == ReplicaState.COMPLETED)


def _replica_of(row: Row[Any]) -> Replica:
    return Replica(
        region=row.region,
        number=row.number,
        storage_account_type=StorageAccountType(row.storage_account_type),
        state=ReplicaState(row.state),
        bytes_done=row.bytes_done,
        bytes_total=row.bytes_total,
        detail=row.detail,
        proof=None if row.proof_level is None else ProofLevel(row.proof_level),
        verified_at=row.verified_at,
    )
