"""Processes of a simulated world: each with an identity, an index of its own, and steps to die at.

All share one SQLite file, as processes of one machine do, and a database clock that the world sets.
"""

import gc
import random as _random  # noqa: TID251 - only to hold it still: see `seeded_libraries`
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from sqlalchemy import Connection, event

from imgrepl.clock import SystemClock
from imgrepl.engine import owner
from imgrepl.errors import Unavailable
from imgrepl.gallery import connect
from imgrepl.gallery.database import GalleryIndex
from imgrepl.testing.simulation.scheduler import Process, Roll, Scheduler

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_BOOT_ID = "the boot of a simulated machine"


class SimulatedClock:
    """A host's clock: the world's time, and how far it is off. Sleeping hands on the turn."""

    def __init__(self, scheduler: Scheduler, skew_seconds: float = 0.0) -> None:
        self._scheduler = scheduler
        self._skew_seconds = skew_seconds

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._scheduler.now + self._skew_seconds)

    def monotonic(self) -> float:
        return self._scheduler.now

    def sleep(self, seconds: float) -> None:
        self._scheduler.sleep(seconds)


class SimulatedDatabase:
    """One SQLite file, used again for world after world: what SQLAlchemy compiled stays known.

    Its clock is whatever `now` says. Every process of a world has an index of its own over it.
    """

    def __init__(self, path: Path, template: Path) -> None:
        self._path = path
        self._template = template
        self._url = connect.parse_url(f"sqlite:///{self._path}")
        self._engine = connect.connect(self._url, busy_seconds=1)
        self.now: Callable[[], datetime] = lambda: EPOCH
        event.listen(self._engine, "connect", self._set_up)

    def begin_anew(self, content: Path | None = None) -> None:
        """The file is the template again, or `content`."""
        self._engine.dispose()
        for path in self._path.parent.glob(f"{self._path.name}*"):
            path.unlink()
        shutil.copyfile(content or self._template, self._path)

    def save(self, target: Path) -> None:
        """Copies the file as it is at this moment, as a nightly backup does."""
        target.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(self._path)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)

    def index(self, scheduler: Scheduler | None) -> "SimulatedIndex":
        """The index as one process has it; without a scheduler it takes no turns."""
        index = SimulatedIndex(self._url, self._engine, clock=SystemClock(), busy_seconds=1)
        index.scheduler = scheduler
        return index

    def _set_up(self, connection: sqlite3.Connection, _record: object) -> None:
        connection.create_function("strftime", 2, self._strftime)
        connection.execute("PRAGMA synchronous = OFF")

    def _strftime(self, form: str, moment: str) -> str:
        assert (form[-3:], moment) == ("000", "now"), (form, moment)
        return self.now().strftime("%Y-%m-%d %H:%M:%S.%f")


class SimulatedIndex(GalleryIndex):
    """The gallery index, with a step before and after each transaction.

    A process may die there: before its transaction began, or after it committed. In between no
    other process gets a turn, as a transaction is one moment to everybody else.
    """

    scheduler: Scheduler | None = None
    befalls: Callable[[str], bool] = staticmethod(lambda _fault: False)
    """Whether a fault of the database befalls the transaction that asks."""

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        self._step("tx")
        if self.befalls("index_busy"):
            raise Unavailable("the gallery index is busy", code="IndexBusy")
        with super().begin() as tx:
            yield tx
        self._step("tx committed")
        if self.befalls("index_unsure"):
            raise Unavailable("the connection broke at the commit", code="IndexUnavailable")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self._step("tx read")
        with super().read() as tx:
            yield tx

    def close(self) -> None:
        """Leaves the connections to the other processes."""

    def _step(self, what: str) -> None:
        if self.scheduler is not None:
            self.scheduler.pause(what)


@contextmanager
def simulated_identities(scheduler: Scheduler) -> Iterator[dict[int, Process]]:
    """Processes find themselves by their pid in this table; who is dead is known on his host."""
    table: dict[int, Process] = {}

    def mine() -> Process | None:
        task = scheduler.current()
        return task.process if task is not None else None

    def host() -> str:
        process = mine()
        return process.host if process is not None else "here"

    def pid() -> int:
        process = mine()
        return process.pid if process is not None else 0

    def started(number: int) -> int | None:
        process = table.get(number)
        return None if process is None or process.dead else number

    with (
        mock.patch.object(owner, "socket", SimpleNamespace(gethostname=host)),
        mock.patch.object(owner, "os", SimpleNamespace(getpid=pid)),
        mock.patch.object(owner, "_boot_id", return_value=_BOOT_ID),
        mock.patch.object(owner, "_start_ticks", started),
        mock.patch.object(owner, "_exists", lambda number: started(number) is not None),
    ):
        yield table


@contextmanager
def garbage_stays() -> Iterator[None]:
    """No cycles are collected before the end.

    That happens whenever enough was allocated, in any test before, too; executors wake their
    threads by it and generators end, so it would turn the dice.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect(0)  # all that was made meanwhile is young


@contextmanager
def seeded_libraries(roll: Roll) -> Iterator[None]:
    """Ids and jitter of the code under test come out of the dice as well."""

    def uuid4() -> uuid.UUID:
        return uuid.UUID(bytes=bytes(int(roll() * 256) for _ in range(16)), version=4)

    state: Any = _random.getstate()
    _random.seed(int(roll() * (1 << 32)))
    try:
        with mock.patch.object(uuid, "uuid4", uuid4):
            yield
    finally:
        _random.setstate(state)
