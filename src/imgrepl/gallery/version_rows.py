"""An `ImageVersion` as rows of three tables, and back."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Row, Table

from imgrepl.gallery.bulk import in_lists
from imgrepl.gallery.schema import version_disks, version_targets
from imgrepl.gallery.shares import grant_values, granted
from imgrepl.model.gallery import (
    GalleryId,
    HostCaching,
    ImageVersion,
    ProvisioningState,
    ReplicationMode,
    SafetyProfile,
    SoftDeletion,
    StorageAccountStrategy,
    TargetRegion,
    VersionDisk,
    VersionId,
    VersionName,
)
from imgrepl.model.ids import ContentId, IncarnationId
from imgrepl.model.region import StorageAccountType
from imgrepl.model.source_state import SourceState

K = TypeVar("K", bound=StrEnum)


def values_of(version: ImageVersion) -> dict[str, Any]:
    """Its columns, but for the revision and what it belongs to."""
    return mutable_values_of(version) | {
        "major": version.id.version.major,
        "minor": version.id.version.minor,
        "patch": version.id.version.patch,
        "incarnation": version.incarnation,
        "location": version.location,
        "storage_account_type": version.storage_account_type,
        "storage_account_strategy": version.storage_account_strategy,
        "committed": version.committed,
        "published_at": version.published_at,
        "replication_mode": version.replication_mode,
    }


def mutable_values_of(version: ImageVersion) -> dict[str, Any]:
    """The columns that may change once it is committed."""
    return {
        "replica_count": version.replica_count,
        "exclude_from_latest": version.exclude_from_latest,
        "end_of_life_date": version.end_of_life_date,
        "safety": asdict(version.safety),
        "tags": dict(version.tags),
        "provisioning_state": version.provisioning_state,
        **_deletion_values(version.deletion),
        **grant_values(version.grants),
    }


def _deletion_values(deletion: SoftDeletion | None) -> dict[str, Any]:
    return {
        "deleted_at": deletion and deletion.deleted_at,
        "consumption_ends_at": deletion and deletion.consumption_ends_at,
        "hard_deletion_at": deletion and deletion.hard_deletion_at,
        "replica_counts_before": deletion and dict(deletion.replica_counts),
    }


def target_rows(targets: Iterable[TargetRegion]) -> Iterator[dict[str, Any]]:
    """One row per target, which keeps its position."""
    for position, target in enumerate(targets):
        yield {
            "position": position,
            "region": target.name,
            "replica_count": target.replica_count,
            "storage_account_type": target.storage_account_type,
            "exclude_from_latest": target.exclude_from_latest,
            "parent": target.parent,
        }


def disk_rows(disks: Iterable[VersionDisk]) -> Iterator[dict[str, Any]]:
    """One row per disk, which keeps its position."""
    for position, disk in enumerate(disks):
        state = disk.source_state
        stated = None if state is None else state.as_json()
        yield {"position": position, **vars(disk), "source_state": stated}


def load(tx: Connection, rows: Sequence[Row[Any]]) -> Iterator[ImageVersion]:
    """The versions of these rows, in their order, with targets and disks read in bulk."""
    numbers = [row.id for row in rows]
    targets = _by_version(tx, version_targets, numbers)
    disks = _by_version(tx, version_disks, numbers)
    for row in rows:
        yield _version_of(row, targets[row.id], disks[row.id])


def _by_version(
    tx: Connection, table: Table, numbers: Iterable[int]
) -> defaultdict[int, list[Row[Any]]]:
    found: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for batch in in_lists(numbers):
        chosen = sa.select(table).where(table.c.version_id.in_(batch))
        for row in tx.execute(chosen.order_by(table.c.version_id, table.c.position)):
            found[row.version_id].append(row)
    return found


def _version_of(
    row: Row[Any], targets: Sequence[Row[Any]], disks: Sequence[Row[Any]]
) -> ImageVersion:
    return ImageVersion(
        id=_id_of(row),
        incarnation=IncarnationId(row.incarnation),
        revision=row.revision,
        location=row.location,
        target_regions=tuple(_target_of(target) for target in targets),
        replica_count=row.replica_count,
        storage_account_type=StorageAccountType(row.storage_account_type),
        disks=tuple(_disk_of(disk) for disk in disks),
        committed=row.committed,
        exclude_from_latest=row.exclude_from_latest,
        end_of_life_date=row.end_of_life_date,
        published_at=row.published_at,
        replication_mode=ReplicationMode(row.replication_mode),
        safety=SafetyProfile(**row.safety),
        tags=row.tags,
        provisioning_state=ProvisioningState(row.provisioning_state),
        storage_account_strategy=_optional(StorageAccountStrategy, row.storage_account_strategy),
        deletion=_deletion_of(row),
        grants=granted(row.grants),
    )


def _deletion_of(row: Row[Any]) -> SoftDeletion | None:
    if row.deleted_at is None:
        return None
    return SoftDeletion(
        deleted_at=row.deleted_at,
        consumption_ends_at=row.consumption_ends_at,
        hard_deletion_at=row.hard_deletion_at,
        replica_counts=row.replica_counts_before,
    )


def _id_of(row: Row[Any]) -> VersionId:
    gallery = GalleryId(
        subscription=row.in_subscription, group=row.in_group, gallery=row.in_gallery
    )
    number = VersionName(row.major, row.minor, row.patch)
    return gallery.definition(row.in_definition).version(number)


def _target_of(row: Row[Any]) -> TargetRegion:
    return TargetRegion(
        name=row.region,
        replica_count=row.replica_count,
        storage_account_type=StorageAccountType(row.storage_account_type),
        exclude_from_latest=row.exclude_from_latest,
        parent=row.parent,
    )


def _disk_of(row: Row[Any]) -> VersionDisk:
    return VersionDisk(
        lun=row.lun,
        source=row.source,
        format=row.format,
        provisioned_bytes=row.provisioned_bytes,
        occupied_bytes=row.occupied_bytes,
        stored_bytes=row.stored_bytes,
        content_id=None if row.content_id is None else ContentId(row.content_id),
        chunks=row.chunks,
        sha256=row.sha256,
        host_caching=_optional(HostCaching, row.host_caching),
        source_state=None if row.source_state is None else SourceState(**row.source_state),
    )


def _optional(kind: type[K], value: str | None) -> K | None:
    return None if value is None else kind(value)
