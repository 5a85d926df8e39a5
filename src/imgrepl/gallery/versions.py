"""Image versions: staged, committed, changed, removed."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from imgrepl.errors import Conflict
from imgrepl.gallery import lookups, moved, revisions, version_rows
from imgrepl.gallery.bulk import in_lists
from imgrepl.gallery.packs import PRESENT
from imgrepl.gallery.schema import (
    content_packs,
    definitions,
    galleries,
    operations,
    place_packs,
    places,
    replicas,
    version_disks,
    version_targets,
    versions,
)
from imgrepl.gallery.types import DatabaseNow
from imgrepl.model import states
from imgrepl.model.gallery import (
    DefinitionId,
    ImageVersion,
    ProvisioningState,
    ReplicationMode,
    TargetRegion,
    VersionDisk,
    VersionId,
)
from imgrepl.model.ids import ContentId, OperationId, PackId, PlaceId
from imgrepl.model.replica import ReplicaState

_DETAILS_MAX = 20


def stage(tx: Connection, version: ImageVersion, operation_id: OperationId | None) -> None:
    """Adds a version that nobody sees yet, published by this operation.

    Raises `NotFound` (`GalleryNotFound`, `DefinitionNotFound`); `Conflict` (`VersionExists`), for
    a staged one as well.
    """
    definition_id = lookups.definition_number(tx, version.id.definition)
    if tx.scalar(sa.select(lookups.version_row(version.id))) is not None:
        raise Conflict(
            f"version {version.id} exists",
            code="VersionExists",
            target=str(version.id),
            hint="a version's content never changes: publish it under another number",
        )
    values = version_rows.values_of(version)
    values |= {"definition_id": definition_id, "operation_id": operation_id}
    values |= {"revision": version.revision, "next_revision": version.revision + 1}
    tx.execute(sa.insert(versions).values(values))
    number = lookups.version_number(tx, version.id)
    _replace(tx, version_targets, number, version_rows.target_rows(version.target_regions))
    _replace(tx, version_disks, number, version_rows.disk_rows(version.disks))


def adopt(tx: Connection, version: ImageVersion) -> None:
    """Makes the index say what a record says: adds the version, or follows a higher revision.

    An older or equal revision of the same incarnation changes nothing.
    """
    known = find(tx, version.id)
    if known is None:
        stage(tx, version, None)
    elif known.incarnation != version.incarnation or known.revision < version.revision:
        number = lookups.version_number(tx, version.id)
        values = version_rows.values_of(version) | {"operation_id": None}
        revisions.overwrite(tx, versions, number, revision=version.revision, values=values)
        _replace(tx, version_targets, number, version_rows.target_rows(version.target_regions))
        _replace(tx, version_disks, number, version_rows.disk_rows(version.disks))


def get(tx: Connection, version: VersionId) -> ImageVersion:
    """The version, staged or committed. Raises `NotFound`, naming what is missing."""
    return find(tx, version) or lookups.no_version(tx, version)


def find(tx: Connection, version: VersionId) -> ImageVersion | None:
    """The version, staged or committed, or None."""
    chosen = _chosen().where(versions.c.id == lookups.version_row(version))
    return next(version_rows.load(tx, tx.execute(chosen).all()), None)


def list_of(
    tx: Connection, definition: DefinitionId, *, include_staged: bool = False
) -> list[ImageVersion]:
    """A definition's versions, lowest number first. Raises `NotFound`."""
    number = lookups.definition_number(tx, definition)
    return _listed(tx, versions.c.definition_id == number, include_staged=include_staged)


def list_all(tx: Connection, *, include_staged: bool = False) -> list[ImageVersion]:
    """Every version of the index, by gallery, definition and number."""
    return _listed(tx, sa.true(), include_staged=include_staged)


def by_number(tx: Connection, numbers: Collection[int]) -> dict[int, ImageVersion]:
    """The versions of these rows."""
    rows = tx.execute(_chosen().where(versions.c.id.in_(numbers))).all()
    loaded = version_rows.load(tx, rows)
    return {row.id: version for row, version in zip(rows, loaded, strict=True)}


def expired(tx: Connection, now: datetime) -> list[ImageVersion]:
    """The versions in bins whose time there is over, the longest overdue first."""
    due = _chosen().where(versions.c.hard_deletion_at <= now)
    return list(version_rows.load(tx, tx.execute(due.order_by(versions.c.hard_deletion_at)).all()))


def count(tx: Connection, subscription: str, location: str) -> int:
    """How many versions the subscription has in this region, staged ones included."""
    inside = versions.join(definitions, definitions.c.id == versions.c.definition_id).join(
        galleries, galleries.c.id == definitions.c.gallery_id
    )
    mine = sa.and_(
        galleries.c.subscription_key == lookups.fold(subscription),
        versions.c.location == location,
    )
    return tx.execute(sa.select(sa.func.count()).select_from(inside).where(mine)).scalar_one()


def count_all(tx: Connection) -> int:
    """How many versions the index has, staged ones included."""
    return tx.execute(sa.select(sa.func.count()).select_from(versions)).scalar_one()


def failed_somewhere(tx: Connection) -> list[VersionId]:
    """The committed versions that failed in a region, by gallery, definition and number."""
    failed = sa.exists().where(
        replicas.c.version_id == versions.c.id, replicas.c.state == ReplicaState.FAILED
    )
    return [version.id for version in _listed(tx, failed, include_staged=False)]


def contents_in_use(tx: Connection, asked: Collection[ContentId]) -> set[ContentId]:
    """Which of these contents are disks of committed versions, those in bins included."""
    found: set[ContentId] = set()
    for batch in in_lists(asked):
        chosen = (
            sa.select(version_disks.c.content_id)
            .join(versions, versions.c.id == version_disks.c.version_id)
            .where(versions.c.committed, version_disks.c.content_id.in_(batch))
        )
        found.update(ContentId(one) for one in tx.scalars(chosen) if one is not None)
    return found


def operation_of(tx: Connection, version: VersionId) -> OperationId | None:
    """The operation that is publishing the version. Raises `NotFound`."""
    number = lookups.version_number(tx, version)
    operation: OperationId | None = tx.scalar(
        sa.select(versions.c.operation_id).where(versions.c.id == number)
    )
    return operation


def set_operation(tx: Connection, version: VersionId, operation_id: OperationId | None) -> None:
    """Hands the version to another operation, or to none. Raises `NotFound`."""
    _set(tx, lookups.version_number(tx, version), operation_id=operation_id)


def next_revision(tx: Connection, version: VersionId) -> int:
    """A revision that no record of this version has carried. Raises `NotFound`."""
    return revisions.allocate(tx, versions, lookups.version_number(tx, version))


def set_disks(tx: Connection, version: VersionId, disks: Sequence[VersionDisk]) -> None:
    """What was found on the disks; only while its content is not durable. Raises `NotFound`."""
    number = lookups.version_number(tx, version)
    chosen = sa.select(versions.c.committed, versions.c.replication_mode)
    committed, mode = tx.execute(chosen.where(versions.c.id == number)).one()
    assert not committed or mode == ReplicationMode.SHALLOW, f"{version} has its content for good"
    _replace(tx, version_disks, number, version_rows.disk_rows(disks))


def commit(tx: Connection, version: VersionId, published_at: datetime, revision: int) -> None:
    """The home record is durable: the version is visible, its content is its for good.

    Raises `NotFound`; `Conflict` (`PacksNotLive`) where a pack it names is not present in its home
    region.
    """
    _refuse_lost(tx, version)
    values = {"committed": True, "published_at": published_at}
    number = lookups.version_number(tx, version)
    revisions.overwrite(tx, versions, number, revision=revision, values=values)


def make_full(tx: Connection, version: ImageVersion) -> None:
    """The home record that gives a shallow version its content is durable. Raises as `commit`."""
    _refuse_lost(tx, version.id)
    number = lookups.version_number(tx, version.id)
    values = {
        "replication_mode": version.replication_mode,
        "replica_count": version.replica_count,
    }
    revisions.write(tx, versions, number, revision=version.revision, values=values)
    _replace(tx, version_targets, number, version_rows.target_rows(version.target_regions))
    _replace(tx, version_disks, number, version_rows.disk_rows(version.disks))


def _refuse_lost(tx: Connection, version: VersionId) -> None:
    lost = lost_packs(tx, version)
    if lost:
        raise Conflict(
            f"{len(lost)} packs of {version} are not in its home region any more",
            code="PacksNotLive",
            target=str(version),
            details=lost[:_DETAILS_MAX],
            hint="run the operation again: it puts what is missing",
        )


def lost_packs(tx: Connection, version: VersionId) -> list[PackId]:
    """Packs that its disks name and no place of its home region has, by whatever way.

    Raises `NotFound`.
    """
    number = lookups.version_number(tx, version)
    itself = sa.exists().where(
        place_packs.c.pack_id == content_packs.c.pack_id,
        place_packs.c.state == PRESENT,
        place_packs.c.place_id == places.c.id,
    )
    at_home = sa.exists().where(
        places.c.region == versions.c.location,
        sa.or_(itself.correlate_except(place_packs), moved.is_met(places.c.id)),
    )
    named = (
        sa.select(content_packs.c.pack_id)
        .join(version_disks, version_disks.c.content_id == content_packs.c.content_id)
        .join(versions, versions.c.id == version_disks.c.version_id)
        .where(versions.c.id == number, ~at_home)
        .distinct()
    )
    return [PackId(pack_id) for pack_id in tx.scalars(named.order_by(content_packs.c.pack_id))]


def homes_of(tx: Connection, content_id: ContentId) -> list[PlaceId]:
    """The places in the home regions of the versions that name this content, staged ones too."""
    chosen = (
        sa.select(places.c.id)
        .join(versions, versions.c.location == places.c.region)
        .join(version_disks, version_disks.c.version_id == versions.c.id)
        .where(version_disks.c.content_id == content_id)
        .distinct()
    )
    return [PlaceId(number) for number in tx.scalars(chosen.order_by(places.c.id))]


class Naming(NamedTuple):
    """A version that names a content. `next_revision` grows once its manifest is durable."""

    number: int
    committed: bool
    next_revision: int


def naming(tx: Connection, content_id: ContentId, *, but: VersionId) -> frozenset[Naming]:
    """The versions other than `but` that name this content, staged ones too."""
    columns = (versions.c.id, versions.c.committed, versions.c.next_revision)
    rows = tx.execute(sa.select(*columns).where(*_others_naming(tx, content_id, but)))
    return frozenset(Naming(*row) for row in rows)


def is_published_now(tx: Connection, content_id: ContentId, *, but: VersionId) -> bool:
    """Whether somebody is at work on a staged version, not `but`, that names this content."""
    chosen = (
        sa.select(versions.c.id)
        .join(operations, operations.c.operation_id == versions.c.operation_id)
        .where(
            ~versions.c.committed,
            operations.c.lease_until > DatabaseNow(),
            *_others_naming(tx, content_id, but),
        )
    )
    return tx.scalar(chosen.limit(1)) is not None


def _others_naming(
    tx: Connection, content_id: ContentId, but: VersionId
) -> tuple[sa.ColumnElement[bool], ...]:
    named = sa.select(version_disks.c.version_id).where(version_disks.c.content_id == content_id)
    return versions.c.id.in_(named), versions.c.id != lookups.version_number(tx, but)


def set_targets(
    tx: Connection,
    version: VersionId,
    targets: Sequence[TargetRegion],
    replica_count: int,
    revision: int,
) -> None:
    """Where it is to stand from now on. Raises `NotFound`; `Conflict` (`ChangedMeanwhile`)."""
    number = lookups.version_number(tx, version)
    values = {"replica_count": replica_count}
    revisions.write(tx, versions, number, revision=revision, values=values)
    _replace(tx, version_targets, number, version_rows.target_rows(targets))


def set_home(tx: Connection, version: VersionId, location: str, revision: int) -> None:
    """Another home region. Raises `NotFound`; `Conflict` (`ChangedMeanwhile`)."""
    number = lookups.version_number(tx, version)
    revisions.write(tx, versions, number, revision=revision, values={"location": location})


def set_state(tx: Connection, version: VersionId, state: ProvisioningState) -> None:
    """Where it stands, in Azure's words.

    Raises `NotFound`; `Conflict` (`MarkedForDeletion`, `IllegalStateMove`) for a move that there
    is not.
    """
    number = lookups.version_number(tx, version)
    chosen = sa.select(versions.c.provisioning_state).where(versions.c.id == number)
    present = ProvisioningState(tx.execute(chosen).scalar_one())
    states.check_provisioning(str(version), present, state)
    _set(tx, number, provisioning_state=state)


def update(tx: Connection, version: ImageVersion) -> None:
    """Writes all that may change, targets included.

    Raises `NotFound`; `Conflict` (`ChangedMeanwhile`).
    """
    number = lookups.version_number(tx, version.id)
    values = version_rows.mutable_values_of(version)
    revisions.write(tx, versions, number, revision=version.revision, values=values)
    _replace(tx, version_targets, number, version_rows.target_rows(version.target_regions))


def mark_deleting(tx: Connection, version: VersionId) -> None:
    """Never `latest` again, and only to be deleted. Raises `NotFound`."""
    set_state(tx, version, ProvisioningState.DELETING)


def remove(tx: Connection, version: VersionId) -> None:
    """Forgets the version, its disks, targets and replicas. Raises `NotFound`."""
    number = lookups.version_number(tx, version)
    tx.execute(sa.delete(versions).where(versions.c.id == number))


def _set(tx: Connection, number: int, **values: object) -> None:
    tx.execute(sa.update(versions).where(versions.c.id == number).values(values))


def _replace(tx: Connection, table: Table, number: int, rows: Iterable[dict[str, Any]]) -> None:
    tx.execute(sa.delete(table).where(table.c.version_id == number))
    numbered = [{"version_id": number, **row} for row in rows]
    if numbered:
        tx.execute(sa.insert(table), numbered)


def _chosen() -> sa.Select[Any]:
    return (
        sa.select(
            versions,
            definitions.c.name.label("in_definition"),
            galleries.c.subscription.label("in_subscription"),
            galleries.c.group_name.label("in_group"),
            galleries.c.name.label("in_gallery"),
        )
        .join(definitions, definitions.c.id == versions.c.definition_id)
        .join(galleries, galleries.c.id == definitions.c.gallery_id)
    )


def _listed(
    tx: Connection, condition: sa.ColumnElement[bool], *, include_staged: bool
) -> list[ImageVersion]:
    chosen = _chosen().where(condition)
    if not include_staged:
        chosen = chosen.where(versions.c.committed)
    number = (versions.c.major, versions.c.minor, versions.c.patch)
    names = (galleries.c.subscription_key, galleries.c.name_key, definitions.c.name_key)
    return list(version_rows.load(tx, tx.execute(chosen.order_by(*names, *number)).all()))
