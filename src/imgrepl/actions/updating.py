"""Changes where a version stands and what its profile says; its content never changes."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from imgrepl.actions import (
    allowing,
    cost_changes,
    following,
    record_spreading,
    rehearsing,
    targets,
    versions,
)
from imgrepl.actions.context import Context
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion, VersionView
from imgrepl.errors import Conflict, Invalid
from imgrepl.gallery import activity, contents, replicas
from imgrepl.gallery import versions as rows
from imgrepl.model import etags, rules, soft_deletion
from imgrepl.model.gallery import ImageVersion, SafetyProfile, TargetRegion, VersionId
from imgrepl.model.policy import Action
from imgrepl.model.region import normal_region_name
from imgrepl.model.replica import ReplicaState, replicas_of
from imgrepl.model.waiting import WAIT_FOR_ALL, WaitFor


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
    are freed by `collect`). A change that moves no replica waits for none. Raises `Conflict`
    (`OperationBusy`, `ImmutableProperty`, `ChangedMeanwhile`, `VersionSoftDeleted`,
    `MarkedForDeletion`), `Invalid`, `NotFound`.
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
        if changed == version:
            standing = tuple(replicas.of_version(tx, version_id))
            return VersionView(version=version, replicas=standing)
        changed = replace(changed, revision=rows.next_revision(tx, version_id))
        rows.update(tx, changed)
        grows = _move_replicas(tx, version, changed)
        operation_id = following.operation_for(ctx, tx, changed, None) if grows else None
        activity.log(
            tx,
            action="image-version.update",
            target=str(version_id),
            outcome="Succeeded",
            detail={"differences": versions.differences(version, changed, content=False)},
            principal=ctx.principal,
        )
    record_spreading.publish(ctx, changed)
    if operation_id is None:
        return versions.view(ctx, version_id)
    return following.go_on(ctx, version_id, operation_id, wait)


def _plan(
    ctx: Context, version_id: VersionId, request: UpdateVersion, if_match: str | None
) -> VersionView:
    """What the version would be, what would move for it, and what that costs."""
    with ctx.index.read() as tx:
        version = rows.get(tx, version_id)
        etags.check_match(version, if_match)
        changed = _changed(ctx, tx, version, request)
        packs = len(contents.packs_of(tx, version.content_ids))
    return VersionView(
        version=changed,
        replicas=tuple(replicas_of(changed.target_regions)),
        transfer=rehearsing.replication(ctx, changed),
        planned=True,
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
    if request.replica_count is not None:
        ctx.limits.check_replica_count(request.replica_count, str(version.id))
    chosen = targets.with_exclusions(
        _targets(ctx, tx, version, request), request.exclude_from_latest_in
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
    end_of_life = None if request.clear_end_of_life else version.end_of_life_date
    if request.end_of_life_date not in {None, version.end_of_life_date}:
        end_of_life = rules.check_end_of_life(request.end_of_life_date, ctx.clock.now())
    tags = version.tags if request.tags is None else rules.check_tags(request.tags, ctx.limits)
    excluded = request.exclude_from_latest
    return replace(
        version,
        target_regions=chosen,
        replica_count=_given(request.replica_count, version.replica_count),
        exclude_from_latest=version.exclude_from_latest if excluded is None else excluded,
        end_of_life_date=end_of_life,
        safety=safety,
        tags=tags,
    )


def _given(asked: int | None, present: int) -> int:
    return present if asked is None else asked


def _targets(
    ctx: Context, tx: Connection, version: ImageVersion, request: UpdateVersion
) -> tuple[TargetRegion, ...]:
    """The new list: replaced as a whole, or with regions added, changed and removed."""
    known = {target.name: target for target in version.target_regions}
    if request.target_regions is not None and not request.target_regions:
        raise Invalid(
            f"{version.id} would have no target region: the home region {version.location} stays",
            code="InvalidTargetRegions",
            target=str(version.id),
            hint=f"name {version.location}, or delete the version",
        )
    if request.target_regions:
        asked = list(request.target_regions)
    else:
        gone = {normal_region_name(name) for name in request.remove_regions}
        if version.location in gone:
            raise Invalid(
                f"{version.id} cannot leave its home region {version.location}: its record there is"
                " what makes it published",
                code="InvalidTargetRegions",
                target=version.location,
                hint="publish it under another number with another home region (-l)",
            )
        unknown = gone - known.keys()
        if unknown:
            raise Invalid(
                f"{', '.join(sorted(unknown))} is no target region of {version.id}: those are"
                f" {', '.join(known)}",
                code="InvalidTargetRegions",
                target=min(unknown),
                hint="name one of them, or none",
            )
        added = {normal_region_name(r.name): r for r in request.add_regions or ()}
        kept = [
            TargetRequest(
                t.name, _given(request.replica_count, t.replica_count), t.storage_account_type
            )
            for t in version.target_regions
            if t.name not in gone and t.name not in added
        ]
        asked = [*kept, *added.values()]
    chosen = targets.resolve(
        ctx,
        tx,
        [_with_type(item, known) for item in asked],
        location=version.location,
        replica_count=_given(request.replica_count, version.replica_count),
        storage_account_type=version.storage_account_type,
        strategy=version.storage_account_strategy,
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
