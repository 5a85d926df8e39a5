"""What a user does with the gallery index itself: check, rebuild, upgrade."""

from collections.abc import Sequence
from typing import Any

from imgrepl.actions import allowing, publishing
from imgrepl.actions.context import Context
from imgrepl.clock import Clock
from imgrepl.engine import checker, rebuilder
from imgrepl.engine.check_report import CheckReport
from imgrepl.engine.lease import Lease
from imgrepl.engine.rebuild_report import RebuildReport
from imgrepl.errors import ImgreplError, Interrupted, Invalid
from imgrepl.gallery import activity, operations
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import OperationKind, OperationState
from imgrepl.model.policy import Action
from imgrepl.model.region import normal_region_name

_TARGET = "index"


def check(ctx: Context) -> CheckReport:
    """Compares the index with what lies in every region; changes nothing.

    `error` of the report says whether anything named is missing, or a region did not answer.
    """
    allowing.check(ctx, Action.INDEX_WRITE, None)
    return checker.check(ctx.engine)


def rebuild(ctx: Context, region_names: Sequence[str]) -> RebuildReport:
    """Restores the index from the buckets of these regions, and makes it the owner of their store.

    The index is a new one to which the regions were added, or one of the same store: then it is
    completed. Of all that these regions say the highest revision counts, and what was deleted in
    one of them stays deleted; regions that are not named are left for another time. `error` of the
    report says what could not be read. Raises `NotFound` (`RegionNotFound`, `StoreMissing`),
    `Conflict` (`IndexNotEmpty`, `BucketOfAnotherStore`, `NotOwner`, `OperationBusy`), and what the
    stores raise where no region answers.
    """
    allowing.check(ctx, Action.INDEX_WRITE, None)
    names = [normal_region_name(name) for name in region_names]
    if not names:
        raise Invalid("a rebuild needs a region to read from", code="RegionNotNamed")
    operation_id = _operation(ctx, names)
    lease_seconds, stop = ctx.engine.options.lease_seconds, ctx.engine.stop
    with Lease(ctx.index, operation_id, lease_seconds=lease_seconds, stop=stop) as lease:
        try:
            report = rebuilder.rebuild(ctx.engine, names)
        except Interrupted:
            if lease.lost is not None:
                raise lease.lost from None
            _end(ctx, lease, OperationState.CANCELED, {})
            raise
        except ImgreplError as error:
            _end(ctx, lease, OperationState.FAILED, {"code": error.code})
            raise
        state = OperationState.SUCCEEDED
        if report.error is not None:
            state = OperationState.PARTIALLY_COMPLETED
        _end(ctx, lease, state, {"versions": report.versions, "epoch": report.epoch})
    return report


def upgrade(url: str, clock: Clock) -> dict[str, Any]:
    """Brings the index at an SQLAlchemy URL to this program's schema; says from which it came.

    An SQLite file is copied beside itself first. Raises `NotFound` (`IndexNotFound`), `Conflict`
    (`IndexNewerThanProgram`), `Unavailable`.
    """
    done = GalleryIndex.upgrade(url, clock=clock)
    return {"index": done.url, "from": done.before, "to": done.after, "backup": done.backup}


def _operation(ctx: Context, names: Sequence[str]) -> OperationId:
    """The rebuild that is under way, or was when its process died; else a new one."""
    with ctx.index.begin() as tx:
        for operation in operations.open_for(tx, _TARGET):
            return operation.id
        operation_id = publishing.new_operation_id(ctx)
        operations.create(
            tx,
            operation_id=operation_id,
            kind=OperationKind.REBUILD,
            target=_TARGET,
            request={"regions": list(names)},
        )
    return operation_id


def _end(ctx: Context, lease: Lease, state: OperationState, detail: dict[str, object]) -> None:
    with ctx.index.begin() as tx:
        operations.finish(tx, lease.operation.id, lease.fence, state, detail, None)
        activity.log(tx, "index.rebuild", _TARGET, state.value, detail, ctx.principal)
