"""Publishes a version: checks first, then content and regions.

And the same command again goes on.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from imgrepl.actions import (
    allowing,
    cost_changes,
    disk_sources,
    following,
    parents,
    phased,
    publishing,
    rehearsing,
    sharing_profiles,
    targets,
    version_sources,
    versions,
    waiting,
)
from imgrepl.actions.context import Context
from imgrepl.actions.disk_sources import VERSION_SCHEME, DiskRequest
from imgrepl.actions.version_requests import CreateVersion, TargetRequest, VersionView
from imgrepl.engine import places
from imgrepl.errors import Conflict, Invalid, NotFound
from imgrepl.gallery import definitions, galleries, operations, replicas
from imgrepl.gallery import versions as rows
from imgrepl.model import rules, shallow, soft_deletion
from imgrepl.model.cost_change import CostChange
from imgrepl.model.gallery import ImageVersion, ReplicationMode, TargetRegion
from imgrepl.model.ids import IncarnationId, OperationId
from imgrepl.model.operation import OperationKind
from imgrepl.model.phases import Phases
from imgrepl.model.policy import Action
from imgrepl.model.references import parse_version_reference
from imgrepl.model.region import StorageAccountType
from imgrepl.model.replica import replicas_of
from imgrepl.model.waiting import WAIT_FOR_ALL, Milestone, WaitFor


def create(
    ctx: Context,
    request: CreateVersion,
    *,
    wait: WaitFor = WAIT_FOR_ALL,
    dry_run: bool = False,
    estimate: bool = False,
) -> VersionView:
    """Publishes `request`, or goes on where an earlier attempt stood; gives the version as it is.

    A version that exists with the same content and fields is a success, and replication goes on.
    `dry_run` reads and cuts the source and changes nothing; `estimate` looks at the format's tables
    only. Raises `Conflict` (`VersionExists`, `OperationBusy`), `Invalid` for a broken rule or
    image, `NotFound`, and what the stores raise while the content is not yet committed. A region
    that fails is no error here: its replicas say so.
    """
    allowing.check(ctx, Action.VERSION_WRITE, request.id)
    _check_source(ctx, request.os_disk)
    if not (dry_run or estimate):
        publishing.settle_ended(ctx, request.id)
    with ctx.index.read() as tx:
        disks = version_sources.disks_of(ctx, tx, request)
        wanted = _wanted(ctx, tx, request, disks)
        existing = rows.find(tx, request.id)
    targets.check_reachable(wanted.target_regions, wait)
    phases = phased.checked(request.phases, wanted.target_regions, wanted.location)
    if estimate:
        planned = rehearsing.estimate(ctx, wanted, disks)
        return _with_cost(ctx, replace(planned, phases=phases))
    if existing is not None and existing.committed:
        soft_deletion.check_active(existing)
        return _again(ctx, existing, wanted, disks, wait=wait, dry_run=dry_run)
    if dry_run:
        planned = rehearsing.rehearse(ctx, wanted, disks)
        return _with_cost(ctx, replace(planned, phases=phases))
    _check_budget(ctx, wanted, disks)
    if existing is None:
        _check_readable(ctx, wanted, disks)
        if request.create_parents:
            _create_parents(ctx, request, wanted)
    asked = publishing.request_json(wanted.id, disks, phases=phases)
    operation_id = stage(ctx, wanted, asked)
    return run(ctx, wanted, operation_id, wait)


def _check_source(ctx: Context, os_disk: str) -> None:
    """That the version which this one is to be made from may be read."""
    if os_disk.startswith(VERSION_SCHEME):
        definition, name = parse_version_reference(os_disk.removeprefix(VERSION_SCHEME))
        allowing.check(ctx, Action.VERSION_READ, versions.scope_of(definition, name))


def _wanted(
    ctx: Context,
    tx: Connection,
    request: CreateVersion,
    disks: Sequence[DiskRequest],
) -> ImageVersion:
    """The version that is asked for, with every rule checked that needs no reading."""
    gallery = galleries.find(tx, request.id.gallery)
    if not request.create_parents:
        _check_parents(tx, request)
    home = targets.home_region(tx, parents.home_of(tx, request, gallery)).name
    if gallery is not None:
        sharing_profiles.check_member(gallery, home, has_plan=False, target=str(request.id))
    kind = _storage_account_type(request)
    count = 1 if request.replica_count is None else request.replica_count
    ctx.limits.check_replica_count(count, str(request.id))
    chosen = targets.resolve(
        ctx,
        tx,
        [*(request.target_regions or [TargetRequest(home)]), *(request.target_edge_zones or ())],
        location=home,
        replica_count=count,
        storage_account_type=kind,
        strategy=request.storage_account_strategy,
    )
    return ImageVersion(
        id=request.id,
        incarnation=IncarnationId(uuid.uuid4().hex),
        revision=0,
        location=home,
        target_regions=targets.with_exclusions(chosen, request.exclude_from_latest_in),
        replica_count=count,
        storage_account_type=kind,
        storage_account_strategy=request.storage_account_strategy,
        disks=version_sources.staged_disks(ctx, tx, request, disks),
        replication_mode=_mode(request, chosen, home),
        exclude_from_latest=request.exclude_from_latest,
        end_of_life_date=rules.check_end_of_life(request.end_of_life_date, ctx.clock.now()),
        safety=request.safety,
        tags=rules.check_tags(request.tags, ctx.limits),
    )


def _storage_account_type(request: CreateVersion) -> StorageAccountType:
    if request.storage_account_type and request.storage_account_strategy:
        raise Invalid(
            f"storage account type {request.storage_account_type} and strategy"
            f" {request.storage_account_strategy} exclude each other",
            code="InvalidStorageAccountType",
            target=str(request.id),
            hint="name one of them; a region may state its own type beside either",
        )
    return StorageAccountType(request.storage_account_type or StorageAccountType.STANDARD_LRS)


def _mode(
    request: CreateVersion,
    chosen: Sequence[TargetRegion],
    home: str,
) -> ReplicationMode:
    mode = ReplicationMode(request.replication_mode)
    if mode is ReplicationMode.SHALLOW:
        shallow.check_targets(chosen, home)
        shallow.check_sources([request.os_disk, *request.data_disks.values()], request.parents)
    return mode


def _check_parents(tx: Connection, request: CreateVersion) -> None:
    try:
        definitions.get(tx, request.id.definition)
    except NotFound as error:
        raise NotFound(
            error.message,
            code=error.code,
            target=error.target,
            hint="--create-parents makes the gallery and the definition on the way",
        ) from error


def _create_parents(ctx: Context, request: CreateVersion, wanted: ImageVersion) -> None:
    """Where the home region would refuse the version, no gallery is left behind for it."""
    if not parents.are_there(ctx, request):
        home = publishing.home_place(ctx, wanted.location, publishing.home_type(wanted))
        places.prepare(ctx.engine, home)
        parents.create_missing(ctx, request)


def stage(ctx: Context, wanted: ImageVersion, request: Mapping[str, Any]) -> OperationId:
    """Makes the row that nobody sees yet, or takes over one that an earlier attempt left.

    `request` is what the operation keeps of what was asked.
    """
    operation_id = publishing.new_operation_id(ctx)
    with ctx.index.begin() as tx:
        left = rows.find(tx, wanted.id)
        if left is not None:
            return _taken_over(tx, left, wanted, phased.of_request(request))
        versions.check_room(ctx, tx, wanted)
        operations.create(
            tx,
            operation_id=operation_id,
            kind=OperationKind.PUBLISH,
            target=str(wanted.id),
            request=request,
        )
        rows.stage(tx, wanted, operation_id)
        replicas.plan(tx, wanted.id, replicas_of(wanted.target_regions))
    return operation_id


def _with_cost(ctx: Context, planned: VersionView) -> VersionView:
    return replace(planned, cost=_cost_of(ctx, planned))


def _cost_of(ctx: Context, planned: VersionView) -> CostChange:
    return cost_changes.of_publication(ctx, planned.version, planned.transfer)


def _check_budget(ctx: Context, wanted: ImageVersion, disks: Sequence[DiskRequest]) -> None:
    """By what the source's format calls allocated, and only if that is too much by its content."""
    cost_changes.check_publication(
        ctx,
        lambda: _cost_of(ctx, rehearsing.estimate(ctx, wanted, disks)),
        lambda: _cost_of(ctx, rehearsing.rehearse(ctx, wanted, disks)),
    )


def _check_readable(ctx: Context, wanted: ImageVersion, disks: Sequence[DiskRequest]) -> None:
    files = [disk for disk in disks if not disk.source.startswith(VERSION_SCHEME)]
    with disk_sources.opened(ctx, files, quiet=True, shallow=wanted.is_shallow):
        pass


def _taken_over(
    tx: Connection, left: ImageVersion, wanted: ImageVersion, phases: Phases | None
) -> OperationId:
    """The operation of a staged version, if it was to publish the same."""
    operation_id = rows.operation_of(tx, left.id)
    differing = versions.differences(left, wanted, content=False)
    if phased.of_version(tx, left.id) != phases:
        differing = [*differing, "phases: asked for others"]
    if left.committed or operation_id is None or differing or not _same_sources(left, wanted):
        raise Conflict(
            f"version {left.id} is being published with other sources or fields",
            code="VersionExists",
            target=str(left.id),
            details=differing,
            hint=f"wait for it, or end it with `imgrepl operation cancel {operation_id}`",
        )
    return operation_id


def _same_sources(left: ImageVersion, wanted: ImageVersion) -> bool:
    """By name, and by state where that is known before anything is opened."""
    if [disk.source for disk in left.disks] != [disk.source for disk in wanted.disks]:
        return False
    pairs = zip(left.disks, wanted.disks, strict=True)
    return all(new.source_state in {None, old.source_state} for old, new in pairs)


def _again(
    ctx: Context,
    existing: ImageVersion,
    wanted: ImageVersion,
    disks: Sequence[DiskRequest],
    *,
    wait: WaitFor,
    dry_run: bool,
) -> VersionView:
    same_mode = existing.replication_mode is wanted.replication_mode
    same = not same_mode or rehearsing.is_same_content(ctx, existing, wanted, disks)
    return same_again(ctx, existing, wanted, same_content=same, wait=wait, dry_run=dry_run)


def same_again(
    ctx: Context,
    existing: ImageVersion,
    wanted: ImageVersion,
    *,
    same_content: bool,
    wait: WaitFor,
    dry_run: bool,
) -> VersionView:
    """A version that is there and is to be published again: replication goes on.

    Raises `Conflict` (`VersionExists`) where content or fields are others.
    """
    if not same_content:
        raise Conflict(
            f"version {existing.id} exists with other content",
            code="VersionExists",
            target=str(existing.id),
            hint="a version's content never changes: publish it under another number, for example"
            " with --auto-version patch",
        )
    differing = versions.differences(existing, wanted, content=True)
    if differing:
        raise Conflict(
            f"version {existing.id} exists with other fields",
            code="VersionExists",
            target=str(existing.id),
            details=differing,
            hint=versions.update_command(existing, wanted),
        )
    if dry_run or versions.is_complete(ctx, existing.id):
        return versions.view(ctx, existing.id)
    return following.retry(ctx, existing.id, wait=wait)


def run(
    ctx: Context, wanted: ImageVersion, operation_id: OperationId, wait: WaitFor
) -> VersionView:
    """Runs the operation of a staged version as far as is waited for, and leaves the rest."""
    match wait.milestone:
        case Milestone.ALL:
            done = publishing.run(ctx, operation_id)
            return versions.view(ctx, wanted.id, transfer=done.transfer, operation=operation_id)
        case Milestone.NONE:
            ctx.spawn(operation_id)
            return versions.view(ctx, wanted.id, operation=operation_id)
        case _:
            done = publishing.run(ctx, operation_id, content_only=True)
            ctx.spawn(operation_id)
            waiting.wait(ctx, wanted.id, wait)
            return versions.view(ctx, wanted.id, transfer=done.transfer, operation=operation_id)
