"""Goes on with a version where it was left."""

from collections.abc import Sequence

from sqlalchemy import Connection

from imgrepl.actions import allowing, phased, publishing, rehearsing, versions, waiting
from imgrepl.actions.context import Context
from imgrepl.actions.version_requests import VersionView
from imgrepl.engine.owner import is_gone
from imgrepl.errors import Conflict, Invalid
from imgrepl.gallery import operations, replicas
from imgrepl.gallery import versions as rows
from imgrepl.model import soft_deletion
from imgrepl.model.gallery import ImageVersion, VersionId
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import Operation, OperationKind, OperationState
from imgrepl.model.phases import Phases
from imgrepl.model.policy import Action
from imgrepl.model.region import normal_region_name
from imgrepl.model.waiting import WAIT_FOR_ALL, Milestone, WaitFor


def retry(
    ctx: Context,
    version_id: VersionId,
    *,
    region: str | None = None,
    wait: WaitFor = WAIT_FOR_ALL,
    dry_run: bool = False,
    all_at_once: bool = False,
) -> VersionView:
    """Goes on with every region that is not complete, or with `region` alone.

    A roll-out in phases goes on in them, unless `all_at_once`. An operation that lost its process
    is taken up; where none is left, a new one is made. With `dry_run` it tells what would move to a
    version's regions. Raises `NotFound`; `Conflict`: `OperationBusy` while a living process works
    on it, `PhaseNotReached`, `VersionSoftDeleted`, `MarkedForDeletion`.
    """
    allowing.check(ctx, Action.VERSION_WRITE, version_id)
    only = None if region is None else [normal_region_name(region)]
    with ctx.index.begin() as tx:
        version = rows.get(tx, version_id)
        soft_deletion.check_active(version)
        if only is not None and only[0] not in {t.name for t in version.target_regions}:
            raise Invalid(
                f"{only[0]} is no target region of {version_id}",
                code="InvalidTargetRegions",
                hint="`imgrepl image-version update --add-regions` adds one",
            )
        if only is not None and not all_at_once:
            phased.check_reached(tx, version, only[0])
        phases = None if all_at_once else phased.left_over(tx, version)
        if dry_run:
            standing = tuple(replicas.of_version(tx, version_id))
        else:
            operation_id = operation_for(ctx, tx, version, only, phases)
    if dry_run:
        moved = rehearsing.replication(ctx, version, only)
        return VersionView(
            version=version, replicas=standing, transfer=moved, planned=True, phases=phases
        )
    return go_on(ctx, version_id, operation_id, wait)


def is_at_work(operation: Operation) -> bool:
    """Whether somebody holds it who lives, or may do so on another host."""
    running = operation.state is OperationState.RUNNING
    return running and operation.owner is not None and not is_gone(operation.owner)


def operation_for(
    ctx: Context,
    tx: Connection,
    version: ImageVersion,
    only: Sequence[str] | None,
    phases: Phases | None = None,
) -> OperationId:
    """The version's open operation, or a new one. A living owner shows when it is claimed."""
    current = rows.operation_of(tx, version.id)
    if current is not None and (only is None or not version.committed):
        return current
    if current is not None:
        operation = operations.get(tx, current)
        if operation.owner is not None and not is_gone(operation.owner):
            raise Conflict(
                f"operation {current} is working on {version.id}",
                code="OperationBusy",
                target=current,
                hint=f"wait for it, or `imgrepl operation cancel {current}`",
            )
    operation_id = publishing.new_operation_id(ctx)
    operations.create(
        tx,
        operation_id=operation_id,
        kind=OperationKind.PUBLISH,
        target=str(version.id),
        request=publishing.request_json(version.id, [], only, phases=phases),
    )
    rows.set_operation(tx, version.id, operation_id)
    return operation_id


def go_on(
    ctx: Context, version_id: VersionId, operation_id: OperationId, wait: WaitFor
) -> VersionView:
    """Runs an operation here, or leaves it to a worker and waits as far as asked."""
    if wait.milestone is Milestone.ALL:
        done = publishing.run(ctx, operation_id)
        return versions.view(ctx, version_id, transfer=done.transfer, operation=operation_id)
    ctx.spawn(operation_id)
    if wait.milestone is not Milestone.NONE:
        waiting.wait(ctx, version_id, wait)
    return versions.view(ctx, version_id, operation=operation_id)
