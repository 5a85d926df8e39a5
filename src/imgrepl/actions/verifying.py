"""Proves a version's replicas, and mends them from one another."""

from typing import Any

from imgrepl.actions import allowing, pointed_health, publishing
from imgrepl.actions.context import Context
from imgrepl.engine.lease import Lease
from imgrepl.engine.losses import LostRange
from imgrepl.engine.repairer import repair_version
from imgrepl.engine.replicator import RegionPart, region_parts
from imgrepl.engine.verifier import Fault, ReplicaHealth, unreachable, verify_version
from imgrepl.errors import Conflict, ImgreplError, Interrupted, NotFound
from imgrepl.gallery import activity, operations
from imgrepl.gallery import versions as rows
from imgrepl.model.gallery import ImageVersion, VersionId
from imgrepl.model.operation import OperationKind, OperationState
from imgrepl.model.policy import Action
from imgrepl.model.references import version_id_to_json
from imgrepl.model.region import normal_region_name
from imgrepl.model.replica import ReplicaState

Report = dict[str, Any]
_LISTED_MAX = 100


def verify(
    ctx: Context, version_id: VersionId, region: str | None = None, deep: bool = False
) -> Report:
    """Looks at every replica, or those of one region, and says what it found.

    A region that does not answer is reported as missing; raises `Unavailable` only where none
    answers, and `NotFound` for an unknown version or region.
    """
    allowing.check(ctx, Action.VERSION_READ, version_id)
    version, parts = _chosen(ctx, version_id, region)
    verdicts, silent = [], []
    for part in parts:
        try:
            verdicts += verify_version(ctx.engine, version, [part], deep=deep)
        except Interrupted:
            raise
        except ImgreplError as error:
            silent.append(error)
            verdicts += unreachable(error, part)
    if silent and len(silent) == len(parts):
        raise silent[0]
    if version.is_shallow and parts:
        sources = pointed_health.source_faults(ctx, version, parts[0].all_places[0], deep=deep)
        verdicts = list(pointed_health.judged(verdicts, sources))
    report: Report = {"replicas": [_replica(version_id, verdict) for verdict in verdicts]}
    return report | _pointers(version)


def repair(ctx: Context, version_id: VersionId, region: str | None = None) -> Report:
    """Reads every replica deeply and mends what is damaged or missing from wherever it is whole.

    `beyondRepair` of the report are the objects that stay as they are, `lost` the bytes of all
    versions' disks that no place has any more.
    """
    allowing.check(ctx, Action.VERSION_WRITE, version_id)
    version, parts = _chosen(ctx, version_id, region)
    operation_id = publishing.new_operation_id(ctx)
    with ctx.index.begin() as tx:
        operations.create(
            tx,
            operation_id=operation_id,
            kind=OperationKind.REPAIR,
            target=str(version_id),
            request={"version": version_id_to_json(version_id)},
        )
    lease_seconds = ctx.engine.options.lease_seconds
    stop = ctx.engine.stop
    with Lease(ctx.index, operation_id, lease_seconds=lease_seconds, stop=stop) as lease:
        try:
            outcome = repair_version(ctx.engine, lease, version, parts)
        except ImgreplError as error:
            _end(ctx, lease, version_id, OperationState.FAILED, {"code": error.code})
            raise
        verdicts, beyond = outcome.verdicts, outcome.beyond
        if version.is_shallow and parts:
            sources = pointed_health.source_faults(ctx, version, parts[0].all_places[0], deep=True)
            verdicts = pointed_health.judged(verdicts, sources)
            beyond = (*beyond, *sources)
        report = {
            "replicas": [_replica(version_id, verdict) for verdict in verdicts],
            "mended": [_fault(version_id, fault) for fault in outcome.mended],
            "beyondRepair": [_fault(version_id, fault) for fault in beyond],
            "lost": [_lost(lost) for lost in outcome.lost],
            **_pointers(version),
        }
        state = OperationState.FAILED if beyond else OperationState.SUCCEEDED
        _end(ctx, lease, version_id, state, {"mended": len(outcome.mended)})
    return report


def _pointers(version: ImageVersion) -> Report:
    """What a report on a shallow version says of it: where it points, as it has no packs."""
    return {"pointsAt": [disk.source for disk in version.disks]} if version.is_shallow else {}


def _end(
    ctx: Context,
    lease: Lease,
    version_id: VersionId,
    state: OperationState,
    detail: dict[str, object],
) -> None:
    with ctx.index.begin() as tx:
        operations.finish(tx, lease.operation.id, lease.fence, state, detail, None)
        activity.log(
            tx, "image-version.repair", str(version_id), state.value, detail, ctx.principal
        )


def _chosen(
    ctx: Context, version_id: VersionId, region: str | None
) -> tuple[ImageVersion, list[RegionPart]]:
    with ctx.index.read() as tx:
        version = rows.get(tx, version_id)
    if not version.committed:
        raise Conflict(
            f"{version_id} is still being published",
            code="VersionStaged",
            hint="`imgrepl image-version wait` waits for it",
        )
    parts = region_parts(ctx.engine, version_id)
    if region is None:
        done = [p for p in parts if any(r.state is ReplicaState.COMPLETED for r in p.replicas)]
        return version, done
    name = normal_region_name(region)
    named = [part for part in parts if part.region == name]
    if not named:
        raise NotFound(
            f"{version_id} has no replicas in {name}",
            code="NotAvailableInRegion",
            target=name,
            hint=f"its regions are {', '.join(part.region for part in parts) or 'none'}",
        )
    return version, named


def _replica(version_id: VersionId, verdict: ReplicaHealth) -> Report:
    return {
        "region": verdict.region,
        "replica": verdict.number,
        "state": verdict.health.value,
        "packs": verdict.packs,
        "bytes": verdict.bytes,
        "problems": [_fault(version_id, fault) for fault in verdict.faults],
    }


def _lost(lost: LostRange) -> Report:
    """Bytes of a disk that no place has: all that a repair could not give back."""
    lun, offset, length = lost.range
    return {"version": str(lost.version), "lun": lun, "offset": offset, "length": length}


def _fault(version_id: VersionId, fault: Fault) -> Report:
    """One problem; of many damaged chunks and ranges the first ones, with the totals beside."""
    harm = fault.harm
    return {
        "version": str(version_id),
        "place": fault.place.name,
        "object": fault.key,
        "pack": fault.pack_id,
        "reason": fault.reason,
        "damagedChunks": len(harm.chunks),
        "chunks": [
            {"slot": chunk.slot, "chunk": chunk.chunk_id.hex()}
            for chunk in harm.chunks[:_LISTED_MAX]
        ],
        "affectedDiskBytes": sum(each.length for each in harm.ranges),
        "diskRanges": [
            {"lun": each.lun, "offset": each.offset, "length": each.length}
            for each in harm.ranges[:_LISTED_MAX]
        ],
    }
