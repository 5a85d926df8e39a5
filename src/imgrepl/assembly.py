"""Settings become wired objects: the only module that knows every concrete class."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from getpass import getuser
from urllib.parse import urlsplit

from imgrepl.actions.context import Context
from imgrepl.clock import SystemClock
from imgrepl.disks.disk import ByteSource
from imgrepl.disks.source import open_source
from imgrepl.engine.context import Engine
from imgrepl.engine.dedup_cache import DedupCache
from imgrepl.engine.object_source import ObjectSource
from imgrepl.engine.options import EngineOptions
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Invalid
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.capabilities import Capabilities
from imgrepl.model.events import EventSink
from imgrepl.model.ids import OperationId, PlaceId
from imgrepl.model.limits import Limits
from imgrepl.model.region import Endpoint, Place
from imgrepl.model.transfer import RegionTransfer
from imgrepl.settings import Settings
from imgrepl.store.buckets import create_bucket
from imgrepl.store.credentials import S3Clients
from imgrepl.store.metered import Meter, MeteredStore, Traffic
from imgrepl.store.opening import open_store
from imgrepl.store.options import StoreOptions
from imgrepl.store.probe import probe
from imgrepl.store.protocols import Store
from imgrepl.store.retrying import RetryingStore, RetryPolicy
from imgrepl.store.throttled import Bucket, Throttle, ThrottledStore

_CACHE_MEMORY_BYTES = 48 << 20


@dataclass(frozen=True)
class App:
    """One process's wiring."""

    ctx: Context


@contextmanager
def open_app(settings: Settings, events: EventSink, stop: threading.Event) -> Iterator[App]:
    """Opens the index and wires everything to it; closes it all at the end."""
    clock = SystemClock()
    index = GalleryIndex.open(settings.index, clock=clock)
    stores = PlaceStores(settings, StoppableClock(stop))
    try:
        identity = index.identity
        cache_folder = settings.cache_dir / "dedup" / identity.store_id
        engine = Engine(
            index=index,
            stores=stores,
            clock=clock,
            options=engine_options(settings),
            domain=identity.domain,
            open_cache=lambda: DedupCache(cache_folder, memory_bytes_max=_CACHE_MEMORY_BYTES),
            events=events,
            stop=stop,
        )
        yield App(
            Context(
                engine=engine,
                limits=limits_of(settings),
                principal=_principal(),
                state_dir=settings.state_dir,
                open_source=stores.open_source,
                spawn=lambda operation_id: spawn_worker(settings, operation_id),
            )
        )
    finally:
        stores.close()
        index.close()


def source_opener(settings: Settings, stop: threading.Event) -> Callable[[str], ByteSource]:
    """What opens files and objects where no gallery index is needed."""
    return PlaceStores(settings, StoppableClock(stop)).open_source


def engine_options(settings: Settings) -> EngineOptions:
    """The engine's bounds, as set."""
    return EngineOptions(
        workers=settings.workers,
        zstd_level=settings.zstd_level,
        uploads_in_flight=settings.uploads_in_flight,
        region_uploads=settings.region_uploads,
        downloads_in_flight=settings.downloads_in_flight,
        transfer_budget_bytes=settings.transfer_budget_bytes,
        lease_seconds=settings.lease_seconds,
    )


def limits_of(settings: Settings) -> Limits:
    """The gallery's limits, as set."""
    return Limits(
        galleries_max=settings.galleries_max,
        definitions_max=settings.definitions_max,
        versions_max=settings.versions_max,
        replicas_max=settings.replicas_max,
        disk_bytes_max=settings.disk_bytes_max,
    )


class StoppableClock(SystemClock):
    """The system's clocks, whose waits end with `Interrupted` when the user asks to stop."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)
        check_stop(self._stop)


class PlaceStores:
    """The stores of all places: retried, throttled and metered, one per place and process."""

    def __init__(self, settings: Settings, clock: SystemClock) -> None:
        self._settings = settings
        self._clock = clock
        self._options = StoreOptions(
            connect_timeout_seconds=settings.connect_timeout_seconds,
            read_timeout_seconds=settings.read_timeout_seconds,
        )
        self._clients = S3Clients(settings.environ, self._options)
        self._stores: dict[PlaceId, Store] = {}
        self._meters: dict[str, _RegionMeter] = {}
        self._capabilities: dict[str, Capabilities] = {}
        self._lock = threading.Lock()
        rate = settings.throttle_bytes_per_second
        self._throttle = _throttle(rate, self._clock) if rate else None

    def of(self, place: Place) -> Store:
        """The store of `place`."""
        with self._lock:
            store = self._stores.get(place.id)
            if store is None:
                meter = self._meters.setdefault(place.region, _RegionMeter(self._clock))
                store = self._stores[place.id] = self._wired(place.endpoint, meter)
            return store

    def probe(self, place: Place) -> Capabilities:
        """What the place's server can do; asked once per server and process."""
        server = place.endpoint.server
        if server not in self._capabilities:
            self._capabilities[server] = probe(self.of(place), "probe")
        return self._capabilities[server]

    def create_bucket(self, endpoint: Endpoint) -> None:
        """Makes the bucket or directory of an endpoint, where it is missing."""
        create_bucket(endpoint, clients=self._clients, clock=self._clock)

    def moved(self) -> tuple[RegionTransfer, ...]:
        """What went to and from each region."""
        with self._lock:
            return tuple(meter.transfer(region) for region, meter in self._meters.items())

    def open_source(self, name: str) -> ByteSource:
        """A file, a device, or `s3://BUCKET/KEY` with the environment's credentials."""
        if not name.startswith("s3://"):
            return open_source(name)
        parts = urlsplit(name)
        key = parts.path.lstrip("/")
        if not parts.netloc or not key:
            raise Invalid(
                f"{name!r} names no object: s3://BUCKET/KEY", code="InvalidSource", target=name
            )
        endpoint = Endpoint(
            url=f"s3://{parts.netloc}",
            endpoint_url=self._settings.environ.get("AWS_ENDPOINT_URL"),
        )
        return ObjectSource(self._wired(endpoint, _RegionMeter(self._clock)), key, name)

    def close(self) -> None:
        """Closes every connection."""
        self._clients.close()

    def _wired(self, endpoint: Endpoint, meter: "_RegionMeter") -> Store:
        bare = open_store(
            endpoint,
            environment=self._settings.environ,
            options=self._options,
            clients=self._clients,
        )
        store: Store = MeteredStore(bare, meter)
        if self._throttle is not None:
            store = ThrottledStore(store, self._throttle)
        policy = RetryPolicy(deadline_seconds=self._settings.retry_deadline_seconds)
        return RetryingStore(store, policy, self._clock)


def _throttle(bytes_per_second: int, clock: SystemClock) -> Throttle:
    """One bound for all places together, each way."""
    burst = bytes_per_second
    return Throttle(
        sent_bytes=Bucket(bytes_per_second, burst, clock),
        received_bytes=Bucket(bytes_per_second, burst, clock),
    )


class _RegionMeter(Meter):
    """A meter that also knows when its region was first and last used."""

    def __init__(self, clock: SystemClock) -> None:
        super().__init__()
        self._clock = clock
        self._first: float | None = None
        self._last = 0.0

    def add(self, traffic: Traffic) -> None:
        self._last = self._clock.monotonic()
        if self._first is None:
            self._first = self._last
        super().add(traffic)

    def transfer(self, region: str) -> RegionTransfer:
        total = self.total
        return RegionTransfer(
            region=region,
            sent_bytes=total.sent_bytes,
            server_copied_bytes=total.server_copied_bytes,
            received_bytes=total.received_bytes,
            puts=total.puts + total.copies,
            seconds=round(self._last - self._first, 3) if self._first is not None else 0.0,
        )


def spawn_worker(settings: Settings, operation_id: OperationId) -> None:
    """Starts a process of its own that runs an operation and outlives this one.

    Logs to the state directory.
    """
    folder = settings.state_dir / "operations"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "imgrepl", "operation", "run", operation_id, "-o", "json"]
    with (folder / f"{operation_id}.log").open("ab") as log:
        subprocess.Popen(  # noqa: S603 - our own program, an id of our own making
            [*command, "--index", settings.index, "--no-progress"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=dict(settings.environ),
        )


def _principal() -> str:
    try:
        return getuser()
    except (KeyError, OSError):
        return "unknown"
