"""The servers of a simulated world and the way to them: slow, lossy, and watched.

A request travels for a while, takes effect in one moment, and its reply travels back. On the way it
may be lost, or its reply; the server may be busy, full or away; what the client gave up may still
arrive later. Who watches is told of every effect, before and after it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Protocol, TypeVar

from imgrepl.errors import ImgreplError, NotFound, Unavailable
from imgrepl.model.region import Endpoint
from imgrepl.store.memory import MemoryStore
from imgrepl.store.protocols import Body, DeleteFailure, ObjectInfo
from imgrepl.store.wrapping import StoreWrapper
from imgrepl.testing.faulty import flipped
from imgrepl.testing.simulation.scheduler import Roll, Scheduler, pick

_Answer = TypeVar("_Answer")
TIMEOUT_SECONDS = 60.0
_LATE_SECONDS_MAX = 600.0


@dataclass(frozen=True, kw_only=True)
class Weather:
    """How likely each fault befalls one request, and how slow the way is."""

    lost_request: float = 0.0
    lost_reply: float = 0.0
    busy: float = 0.0
    timeout: float = 0.0
    """The client gives up; the request takes effect at any later time, or never."""
    partial: float = 0.0
    """A put breaks off half-way: the server keeps nothing of it."""
    flip: float = 0.0
    """A read gives one wrong bit."""
    truncate: float = 0.0
    """A read gives half, and says nothing."""
    swap: float = 0.0
    """A read gives the bytes of another object."""
    stale: float = 0.0
    """A listing shows the place as it was at some earlier moment."""
    latency_seconds_max: float = 0.05

    def calm(self) -> "Weather":
        """The same way with no faults on it."""
        return Weather(latency_seconds_max=self.latency_seconds_max)


WEATHER_FAULTS = tuple(f.name for f in fields(Weather) if f.name != "latency_seconds_max")


class Watcher(Protocol):
    """Is told what happens in the servers, at the moment it happens."""

    def stored(
        self, url: str, key: str, content: bytes, before: bytes | None, asked_at: float
    ) -> None:
        """An object was put or copied; `before` is what it replaced.

        The client sent the request at `asked_at`.
        """

    def deleting(self, url: str, keys: Sequence[str]) -> None:
        """These objects are about to be gone."""


@dataclass(eq=False)
class Server:
    """What lies at one endpoint, and when it does not answer or takes nothing more."""

    url: str
    store: MemoryStore
    away_until: float = 0.0
    full_until: float = 0.0
    earlier: list[ObjectInfo] = field(default_factory=list)
    """A listing of some earlier moment, for stale ones."""
    received_bytes: int = 0
    puts: int = 0
    faults: dict[str, int] = field(default_factory=dict)


class Network:
    """All servers by URL. Outlives every process; `weather` may change at any time."""

    def __init__(self, scheduler: Scheduler, roll: Roll, weather: Weather) -> None:
        self.scheduler = scheduler
        self.roll = roll
        self.weather = weather
        self.servers: dict[str, Server] = {}
        self.watcher: Watcher | None = None
        self.late: int = 0
        """Requests that were given up and are still on their way."""

    def at(self, endpoint: Endpoint) -> Server:
        """The server of an endpoint, new and empty the first time."""
        server = self.servers.get(endpoint.url)
        if server is None:
            store = MemoryStore(endpoint.url, server=endpoint.server)
            server = self.servers[endpoint.url] = Server(endpoint.url, store)
        return server

    def way_to(self, endpoint: Endpoint) -> "Way":
        """A client's way to an endpoint."""
        return Way(self, self.at(endpoint))

    def faults(self) -> dict[str, int]:
        """How often each fault befell a request, in all servers."""
        total: dict[str, int] = {}
        for server in self.servers.values():
            for name, times in server.faults.items():
                total[name] = total.get(name, 0) + times
        return total


class Way(StoreWrapper):
    """A client's view of one server: a `Store` whose requests take time and may fail."""

    def __init__(self, network: Network, server: Server) -> None:
        super().__init__(server.store)
        self._network = network
        self._server = server

    def head(self, key: str) -> ObjectInfo:
        return self._ask("head", key, lambda: self.inner.head(key))

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        content = self._ask("get", key, lambda: self.inner.get(key, offset=offset, length=length))
        return self._spoilt(key, content)

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        found = self._ask("list", prefix, lambda: self._listing(prefix, start_after))
        return iter(found)

    def put(
        self,
        key: str,
        body: Body,
        *,
        sha256: bytes | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> ObjectInfo:
        content = bytes(body)
        self._server.received_bytes += len(content)
        self._server.puts += 1
        self._refuse_broken(key)
        asked_at = self._network.scheduler.now

        def act() -> ObjectInfo:
            if self._server.full_until > self._network.scheduler.now:
                self._note("full")
                raise Unavailable(f"put {key}: the place is full", code="PlaceFull")
            before = self._content(key)
            info = self.inner.put(
                key, content, sha256=sha256, if_absent=if_absent, if_match=if_match
            )
            if self._network.watcher is not None:
                self._network.watcher.stored(self._server.url, key, content, before, asked_at)
            return info

        return self._ask("put", key, act)

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        named = list(keys)

        def act() -> Sequence[DeleteFailure]:
            if self._network.watcher is not None:
                self._network.watcher.deleting(self._server.url, named)
            return self.inner.delete(named)

        return self._ask("delete", " ".join(named), act)

    def copy_from(self, source: object, source_key: str, key: str) -> ObjectInfo:
        asked_at = self._network.scheduler.now

        def act() -> ObjectInfo:
            before = self._content(key)
            info = self.inner.copy_from(source, source_key, key)
            content = self._content(key)
            assert content is not None, "what was copied is there"
            if self._network.watcher is not None:
                self._network.watcher.stored(self._server.url, key, content, before, asked_at)
            return info

        return self._ask("copy", key, act)

    # ------------------------------------------------------------------ the way

    def _ask(self, verb: str, key: str, act: Callable[[], _Answer]) -> _Answer:
        """One request, from the client's decision to the reply in its hands."""
        what = f"{verb} {self._server.url}/{key}"
        scheduler, weather = self._network.scheduler, self._network.weather
        scheduler.pause(what)
        self._travel()
        if self._server.away_until > scheduler.now:
            self._note("away")
            scheduler.sleep(TIMEOUT_SECONDS)
            raise Unavailable(f"{what}: no answer", code="ConnectionTimeout")
        if self._befalls("timeout", weather.timeout):
            self._arrives_late(what, act)
            scheduler.sleep(TIMEOUT_SECONDS)
            raise Unavailable(f"{what}: no answer", code="ConnectionTimeout")
        if self._befalls("lost_request", weather.lost_request):
            raise Unavailable(f"{what}: the connection broke", code="ConnectionLost")
        if self._befalls("busy", weather.busy):
            raise Unavailable(f"{what}: slow down", code="ServerBusy", retry_after_seconds=1)
        answer = act()
        scheduler.pause(f"{what}: done")
        self._travel()
        if self._befalls("lost_reply", weather.lost_reply):
            raise Unavailable(f"{what}: the reply was lost", code="ConnectionLost")
        return answer

    def _travel(self) -> None:
        self._network.scheduler.sleep(
            self._network.roll() * self._network.weather.latency_seconds_max
        )

    def _arrives_late(self, what: str, act: Callable[[], object]) -> None:
        """The request goes on without its client, and may come in at any time, or never."""
        network = self._network
        delay = network.roll() * _LATE_SECONDS_MAX
        if network.roll() < 0.5:
            return

        def arrive() -> None:
            network.scheduler.sleep(delay)
            network.scheduler.pause(f"{what}: arrives late")
            network.late -= 1
            try:
                act()
            except ImgreplError:
                return  # a refusal that nobody hears

        network.late += 1
        network.scheduler.spawn(arrive, name="network")

    def _refuse_broken(self, key: str) -> None:
        if self._befalls("partial", self._network.weather.partial):
            self._travel()
            raise Unavailable(f"put {key}: the connection broke", code="ConnectionLost")

    def _listing(self, prefix: str, start_after: str) -> Sequence[ObjectInfo]:
        now = list(self.inner.list(""))
        shown = now
        if self._befalls("stale", self._network.weather.stale):
            shown = self._server.earlier
        elif self._network.roll() < 0.5:
            self._server.earlier = now
        return [i for i in shown if i.key.startswith(prefix) and i.key > start_after]

    def _spoilt(self, key: str, content: bytes) -> bytes:
        weather = self._network.weather
        if self._befalls("flip", weather.flip):
            return flipped(content, int(self._network.roll() * len(content) * 8))
        if self._befalls("truncate", weather.truncate):
            return content[: len(content) // 2]
        if self._befalls("swap", weather.swap):
            others = [info.key for info in self.inner.list("") if info.key != key] or [key]
            other = self.inner.get(pick(self._network.roll, others))
            return other[: len(content)].ljust(len(content), b"\0")
        return content

    def _befalls(self, fault: str, probability: float) -> bool:
        if probability <= 0 or self._network.roll() >= probability:
            return False
        self._note(fault)
        return True

    def _note(self, fault: str) -> None:
        self._server.faults[fault] = self._server.faults.get(fault, 0) + 1

    def _content(self, key: str) -> bytes | None:
        try:
            return self.inner.get(key)
        except NotFound:
            return None
