"""What happens to a version after it was published.

Waiting, retrying, changing its regions, deleting it.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from imgrepl.actions import publishing, targets, versions
from imgrepl.actions.context import Context
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion, VersionView
from imgrepl.engine import records
from imgrepl.engine.owner import is_gone
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Conflict, Invalid, Unavailable
from imgrepl.gallery import (
    activity,
    operations,
    place_records,
    places,
    records_log,
    regions,
    replicas,
)
from imgrepl.gallery import versions as rows
from imgrepl.model import rules
from imgrepl.model.gallery import ImageVersion, SafetyProfile, TargetRegion, VersionId
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import OperationKind, OperationState
from imgrepl.model.region import normal_region_name
from imgrepl.model.replica import ReplicaState, region_statuses
from imgrepl.model.waiting import WAIT_FOR_ALL, Milestone, WaitFor

_POLL_SECONDS = 0.5


def retry(
    ctx: Context, version_id: VersionId, *, region: str | None = None, wait: WaitFor = WAIT_FOR_ALL
) -> VersionView:
    """Goes on with every region that is not complete, or with `region` alone.

    An operation that lost its process is taken up; where none is left, a new one is made. Raises
    `NotFound`; `Conflict` (`OperationBusy`) while a living process works on it.
    """
    only = None if region is None else [normal_region_name(region)]
    with ctx.index.begin() as tx:
        version = rows.get(tx, version_id)
        if only is not None and only[0] not in {t.name for t in version.target_regions}:
            raise Invalid(
                f"{only[0]} is no target region of {version_id}",
                code="InvalidTargetRegions",
                hint="`imgrepl image-version update --add-regions` adds one",
            )
        operation_id = _operation_for(ctx, tx, version, only)
    return _go_on(ctx, version_id, operation_id, wait)


def _operation_for(
    ctx: Context, tx: Connection, version: ImageVersion, only: Sequence[str] | None
) -> OperationId:
    """The version's open operation, or a new one. A living owner shows when it is claimed."""
    current = rows.operation_of(tx, version.id)
    if current is not None and (only is None or not version.committed):
        return current
    if current is not None:
        operation = operations.get(tx, current)
        if operation.owner is not None and not is_gone(operation.owner):
            raise Conflict(f"operation {current} is working on {version.id}", code="OperationBusy")
    operation_id = publishing.new_operation_id(ctx)
    operations.create(
        tx,
        operation_id=operation_id,
        kind=OperationKind.PUBLISH,
        target=str(version.id),
        request=publishing.request_json(version.id, [], only),
    )
    rows.set_operation(tx, version.id, operation_id)
    return operation_id


def _go_on(
    ctx: Context, version_id: VersionId, operation_id: OperationId, wait: WaitFor
) -> VersionView:
    if wait.milestone is Milestone.ALL:
        done = publishing.run(ctx, operation_id)
        return versions.view(ctx, version_id, transfer=done.transfer, operation=operation_id)
    ctx.spawn(operation_id)
    if wait.milestone is not Milestone.NONE:
        _wait(ctx, version_id, wait, None)
    return versions.view(ctx, version_id, operation=operation_id)


def wait(
    ctx: Context, version_id: VersionId, until: WaitFor, timeout_seconds: float | None = None
) -> VersionView:
    """Returns once the version has reached a milestone, or cannot reach it any more.

    Raises `Unavailable` (`WaitTimedOut`) after `timeout_seconds`, and (`OperationStalled`) when
    nobody works on it.
    """
    _wait(ctx, version_id, until, timeout_seconds)
    return versions.view(ctx, version_id)


def _wait(
    ctx: Context, version_id: VersionId, until: WaitFor, timeout_seconds: float | None
) -> None:
    give_up_at = None if timeout_seconds is None else ctx.clock.monotonic() + timeout_seconds
    while not _reached(ctx, version_id, until):
        check_stop(ctx.engine.stop)
        if give_up_at is not None and ctx.clock.monotonic() >= give_up_at:
            raise Unavailable(
                f"{version_id} did not reach {until} within {timeout_seconds:g} s",
                code="WaitTimedOut",
                target=str(version_id),
                hint="it goes on; wait again, or look with `imgrepl image-version status`",
            )
        ctx.clock.sleep(_POLL_SECONDS)


def _reached(ctx: Context, version_id: VersionId, until: WaitFor) -> bool:
    with ctx.index.read() as tx:
        version = rows.get(tx, version_id)
        statuses = region_statuses(replicas.of_version(tx, version_id))
        operation_id = rows.operation_of(tx, version_id)
        operation = operations.get(tx, operation_id) if operation_id is not None else None
    states = {status.region: status.state for status in statuses}
    completed = {name for name, state in states.items() if state is ReplicaState.COMPLETED}
    reached = {
        Milestone.NONE: True,
        Milestone.SOURCE: version.committed,
        Milestone.ANY: bool(completed),
        Milestone.REGION: until.region in completed,
        Milestone.ALL: len(completed) == len(states),
    }[until.milestone]
    if reached or operation is None:
        return True
    stalled = operation.state is OperationState.STALLED or (
        operation.owner is not None and is_gone(operation.owner)
    )
    if stalled:
        raise Unavailable(
            f"nobody works on {version_id} any more: operation {operation.id} is stalled",
            code="OperationStalled",
            target=str(version_id),
            hint=f"`imgrepl operation run {operation.id}` takes it up",
        )
    return False


def update(
    ctx: Context,
    version_id: VersionId,
    request: UpdateVersion,
    *,
    wait: WaitFor = WAIT_FOR_ALL,
    dry_run: bool = False,
) -> VersionView:
    """Changes a version's regions and profile; its content never changes.

    Regions that are added are filled, replicas that are no longer wanted are given up (their bytes
    are freed by `collect`). Raises `Conflict` (`OperationBusy`, `ImmutableProperty`), `Invalid`,
    `NotFound`.
    """
    with ctx.index.begin() as tx:
        version = rows.get(tx, version_id)
        changed = _changed(ctx, tx, version, request)
        if dry_run or changed == version:
            return VersionView(
                version=changed,
                replicas=tuple(targets.replicas_of(changed.target_regions)),
                planned=dry_run,
            )
        changed = replace(changed, revision=rows.next_revision(tx, version_id))
        rows.update(tx, changed)
        grows = _move_replicas(tx, version, changed)
        operation_id = _operation_for(ctx, tx, changed, None) if grows else None
        activity.log(
            tx,
            action="image-version.update",
            target=str(version_id),
            outcome="Succeeded",
            detail={"differences": versions.differences(version, changed, content=False)},
            principal=ctx.principal,
        )
    _spread(ctx, changed)
    if operation_id is None:
        return versions.view(ctx, version_id)
    return _go_on(ctx, version_id, operation_id, wait)


def _changed(
    ctx: Context, tx: Connection, version: ImageVersion, request: UpdateVersion
) -> ImageVersion:
    if not version.committed:
        raise Conflict(
            f"{version.id} is still being published",
            code="VersionStaged",
            hint="wait for it with `imgrepl image-version wait`",
        )
    chosen = _targets(ctx, tx, version, request)
    safety = version.safety
    blocks = request.block_deletion_before_end_of_life
    allows = request.allow_deletion_of_replicated_locations
    safety = SafetyProfile(
        allow_deletion_of_replicated_locations=(
            safety.allow_deletion_of_replicated_locations if allows is None else allows
        ),
        block_deletion_before_end_of_life=(
            safety.block_deletion_before_end_of_life if blocks is None else blocks
        ),
    )
    _check_removal(version, chosen, safety)
    end_of_life = version.end_of_life_date
    if request.end_of_life_date is not None:
        end_of_life = rules.check_end_of_life(request.end_of_life_date, ctx.clock.now())
    tags = version.tags if request.tags is None else rules.check_tags(request.tags, ctx.limits)
    excluded = request.exclude_from_latest
    return replace(
        version,
        target_regions=chosen,
        replica_count=request.replica_count or version.replica_count,
        exclude_from_latest=version.exclude_from_latest if excluded is None else excluded,
        end_of_life_date=end_of_life,
        safety=safety,
        tags=tags,
    )


def _targets(
    ctx: Context, tx: Connection, version: ImageVersion, request: UpdateVersion
) -> tuple[TargetRegion, ...]:
    """The new list: replaced as a whole, or with regions added, changed and removed."""
    known = {target.name: target for target in version.target_regions}
    if request.target_regions:
        asked = list(request.target_regions)
    else:
        gone = {normal_region_name(name) for name in request.remove_regions}
        unknown = gone - known.keys()
        if unknown:
            raise Invalid(
                f"{', '.join(sorted(unknown))} is no target region of {version.id}",
                code="InvalidTargetRegions",
            )
        added = {normal_region_name(r.name): r for r in request.add_regions or ()}
        kept = [
            TargetRequest(t.name, request.replica_count or t.replica_count, t.storage_account_type)
            for t in version.target_regions
            if t.name not in gone and t.name not in added
        ]
        asked = [*kept, *added.values()]
    chosen = targets.resolve(
        ctx,
        tx,
        [_with_type(item, known) for item in asked],
        location=version.location,
        replica_count=request.replica_count or version.replica_count,
        storage_account_type=version.storage_account_type,
    )
    for target in chosen:
        before = known.get(target.name)
        if before is not None and before.storage_account_type != target.storage_account_type:
            raise Conflict(
                f"{target.name} keeps {version.id} as {before.storage_account_type};"
                f" that cannot change to {target.storage_account_type}",
                code="ImmutableProperty",
                target=target.name,
                hint="remove the region and add it again",
            )
    return tuple(
        replace(t, exclude_from_latest=known[t.name].exclude_from_latest) if t.name in known else t
        for t in chosen
    )


def _with_type(item: TargetRequest, known: dict[str, TargetRegion]) -> TargetRequest:
    """A region that is there keeps its storage type unless another is named."""
    before = known.get(normal_region_name(item.name))
    if before is None or item.storage_account_type is not None:
        return item
    return item._replace(storage_account_type=before.storage_account_type)


def _check_removal(
    version: ImageVersion, chosen: Sequence[TargetRegion], safety: SafetyProfile
) -> None:
    gone = {t.name for t in version.target_regions} - {t.name for t in chosen}
    if gone and not safety.allow_deletion_of_replicated_locations:
        raise Conflict(
            f"{version.id} may not leave {', '.join(sorted(gone))}: its safety profile forbids it",
            code="DeletionBlocked",
            target=str(version.id),
            hint="--allow-replicated-location-deletion lifts that",
        )


def _move_replicas(tx: Connection, before: ImageVersion, after: ImageVersion) -> bool:
    """Forgets the replicas that are not wanted any more, adds those that are.

    Whether any was added.
    """
    wanted = {target.name: target.replica_count for target in after.target_regions}
    for target in before.target_regions:
        keep = wanted.get(target.name, 0)
        if keep < target.replica_count:
            replicas.drop(tx, before.id, target.name, keep)
    replicas.plan(tx, after.id, targets.replicas_of(after.target_regions))
    return any(
        replica.state is not ReplicaState.COMPLETED for replica in replicas.of_version(tx, after.id)
    )


def _spread(ctx: Context, version: ImageVersion) -> None:
    """The new revision goes to every region that has an older one; the home region first."""
    entry = records.entry_of(version)
    records.put(ctx.engine, records.record_place(ctx.engine, version.location), entry)
    others = set(_regions_with(ctx, version)) - {version.location}
    records.spread(ctx.engine, entry, sorted(others))


def _regions_with(ctx: Context, version: ImageVersion) -> list[str]:
    with ctx.index.read() as tx:
        found = place_records.places_with(tx, version.id, version.incarnation)
        return [places.get(tx, place_id).region for place_id in found]


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
        regions.get(tx, version.location)
    others = set(_regions_with(ctx, version)) - {version.location}
    return records.spread(ctx.engine, tombstone, sorted(others))
