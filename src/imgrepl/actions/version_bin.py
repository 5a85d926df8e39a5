"""A gallery's bin: what lies in it, what comes back out of it, what goes for good."""

from dataclasses import dataclass, replace

from sqlalchemy import Connection

from imgrepl.actions import allowing, erasing, following, record_spreading, versions
from imgrepl.actions.context import Context
from imgrepl.actions.version_requests import VersionView
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Conflict, ImgreplError, Interrupted
from imgrepl.gallery import activity, replicas
from imgrepl.gallery import versions as rows
from imgrepl.model import etags, soft_deletion
from imgrepl.model.gallery import DefinitionId, Gallery, ImageVersion, VersionId
from imgrepl.model.policy import Action
from imgrepl.model.replica import ReplicaState, replicas_of
from imgrepl.model.waiting import WAIT_FOR_ALL, WaitFor


def put_in(
    ctx: Context, tx: Connection, version: ImageVersion, gallery: Gallery, *, dry_run: bool
) -> ImageVersion:
    """The version as it lies in the bin; its replicas but one a region are given up.

    The caller has checked that it may be deleted, and publishes its record.
    """
    whole = {
        replica.region
        for replica in replicas.of_version(tx, version.id)
        if replica.number == 0 and replica.state is ReplicaState.COMPLETED
    }
    binned = soft_deletion.put_in(version, gallery, ctx.clock.now(), only_first=whole)
    if dry_run:
        return binned
    binned = replace(binned, revision=rows.next_revision(tx, version.id))
    rows.update(tx, binned)
    rows.set_operation(tx, version.id, None)
    for target in binned.target_regions:
        replicas.drop(tx, version.id, target.name, target.replica_count)
    _log(ctx, tx, "soft-delete", version.id)
    return binned


def list_of(ctx: Context, definition: DefinitionId) -> list[VersionView]:
    """A definition's versions that lie in the bin, newest first. Raises `NotFound`."""
    sees = allowing.seeing(ctx, Action.VERSION_READ, definition)
    with ctx.index.read() as tx:
        standing = replicas.of_definition(tx, definition)
        return [
            VersionView(version=version, replicas=tuple(standing.get(version.id.version, ())))
            for version in reversed(rows.list_of(tx, definition))
            if version.deletion is not None and sees(version.id)
        ]


def undelete(
    ctx: Context,
    version_id: VersionId,
    *,
    allow_deletion_of_replicated_locations: bool | None = None,
    if_match: str | None = None,
    wait: WaitFor = WAIT_FOR_ALL,
    dry_run: bool = False,
) -> VersionView:
    """Brings a version back as it was, and refills its regions; one that is not away is a success.

    `allow_deletion_of_replicated_locations` is what its safety profile is to say then, if stated.
    It serves at once: one replica of each region never left. Raises `NotFound`; `Conflict`
    (`HardDeletionDue`, `MarkedForDeletion`, `ChangedMeanwhile`).
    """
    allowing.check(ctx, Action.VERSION_WRITE, version_id)
    with ctx.index.begin() as tx:
        version = rows.get(tx, version_id)
        etags.check_match(version, if_match)
        if version.deletion is None:
            soft_deletion.check_active(version)
            there = tuple(replicas.of_version(tx, version_id))
            return VersionView(version=version, replicas=there)
        restored = soft_deletion.taken_out(version, ctx.clock.now())
        if allow_deletion_of_replicated_locations is not None:
            allows = {
                "allow_deletion_of_replicated_locations": allow_deletion_of_replicated_locations
            }
            restored = replace(restored, safety=replace(restored.safety, **allows))
        wanted = replicas_of(restored.target_regions)
        if dry_run:
            return VersionView(version=restored, replicas=tuple(wanted), planned=True)
        restored = replace(restored, revision=rows.next_revision(tx, version_id))
        rows.update(tx, restored)
        replicas.plan(tx, version_id, wanted)
        lacking = [
            replica
            for replica in replicas.of_version(tx, version_id)
            if replica.state is not ReplicaState.COMPLETED
        ]
        operation_id = following.operation_for(ctx, tx, restored, None) if lacking else None
        _log(ctx, tx, "undelete", version_id)
    record_spreading.publish(ctx, restored)
    if operation_id is None:
        return versions.view(ctx, version_id)
    return following.go_on(ctx, version_id, operation_id, wait)


def purge(
    ctx: Context, version_id: VersionId, *, if_match: str | None = None, dry_run: bool = False
) -> dict[str, object]:
    """Deletes for good what lies in the bin, before its time. `collect` frees the bytes.

    Raises `NotFound`; `Conflict` (`NotSoftDeleted`, `OperationBusy`, `DeletionBlocked`,
    `ChangedMeanwhile`); and what the home region's store raises.
    """
    allowing.check(ctx, Action.VERSION_DELETE, version_id)
    with ctx.index.begin() as tx:
        version = rows.get(tx, version_id)
        etags.check_match(version, if_match)
        if version.deletion is None:
            raise Conflict(
                f"{version_id} does not lie in the bin",
                code="NotSoftDeleted",
                target=str(version_id),
                hint="`imgrepl image-version delete` puts it there, or deletes it for good with"
                " --bypass-soft-delete",
            )
        erasing.check_deletable(ctx, tx, version)
        if not dry_run:
            rows.mark_deleting(tx, version_id)
    report: dict[str, object] = {
        "version": str(version_id),
        "regions": [target.name for target in version.target_regions],
        "purged": not dry_run,
    }
    if dry_run:
        return report
    return report | {"unreachedRegions": erasing.erase(ctx, version, "image-version.purge")}


@dataclass(frozen=True, kw_only=True)
class Purged:
    """A version whose time in the bin was over. `error` says why it could not be purged now."""

    version: VersionId
    error: ImgreplError | None = None


def purge_expired(ctx: Context, *, dry_run: bool = False) -> list[Purged]:
    """Purges every version whose time in its bin is over; one that fails stops no other.

    With `dry_run` it only tells which. Raises `Interrupted`.
    """
    with ctx.index.read() as tx:
        due = [version.id for version in rows.expired(tx, ctx.clock.now())]
    return [_purged(ctx, version_id, dry_run=dry_run) for version_id in due]


def _purged(ctx: Context, version_id: VersionId, *, dry_run: bool) -> Purged:
    check_stop(ctx.engine.stop)
    try:
        purge(ctx, version_id, dry_run=dry_run)
    except Interrupted:
        raise
    except ImgreplError as error:
        return Purged(version=version_id, error=error)
    return Purged(version=version_id)


def _log(ctx: Context, tx: Connection, what: str, version_id: VersionId) -> None:
    activity.log(tx, f"image-version.{what}", str(version_id), "Succeeded", {}, ctx.principal)
