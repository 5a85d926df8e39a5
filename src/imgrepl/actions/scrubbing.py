"""Proves what was proven longest ago, within a budget, and mends what is damaged."""

from typing import Any

from imgrepl.actions import allowing, mending, publishing
from imgrepl.actions.context import Context
from imgrepl.engine import scrubber
from imgrepl.engine.lease import Lease
from imgrepl.engine.scrubber import BUDGET_BYTES_MIN, ScrubBounds, ScrubReport
from imgrepl.errors import ImgreplError, Interrupted, Invalid
from imgrepl.gallery import activity, operations, regions
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import OperationKind, OperationState
from imgrepl.model.policy import Action
from imgrepl.model.region import normal_region_name

Report = dict[str, Any]
_TARGET = "scrub"


def scrub(
    ctx: Context,
    *,
    region: str | None = None,
    bytes_max: int | None = None,
    seconds_max: float | None = None,
) -> ScrubReport:
    """Goes on where the last scrub stopped: the oldest proof is renewed first.

    `error` of the report says what stays damaged, or which region did not answer. Raises `NotFound`
    (`RegionNotFound`), `Invalid` (`OutOfRange`), `Conflict` (`OperationBusy`) while another process
    scrubs, and `Interrupted`: what was proven until then stays proven.
    """
    allowing.check(ctx, Action.INDEX_WRITE, None)
    if bytes_max is not None and bytes_max < BUDGET_BYTES_MIN:
        raise Invalid(
            f"a budget of {bytes_max} bytes may be less than one pack; {BUDGET_BYTES_MIN} is the"
            " least",
            code="OutOfRange",
            hint="give 64MiB or more",
        )
    if seconds_max is not None and seconds_max <= 0:
        raise Invalid(f"{seconds_max:g} seconds are no time to scrub in", code="OutOfRange")
    name = None if region is None else _known(ctx, region)
    bounds = ScrubBounds(region=name, bytes_max=bytes_max, seconds_max=seconds_max)
    operation_id = _operation(ctx)
    lease_seconds, stop = ctx.engine.options.lease_seconds, ctx.engine.stop
    with Lease(ctx.index, operation_id, lease_seconds=lease_seconds, stop=stop) as lease:
        try:
            report = scrubber.scrub(ctx.engine, lease, bounds)
        except Interrupted:
            if lease.lost is not None:
                raise lease.lost from None
            _end(ctx, lease, OperationState.CANCELED, {})
            raise
        except ImgreplError as error:
            if error.code != "OperationLost":
                _end(ctx, lease, OperationState.FAILED, {"code": error.code})
            raise
        failed = report.error is not None
        state = OperationState.PARTIALLY_COMPLETED if failed else OperationState.SUCCEEDED
        _end(ctx, lease, state, {"packs": report.packs, "found": len(report.found)})
    return report


def as_json(report: ScrubReport) -> Report:
    """Plain values."""
    return {
        "packs": report.packs,
        "replicas": report.replicas,
        "receivedBytes": report.received_bytes,
        "complete": report.is_complete,
        "oldestProof": None
        if report.oldest is None
        else {"level": report.oldest.level.word, "at": report.oldest.at},
        "found": [
            mending.as_json(one.healed) | {"versions": [str(each) for each in one.versions]}
            for one in report.found
        ],
        "lost": [
            {
                "version": str(one.version),
                "lun": one.range.lun,
                "offset": one.range.offset,
                "length": one.range.length,
            }
            for one in report.lost
        ],
        "unread": [
            {"region": name, "code": error.code, "message": error.message}
            for name, error in report.unread
        ],
    }


def _known(ctx: Context, region: str) -> str:
    name = normal_region_name(region)
    with ctx.index.read() as tx:
        return regions.get(tx, name).name


def _operation(ctx: Context) -> OperationId:
    """The scrub that is under way, or was when its process died; else a new one: one per index."""
    with ctx.index.begin() as tx:
        for operation in operations.open_for(tx, _TARGET):
            return operation.id
        operation_id = publishing.new_operation_id(ctx)
        operations.create(
            tx,
            operation_id=operation_id,
            kind=OperationKind.SCRUB,
            target=_TARGET,
            request={},
        )
    return operation_id


def _end(ctx: Context, lease: Lease, state: OperationState, detail: dict[str, object]) -> None:
    with ctx.index.begin() as tx:
        operations.finish(tx, lease.operation.id, lease.fence, state, detail, None)
        activity.log(tx, "scrub", _TARGET, state.value, detail, ctx.principal)
