"""A shallow version becomes full: its source is read once, and it may have more regions."""

from dataclasses import replace

from sqlalchemy import Connection

from imgrepl.actions import cost_changes, promotion_requests, publishing, rehearsing
from imgrepl.actions.context import Context
from imgrepl.actions.disk_sources import pointed_at
from imgrepl.actions.version_requests import VersionView
from imgrepl.engine.sealer import Promotion
from imgrepl.errors import Conflict
from imgrepl.gallery import operations
from imgrepl.gallery import versions as rows
from imgrepl.model.gallery import ImageVersion, ReplicationMode
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import OperationKind
from imgrepl.model.phases import Phases


def is_promotion(version: ImageVersion, mode: ReplicationMode | str | None) -> bool:
    """Whether `mode` asks for a shallow version's content.

    Raises `Conflict` (`ImmutableProperty`) where a full version were to lose its own.
    """
    if mode is None or ReplicationMode(mode) is version.replication_mode:
        return False
    if not version.is_shallow:
        raise Conflict(
            f"{version.id} is {version.replication_mode} and cannot become {mode}: its content is"
            " its own for good",
            code="ImmutableProperty",
            target=str(version.id),
            hint="publish its source under another number with --replication-mode Shallow",
        )
    return True


def kept_back(version: ImageVersion, changed: ImageVersion) -> ImageVersion:
    """`changed` as it is until the content is durable: shallow, and where it stood."""
    return replace(
        changed,
        replication_mode=version.replication_mode,
        target_regions=version.target_regions,
        replica_count=version.replica_count,
    )


def begin(
    ctx: Context,
    tx: Connection,
    version: ImageVersion,
    changed: ImageVersion,
    phases: Phases | None,
) -> OperationId:
    """The operation that reads the source and brings it to `changed`'s regions.

    One that was begun and asks for the same is taken up. Raises `Conflict` (`OperationBusy`).
    """
    promotion = Promotion(
        target_regions=changed.target_regions, replica_count=changed.replica_count
    )
    current = rows.operation_of(tx, version.id)
    if current is not None:
        asked = promotion_requests.of_request(operations.get(tx, current).request)
        if asked == promotion:
            return current
        raise busy(version, current)
    operation_id = publishing.new_operation_id(ctx)
    disks = [pointed_at(disk) for disk in version.disks]
    operations.create(
        tx,
        operation_id=operation_id,
        kind=OperationKind.PUBLISH,
        target=str(version.id),
        request=publishing.request_json(version.id, disks, promotion=promotion, phases=phases),
    )
    rows.set_operation(tx, version.id, operation_id)
    return operation_id


def refuse_busy(tx: Connection, version: ImageVersion) -> None:
    """A shallow version that becomes full is not changed meanwhile. Raises `Conflict`."""
    current = rows.operation_of(tx, version.id)
    if version.is_shallow and current is not None:
        raise busy(version, current)


def busy(version: ImageVersion, operation_id: OperationId) -> Conflict:
    """That somebody is at work on it."""
    return Conflict(
        f"operation {operation_id} is at work on {version.id}",
        code="OperationBusy",
        target=str(version.id),
        hint=f"wait for it, or end it with `imgrepl operation cancel {operation_id}`",
    )


def plan(ctx: Context, version: ImageVersion, changed: ImageVersion) -> VersionView:
    """What reading the source would give, send and cost; writes nothing."""
    planned = rehearsing.rehearse(ctx, changed, [pointed_at(disk) for disk in version.disks])
    cost = cost_changes.of_publication(ctx, planned.version, planned.transfer)
    return replace(planned, cost=cost)
