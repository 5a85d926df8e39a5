"""Ends a version for good: a tombstone at home first, then everywhere, then its rows."""

from sqlalchemy import Connection

from imgrepl.actions import record_spreading
from imgrepl.actions.context import Context
from imgrepl.engine import records
from imgrepl.engine.owner import is_gone
from imgrepl.errors import Conflict
from imgrepl.gallery import activity, operations, records_log
from imgrepl.gallery import versions as rows
from imgrepl.model.gallery import ImageVersion


def check_deletable(ctx: Context, tx: Connection, version: ImageVersion) -> None:
    """That nobody works on it and nothing guards it.

    Raises `Conflict` (`OperationBusy`, `DeletionBlocked`).
    """
    _check_idle(tx, version)
    end = version.end_of_life_date
    blocked = version.safety.block_deletion_before_end_of_life
    if blocked and end is not None and ctx.clock.now() < end:
        raise Conflict(
            f"{version.id} may not be deleted before its end of life, {end:%Y-%m-%dT%H:%M:%SZ}",
            code="DeletionBlocked",
            target=str(version.id),
            hint="`image-version update --block-deletion-before-end-of-life false` lifts that",
        )


def _check_idle(tx: Connection, version: ImageVersion) -> None:
    operation_id = rows.operation_of(tx, version.id)
    if operation_id is None:
        return
    operation = operations.get(tx, operation_id)
    if not operation.state.ended and operation.owner is not None and not is_gone(operation.owner):
        raise Conflict(
            f"operation {operation_id} is working on {version.id}",
            code="OperationBusy",
            target=str(version.id),
            hint=f"wait for it, or `imgrepl operation cancel {operation_id}`",
        )


def obstacle(ctx: Context, tx: Connection, version: ImageVersion) -> Conflict | None:
    """What `check_deletable` would raise now."""
    try:
        check_deletable(ctx, tx, version)
    except Conflict as error:
        return error
    return None


def erase(ctx: Context, version: ImageVersion, action: str) -> list[str]:
    """Erases a version that its caller has marked as being deleted; `action` is for the log.

    Gives the regions that could not be told: they are with the next operation that reaches them.
    Raises what the home region's store raises; the same call again goes on.
    """
    failed = _bury(ctx, version) if _may_have_record(version) else {}
    with ctx.index.begin() as tx:
        rows.remove(tx, version.id)
        activity.log(
            tx,
            action=action,
            target=str(version.id),
            outcome="Succeeded",
            detail={"unreached": failed},
            principal=ctx.principal,
        )
    return sorted(failed)


def _may_have_record(version: ImageVersion) -> bool:
    """Whether its record may lie at home: who put it may have died before the row said so."""
    return version.committed or version.is_shallow or bool(version.content_ids)


def _bury(ctx: Context, version: ImageVersion) -> dict[str, str]:
    """Tombstones, the home region's first: without that one nothing is deleted."""
    with ctx.index.begin() as tx:
        revision = rows.next_revision(tx, version.id)
    tombstone = records.tombstone_of(version, revision)
    records.put(ctx.engine, records.record_place(ctx.engine, version.location), tombstone)
    with ctx.index.begin() as tx:
        records_log.bury(tx, version.id, version.incarnation, revision)
    others = set(record_spreading.regions_of(ctx, version)) - {version.location}
    return records.spread(ctx.engine, tombstone, sorted(others))
