"""Changes where a version stands and what its profile says; its content never changes."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from imgrepl.actions import (
    allowing,
    cost_changes,
    following,
    phased,
    promotions,
    record_spreading,
    rehearsing,
    target_differences,
    targets,
    updated_targets,
    versions,
)
from imgrepl.actions.context import Context
from imgrepl.actions.version_requests import UpdateVersion, VersionView
from imgrepl.errors import Conflict
from imgrepl.gallery import activity, contents, operations, replicas
from imgrepl.gallery import versions as rows
from imgrepl.model import etags, rules, shallow, soft_deletion
from imgrepl.model.gallery import (
    ImageVersion,
    ReplicationMode,
    SafetyProfile,
    TargetRegion,
    VersionId,
)
from imgrepl.model.ids import OperationId
from imgrepl.model.phases import Phases
from imgrepl.model.policy import Action
from imgrepl.model.replica import ReplicaState, replicas_of
from imgrepl.model.target_changes import between
from imgrepl.model.waiting import WAIT_FOR_ALL, WaitFor

_PROMOTION_HINT = "--replication-mode Full in the same command gives it copies of its own"


def update(
    ctx: Context,
    version_id: VersionId,
    request: UpdateVersion,
    *,
    if_match: str | None = None,
    wait: WaitFor = WAIT_FOR_ALL,
    dry_run: bool = False,
) -> VersionView:
    """Changes a version's regions and profile; its content never changes.

    Regions that are added are filled, replicas that are no longer wanted are given up (their bytes
    are freed by `collect`). A change that moves no replica waits for none. A shallow version that
    becomes full is read from its source first. Raises `Conflict` (`OperationBusy`,
    `ImmutableProperty`, `ChangedMeanwhile`, `VersionSoftDeleted`, `MarkedForDeletion`), `Invalid`,
    `NotFound`, and of a shallow version's source `Corrupt` and `NotFound`.
    """
    allowing.check(ctx, Action.VERSION_WRITE, version_id)
    if dry_run:
        return _plan(ctx, version_id, request, if_match)
    if ctx.pricing.budget is not None:
        planned = _plan(ctx, version_id, request, if_match)
        assert planned.cost is not None, "a plan says what it costs"
        cost_changes.check(ctx, planned.cost)
    with ctx.index.begin() as tx:
        version = rows.get(tx, version_id)
        etags.check_match(version, if_match)
        changed = _changed(ctx, tx, version, request)
        if changed != version:
            phases = phased.checked(request.phases, changed.target_regions, changed.location)
            moves = target_differences.changes(tx, version, changed)
            written, operation_id = _write(ctx, tx, version, changed, phases)
            activity.log(
                tx,
                action="image-version.update",
                target=str(version_id),
                outcome="Succeeded",
                detail={"differences": versions.differences(version, changed, content=False)},
                principal=ctx.principal,
            )
    if changed == version:
        return _again(ctx, version, wait)
    if written.revision != version.revision:
        record_spreading.publish(ctx, written)
    if operation_id is None:
        return replace(versions.view(ctx, version_id), changes=moves)
    done = following.go_on(ctx, version_id, operation_id, wait)
    return replace(done, changes=moves)


def _again(ctx: Context, version: ImageVersion, wait: WaitFor) -> VersionView:
    """The change was made before: what its process left undone, if it died, is done now."""
    record_spreading.publish(ctx, version)
    with ctx.index.read() as tx:
        operation_id = rows.operation_of(tx, version.id)
        operation = None if operation_id is None else operations.get(tx, operation_id)
    if operation is None or operation.state.ended or following.is_at_work(operation):
        return versions.view(ctx, version.id)
    return following.go_on(ctx, version.id, operation.id, wait)


def regions_dropped(ctx: Context, version_id: VersionId, request: UpdateVersion) -> list[str]:
    """The regions that a new list of targets leaves out, though nobody named them to be removed.

    Raises as `update`.
    """
    allowing.check(ctx, Action.VERSION_WRITE, version_id)
    if request.target_regions is None and request.target_edge_zones is None:
        return []
    with ctx.index.read() as tx:
        version = rows.get(tx, version_id)
        changed = _changed(ctx, tx, version, request)
    return [one.name for one in between(version.target_regions, changed.target_regions).removed]


def _write(
    ctx: Context,
    tx: Connection,
    version: ImageVersion,
    changed: ImageVersion,
    phases: Phases | None,
) -> tuple[ImageVersion, OperationId | None]:
    """Writes the change, and the operation that brings it about where bytes are to move."""
    promotes = version.is_shallow and not changed.is_shallow
    written = promotions.kept_back(version, changed) if promotes else changed
    operation_id = promotions.begin(ctx, tx, version, changed, phases) if promotes else None
    if not promotes:
        promotions.refuse_busy(tx, version)
    if written != version:
        written = replace(written, revision=rows.next_revision(tx, version.id))
        rows.update(tx, written)
    left_over = phased.left_over(tx, version)
    if not promotes and _move_replicas(tx, version, written):
        if phases is None and left_over is not None:
            phases = left_over.following(target.name for target in written.target_regions)
        operation_id = following.operation_for(ctx, tx, written, None, phases)
    return written, operation_id


def _plan(
    ctx: Context, version_id: VersionId, request: UpdateVersion, if_match: str | None
) -> VersionView:
    """What the version would be, what would move for it, and what that costs."""
    with ctx.index.read() as tx:
        version = rows.get(tx, version_id)
        etags.check_match(version, if_match)
        changed = _changed(ctx, tx, version, request)
        phases = phased.checked(request.phases, changed.target_regions, changed.location)
        if version.is_shallow and not changed.is_shallow:
            planned = promotions.plan(ctx, version, changed)
            moves = target_differences.changes(tx, version, changed)
            return replace(planned, phases=phases, changes=moves)
        packs = len(contents.packs_of(tx, version.content_ids))
        moves = target_differences.changes(tx, version, changed)
    return VersionView(
        version=changed,
        replicas=tuple(replicas_of(changed.target_regions)),
        transfer=rehearsing.replication(ctx, changed),
        planned=True,
        phases=phases,
        changes=moves,
        cost=cost_changes.of_update(ctx, version, changed, packs),
    )


def _changed(
    ctx: Context, tx: Connection, version: ImageVersion, request: UpdateVersion
) -> ImageVersion:
    if not version.committed:
        raise Conflict(
            f"{version.id} is still being published",
            code="VersionStaged",
            target=str(version.id),
            hint="wait for it with `imgrepl image-version wait`",
        )
    soft_deletion.check_active(version)
    count = request.replica_count
    if count is not None:
        ctx.limits.check_replica_count(count, str(version.id))
    promotes = promotions.is_promotion(version, request.replication_mode)
    chosen = targets.with_exclusions(
        updated_targets.of(ctx, tx, version, request), request.exclude_from_latest_in
    )
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
    if version.is_shallow and not promotes:
        shallow.check_targets(chosen, version.location, hint=_PROMOTION_HINT)
    end_of_life = None if request.clear_end_of_life else version.end_of_life_date
    if request.end_of_life_date not in {None, version.end_of_life_date}:
        end_of_life = rules.check_end_of_life(request.end_of_life_date, ctx.clock.now())
    tags = version.tags if request.tags is None else rules.check_tags(request.tags, ctx.limits)
    excluded = request.exclude_from_latest
    return replace(
        version,
        target_regions=chosen,
        replica_count=version.replica_count if count is None else count,
        replication_mode=ReplicationMode.FULL if promotes else version.replication_mode,
        exclude_from_latest=version.exclude_from_latest if excluded is None else excluded,
        end_of_life_date=end_of_life,
        safety=safety,
        tags=tags,
    )


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

    Whether any region's count changed and a replica is not complete.
    """
    wanted = {target.name: target.replica_count for target in after.target_regions}
    for target in before.target_regions:
        keep = wanted.get(target.name, 0)
        if keep < target.replica_count:
            replicas.drop(tx, before.id, target.name, keep)
    replicas.plan(tx, after.id, replicas_of(after.target_regions))
    if replicas_of(before.target_regions) == replicas_of(after.target_regions):
        return False
    return any(
        replica.state is not ReplicaState.COMPLETED for replica in replicas.of_version(tx, after.id)
    )
