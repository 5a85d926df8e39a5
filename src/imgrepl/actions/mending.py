"""Mends what was found damaged while something else was done, as far as that is allowed."""

from collections.abc import Sequence
from typing import Any

from imgrepl.actions import allowing, publishing
from imgrepl.actions.context import Context
from imgrepl.engine import healing
from imgrepl.engine.fetching import BadRead
from imgrepl.engine.healing import Healed, Outcome
from imgrepl.engine.lease import Lease
from imgrepl.engine.verifier import Fault
from imgrepl.errors import ImgreplError, Interrupted
from imgrepl.gallery import activity, operations
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.operation import OperationKind, OperationState
from imgrepl.model.policy import Action
from imgrepl.model.references import version_id_to_json

Report = dict[str, Any]

HEALED_MAX = 8
"""Objects that one read mends: a reader is no repair, and a lost region is filled by one."""


def heal_reads(ctx: Context, version: ImageVersion, bad: Sequence[BadRead]) -> list[Report]:
    """What became of each object that a read found damaged, mended where this user may write.

    Never fails what was read: whoever may only read is told what is damaged, and so is the index
    where that may be written.
    """
    faults = healing.faults_of(ctx.engine, bad)
    if not faults:
        return []
    few, rest = faults[:HEALED_MAX], faults[HEALED_MAX:]
    try:
        healed = _heal(ctx, version, few)
    except Interrupted:
        raise
    except ImgreplError as error:
        why = f"{error.code}: {error.message}"
        healed = [Healed(fault, Outcome.LEFT, why) for fault in few]
    later = f"a read mends {HEALED_MAX} objects; `imgrepl image-version repair` mends the rest"
    healed += [Healed(fault, Outcome.LEFT, later) for fault in rest]
    return [as_json(one) for one in healed]


def as_json(one: Healed) -> Report:
    """Plain values."""
    return {
        "place": one.fault.place.name,
        "object": one.fault.key,
        "pack": one.fault.pack_id,
        "reason": one.fault.reason,
        "outcome": one.outcome.value,
        "detail": one.detail,
    }


def _heal(ctx: Context, version: ImageVersion, faults: Sequence[Fault]) -> list[Healed]:
    allowed = allowing.decide(ctx, ctx.caller, Action.VERSION_WRITE, version.id)
    if not allowed.allowed:
        raise allowing.refusal(allowed)  # not logged: the reader asked for no change
    operation_id = publishing.new_operation_id(ctx)
    with ctx.index.begin() as tx:
        operations.create(
            tx,
            operation_id=operation_id,
            kind=OperationKind.REPAIR,
            target=str(version.id),
            request={"version": version_id_to_json(version.id)},
        )
    engine = ctx.engine
    lease_seconds, stop = engine.options.lease_seconds, engine.stop
    with Lease(ctx.index, operation_id, lease_seconds=lease_seconds, stop=stop) as lease:
        try:
            healed = healing.heal(engine, lease, version, faults)
        except ImgreplError as error:
            _end(ctx, lease, version, OperationState.FAILED, {"code": error.code})
            raise
        mended = sum(one.outcome is Outcome.MENDED for one in healed)
        _end(ctx, lease, version, OperationState.SUCCEEDED, {"mended": mended})
    return healed


def _end(
    ctx: Context,
    lease: Lease,
    version: ImageVersion,
    state: OperationState,
    detail: dict[str, object],
) -> None:
    with ctx.index.begin() as tx:
        operations.finish(tx, lease.operation.id, lease.fence, state, detail, None)
        activity.log(
            tx, "image-version.repair", str(version.id), state.value, detail, ctx.principal
        )
