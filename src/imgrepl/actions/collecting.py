"""Removes stored bytes that nothing names any more."""

from collections.abc import Sequence
from dataclasses import replace

from imgrepl.actions import allowing, links, publishing, version_bin
from imgrepl.actions.context import Context
from imgrepl.actions.version_bin import Purged
from imgrepl.engine import collector
from imgrepl.engine.collect_report import CollectReport, FreedFiles
from imgrepl.engine.lease import Lease
from imgrepl.errors import ImgreplError, Interrupted, Invalid
from imgrepl.gallery import activity, operations, regions
from imgrepl.gallery import versions as rows
from imgrepl.model.events import Notice
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import OperationKind, OperationState
from imgrepl.model.policy import Action

_TARGET = "collect"


def collect(
    ctx: Context, *, dry_run: bool, grace_seconds: float = 0, compacts: bool = False
) -> CollectReport:
    """Condemns what nothing names, and deletes what was condemned `grace_seconds` ago or earlier.

    If it `compacts`, what lives in packs that are mostly dead is moved, and those are condemned.

    Without a grace that happens in one run: every step is checked again when it is taken. With
    `dry_run` it tells what it would do. Versions whose time in a bin is over are purged first, and
    what only they needed goes with them; so do image files that no link leads to any more. A region
    that cannot be read whole loses nothing; its places say why, and `error` of the report is the
    first of those. Raises `Conflict` (`OperationBusy`) while another process collects, `Invalid`
    (`OutOfRange`), and `Interrupted`.
    """
    allowing.check(ctx, Action.INDEX_WRITE, None)
    if grace_seconds < 0:
        raise Invalid(
            f"a grace of {grace_seconds:g} seconds is less than none",
            code="OutOfRange",
            hint="0 deletes at once what nothing names",
        )
    purged = version_bin.purge_expired(ctx, dry_run=dry_run)
    freed = links.free(ctx, dry_run=dry_run)
    if dry_run:
        with ctx.index.read() as tx:
            ending = [rows.get(tx, one.version) for one in purged if one.error is None]
        rehearsed = collector.rehearse(
            ctx.engine, grace_seconds=grace_seconds, compacts=compacts, ending=ending
        )
        return _completed(rehearsed, purged, freed)
    operation_id = _operation(ctx, grace_seconds)
    lease_seconds, stop = ctx.engine.options.lease_seconds, ctx.engine.stop
    with Lease(ctx.index, operation_id, lease_seconds=lease_seconds, stop=stop) as lease:
        try:
            _tell_deletions(ctx)
            report = collector.collect(
                ctx.engine, lease, grace_seconds=grace_seconds, compacts=compacts
            )
        except Interrupted:
            if lease.lost is not None:
                raise lease.lost from None
            _end(ctx, lease, OperationState.CANCELED, {})
            raise
        except ImgreplError as error:
            if error.code != "OperationLost":
                _end(ctx, lease, OperationState.FAILED, {"code": error.code})
            raise
        _end(ctx, lease, _outcome(report), _summary(report))
    return _completed(report, purged, freed)


def _tell_deletions(ctx: Context) -> None:
    """To regions that were away, before what they still name goes (F-15)."""
    from imgrepl.engine import homes

    with ctx.index.read() as tx:
        names = [region.name for region in regions.list_all(tx)]
    for name in names:
        try:
            homes.tell_deletions(ctx.engine, name)
        except Interrupted:
            raise
        except ImgreplError as error:
            text = f"{name} was not told what was deleted: {error.message}"
            ctx.events(Notice(level="warning", text=text, subject=name))


def _completed(
    report: CollectReport, purged: Sequence[Purged], freed: Sequence[FreedFiles]
) -> CollectReport:
    return replace(
        report,
        purged_versions=tuple(str(one.version) for one in purged if one.error is None),
        unpurged_versions=tuple(f"{one.version}: {one.error}" for one in purged if one.error),
        freed_files=tuple(freed),
    )


def _operation(ctx: Context, grace_seconds: float) -> OperationId:
    """The collection that is under way, or was when its process died; else a new one.

    One per index: who claims it first collects.
    """
    with ctx.index.begin() as tx:
        for operation in operations.open_for(tx, _TARGET):
            return operation.id
        operation_id = publishing.new_operation_id(ctx)
        operations.create(
            tx,
            operation_id=operation_id,
            kind=OperationKind.COLLECT,
            target=_TARGET,
            request={"graceSeconds": grace_seconds},
        )
    return operation_id


def _outcome(report: CollectReport) -> OperationState:
    errors = [place.error for place in report.places if place.error is not None]
    if not errors:
        return OperationState.SUCCEEDED
    partly = len(errors) < len(report.places)
    return OperationState.PARTIALLY_COMPLETED if partly else OperationState.FAILED


def _summary(report: CollectReport) -> dict[str, object]:
    return {
        "deletedPacks": report.deleted_packs,
        "deletedBytes": report.deleted_bytes,
        "error": None if report.error is None else report.error.code,
    }


def _end(ctx: Context, lease: Lease, state: OperationState, detail: dict[str, object]) -> None:
    with ctx.index.begin() as tx:
        operations.finish(tx, lease.operation.id, lease.fence, state, detail, None)
        activity.log(tx, "collect", _TARGET, state.value, detail, ctx.principal)
