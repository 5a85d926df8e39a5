"""Runs the operation that publishes a version: its content first, then its regions."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from imgrepl.actions import disk_sources, foreign_content, phased, promotion_requests
from imgrepl.actions.context import Context
from imgrepl.actions.disk_sources import DiskRequest
from imgrepl.engine import abandoned, adopter, pointing, publisher, replicator, rollout
from imgrepl.engine.ingest import IngestCounts
from imgrepl.engine.lease import Lease
from imgrepl.engine.sealer import Promotion
from imgrepl.errors import ImgreplError, Interrupted
from imgrepl.gallery import activity, operations, places, regions, versions
from imgrepl.model.events import Notice
from imgrepl.model.gallery import ImageVersion, ProvisioningState, VersionId
from imgrepl.model.ids import OperationId, PackId, PlaceId
from imgrepl.model.operation import OperationState
from imgrepl.model.phases import Phases
from imgrepl.model.references import version_id_of_json, version_id_to_json
from imgrepl.model.region import Place, StorageAccountType, roles_of
from imgrepl.model.transfer import RegionTransfer, Transfer, moved_since


@dataclass(frozen=True, kw_only=True)
class Published:
    """What one run of a publishing operation did. `failures` are regions and why."""

    transfer: Transfer
    failures: Mapping[str, str]


def new_operation_id(ctx: Context) -> OperationId:
    """An id that sorts by time of creation."""
    moment = ctx.clock.now().strftime("%Y%m%dT%H%M%S")
    return OperationId(f"{moment}-{uuid.uuid4().hex[:12]}")


def request_json(
    version_id: VersionId,
    disks: Sequence[DiskRequest],
    only: Sequence[str] | None = None,
    promotion: Promotion | None = None,
    phases: Phases | None = None,
) -> dict[str, Any]:
    """What a publishing operation keeps of what was asked."""
    asked: dict[str, Any] = {
        "version": version_id_to_json(version_id),
        "disks": [disk.as_json() for disk in disks],
        "only": None if only is None else list(only),
    }
    if promotion is not None:
        asked["promotion"] = promotion_requests.to_json(promotion)
    if phases is not None:
        asked["phases"] = phases.as_json()
    return asked


def pointers_json(version_id: VersionId) -> dict[str, Any]:
    """The same for a shallow version whose staged disks say already what they point at."""
    return request_json(version_id, []) | {"pointersStaged": True}


def run(ctx: Context, operation_id: OperationId, *, content_only: bool = False) -> Published:
    """Runs or resumes a publishing operation in this process, and ends it.

    With `content_only` it stops after the commit and leaves the regions to another process. A run
    that was interrupted leaves the operation to be taken up again; one that failed ends it, and a
    version that was never committed is gone.
    """
    started, moved_before = ctx.clock.monotonic(), ctx.stores.moved()
    with Lease(
        ctx.index,
        operation_id,
        lease_seconds=ctx.engine.options.lease_seconds,
        stop=ctx.engine.stop,
    ) as lease:
        version_id = version_id_of_json(lease.operation.request["version"])
        try:
            counts, trusted = _content(ctx, lease, version_id)
            failures = {} if content_only else _regions(ctx, lease, version_id, trusted)
        except Interrupted:
            _interrupted(ctx, lease, version_id)
            raise
        except ImgreplError as error:
            _failed(ctx, lease, version_id, error)
            raise
        moved = moved_since(moved_before, ctx.stores.moved())
        transfer = transfer_of(moved, counts, ctx.clock.monotonic() - started)
        if content_only:
            _hand_over(ctx, lease)
        else:
            _finish(ctx, lease, version_id, transfer, failures)
        return Published(transfer=transfer, failures=failures)


def transfer_of(
    moved: tuple[RegionTransfer, ...], counts: IngestCounts, seconds: float
) -> Transfer:
    """The figures of one run: the ingest's own counts and the wire's meters."""
    return Transfer(
        read_bytes=counts.read_bytes,
        occupied_bytes=counts.occupied_bytes,
        new_bytes=counts.new_bytes,
        deduplicated_bytes=counts.deduplicated_bytes,
        sent_bytes=sum(part.sent_bytes for part in moved),
        server_copied_bytes=sum(part.server_copied_bytes for part in moved),
        packs_written=counts.packs,
        puts=sum(part.puts for part in moved),
        seconds=round(seconds, 3),
        regions=moved,
    )


def home_place(ctx: Context, location: str, storage_account_type: StorageAccountType) -> Place:
    """The place that a version's content goes to first: its home region's replica 0."""
    with ctx.index.begin() as tx:
        region = regions.get(tx, location)
        return places.ensure(tx, region, roles_of(storage_account_type)[0], 0)


def home_type(version: ImageVersion) -> StorageAccountType:
    """How the home region keeps the version."""
    for target in version.target_regions:
        if target.name == version.location:
            return target.storage_account_type
    return version.storage_account_type


def _content(
    ctx: Context, lease: Lease, version_id: VersionId
) -> tuple[IngestCounts, set[tuple[PlaceId, PackId]]]:
    """Makes the content durable at home, unless it is; gives the packs that were put there now."""
    with ctx.index.read() as tx:
        version = versions.get(tx, version_id)
    promotion = (
        promotion_requests.of_request(lease.operation.request) if version.is_shallow else None
    )
    if version.committed and promotion is None:
        return IngestCounts(), set()
    home = home_place(ctx, version.location, home_type(version))
    copied = lease.operation.request.get("copied")
    if copied is not None:
        return foreign_content.bring(ctx, lease, version_id, home, copied)
    requests = [DiskRequest.from_json(value) for value in lease.operation.request["disks"]]
    if version.is_shallow and promotion is None:
        _point(ctx, lease, version_id, requests)
        return IngestCounts(), set()
    if all(request.source.startswith(disk_sources.VERSION_SCHEME) for request in requests):
        return adopter.adopt_content(ctx.engine, lease, version_id, home)
    with disk_sources.opened(ctx, requests) as disks:
        return publisher.publish_content(ctx.engine, lease, version_id, home, disks, promotion)


def _point(
    ctx: Context, lease: Lease, version_id: VersionId, requests: Sequence[DiskRequest]
) -> None:
    if lease.operation.request.get("pointersStaged"):
        pointing.publish_copied(ctx.engine, lease, version_id)
        return
    with disk_sources.opened(ctx, requests, shallow=True) as disks:
        pointing.publish_pointers(ctx.engine, lease, version_id, disks)


def _regions(
    ctx: Context, lease: Lease, version_id: VersionId, trusted: set[tuple[PlaceId, PackId]]
) -> dict[str, str]:
    with ctx.index.read() as tx:
        version = versions.get(tx, version_id)
    request = lease.operation.request
    only = None if request.get("only") is None else set(request["only"])
    phases = phased.of_request(request)
    if phases is None:
        return replicator.replicate(ctx.engine, lease, version, trusted=trusted, only=only)
    current = phases.following(target.name for target in version.target_regions)
    return rollout.roll_out(ctx.engine, lease, version, current, trusted=trusted, only=only)


def _finish(
    ctx: Context,
    lease: Lease,
    version_id: VersionId,
    transfer: Transfer,
    failures: Mapping[str, str],
) -> None:
    with ctx.index.begin() as tx:
        version = versions.get(tx, version_id)
        reached = [t.name for t in version.target_regions if t.name not in failures]
        state = OperationState.SUCCEEDED
        if failures:
            state = OperationState.PARTIALLY_COMPLETED if reached else OperationState.FAILED
        versions.set_state(
            tx, version_id, ProvisioningState.FAILED if failures else ProvisioningState.SUCCEEDED
        )
        versions.set_operation(tx, version_id, None)
        operations.finish(
            tx,
            lease.operation.id,
            lease.fence,
            state,
            result={"sentBytes": transfer.sent_bytes, "seconds": transfer.seconds},
            error={"regions": dict(failures)} if failures else None,
        )
        activity.log(
            tx,
            action="image-version.publish",
            target=str(version_id),
            outcome=state.value,
            detail={"operation": lease.operation.id, "failures": dict(failures)},
            principal=ctx.principal,
        )


def _hand_over(ctx: Context, lease: Lease) -> None:
    with ctx.index.begin() as tx:
        operations.release(tx, lease.operation.id, lease.fence)


def _interrupted(ctx: Context, lease: Lease, version_id: VersionId) -> None:
    """Leaves the operation for the next attempt.

    Or ends it where its cancellation was the cause.
    """
    if lease.lost is not None:
        raise lease.lost
    if lease.canceled:
        _end(ctx, lease, version_id, OperationState.CANCELED, None)
        return
    _hand_over(ctx, lease)


def _failed(ctx: Context, lease: Lease, version_id: VersionId, error: ImgreplError) -> None:
    body = {"code": error.code, "message": error.message}
    _end(ctx, lease, version_id, OperationState.FAILED, body)


def _end(
    ctx: Context,
    lease: Lease,
    version_id: VersionId,
    state: OperationState,
    error: Mapping[str, Any] | None,
) -> None:
    with ctx.index.begin() as tx:
        operations.finish(tx, lease.operation.id, lease.fence, state, None, error)
        let_go(tx, version_id)
        activity.log(
            tx,
            action="image-version.publish",
            target=str(version_id),
            outcome=state.value,
            detail={"operation": lease.operation.id, "error": error},
            principal=ctx.principal,
        )
    withdraw(ctx, version_id)


def let_go(tx: Connection, version_id: VersionId) -> None:
    """Its publication has ended early: a committed version is free for the next operation."""
    version = versions.find(tx, version_id)
    if version is None or not version.committed:
        return
    if version.is_shallow:
        versions.set_disks(tx, version_id, [pointing.unpointed(disk) for disk in version.disks])
    if version.provisioning_state is not ProvisioningState.DELETING:
        versions.set_state(tx, version_id, ProvisioningState.FAILED)
    versions.set_operation(tx, version_id, None)


def settle_ended(ctx: Context, version_id: VersionId) -> None:
    """Makes up for a withdrawal that did not come about: the number is free again, or taken.

    Raises what the home region's store raises.
    """
    with ctx.index.read() as tx:
        version = versions.find(tx, version_id)
        if version is None or version.committed:
            return
        operation_id = versions.operation_of(tx, version_id)
        if operation_id is not None and not operations.get(tx, operation_id).state.ended:
            return
    abandoned.withdraw(ctx.engine, version_id)


def withdraw(ctx: Context, version_id: VersionId) -> None:
    """Takes back a version whose publication has ended, unless it was committed after all.

    Where its home region does not say, it is left for `collect`, or for the same command again.
    """
    try:
        abandoned.withdraw(ctx.engine, version_id)
    except ImgreplError as error:
        text = f"{version_id} could not be withdrawn: {error.message}"
        ctx.events(Notice(level="warning", text=text, subject=str(version_id)))
