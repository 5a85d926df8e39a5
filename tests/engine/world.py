"""A small world for tests: three regions in memory, an index, and what a user does with both.

    def test_something(world: World) -> None:
        world.publish("1.0.0")
        assert world.download("1.0.0", region="westeurope") == world.disk().read_bytes()

Every bucket can be made to fail (`world.store("eastus").faults`), outlives the world that wrote to
it (`world.buckets`, handed to another world), and is looked at behind the engine's back
(`world.keys`). `world.restart()` is what happens after `Crashed`: the process that held the
operations is dead, another one goes on.
"""

import random
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from imgrepl.actions import creating, downloads, following, updating, version_deleting, versions
from imgrepl.actions.context import Context
from imgrepl.actions.downloads import DownloadRequest
from imgrepl.actions.version_requests import (
    CreateVersion,
    TargetRequest,
    UpdateVersion,
    VersionView,
)
from imgrepl.clock import SystemClock
from imgrepl.disks.source import open_source
from imgrepl.engine.context import Engine
from imgrepl.engine.dedup_cache import MEMORY_BYTES_MIN, DedupCache
from imgrepl.engine.options import EngineOptions
from imgrepl.engine.owner import this_process
from imgrepl.gallery import places, regions, schema
from imgrepl.gallery.database import GalleryIndex
from imgrepl.layout import keys as layout_keys
from imgrepl.model.capabilities import Capabilities
from imgrepl.model.events import Event, Notice
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId, VersionName
from imgrepl.model.ids import OperationId, PackId
from imgrepl.model.limits import Limits
from imgrepl.model.region import Endpoint, Place, PlaceRole, Region
from imgrepl.model.transfer import RegionTransfer
from imgrepl.store.looking_first import LookingFirstStore
from imgrepl.store.memory import MemoryStore
from imgrepl.store.metered import Meter, MeteredStore
from imgrepl.store.protocols import Store
from imgrepl.store.retrying import RetryingStore, RetryPolicy
from imgrepl.testing.clocks import ManualClock
from imgrepl.testing.faulty import FaultyStore

MEBIBYTE = 1 << 20
REGIONS = ("eastus", "westeurope", "southeastasia")
DEFINITION = GalleryId(gallery="golden").definition("debian")
DISK_BYTES = 16 * MEBIBYTE
DATA_BYTES = 3 * MEBIBYTE
OPTIONS = EngineOptions(
    workers=2, pack_bytes_target=MEBIBYTE, window_bytes=MEBIBYTE, lease_seconds=30
)
"""Packs of 1 MiB, so that a disk of 3 MiB data has several."""

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


class Buckets:
    """What lies in all places, by URL. Stands for the servers: indexes come and go."""

    def __init__(self, make: Callable[[Endpoint], Store] | None = None) -> None:
        self._make = make or (lambda at: MemoryStore(at.url, server=at.server))
        self._stores: dict[str, FaultyStore] = {}
        self._lock = threading.Lock()

    def at(self, endpoint: Endpoint) -> FaultyStore:
        """The store of an endpoint; no faults, until a test adds some."""
        with self._lock:
            if endpoint.url not in self._stores:
                self._stores[endpoint.url] = FaultyStore(self._make(endpoint))
            return self._stores[endpoint.url]

    def all(self) -> list[FaultyStore]:
        """Every store that was opened so far."""
        with self._lock:
            return list(self._stores.values())

    def revive(self) -> None:
        """No store is dead, and none has faults any more."""
        for store in self.all():
            store.faults.clear()
            store.dice = None
            store.revive()


class WorldStores:
    """The engine's `Stores`: as in production metered and retried, with a clock that waits not."""

    def __init__(self, buckets: Buckets, clock: ManualClock) -> None:
        self._buckets = buckets
        self._clock = clock
        self._meters: dict[str, Meter] = {}
        self.capabilities = CAPABLE
        self.patience = RetryPolicy(attempts_max=3)

    def of(self, place: Place) -> Store:
        meter = self._meters.setdefault(place.region, Meter())
        metered = MeteredStore(self._buckets.at(place.endpoint), meter)
        looking = LookingFirstStore(metered, lambda: self.capabilities)
        return RetryingStore(looking, self.patience, self._clock)

    def probe(self, _place: Place) -> Capabilities:
        return self.capabilities

    def create_bucket(self, endpoint: Endpoint) -> None:
        self._buckets.at(endpoint)

    def moved(self) -> tuple[RegionTransfer, ...]:
        return tuple(
            RegionTransfer(
                region=region,
                sent_bytes=meter.total.sent_bytes,
                server_copied_bytes=meter.total.server_copied_bytes,
                received_bytes=meter.total.received_bytes,
                puts=meter.total.puts + meter.total.copies,
            )
            for region, meter in self._meters.items()
        )


@dataclass
class World:
    """An index, its regions and a process that works with them."""

    folder: Path
    index: GalleryIndex
    buckets: Buckets
    stores: WorldStores
    clock: ManualClock
    ctx: Context
    spawned: list[OperationId]
    told: list[Event]
    definition: DefinitionId = DEFINITION
    _disks: dict[str, Path] = field(default_factory=dict)

    @property
    def engine(self) -> Engine:
        """The engine as it is wired now."""
        return self.ctx.engine

    @property
    def stop(self) -> threading.Event:
        """Set it, and work ends between two steps."""
        return self.engine.stop

    @property
    def notices(self) -> list[str]:
        """What people were told."""
        return [event.text for event in self.told if isinstance(event, Notice)]

    def id(self, name: str) -> VersionId:
        """The version `name` of the world's definition."""
        return self.definition.version(VersionName.parse(name))

    def disk(self, name: str = "debian", *, like: str | None = None) -> Path:
        """A raw disk that is always the same for its name; `like` another but for its last MiB."""
        if name not in self._disks:
            data = bytearray(random.Random(like or name).randbytes(DATA_BYTES))
            if like is not None:
                data[-MEBIBYTE:] = random.Random(name).randbytes(MEBIBYTE)
            path = self.folder / f"{name}.raw"
            with path.open("wb") as file:
                file.seek(MEBIBYTE)
                file.write(data)
                file.truncate(DISK_BYTES)
            self._disks[name] = path
        return self._disks[name]

    def request(
        self,
        name: str = "1.0.0",
        *,
        disk: str = "debian",
        like: str | None = None,
        regions: Sequence[str | TargetRequest] = REGIONS,
        **fields: Any,
    ) -> CreateVersion:
        """What is asked of `create`: the world's disk, in `regions`, parents made where missing."""
        targets = [TargetRequest(one, 1) if isinstance(one, str) else one for one in regions]
        request = CreateVersion(
            id=self.id(name),
            os_disk=str(self.disk(disk, like=like)),
            location=targets[0].name,
            target_regions=targets,
            create_parents=True,
        )
        return replace(request, **fields)

    def publish(self, name: str = "1.0.0", **fields: Any) -> VersionView:
        """Publishes the world's disk and waits for all regions; fields as in `request`."""
        return creating.create(self.ctx, self.request(name, **fields))

    def update(self, name: str = "1.0.0", **fields: Any) -> VersionView:
        """Changes a version's regions or profile."""
        return updating.update(self.ctx, self.id(name), UpdateVersion(**fields))

    def delete(self, name: str = "1.0.0") -> None:
        """Deletes a version; its bytes stay until they are collected."""
        version_deleting.delete(self.ctx, self.id(name))

    def retry(self, name: str = "1.0.0") -> VersionView:
        """Goes on where an attempt stood."""
        return following.retry(self.ctx, self.id(name))

    def view(self, name: str = "1.0.0") -> VersionView:
        """A version as it stands."""
        return versions.view(self.ctx, self.id(name))

    def download(self, name: str = "1.0.0", *, region: str | None = None) -> bytes:
        """All bytes of a version's disk, out of `region` where given."""
        target = self.folder / f"{uuid.uuid4().hex}.out"
        request = DownloadRequest(
            definition=self.definition, name=name, file=str(target), region=region
        )
        downloads.download(self.ctx, request)
        try:
            return target.read_bytes()
        finally:
            target.unlink()

    def place(self, region: str = "eastus", number: int = 0) -> Place:
        """A standard place of a region."""
        with self.index.begin() as tx:
            return places.ensure(tx, regions.get(tx, region), PlaceRole.STANDARD, number)

    def store(self, region: str = "eastus", number: int = 0) -> FaultyStore:
        """What lies in a place, behind the engine's back; its faults befall the engine."""
        return self.buckets.at(self.place(region, number).endpoint)

    def keys(self, prefix: str = "", region: str = "eastus", number: int = 0) -> list[str]:
        """What really lies in a place."""
        return [info.key for info in self.store(region, number).inner.list(prefix)]

    def pack_ids(self, region: str = "eastus", number: int = 0) -> set[PackId]:
        """The packs that really lie in a place."""
        found = map(layout_keys.parse_pack_key, self.keys("packs/", region, number))
        return {key.pack_id for key in found if key is not None}

    @contextmanager
    def twin(self, folder: Path) -> Iterator["World"]:
        """The same world again, index and buckets: what happens there does not happen here."""
        copies = Buckets()
        with self.index.read() as tx:
            places_of_all = places.list_all(tx)
        for place in places_of_all:
            original, copied = self.buckets.at(place.endpoint).inner, copies.at(place.endpoint)
            for info in original.list(""):
                copied.inner.put(info.key, original.get(info.key))
        folder.mkdir(parents=True, exist_ok=True)
        with (
            closing(sqlite3.connect(self.folder / "index.sqlite3")) as source,
            closing(sqlite3.connect(folder / "index.sqlite3")) as target,
        ):
            source.backup(target)
        with _opened(folder, copies, self.engine.options) as world:
            world._disks.update(self._disks)
            yield world

    def restart(self) -> None:
        """The process died and another one starts: faults over, who held operations is gone."""
        self.buckets.revive()
        self.stop.clear()
        self.engine.prepared.clear()
        dead = replace(this_process(), started_ticks=this_process().started_ticks - 1)
        with self.index.begin() as tx:
            held = schema.operations.c.owner.is_not(None) & schema.operations.c.ended_at.is_(None)
            tx.execute(sa.update(schema.operations).where(held).values(owner=vars(dead)))

    def outlive_leases(self) -> None:
        """Whoever holds an operation has been silent for longer than its lease."""
        long_ago = self.clock.now().replace(year=2000)
        with self.index.begin() as tx:
            held = schema.operations.c.lease_until.is_not(None)
            tx.execute(sa.update(schema.operations).where(held).values(lease_until=long_ago))


@contextmanager
def open_world(
    folder: Path,
    *,
    buckets: Buckets | None = None,
    region_names: Sequence[str] = REGIONS,
    options: EngineOptions = OPTIONS,
) -> Iterator[World]:
    """A world in `folder`, with an index of its own; the buckets may be those of another world."""
    folder.mkdir(parents=True, exist_ok=True)
    _new_index(folder)
    with _opened(folder, buckets or Buckets(), options) as world:
        with world.index.begin() as tx:
            for name in region_names:
                regions.add(tx, region_named(name))
        yield world


@contextmanager
def _opened(folder: Path, buckets: Buckets, options: EngineOptions) -> Iterator[World]:
    url = f"sqlite:///{folder / 'index.sqlite3'}"
    index = GalleryIndex.open(url, clock=SystemClock(), busy_seconds=20)
    clock = ManualClock()
    stores = WorldStores(buckets, clock)
    told: list[Event] = []
    spawned: list[OperationId] = []
    engine = Engine(
        index=index,
        stores=stores,
        clock=clock,
        options=options,
        domain=index.identity.domain,
        open_cache=lambda: DedupCache(folder / "cache", memory_bytes_max=MEMORY_BYTES_MIN),
        events=told.append,
        stop=threading.Event(),
    )
    ctx = Context(
        engine=engine,
        limits=Limits(),
        principal="tester",
        state_dir=folder,
        open_source=lambda name, **_where: open_source(name),
        spawn=spawned.append,
    )
    try:
        yield World(folder, index, buckets, stores, clock, ctx, spawned, told)
    finally:
        index.close()


def region_named(name: str) -> Region:
    """A region on a server of its own, which copies between its places by itself."""
    endpoint = Endpoint(url=f"s3://{name}", endpoint_url=f"http://{name}.example")
    return Region(name=name, display_name=name.title(), standard=(endpoint,))


def _new_index(folder: Path) -> None:
    """A new index, faster than by its migrations; no two have the same identity."""
    path = folder / "index.sqlite3"
    path.write_bytes(_empty_index())
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as tx:
        fresh = {"store_id": uuid.uuid4().hex, "index_id": uuid.uuid4().hex}
        tx.execute(sa.update(schema.identity).values(fresh))
    engine.dispose()


@cache
def _empty_index() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "template.sqlite3"
        GalleryIndex.open(f"sqlite:///{path}", clock=SystemClock()).close()
        return path.read_bytes()
