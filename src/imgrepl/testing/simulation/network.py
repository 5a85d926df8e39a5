"""The servers of a simulated world and the way to them: slow, lossy, and watched.

A request travels for a while, takes effect in one moment, and its reply travels back. On the way it
may be lost, or its reply; the server may be busy, full or away; what the client gave up may still
arrive later. Who watches is told of every effect, before and after it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from imgrepl.errors import ImgreplError, NotFound, Unavailable
from imgrepl.model.region import Endpoint
from imgrepl.store.memory import MemoryStore
from imgrepl.store.protocols import Body, DeleteFailure, ObjectInfo
from imgrepl.store.wrapping import StoreWrapper
from imgrepl.testing.faulty import flipped
from imgrepl.testing.simulation.scheduler import Roll, Scheduler, pick
from imgrepl.testing.simulation.weather import Weather

_Answer = TypeVar("_Answer")
TIMEOUT_SECONDS = 60.0
_BUSY_IN_A_STORM = 0.8
_WRITES = frozenset({"put", "copy", "delete"})


class Watcher(Protocol):
    """Is told what happens in the servers, at the moment it happens."""

    def stored(self, at: "Effect", key: str, content: bytes, before: bytes | None) -> None:
        """An object was put or copied; `before` is what it replaced."""

    def deleting(self, at: "Effect", keys: Sequence[str]) -> None:
        """These objects are about to be gone."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Where a request takes effect, when it was sent, and by a process of which index."""

    url: str
    asked_at: float
    sender: int


@dataclass(eq=False)
class Server:
    """What lies at one endpoint, and when it does not answer or takes nothing more."""

    url: str
    store: MemoryStore
    away_until: float = 0.0
    full_until: float = 0.0
    storm_until: float = 0.0
    """Until then most requests are told to come back later."""
    earlier: list[ObjectInfo] = field(default_factory=list)
    """A listing of some earlier moment, for stale ones."""
    received_bytes: int = 0
    delivered_bytes: int = 0
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
        self.reigning = 0
        """The number of the index that owns the store; processes of others may still be about."""

    def at(self, endpoint: Endpoint) -> Server:
        """The server of an endpoint, new and empty the first time."""
        server = self.servers.get(endpoint.url)
        if server is None:
            store = MemoryStore(endpoint.url, server=endpoint.server)
            server = self.servers[endpoint.url] = Server(endpoint.url, store)
        return server

    def way_to(self, endpoint: Endpoint, sender: int = 0) -> "Way":
        """The way to an endpoint for a client that works with index number `sender`."""
        return Way(self, self.at(endpoint), sender)

    def clear_up(self) -> None:
        """Every server is back, has room, and answers."""
        for server in self.servers.values():
            server.away_until = server.full_until = server.storm_until = 0.0

    def faults(self) -> dict[str, int]:
        """How often each fault befell a request, in all servers."""
        total: dict[str, int] = {}
        for server in self.servers.values():
            for name, times in server.faults.items():
                total[name] = total.get(name, 0) + times
        return total


class Way(StoreWrapper):
    """A client's view of one server: a `Store` whose requests take time and may fail."""

    def __init__(self, network: Network, server: Server, sender: int) -> None:
        super().__init__(server.store)
        self._network = network
        self._server = server
        self._sender = sender

    def head(self, key: str) -> ObjectInfo:
        return self._ask("head", key, lambda: self.inner.head(key))

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        content = self._ask("get", key, lambda: self.inner.get(key, offset=offset, length=length))
        spoilt = self._spoilt(key, content)
        self._server.delivered_bytes += len(spoilt)
        return spoilt

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
        at = self._effect()

        def act() -> ObjectInfo:
            self._refuse_if_full(key)
            before = self._content(key)
            info = self.inner.put(
                key, content, sha256=sha256, if_absent=if_absent, if_match=if_match
            )
            if self._network.watcher is not None:
                self._network.watcher.stored(at, key, content, before)
            return info

        return self._ask("put", key, act)

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        named = list(keys)
        at = self._effect()

        def act() -> Sequence[DeleteFailure]:
            if self._network.watcher is not None:
                self._network.watcher.deleting(at, named)
            return self.inner.delete(named)

        return self._ask("delete", " ".join(named), act)

    def copy_from(self, source: object, source_key: str, key: str) -> ObjectInfo:
        self._server.puts += 1
        at = self._effect()

        def act() -> ObjectInfo:
            self._refuse_if_full(key)
            before = self._content(key)
            info = self.inner.copy_from(source, source_key, key)
            content = self._content(key)
            assert content is not None, "what was copied is there"
            if self._network.watcher is not None:
                self._network.watcher.stored(at, key, content, before)
            return info

        return self._ask("copy", key, act)

    def _effect(self) -> Effect:
        now = self._network.scheduler.now
        return Effect(url=self._server.url, asked_at=now, sender=self._sender)

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
            if self._network.roll() < 0.5:
                self._arrives_late(what, act)
            scheduler.sleep(TIMEOUT_SECONDS)
            raise Unavailable(f"{what}: no answer", code="ConnectionTimeout")
        if self._befalls("lost_request", weather.lost_request):
            raise Unavailable(f"{what}: the connection broke", code="ConnectionLost")
        self._refuse_if_busy(what)
        answer = act()
        if verb in _WRITES and self._befalls("duplicate", weather.duplicate):
            answer = self._again(what, act, answer)
        scheduler.pause(f"{what}: done")
        self._travel()
        if self._befalls("lost_reply", weather.lost_reply):
            raise Unavailable(f"{what}: the reply was lost", code="ConnectionLost")
        return answer

    def _travel(self) -> None:
        self._network.scheduler.sleep(
            self._network.roll() * self._network.weather.latency_seconds_max
        )

    def _refuse_if_busy(self, what: str) -> None:
        busy = self._befalls("busy", self._network.weather.busy)
        if self._server.storm_until > self._network.scheduler.now:
            busy = busy or self._befalls("storm", _BUSY_IN_A_STORM)
        if busy:
            raise Unavailable(f"{what}: slow down", code="ServerBusy", retry_after_seconds=1)

    def _again(self, what: str, act: Callable[[], _Answer], first: _Answer) -> _Answer:
        """The same request once more: its answer may be the one that the client gets."""
        if self._network.roll() < 0.5:
            self._arrives_late(what, act)
            return first
        return act()

    def _arrives_late(self, what: str, act: Callable[[], object]) -> None:
        """The request goes on without its client, and may come in at any time."""
        network = self._network
        delay = network.roll() * network.weather.late_seconds_max

        def arrive() -> None:
            network.scheduler.sleep(delay)
            network.scheduler.pause(f"{what}: arrives late")
            self._note("late")
            try:
                act()
            except ImgreplError:
                return  # a refusal that nobody hears

        network.scheduler.spawn(arrive, name="network")

    def _refuse_if_full(self, key: str) -> None:
        if self._server.full_until > self._network.scheduler.now:
            self._note("full")
            raise Unavailable(f"put {key}: the place is full", code="PlaceFull")

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
