"""As many requests at once as an endpoint bears: found out, kept to, and no wait for ever."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import pytest

from imgrepl.errors import Interrupted, NotFound, Unavailable
from imgrepl.store.adaptive import AdaptiveStore, Window, WindowOptions, Windows
from imgrepl.store.memory import MemoryStore
from imgrepl.store.protocols import Body, ObjectInfo, Store
from imgrepl.store.retrying import RetryingStore, RetryPolicy
from imgrepl.store.wrapping import StoreWrapper, bare
from imgrepl.testing.clocks import ManualClock
from imgrepl.testing.faulty import Fault, FaultKind, FaultyStore
from imgrepl.testing.simulation.dice import dice
from imgrepl.testing.simulation.processes import SimulatedClock, seeded_libraries
from imgrepl.testing.simulation.scheduler import Scheduler
from imgrepl.testing.simulation.threads import cooperative_threads
from imgrepl.testing.store_suite import StoreSuite

LATENCY_SECONDS = 0.02
SERVE_SECONDS = 0.1


class TestOverAWindowOfOne(StoreSuite):
    @pytest.fixture
    def store(self) -> Store:
        return AdaptiveStore(MemoryStore(), Windows(WindowOptions(start=1), ManualClock()))

    @pytest.fixture
    def neighbour(self) -> Store:
        return AdaptiveStore(MemoryStore(), Windows(WindowOptions(start=1), ManualClock()))

    def peek(self, store: Store, key: str) -> bytes:
        origin = bare(store)
        assert isinstance(origin, MemoryStore)
        return origin.get(key)

    def plant(self, store: Store, key: str, content: bytes) -> None:
        origin = bare(store)
        assert isinstance(origin, MemoryStore)
        origin.put(key, content)


class LimitedServer(StoreWrapper):
    """Serves at most `at_once_max` puts at once and answers 503 to the others.

    A put takes a tenth of a second, or so long as all that are under way together take where the
    server has a `rate` of puts a second.
    """

    def __init__(self, scheduler: Scheduler, at_once_max: int, rate: float | None = None) -> None:
        super().__init__(MemoryStore())
        self._scheduler = scheduler
        self._rate = rate
        self._busy_until = 0.0
        self.at_once_max = at_once_max
        self.at_once = self.refused = self.most_at_once = 0

    def put(
        self,
        key: str,
        body: Body,
        *,
        sha256: bytes | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> ObjectInfo:
        self._scheduler.sleep(LATENCY_SECONDS)
        if self.at_once >= self.at_once_max:
            self.refused += 1
            raise Unavailable("503 SlowDown", code="ServerBusy")
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self._scheduler.sleep(self._serve_seconds())
        self.at_once -= 1
        return self.inner.put(key, body, sha256=sha256, if_absent=if_absent, if_match=if_match)

    def _serve_seconds(self) -> float:
        if self._rate is None:
            return SERVE_SECONDS
        self._busy_until = max(self._busy_until, self._scheduler.now) + 1 / self._rate
        return self._busy_until - self._scheduler.now


@dataclass
class Outcome:
    """What came of a number of puts: in how many seconds of the server's time."""

    seconds: float
    refused: int
    most_at_once: int
    limit: int


@contextmanager
def scheduled(seed: int) -> Iterator[Scheduler]:
    scheduler = Scheduler(dice(seed))
    try:
        with cooperative_threads(scheduler), seeded_libraries(dice(seed)):
            yield scheduler
    finally:
        scheduler.close()


def many_puts(
    make: Callable[[Scheduler], LimitedServer],
    *,
    puts: int,
    at_once: int,
    options: WindowOptions | None,
    seed: int = 1,
) -> Outcome:
    """`puts` objects, sent by `at_once` threads; without `options` nobody holds them back."""
    with scheduled(seed) as scheduler:
        clock = SimulatedClock(scheduler)
        server = make(scheduler)
        windows = Windows(options or WindowOptions(start=1000, maximum=1000), clock)
        store: Store = AdaptiveStore(server, windows) if options else server
        patient = RetryingStore(store, RetryPolicy(attempts_max=100, deadline_seconds=1e6), clock)
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda number: patient.put(f"k{number}", b"body"), range(puts)))
        assert sum(1 for _ in server.inner.list("")) == puts
        return Outcome(scheduler.now, server.refused, server.most_at_once, windows.puts.limit)


@pytest.mark.parametrize("at_once_max", [1, 2, 4])
def test_a_server_that_refuses_what_is_too_much_is_asked_for_less_and_serves_sooner(
    at_once_max: int,
) -> None:
    """How long retries alone take is a matter of dice: the median of five counts."""

    def make(scheduler: Scheduler) -> LimitedServer:
        return LimitedServer(scheduler, at_once_max)

    def outcomes(options: WindowOptions | None) -> list[Outcome]:
        return [
            many_puts(make, puts=200, at_once=16, options=options, seed=seed)
            for seed in range(1, 6)
        ]

    held, pressed = outcomes(WindowOptions()), outcomes(None)
    ideal = 200 * (SERVE_SECONDS + LATENCY_SECONDS) / at_once_max
    assert max(one.seconds for one in held) < 1.1 * ideal, (held, ideal)
    refused = median(one.refused for one in pressed)
    assert median(one.refused for one in held) < refused / 3, (held, pressed)
    seconds = median(one.seconds for one in pressed)
    assert median(one.seconds for one in held) < seconds / 1.3, (held, pressed)


def test_a_server_that_bears_it_is_never_made_to_wait() -> None:
    def make(scheduler: Scheduler) -> LimitedServer:
        return LimitedServer(scheduler, 100)

    held = many_puts(make, puts=160, at_once=16, options=WindowOptions())
    free = many_puts(make, puts=160, at_once=16, options=None)
    assert held.refused == free.refused == 0
    assert held.seconds == pytest.approx(free.seconds)


def test_a_window_grows_while_more_comes_through_and_stops_at_its_maximum() -> None:
    def make(scheduler: Scheduler) -> LimitedServer:
        return LimitedServer(scheduler, 100)

    grown = many_puts(make, puts=400, at_once=40, options=WindowOptions(start=2, maximum=12))
    assert grown.most_at_once == grown.limit == 12


def test_a_window_stays_where_more_at_once_brings_no_more_through() -> None:
    """The server's disk gives ten puts a second, however many are under way."""

    def make(scheduler: Scheduler) -> LimitedServer:
        return LimitedServer(scheduler, 100, rate=10)

    full = many_puts(make, puts=300, at_once=32, options=WindowOptions(start=4, maximum=32))
    assert full.limit < 16, full
    assert full.seconds < 1.05 * 300 / 10 + 1


def test_a_window_opens_again_when_a_server_recovers() -> None:
    with scheduled(1) as scheduler:
        clock = SimulatedClock(scheduler)
        server = LimitedServer(scheduler, 1)
        windows = Windows(WindowOptions(), clock)
        patient = RetryingStore(
            AdaptiveStore(server, windows),
            RetryPolicy(attempts_max=100, deadline_seconds=1e6),
            clock,
        )
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda number: patient.put(f"a{number}", b""), range(50)))
            assert windows.puts.limit <= 2
            server.at_once_max, server.most_at_once = 100, 0
            list(pool.map(lambda number: patient.put(f"b{number}", b""), range(300)))
        assert server.most_at_once >= 12


def test_all_that_were_under_way_when_it_was_too_much_halve_it_once() -> None:
    """Sixteen refusals of one moment are one sign, not sixteen."""

    def make(scheduler: Scheduler) -> LimitedServer:
        return LimitedServer(scheduler, 9)

    first = many_puts(make, puts=16, at_once=16, options=WindowOptions(start=16))
    assert first.refused == 7
    assert first.limit in (8, 9)


@pytest.mark.parametrize(
    ("code", "narrower"),
    [
        ("ServerBusy", True),
        ("EndpointTimeout", True),
        ("ConnectionLost", False),
        ("PlaceFull", False),
    ],
)
def test_only_signs_of_overload_make_it_narrower(code: str, narrower: bool) -> None:
    window = Window(WindowOptions(), ManualClock())

    def fail() -> bytes:
        raise Unavailable("away", code=code)

    with pytest.raises(Unavailable):
        window.serve(fail, len)
    assert (window.limit < 16) is narrower


def test_it_is_never_narrower_than_one() -> None:
    window = Window(WindowOptions(), ManualClock())
    for _ in range(10):
        window.shrink()
    assert window.limit == 1
    assert window.serve(lambda: b"served", len) == b"served"


def test_each_kind_of_request_has_a_window_of_its_own() -> None:
    windows = Windows(WindowOptions(), ManualClock())
    faulty = FaultyStore(MemoryStore(), Fault(FaultKind.BUSY, verb="put"))
    store = AdaptiveStore(faulty, windows)
    with pytest.raises(Unavailable):
        store.put("k", b"")
    assert (windows.puts.limit, windows.gets.limit, windows.heads.limit) == (8, 16, 16)
    faulty.faults.append(Fault(FaultKind.BUSY, verb="list"))
    with pytest.raises(Unavailable):
        list(store.list(""))
    assert windows.heads.limit == 8


def test_what_is_not_there_was_an_answer() -> None:
    clock = ManualClock()
    windows = Windows(WindowOptions(start=1), clock)
    store = AdaptiveStore(MemoryStore(), windows)
    for _ in range(3):
        clock.advance(1)
        with pytest.raises(NotFound):
            store.head("missing")
    assert windows.heads.limit > 1


def test_who_waited_long_enough_goes_ahead_all_the_same() -> None:
    """A request that never ends must not keep the others for ever."""
    with scheduled(1) as scheduler:
        clock = SimulatedClock(scheduler)
        window = Window(WindowOptions(start=1, wait_seconds_max=30), clock)
        stuck = threading.Event()
        hanging = threading.Thread(target=lambda: window.serve(stuck.wait, int))
        hanging.start()
        scheduler.sleep(1)
        assert window.serve(lambda: b"served", len) == b"served"
        assert scheduler.now == 31
        stuck.set()
        hanging.join()


def test_who_is_asked_to_stop_while_waiting_begins_nothing() -> None:
    class Stopped(SimulatedClock):
        def sleep(self, seconds: float) -> None:  # noqa: ARG002 - however long
            raise Interrupted("asked to stop")

    with scheduled(1) as scheduler:
        window = Window(WindowOptions(start=1), Stopped(scheduler))
        begun: list[bytes] = []

        def slow() -> bytes:
            scheduler.sleep(5)
            return b""

        first = threading.Thread(target=lambda: window.serve(slow, len))
        first.start()
        scheduler.sleep(1)
        with pytest.raises(Interrupted):
            window.serve(lambda: begun.append(b"begun"), lambda _: 0)
        assert begun == []
        first.join()
        assert window.serve(lambda: b"free again", len) == b"free again"
