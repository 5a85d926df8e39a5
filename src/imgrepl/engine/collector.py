"""Removes what nothing names: first all that must be read, then rows, then objects.

The roots are the gallery index and the records in the buckets together. A region in which anything
that must be read cannot be read loses nothing: not one row of it moves. The steps and their order
are those of `disposal`; a run that dies is finished by the next.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from imgrepl.engine import abandoned, compactor
from imgrepl.engine.abandoned import Abandoned
from imgrepl.engine.collect_report import CollectReport, PlaceReport
from imgrepl.engine.collect_view import RegionView, View, look
from imgrepl.engine.context import Engine
from imgrepl.engine.disposal import PlaceCollector
from imgrepl.engine.lease import Lease
from imgrepl.engine.reporting import Reporter
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import ImgreplError, Interrupted
from imgrepl.gallery import contents, operations, packs, unneeded, versions
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.ids import PackId
from imgrepl.model.region import Place

_CONTENTS_MAX = 1_000_000


def collect(
    engine: Engine, lease: Lease, *, grace_seconds: float, compacts: bool = False
) -> CollectReport:
    """Removes what has been unneeded for `grace_seconds`, in every region that can be read.

    If it `compacts`, what lives of packs that are mostly dead is moved first. Raises `Interrupted`
    between two batches, and `Conflict` (`OperationLost`).
    """
    found = abandoned.find(engine, lease.operation.id, grace_seconds=grace_seconds)
    settled = abandoned.settle(engine, lease, found)
    with engine.index.begin() as tx:
        operations.assert_held(tx, lease.operation.id, lease.fence)
        unneeded.release_ended_pins(tx)
    view = look(engine, settled, grace_seconds, may_write=True)
    with engine.index.begin() as tx:
        operations.assert_held(tx, lease.operation.id, lease.fence)
        _give_up_contents(tx, view)
    places = _readable(view) if compacts else []
    compacted = tuple(compactor.compact(engine, lease, place) for place in places)
    reports: list[PlaceReport] = []
    gone: set[PackId] = set()
    for region in view.regions:
        for report, deleted in _collect_region(engine, lease, view, region):
            reports.append(report)
            gone |= deleted
    _forget_chunks(engine, gone)
    return replace(_report(settled, view, reports, dry_run=False), compacted=compacted)


def rehearse(
    engine: Engine,
    *,
    grace_seconds: float,
    compacts: bool = False,
    ending: Sequence[ImageVersion] = (),
) -> CollectReport:
    """What `collect` would do now, once the versions that are `ending` were erased.

    Nothing is changed, in the index or in a bucket: all steps are taken in one transaction, which
    is rolled back. What it `compacts` is told beside them: they count as if nothing was moved. A
    version whose home region cannot be read stays: it could not be erased.
    """
    found = abandoned.find(engine, None, grace_seconds=grace_seconds)
    view = look(engine, found, grace_seconds, may_write=False)
    reports: list[PlaceReport] = []
    with engine.index.begin() as tx:
        rehearsal = tx.begin_nested()
        found = [one for one in found if abandoned.give_up(tx, one, None)]
        unneeded.release_ended_pins(tx)
        _erase(tx, view, ending)
        _give_up_contents(tx, view)
        for region in view.regions:
            reports += _unread(region)
            for inspected in view.inspected(region):
                collector = PlaceCollector(engine, inspected, grace_seconds=grace_seconds)
                reports.append(collector.rehearse(tx))
        rehearsal.rollback()
    places = _readable(view) if compacts else []
    compacted = tuple(compactor.rehearse(engine, place) for place in places)
    return replace(_report(found, view, reports, dry_run=True), compacted=compacted)


def _erase(tx: Connection, view: View, ending: Iterable[ImageVersion]) -> None:
    away = {region.region for region in view.regions if region.error is not None}
    for version in ending:
        if version.location not in away:
            versions.remove(tx, version.id)


def _give_up_contents(tx: Connection, view: View) -> None:
    """Contents that no version names lose their manifests everywhere.

    Not while a region is out of sight: one of its records may name them.
    """
    if view.is_whole:
        rooted = view.roots.contents
        contents.remove(tx, [c for c in contents.unused(tx, _CONTENTS_MAX) if c not in rooted])


def _readable(view: View) -> list[Place]:
    """The places in which anything may be changed."""
    return [one.place for region in view.regions for one in view.inspected(region)]


def _collect_region(
    engine: Engine, lease: Lease, view: View, region: RegionView
) -> Iterator[tuple[PlaceReport, set[PackId]]]:
    if region.error is not None:
        yield from ((report, set()) for report in _unread(region))
        return
    reporter = Reporter(engine, "collect", region.region)
    with reporter:
        reporter.begin()
        for inspected in view.inspected(region):
            check_stop(engine.stop)
            collector = PlaceCollector(engine, inspected, grace_seconds=view.grace_seconds)
            try:
                report = collector.collect(lease, reporter)
            except Interrupted:
                raise
            except ImgreplError as error:
                if error.code == "OperationLost":
                    raise
                report = collector.report(error)
            yield report, collector.gone


def _unread(region: RegionView) -> list[PlaceReport]:
    """The reports on a region that could not be read."""
    if region.error is None:
        return []
    return [
        PlaceReport(region=region.region, place=place.name, error=region.error)
        for place in region.places
    ]


def _forget_chunks(engine: Engine, gone: set[PackId]) -> None:
    """Chunks of packs that no place has any more are new again when they are next seen."""
    with engine.index.read() as tx:
        lost = [pack_id for pack_id, rows in packs.holders(tx, gone).items() if not rows]
    if lost:
        with engine.open_cache() as cache:
            cache.forget(lost)


def _report(
    given_up: Iterable[Abandoned], view: View, reports: Iterable[PlaceReport], *, dry_run: bool
) -> CollectReport:
    staged = [(one.staged, one.record) for one in given_up if one.staged is not None]
    return CollectReport(
        dry_run=dry_run,
        grace_seconds=view.grace_seconds,
        places=tuple(reports),
        ended_operations=tuple(one.operation_id for one in given_up if one.operation_id),
        withdrawn_versions=tuple(str(version.id) for version, record in staged if record is None),
        adopted_versions=tuple(str(version.id) for version, record in staged if record),
        unknown_records=tuple(
            f"{region.region}: {need.record}"
            for region in view.regions
            for need in region.needs
            if need.unknown
        ),
    )
