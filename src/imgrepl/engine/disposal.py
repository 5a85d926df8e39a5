"""One place's part of a collection: rows first, then the objects they stand for.

Seals go before manifests, these and `moved` before packs. A pack goes from present to condemned, to
deleting, to gone; nothing that a step has decided is lost by dying before the next.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection

from imgrepl.engine import places
from imgrepl.engine.collect_report import Kept, PlaceReport
from imgrepl.engine.collect_steps import BATCH_MAX, Inspected, Steps
from imgrepl.engine.context import Engine
from imgrepl.engine.lease import Lease
from imgrepl.engine.reporting import Reporter
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import ImgreplError, Unavailable
from imgrepl.gallery import operations, pack_objects
from imgrepl.gallery.packs import PlacePack
from imgrepl.layout import keys
from imgrepl.model.ids import PackId
from imgrepl.model.region import Place

_Page = Callable[[Connection, str], tuple[str | None, list[PlacePack]]]
_Item = TypeVar("_Item")
_FAILURES_SHOWN_MAX = 20


class PlaceCollector:
    """Collects what was `inspected`. `gone` are the packs that were deleted by now."""

    def __init__(self, engine: Engine, inspected: Inspected, *, grace_seconds: float) -> None:
        self._engine = engine
        self._inspected = inspected
        self._place = inspected.place
        self._store = engine.stores.of(inspected.place)
        self._steps = Steps(inspected, grace_seconds=grace_seconds)
        self._deleted: list[int] = []
        self._seals = self._manifests = self._moved = 0
        self._failures: list[str] = []
        self._kept: tuple[Kept, ...] = ()
        self.gone: set[PackId] = set()

    def rehearse(self, tx: Connection) -> PlaceReport:
        """Takes every step in `tx`, which the caller rolls back, and deletes no object."""
        self._steps.settle_intents(tx)
        self._seals = len(self._steps.retire_seals(tx))
        self._manifests = len(self._steps.retired_manifests(tx))
        self._moved = len(self._steps.retired_moved(tx))
        self._deleted += [found.size_bytes for found in self._inspected.survey.gone_packs]
        self._deleted += [row.pack_bytes for row in self._steps.leftovers(tx)]
        for step, deletes in ((self._steps.condemn, False), (self._steps.doom, True)):
            after: str | None = ""
            while after is not None:
                after, rows = step(tx, after)
                self._deleted += [row.pack_bytes for row in rows] if deletes else []
        self._kept = self._steps.kept(tx)
        return self.report()

    def collect(self, lease: Lease, reporter: Reporter) -> PlaceReport:
        """Takes every step for good. Raises what the store raises, and `Interrupted`."""
        with self._transaction(lease) as tx:
            self._steps.settle_intents(tx)
            seals = self._steps.retire_seals(tx)
        self._seals = self._delete_all([keys.seal_key(*key) for key in seals])
        with self._transaction(lease) as tx:
            manifests = self._steps.retired_manifests(tx)
            moved = self._steps.retired_moved(tx)
            leftovers = self._steps.leftovers(tx)
        self._manifests = self._delete_all([keys.manifest_key(*key) for key in manifests])
        self._moved = self._delete_all([keys.moved_key(*key) for key in moved])
        self._delete_again()
        for batch in _batches(leftovers):
            self._delete_packs(lease, batch, reporter)
        for _ in self._pages(lease, self._steps.condemn):
            pass
        for doomed in self._pages(lease, self._steps.doom):
            self._delete_packs(lease, doomed, reporter)
        with self._engine.index.read() as tx:
            self._kept = self._steps.kept(tx)
        return self.report()

    def report(self, error: ImgreplError | None = None) -> PlaceReport:
        """What was done by now, and what stopped it."""
        survey, decided = self._inspected.survey, self._steps.decided
        if error is None and self._failures:
            error = _undeleted(self._place, self._failures)
        return PlaceReport(
            region=self._place.region,
            place=self._place.name,
            condemned_packs=len(decided.condemned),
            condemned_bytes=sum(decided.condemned),
            deleted_packs=len(self._deleted),
            deleted_bytes=sum(self._deleted),
            deleted_manifests=self._manifests,
            deleted_seals=self._seals,
            deleted_moved=self._moved,
            kept=self._kept,
            unknown_objects=survey.unknown_objects + len(decided.unknown),
            unknown_bytes=survey.unknown_bytes + sum(decided.unknown),
            failures=tuple(self._failures),
            error=error,
        )

    def _pages(self, lease: Lease, step: _Page) -> Iterator[list[PlacePack]]:
        """Takes a step page by page, each in a transaction of its own."""
        after: str | None = ""
        while after is not None:
            check_stop(self._engine.stop)
            with self._transaction(lease) as tx:
                after, rows = step(tx, after)
            yield rows

    def _delete_packs(self, lease: Lease, rows: Sequence[PlacePack], reporter: Reporter) -> None:
        """One batch of packs that are `deleting`; those that the store deleted are gone."""
        if not rows:
            return
        by_key = {keys.pack_key(row.pack_id, row.generation): row for row in rows}
        failed = self._delete(list(by_key))
        gone = [row for key, row in by_key.items() if key not in failed]
        with self._transaction(lease) as tx:
            pack_objects.set_gone(tx, self._place.id, gone)
        self.gone.update(row.pack_id for row in gone)
        self._deleted += [row.pack_bytes for row in gone]
        reporter.add(sum(row.pack_bytes for row in gone))

    def _delete_again(self) -> None:
        """Packs that arrived after their deletion: their keys are never used again."""
        for batch in _batches(self._inspected.survey.gone_packs):
            by_key = {keys.pack_key(one.pack_id, one.generation): one for one in batch}
            failed = self._delete(list(by_key))
            self._deleted += [one.size_bytes for key, one in by_key.items() if key not in failed]

    def _delete_all(self, objects: Sequence[str]) -> int:
        """Deletes all of `objects`, or raises: what comes after them must not go before them."""
        for batch in _batches(objects):
            if self._delete(batch):
                raise _undeleted(self._place, self._failures)
        return len(objects)

    def _delete(self, batch: Sequence[str]) -> set[str]:
        """One request, after a look at who owns the place; gives the keys that are still there."""
        check_stop(self._engine.stop)
        identity = self._engine.index.identity
        places.check_owner(self._store, self._place, identity, may_claim=False)
        failures = self._store.delete(batch)
        self._failures += [f"{failure.key}: {failure.reason}" for failure in failures]
        return {failure.key for failure in failures}

    @contextmanager
    def _transaction(self, lease: Lease) -> Iterator[Connection]:
        with self._engine.index.begin() as tx:
            operations.assert_held(tx, lease.operation.id, lease.fence)
            yield tx


def _batches(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), BATCH_MAX):
        yield items[start : start + BATCH_MAX]


def _undeleted(place: Place, failures: Sequence[str]) -> Unavailable:
    return Unavailable(
        f"{len(failures)} objects of {place.name} could not be deleted",
        code="DeletionFailed",
        target=place.name,
        details=list(failures[:_FAILURES_SHOWN_MAX]),
        hint="run `imgrepl collect` again: it goes on with them",
    )
