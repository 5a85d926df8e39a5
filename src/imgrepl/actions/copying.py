"""Copies a version to another name, gallery, index or account, with all that belongs to it."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from imgrepl.actions import (
    allowing,
    copy_parents,
    copy_plans,
    copy_targets,
    cost_changes,
    creating,
    foreign_content,
    publishing,
    roles_left,
    sharing_profiles,
    source_rules,
    versions,
)
from imgrepl.actions.context import Context
from imgrepl.actions.disk_sources import VERSION_SCHEME, DiskRequest
from imgrepl.actions.version_requests import TargetRequest, VersionView
from imgrepl.engine import pointing
from imgrepl.errors import Conflict, Invalid, NotFound
from imgrepl.gallery import definitions, galleries
from imgrepl.gallery import versions as rows
from imgrepl.model import rules, shallow, soft_deletion
from imgrepl.model.cost_change import CostChange
from imgrepl.model.gallery import DefinitionId, ImageVersion, VersionDisk, VersionId
from imgrepl.model.ids import IncarnationId
from imgrepl.model.peer import Peer
from imgrepl.model.policy import Action
from imgrepl.model.region import StorageAccountType
from imgrepl.model.waiting import WAIT_FOR_ALL, WaitFor

_SHALLOW_HINT = (
    "name one region, or make the source full first with `imgrepl image-version update"
    " --replication-mode Full`"
)


@dataclass(frozen=True, kw_only=True)
class CopyVersion:
    """A version to copy: `name` of `source`, which may be `latest`, to `id` of this gallery.

    `peer` is the gallery that has the source; None is this one. What is None follows the source.
    Without `target_regions` the copy stands where the source does, as far as this index knows those
    regions.
    """

    source: DefinitionId
    name: str
    id: VersionId
    peer: Peer | None = None
    location: str | None = None
    target_regions: Sequence[TargetRequest] | None = None
    replica_count: int | None = None
    storage_account_type: StorageAccountType | None = None
    exclude_from_latest: bool | None = None
    end_of_life_date: datetime | None = None
    tags: Mapping[str, str] | None = None
    create_parents: bool = False
    in_gallery: bool = False
    """Whether all of the gallery is copied: its disks go on saying where the source's came from."""


def copy(
    ctx: Context,
    request: CopyVersion,
    *,
    wait: WaitFor = WAIT_FOR_ALL,
    dry_run: bool = False,
) -> VersionView:
    """Copies a version, or goes on where an earlier attempt stood; gives the copy as it is.

    Packs that are here are not sent again, and roles stay where they were given. A copy that exists
    with the same content and fields is a success. Raises `NotFound`, `Conflict` (`VersionExists`,
    `OperationBusy`, `SourceChanged`, `ConsumptionEnded`), `Invalid` for a broken rule, and what the
    stores of either side raise while the content is not yet committed.
    """
    allowing.check(ctx, Action.VERSION_WRITE, request.id)
    if not dry_run:
        publishing.settle_ended(ctx, request.id)
    with _source_gallery(ctx, request.peer) as other:
        allowing.check(other, Action.VERSION_READ, versions.scope_of(request.source, request.name))
        source = _source(other, request)
        _refuse_itself(request, source)
        if not request.in_gallery:  # who carries a whole gallery tells of all of them at once
            roles_left.tell(ctx, roles_left.roles_on(other, [source]))
        if request.create_parents and not dry_run:
            copy_parents.create_missing(ctx, request, other, source)
        with other.index.read() as tx:
            has = definitions.get(tx, source.id.definition)
        with ctx.index.read() as tx:
            source_rules.check_copy(ctx, tx, request.id.definition, source, has)
            wanted = _wanted(ctx, tx, request, source)
            existing = rows.find(tx, request.id)
        if existing is not None and existing.committed:
            soft_deletion.check_active(existing)
            same = _is_same(existing, wanted, source)
            return creating.same_again(
                ctx, existing, wanted, same_content=same, wait=wait, dry_run=dry_run
            )
        if dry_run or ctx.pricing.budget is not None:
            planned = copy_plans.plan(ctx, wanted, None if request.peer is None else other, source)
            if dry_run:
                return replace(planned, cost=_cost_of(ctx, planned))
            cost_changes.check_publication(ctx, lambda: _cost_of(ctx, planned))
    operation_id = creating.stage(ctx, wanted, _kept(request, source))
    return creating.run(ctx, wanted, operation_id, wait)


def _cost_of(ctx: Context, planned: VersionView) -> CostChange:
    return cost_changes.of_publication(ctx, planned.version, planned.transfer)


@contextmanager
def _source_gallery(ctx: Context, peer: Peer | None) -> Iterator[Context]:
    if peer is None:
        yield ctx
        return
    with ctx.peers.reading(peer) as other:
        yield other


def _source(other: Context, request: CopyVersion) -> ImageVersion:
    with other.index.read() as tx:
        found = rows.get(tx, versions.resolve_name(tx, request.source, request.name, None))
    soft_deletion.check_usable(found, other.clock.now())
    return found


def _refuse_itself(request: CopyVersion, source: ImageVersion) -> None:
    if request.peer is None and str(request.id).lower() == str(source.id).lower():
        raise Invalid(
            f"{source.id} cannot be copied to itself",
            code="InvalidVersionReference",
            target=str(source.id),
            hint="name another gallery, definition or number as the target",
        )


def _wanted(
    ctx: Context, tx: Connection, request: CopyVersion, source: ImageVersion
) -> ImageVersion:
    """The copy that is asked for, with every rule checked that needs no reading."""
    if not request.create_parents:
        _check_parents(tx, request)
    stand = copy_targets.resolve(ctx, tx, request, source)
    if source.is_shallow:
        shallow.check_targets(stand.targets, stand.location, hint=_SHALLOW_HINT)
    gallery = galleries.find(tx, request.id.gallery)
    if gallery is not None:
        sharing_profiles.check_member(
            gallery, stand.location, has_plan=False, target=str(request.id)
        )
    excluded, ends = request.exclude_from_latest, request.end_of_life_date
    if ends is not None:
        rules.check_end_of_life(ends, ctx.clock.now())
    tags = source.tags if request.tags is None else request.tags
    return ImageVersion(
        id=request.id,
        incarnation=IncarnationId(uuid.uuid4().hex),
        revision=0,
        location=stand.location,
        target_regions=stand.targets,
        replica_count=stand.replica_count,
        storage_account_type=stand.storage_account_type,
        disks=_staged_disks(request, source),
        replication_mode=source.replication_mode,
        exclude_from_latest=source.exclude_from_latest if excluded is None else excluded,
        end_of_life_date=source.end_of_life_date if ends is None else ends,
        safety=source.safety,
        tags=rules.check_tags(tags, ctx.limits),
    )


def _check_parents(tx: Connection, request: CopyVersion) -> None:
    try:
        definitions.get(tx, request.id.definition)
    except NotFound as error:
        raise NotFound(
            error.message,
            code=error.code,
            target=error.target,
            hint="--create-parents makes gallery and definition as they are at the source",
        ) from error


def _staged_disks(request: CopyVersion, source: ImageVersion) -> tuple[VersionDisk, ...]:
    """In this index the content is known already; what comes from another is known when it came.

    What a shallow version points at stays what it is.
    """
    if source.is_shallow:
        return tuple(pointing.unpointed(disk) for disk in source.disks)
    if request.peer is None:
        name = f"{VERSION_SCHEME}{source.id}"
        return tuple(replace(disk, source=name) for disk in source.disks)
    name = foreign_content.source_name(request.peer, source.id)
    return tuple(
        replace(
            disk,
            source=disk.source if request.in_gallery else name,
            content_id=None,
            stored_bytes=None,
            chunks=None,
        )
        for disk in source.disks
    )


def _kept(request: CopyVersion, source: ImageVersion) -> Mapping[str, object]:
    """What the operation keeps, so that another process can run it."""
    if source.is_shallow:
        return publishing.pointers_json(request.id)
    if request.peer is None:
        disk = DiskRequest(lun=None, source=f"{VERSION_SCHEME}{source.id}")
        return publishing.request_json(request.id, [disk])
    return foreign_content.request_json(request.id, request.peer, source)


def _is_same(existing: ImageVersion, wanted: ImageVersion, source: ImageVersion) -> bool:
    """Whether the copy that is there is of this source.

    By content, or, where two stores name contents otherwise, by where its disks came from. Of
    shallow ones by what they point at. Raises `Conflict` (`VersionExists`) where one of both is
    shallow alone.
    """
    if existing.is_shallow is not source.is_shallow:
        raise Conflict(
            f"version {existing.id} is {existing.replication_mode} here, and its source"
            f" {source.replication_mode}: nothing tells whether they are the same",
            code="VersionExists",
            target=str(existing.id),
            hint="copy it under another number, or delete the one that is here",
        )
    if source.is_shallow:
        return existing.pointers == source.pointers
    if existing.content_ids == source.content_ids:
        return True

    def figures(version: ImageVersion) -> list[tuple[object, ...]]:
        return [
            (disk.lun, disk.source, disk.provisioned_bytes, disk.occupied_bytes)
            for disk in version.disks
        ]

    return figures(existing) == figures(wanted)
