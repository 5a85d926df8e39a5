"""Deletes a version: a tombstone at home first, then everywhere, then the rows."""

from sqlalchemy import Connection

from imgrepl.actions import record_spreading
from imgrepl.actions.context import Context
from imgrepl.engine import records
from imgrepl.engine.owner import is_gone
from imgrepl.errors import Conflict
from imgrepl.gallery import activity, operations, records_log
from imgrepl.gallery import versions as rows
from imgrepl.model.gallery import ImageVersion, VersionId


def delete(ctx: Context, version_id: VersionId, *, dry_run: bool = False) -> dict[str, object]:
    """Deletes a version: a tombstone in its home region first, then everywhere, then the rows.

    The bytes that nothing else names are freed by `collect`. Raises `Conflict` (`OperationBusy`,
    `DeletionBlocked`) and `NotFound`.
    """
    with ctx.index.read() as tx:
        version = rows.get(tx, version_id)
        _check_deletable(ctx, tx, version)
    report: dict[str, object] = {
        "version": str(version_id),
        "regions": [target.name for target in version.target_regions],
        "deleted": not dry_run,
    }
    if dry_run:
        return report
    failed: dict[str, str] = {}
    if version.committed:
        failed = _bury(ctx, version)
    with ctx.index.begin() as tx:
        rows.remove(tx, version_id)
        activity.log(
            tx,
            action="image-version.delete",
            target=str(version_id),
            outcome="Succeeded",
            detail={"unreached": failed},
            principal=ctx.principal,
        )
    return report | {"unreachedRegions": sorted(failed)}


def _check_deletable(ctx: Context, tx: Connection, version: ImageVersion) -> None:
    operation_id = rows.operation_of(tx, version.id)
    if operation_id is not None:
        operation = operations.get(tx, operation_id)
        if (
            not operation.state.ended
            and operation.owner is not None
            and not is_gone(operation.owner)
        ):
            raise Conflict(
                f"operation {operation_id} is working on {version.id}",
                code="OperationBusy",
                target=str(version.id),
                hint=f"wait for it, or `imgrepl operation cancel {operation_id}`",
            )
    end = version.end_of_life_date
    blocked = version.safety.block_deletion_before_end_of_life
    if blocked and end is not None and ctx.clock.now() < end:
        raise Conflict(
            f"{version.id} may not be deleted before its end of life, {end:%Y-%m-%dT%H:%M:%SZ}",
            code="DeletionBlocked",
            target=str(version.id),
            hint="`image-version update --block-deletion-before-end-of-life false` lifts that",
        )


def _bury(ctx: Context, version: ImageVersion) -> dict[str, str]:
    """Tombstones, the home region's first: without that one nothing is deleted."""
    with ctx.index.begin() as tx:
        rows.mark_deleting(tx, version.id)
        revision = rows.next_revision(tx, version.id)
    tombstone = records.tombstone_of(version, revision)
    records.put(ctx.engine, records.record_place(ctx.engine, version.location), tombstone)
    with ctx.index.begin() as tx:
        records_log.bury(tx, version.id, version.incarnation, revision)
    others = set(record_spreading.regions_of(ctx, version)) - {version.location}
    return records.spread(ctx.engine, tombstone, sorted(others))
