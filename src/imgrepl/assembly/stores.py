"""The stores of all places, made when first asked for, each out of the same wrappers.

From the server outwards: metered, adaptive (as much at once as the server bears), throttled (as
much as the user allows), looking first (where the server has no conditions), retrying.
"""

import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from imgrepl.assembly.abilities import Abilities, Noted
from imgrepl.assembly.bounds import store_options, window_options
from imgrepl.assembly.meters import RegionMeter
from imgrepl.clock import SystemClock
from imgrepl.disks.disk import ByteSource
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Invalid
from imgrepl.model.capabilities import Capabilities
from imgrepl.model.region import Endpoint, Place
from imgrepl.model.transfer import RegionTransfer
from imgrepl.settings import Settings
from imgrepl.store.adaptive import AdaptiveStore, Windows
from imgrepl.store.credentials import S3Clients
from imgrepl.store.looking_first import LookingFirstStore
from imgrepl.store.metered import MeteredStore, Traffic
from imgrepl.store.opening import open_store
from imgrepl.store.protocols import Links, Store
from imgrepl.store.read_only import ReadOnlyStore
from imgrepl.store.throttled import Bucket, Throttle, ThrottledStore


def source_opener(settings: Settings, stop: threading.Event) -> Callable[[str], ByteSource]:
    """What opens files and objects where no gallery index is needed."""
    return PlaceStores(settings, StoppableClock(stop)).open_source


class StoppableClock(SystemClock):
    """The system's clocks, whose waits end with `Interrupted` when the user asks to stop."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)
        check_stop(self._stop)


class PlaceStores:
    """The stores of all places: retried, throttled and metered, one per place and process.

    `noted` tells what the index knows of a place's server; where it knows nothing, the server is
    probed before the first put that has a condition. With `read_only` nothing is put at all.
    """

    def __init__(
        self,
        settings: Settings,
        clock: SystemClock,
        noted: Noted = lambda _place: None,
        *,
        read_only: bool = False,
    ) -> None:
        self._settings = settings
        self._read_only = read_only
        self._clock = clock
        self._options = store_options(settings)
        self._clients = S3Clients(settings.environ, self._options)
        self._stores: dict[Place, Store] = {}
        self._meters: dict[str, RegionMeter] = {}
        self._windows: dict[str, Windows] = {}
        self._abilities = Abilities(noted)
        self._lock = threading.Lock()
        rate = settings.throttle_bytes_per_second
        self._throttle = _throttle(rate, self._clock) if rate else None

    def of(self, place: Place) -> Store:
        """The store of `place`."""
        with self._lock:
            store = self._stores.get(place)  # not by its number, which a later place may get
            if store is None:
                wire = self._wire(place)
                looking = LookingFirstStore(wire, lambda: self._known(place, wire))
                store = self._stores[place] = self._patient(looking)
            return store

    def links_of(self, place: Place) -> Links | None:
        """What gives out signed addresses in a place; None for a directory, which has no server.

        Image files are written for them: where nothing is to be written, there are none either.
        """
        if self._read_only or not place.endpoint.url.startswith("s3://"):
            return None
        from imgrepl.store.retrying import RetryPolicy
        from imgrepl.store.retrying_links import RetryingLinks
        from imgrepl.store.s3 import S3Store
        from imgrepl.store.s3_links import S3Links
        from imgrepl.store.wrapping import bare

        store = bare(self.of(place))
        assert isinstance(store, S3Store), f"{place.endpoint.url} is in a bucket"
        meter = self._meters[place.region]

        def before_part(sent_bytes: int) -> None:
            if self._throttle is not None:
                self._throttle.request(sent_bytes=sent_bytes)
            meter.add(Traffic(puts=1, sent_bytes=sent_bytes))

        policy = RetryPolicy(deadline_seconds=self._settings.retry_deadline_seconds)
        return RetryingLinks(S3Links(store), policy, self._clock, before_part)

    def probe(self, place: Place) -> Capabilities:
        """What the place's server can do; asked once per server and process."""
        with self._lock:
            wire = self._wire(place)
        return self._abilities.probed(place.endpoint.server, lambda: self._tried(wire))

    def create_bucket(self, endpoint: Endpoint) -> None:
        """Makes the bucket or directory of an endpoint, where it is missing."""
        from imgrepl.store.buckets import create_bucket

        create_bucket(endpoint, clients=self._clients, clock=self._clock)

    def moved(self) -> tuple[RegionTransfer, ...]:
        """What went to and from each region."""
        with self._lock:
            return tuple(meter.transfer(region) for region, meter in self._meters.items())

    def open_source(self, name: str, *, endpoint_url: str | None = None) -> ByteSource:
        """A file, a device, or `s3://BUCKET/KEY` with the environment's credentials.

        An object is looked for at `endpoint_url`, else where the environment says.
        """
        from imgrepl.disks.source import open_source
        from imgrepl.engine.object_source import ObjectSource

        if not name.startswith("s3://"):
            return open_source(name)
        parts = urlsplit(name)
        key = parts.path.lstrip("/")
        if not parts.netloc or not key:
            raise Invalid(
                f"{name!r} names no object",
                code="InvalidSource",
                target=name,
                hint="an object is s3://BUCKET/KEY",
            )
        at = endpoint_url or self._settings.environ.get("AWS_ENDPOINT_URL")
        endpoint = Endpoint(url=f"s3://{parts.netloc}", endpoint_url=at)
        with self._lock:
            wire = self._bounded(endpoint, RegionMeter(self._clock))
        return ObjectSource(self._patient(wire), key, name, at)

    def close(self) -> None:
        """Closes every connection."""
        self._clients.close()

    def _known(self, place: Place, wire: Store) -> Capabilities:
        return self._abilities.known(place, lambda: self._tried(wire))

    def _tried(self, wire: Store) -> Capabilities:
        """What the server does with conditions that are really sent to it."""
        from imgrepl.store.probe import probe

        return probe(self._patient(wire), "probe")

    def _wire(self, place: Place) -> Store:
        meter = self._meters.setdefault(place.region, RegionMeter(self._clock))
        return self._bounded(place.endpoint, meter)

    def _bounded(self, endpoint: Endpoint, meter: RegionMeter) -> Store:
        bare = open_store(
            endpoint,
            environment=self._settings.environ,
            options=self._options,
            clients=self._clients,
        )
        store: Store = MeteredStore(bare, meter)
        if endpoint.url.startswith("s3:"):
            store = AdaptiveStore(store, self._windows_of(endpoint))
        if self._throttle is not None:
            store = ThrottledStore(store, self._throttle)
        return ReadOnlyStore(store) if self._read_only else store

    def _windows_of(self, endpoint: Endpoint) -> Windows:
        """One set for all places on a server, whoever's account is used."""
        server = endpoint.endpoint_url or f"aws {endpoint.signing_region or ''}"
        if server not in self._windows:
            self._windows[server] = Windows(window_options(self._settings), self._clock)
        return self._windows[server]

    def _patient(self, store: Store) -> Store:
        from imgrepl.store.retrying import RetryingStore, RetryPolicy

        policy = RetryPolicy(deadline_seconds=self._settings.retry_deadline_seconds)
        return RetryingStore(store, policy, self._clock)


def _throttle(bytes_per_second: int, clock: SystemClock) -> Throttle:
    """One bound for all places together, each way."""
    burst = bytes_per_second
    return Throttle(
        sent_bytes=Bucket(bytes_per_second, burst, clock),
        received_bytes=Bucket(bytes_per_second, burst, clock),
    )
