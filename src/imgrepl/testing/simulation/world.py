"""A small world to simulate: servers, one index, and the processes that work with them."""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Generic, TypeVar

import sqlalchemy as sa

from imgrepl.actions.context import Context
from imgrepl.clock import SystemClock
from imgrepl.disks.source import open_source
from imgrepl.engine.context import Engine
from imgrepl.engine.dedup_cache import MEMORY_BYTES_MIN, DedupCache
from imgrepl.engine.options import EngineOptions
from imgrepl.gallery import regions, schema
from imgrepl.gallery.database import GalleryIndex
from imgrepl.gallery.identity import IndexIdentity
from imgrepl.model.capabilities import Capabilities
from imgrepl.model.events import Event
from imgrepl.model.ids import OperationId
from imgrepl.model.limits import Limits
from imgrepl.model.region import Endpoint, Place, Region
from imgrepl.model.transfer import RegionTransfer
from imgrepl.store.metered import Meter, MeteredStore, Traffic
from imgrepl.store.protocols import Store
from imgrepl.store.retrying import RetryingStore, RetryPolicy
from imgrepl.testing.faulty import Crashed
from imgrepl.testing.simulation.edges import WITNESSES
from imgrepl.testing.simulation.network import Network
from imgrepl.testing.simulation.processes import (
    EPOCH,
    SimulatedClock,
    SimulatedDatabase,
    SimulatedIndex,
    garbage_stays,
    seeded_libraries,
    simulated_identities,
)
from imgrepl.testing.simulation.scheduler import Process, Roll, Scheduler
from imgrepl.testing.simulation.shelf import Shelf
from imgrepl.testing.simulation.threads import cooperative_threads
from imgrepl.testing.simulation.weather import Weather

_Answer = TypeVar("_Answer")
KIBIBYTE = 1024
OPTIONS = EngineOptions(
    workers=2,
    window_bytes=256 * KIBIBYTE,
    windows_in_flight=4,
    zstd_level=1,
    zstd_level_update=1,
    pack_bytes_target=128 * KIBIBYTE,
    uploads_in_flight=2,
    transfer_budget_bytes=512 * KIBIBYTE,
    region_queue_packs=1,
    region_uploads=2,
    pack_reads=2,
    slow_region_seconds=1.0,
    detached_regions=1,
    downloads_in_flight=2,
    heads_in_flight=4,
    rows_per_batch=3,
    lease_seconds=60,
    range_gap_bytes=16 * KIBIBYTE,
)
"""Small packs, short queues: a disk of half a megabyte goes through every stage."""

CAPABLE = Capabilities(
    server="memory",
    conditional_put=True,
    conditional_swap=True,
    checksum_checked=True,
    checksum_returned=True,
    server_copy=True,
    copy_keeps_checksum=True,
    copy_rehashes=False,
)


def _endpoint(name: str, server: str | None = None) -> Endpoint:
    return Endpoint(url=f"s3://{name}", endpoint_url=f"http://{server or name}.example")


REGIONS = (
    Region(name="eastus", display_name="East US", standard=(_endpoint("eastus"),)),
    Region(
        name="westeurope",
        display_name="West Europe",
        standard=(_endpoint("westeurope"), _endpoint("westeurope-b", "westeurope-two")),
    ),
    Region(
        name="southeastasia",
        display_name="Southeast Asia",
        standard=(_endpoint("southeastasia"),),
        zones=(_endpoint("zone-a"), _endpoint("zone-b"), _endpoint("zone-c")),
        premium=_endpoint("southeastasia-premium", "southeastasia"),
    ),
)
"""One server; two servers; three zones and a premium bucket."""


def region_at(url: str) -> str | None:
    """The region that has a place at this URL."""
    for region in REGIONS:
        ends = (*region.standard, *region.zones, *([region.premium] if region.premium else []))
        if any(url.startswith(f"{end.url}/") for end in ends):
            return region.name
    return None


class _Stores:
    """The engine's `Stores` of one process: metered and retried over the network."""

    def __init__(
        self, network: Network, clock: SimulatedClock, policy: RetryPolicy, sender: int
    ) -> None:
        self._sender = sender
        self._network = network
        self._clock = clock
        self._policy = policy
        self.meters: dict[str, Meter] = {}

    def of(self, place: Place) -> Store:
        meter = self.meters.setdefault(place.region, Meter())
        metered = MeteredStore(self._network.way_to(place.endpoint, self._sender), meter)
        return RetryingStore(metered, self._policy, self._clock)

    @property
    def traffic(self) -> Traffic:
        """What moved to and from all regions."""
        return sum((meter.total for meter in self.meters.values()), Traffic())

    def probe(self, _place: Place) -> Capabilities:
        return CAPABLE

    def create_bucket(self, endpoint: Endpoint) -> None:
        self._network.at(endpoint)

    def moved(self) -> tuple[RegionTransfer, ...]:
        return tuple(
            RegionTransfer(
                region=region,
                sent_bytes=meter.total.sent_bytes,
                server_copied_bytes=meter.total.server_copied_bytes,
                received_bytes=meter.total.received_bytes,
                puts=meter.total.puts + meter.total.copies,
            )
            for region, meter in self.meters.items()
        )


@dataclass(eq=False)
class Running:
    """A process that was started, and all it has: nothing of it is shared but files and servers."""

    process: Process
    index: SimulatedIndex
    ctx: Context
    stores: _Stores
    told: list[Event] = field(default_factory=list)
    spawned: list[OperationId] = field(default_factory=list)


class Eye:
    """Looks at the index that owns the store, and takes no turns."""

    def __init__(self, world: "SimulatedWorld") -> None:
        self._world = world

    def read(self) -> AbstractContextManager[sa.Connection]:
        """A look at one moment."""
        return self._world.reigning.index(None).read()

    @property
    def identity(self) -> IndexIdentity:
        """Who the index is."""
        return self._world.reigning.index(None).identity


class SimulatedWorld:
    """Servers, an index file, and processes. Time and turns are the scheduler's."""

    def __init__(
        self,
        folder: Path,
        shelf: Shelf,
        scheduler: Scheduler,
        roll: Roll,
        table: dict[int, Process],
        databases: Sequence[SimulatedDatabase],
        *,
        weather: Weather,
        options: EngineOptions,
    ) -> None:
        self.folder = folder
        self.shelf = shelf
        self.scheduler = scheduler
        self.roll = roll
        self.options = options
        self.network = Network(scheduler, roll, weather)
        self.retries = RetryPolicy(attempts_max=3, wait_seconds_first=0.1, wait_seconds_max=2)
        self.database_skew_seconds = 0.0
        self._table = table
        self._databases = databases
        for database in databases:
            database.now = self._database_now
        self._saved: Path | None = None
        self.eye = Eye(self)
        self._numbers = itertools.count(1)
        self._running: list[Running] = []
        self._traffic_before = Traffic()
        """Of processes that have ended, as their meters counted."""
        self.index_faults: dict[str, int] = {}

    def _database_now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.scheduler.now + self.database_skew_seconds)

    def _befalls_index(self, fault: str) -> bool:
        chance: float = getattr(self.network.weather, fault)
        if chance <= 0 or self.roll() >= chance:
            return False
        self.index_faults[fault] = self.index_faults.get(fault, 0) + 1
        return True

    @property
    def reigning(self) -> SimulatedDatabase:
        """The index that owns the store."""
        return self._databases[self.network.reigning]

    @property
    def has_another_index(self) -> bool:
        """Whether the index may be lost once more."""
        return self.network.reigning + 1 < len(self._databases)

    def save_index(self) -> None:
        """Somebody makes a backup of the index."""
        self._saved = self.folder / "backup.sqlite3"
        self.reigning.save(self._saved)

    def replace_index(self, *, by_backup: bool) -> bool:
        """The index is lost; its latest backup comes in its place, or a new one with the regions.

        Whether it is a backup. Processes that run go on with the one that was lost.
        """
        self.network.reigning += 1
        content = self._saved if by_backup else None
        self.reigning.begin_anew(content)
        if content is None:
            digit = str(self.network.reigning + 1)
            with self.reigning.index(None).begin() as tx:
                own = {"store_id": digit * 32, "index_id": digit * 32}
                tx.execute(sa.update(schema.identity).values(own))
        return content is not None

    def start(
        self, *, host: str = "here", skew_seconds: float = 0.0, number_of_index: int | None = None
    ) -> Running:
        """A new process on a host, with the wiring that assembly gives a real one.

        Works with the index that owns the store, unless told otherwise.
        """
        sender = self.network.reigning if number_of_index is None else number_of_index
        number = next(self._numbers)
        process = Process(f"p{number}", host=host, pid=number)
        self._table[number] = process
        clock = SimulatedClock(self.scheduler, skew_seconds)
        index = self._databases[sender].index(self.scheduler)
        index.befalls = self._befalls_index
        stores = _Stores(self.network, clock, self.retries, sender)
        told, spawned = list[Event](), list[OperationId]()
        cache = self.folder / f"cache-{host}"
        engine = Engine(
            index=index,
            stores=stores,
            clock=clock,
            options=self.options,
            domain=index.identity.domain,
            open_cache=lambda: DedupCache(cache, memory_bytes_max=MEMORY_BYTES_MIN),
            events=told.append,
            stop=threading.Event(),
        )
        ctx = Context(
            engine=engine,
            limits=Limits(),
            principal=f"tester on {host}",
            state_dir=self.folder,
            open_source=lambda name, **_where: open_source(name),
            spawn=spawned.append,
            choose=lambda count: int(self.roll() * count),
        )
        running = Running(process, index, ctx, stores, told, spawned)
        self._running.append(running)
        return running

    def begin(self, running: Running, body: Callable[[Context], _Answer]) -> "Work[_Answer]":
        """Lets a process do something while the caller goes on."""
        return Work(self, running, body)

    def stop(self, running: Running) -> None:
        """Ends a process in peace, or buries one that died."""
        if running.process.dead:
            self.scheduler.drain(running.process)
        running.process.dead = True
        self._traffic_before += running.stores.traffic
        running.index.close()
        self._running.remove(running)

    @property
    def traffic(self) -> Traffic:
        """What all processes moved so far, by their own meters."""
        return sum((one.stores.traffic for one in self._running), self._traffic_before)

    def close(self) -> None:
        """Ends whatever still runs."""
        for running in list(self._running):
            self.scheduler.kill(running.process)
            self.stop(running)


class Work(Generic[_Answer]):
    """Something that a process does, as a task of its own."""

    def __init__(
        self, world: SimulatedWorld, running: Running, body: Callable[[Context], _Answer]
    ) -> None:
        self._world = world
        self.running = running
        self.answer: _Answer | None = None

        def run() -> None:
            self.answer = body(running.ctx)

        process = running.process
        self._task = world.scheduler.spawn(run, name=process.name, process=process)

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing to wait for."""
        return self._task.done

    def wait(self) -> BaseException | None:
        """Goes on when it has ended; gives what it was ended by: `Crashed` where it died."""
        self._world.scheduler.join(self._task)
        if self.running.process.dead:
            self._world.scheduler.drain(self.running.process)
            return self._task.error or Crashed(self.running.process.name)
        return self._task.error


@contextmanager
def open_world(
    folder: Path,
    shelf: Shelf,
    roll: Roll,
    databases: Sequence[SimulatedDatabase],
    *,
    weather: Weather,
    options: EngineOptions = OPTIONS,
) -> Iterator[SimulatedWorld]:
    """An empty world in `folder`, with the first index; the others replace it when it is lost."""
    folder.mkdir(parents=True, exist_ok=True)
    databases[0].begin_anew()
    scheduler = Scheduler(roll)
    with ExitStack() as stack:
        stack.enter_context(garbage_stays())
        stack.callback(scheduler.close)
        stack.enter_context(cooperative_threads(scheduler))
        stack.enter_context(seeded_libraries(roll))
        table = stack.enter_context(simulated_identities(scheduler))
        world = SimulatedWorld(
            folder, shelf, scheduler, roll, table, databases, weather=weather, options=options
        )
        stack.callback(world.close)
        yield world


def make_template(path: Path) -> None:
    """An empty index with the world's regions; made once, as migrations take their time."""
    index = GalleryIndex.open(f"sqlite:///{path}", clock=SystemClock())
    with index.begin() as tx:
        for region in REGIONS:
            regions.add(tx, region)
        same = {"store_id": "5" * 32, "index_id": "1" * 32}
        tx.execute(sa.update(schema.identity).values(same))
        for statement in WITNESSES:
            tx.exec_driver_sql(statement)
    index.close()
