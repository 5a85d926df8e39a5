"""Packs are read once, regions do not wait for one another, and memory stays in its bound."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgrepl.clock import SystemClock
from imgrepl.engine.fanout import Fanout
from imgrepl.engine.options import EngineOptions
from imgrepl.errors import Corrupt, Interrupted, Unavailable
from imgrepl.model.ids import PackId, PlaceId
from imgrepl.model.plan import Lead, PackMove, ServerCopy

PACK_BYTES = 10
OPTIONS = EngineOptions(
    transfer_budget_bytes=4 * PACK_BYTES, region_queue_packs=2, slow_region_seconds=60
)
IMPATIENT = replace(OPTIONS, slow_region_seconds=0)
SECONDS_MAX = 30
"""How long anything here may take before the test says that it hangs."""

Hook = Callable[[str, PackMove], None]


def move_to(number: int, regions: Sequence[str], *, read: bool = True) -> PackMove:
    """A pack for these regions, which are told by their place's number."""
    places = [PlaceId(ord(region)) for region in regions]
    return PackMove(
        pack_id=PackId(str(number)),
        pack_bytes=PACK_BYTES,
        read_from=PlaceId(0) if read else None,
        leads=tuple(Lead(place, ()) for place in places) if read else (),
        copies=() if read else tuple(ServerCopy(PlaceId(0), place) for place in places),
    )


def regions_of(move: PackMove) -> list[str]:
    return [chr(place) for place in move.targets()]


class FakeWork:
    """Counts what is asked of it; `on_deliver` and `on_delivered` may block or raise."""

    def __init__(self, *, on_deliver: Hook | None = None) -> None:
        self.on_deliver = on_deliver or (lambda _region, _move: None)
        self.on_delivered: Callable[[str], None] = lambda _region: None
        self.reads = Counter[str]()
        self.reads_apart = Counter[tuple[str, str]]()
        self.delivered: dict[str, list[str]] = defaultdict(list)
        self.published: list[str] = []
        self.ended = defaultdict[str, threading.Event](threading.Event)
        self.bytes_max = 0
        self._bytes = 0
        self._left: dict[str, int] = {}
        self._lock = threading.Lock()
        for region in "abcdef":
            self.ended[region].clear()

    def read(self, move: PackMove) -> bytes:
        with self._lock:
            self.reads[move.pack_id] += 1
            self._left[move.pack_id] = len(regions_of(move))
            self._bytes += move.pack_bytes
            self.bytes_max = max(self.bytes_max, self._bytes)
        return move.pack_id.encode()

    def read_apart(self, move: PackMove, region: str) -> bytes:
        with self._lock:
            self.reads_apart[region, move.pack_id] += 1
        return move.pack_id.encode()

    def deliver(self, region: str, move: PackMove, body: bytes | None) -> None:
        assert body == (None if move.read_from is None else move.pack_id.encode())
        assert region not in self.published
        try:
            self.on_deliver(region, move)
            with self._lock:
                self.delivered[region].append(move.pack_id)
        finally:
            with self._lock:
                self._left[move.pack_id] = self._left.get(move.pack_id, 0) - 1
                if self._left[move.pack_id] == 0 and move.read_from is not None:
                    self._bytes -= move.pack_bytes

    def region_delivered(self, region: str) -> None:
        self.on_delivered(region)
        self.published.append(region)
        self.ended[region].set()


class Running:
    """A fan-out in a thread of its own, so that one that hangs fails its test."""

    def __init__(
        self,
        work: FakeWork,
        moves: Sequence[PackMove],
        regions: str,
        options: EngineOptions = OPTIONS,
    ) -> None:
        self.stop = threading.Event()
        self.fanout = Fanout(work, options, SystemClock(), self.stop, regions_of)
        self._outcome: dict[str, BaseException] | BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(moves, regions), daemon=True)
        self._thread.start()

    def _run(self, moves: Sequence[PackMove], regions: str) -> None:
        try:
            self._outcome = self.fanout.run(moves, regions)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            self._outcome = error

    def result(self) -> dict[str, BaseException]:
        self._thread.join(SECONDS_MAX)
        assert not self._thread.is_alive(), "the fan-out hangs"
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        assert self._outcome is not None
        return self._outcome


def run(
    work: FakeWork, moves: Sequence[PackMove], regions: str, options: EngineOptions = OPTIONS
) -> dict[str, BaseException]:
    return Running(work, moves, regions, options).result()


def packs(count: int, regions: str) -> list[PackMove]:
    return [move_to(number, regions) for number in range(count)]


def names(moves: Sequence[PackMove]) -> Counter[str]:
    return Counter(str(move.pack_id) for move in moves)


def test_every_region_gets_every_pack_and_each_is_read_once() -> None:
    work, moves = FakeWork(), packs(40, "abc")
    assert run(work, moves, "abc") == {}
    assert work.reads == names(moves)
    assert {region: Counter(got) for region, got in work.delivered.items()} == dict.fromkeys(
        "abc", names(moves)
    )
    assert sorted(work.published) == ["a", "b", "c"]
    assert not work.reads_apart


def test_no_more_packs_are_in_memory_than_the_budget_allows() -> None:
    gate = threading.Semaphore(0)
    work = FakeWork(on_deliver=lambda _region, _move: gate.release())
    run(work, packs(60, "abc"), "abc")
    assert 0 < work.bytes_max <= OPTIONS.transfer_budget_bytes


def test_a_pack_that_is_larger_than_the_budget_goes_alone() -> None:
    work = FakeWork()
    options = replace(OPTIONS, transfer_budget_bytes=PACK_BYTES - 1)
    assert run(work, packs(8, "ab"), "ab", options) == {}
    assert work.bytes_max == PACK_BYTES
    assert sorted(work.published) == ["a", "b"]


def test_what_a_server_copies_is_not_read() -> None:
    work = FakeWork()
    moves = [move_to(number, "ab", read=False) for number in range(5)]
    assert run(work, moves, "ab") == {}
    assert not work.reads
    assert Counter(work.delivered["b"]) == names(moves)


def test_a_region_that_lacks_nothing_is_published_without_waiting_for_others() -> None:
    blocked = threading.Event()
    work = FakeWork(on_deliver=lambda _region, _move: _wait(blocked))
    running = Running(work, packs(3, "a"), "ab")
    assert work.ended["b"].wait(SECONDS_MAX)
    assert work.published == ["b"]
    blocked.set()
    assert running.result() == {}


def _wait(event: threading.Event) -> None:
    assert event.wait(SECONDS_MAX), "the test never let go"


def test_a_slow_region_is_detached_and_still_ends_complete() -> None:
    let_go = threading.Event()

    def deliver(region: str, _move: PackMove) -> None:
        if region == "s":
            _wait(let_go)

    work, moves = FakeWork(on_deliver=deliver), packs(40, "as")
    running = Running(work, moves, "as", IMPATIENT)
    assert work.ended["a"].wait(SECONDS_MAX), "a waited for s"
    assert work.published == ["a"]
    let_go.set()
    assert running.result() == {}
    assert running.fanout.detached == ["s"]
    assert Counter(work.delivered["s"]) == names(moves)
    assert work.reads_apart
    assert work.published == ["a", "s"]


@pytest.mark.parametrize("slow", ["s", "st", "stuvw"])
@pytest.mark.parametrize("budget_packs", [1, 2, 4])
def test_slow_regions_that_hold_the_whole_budget_do_not_stop_the_others(
    slow: str, budget_packs: int
) -> None:
    let_go = threading.Event()

    def deliver(region: str, _move: PackMove) -> None:
        if region in slow:
            _wait(let_go)

    work, moves = FakeWork(on_deliver=deliver), packs(20, "a" + slow)
    options = replace(IMPATIENT, transfer_budget_bytes=budget_packs * PACK_BYTES)
    running = Running(work, moves, "a" + slow, options)
    assert work.ended["a"].wait(SECONDS_MAX), "a waited for the slow ones"
    let_go.set()
    assert running.result() == {}
    for region in slow:
        assert Counter(work.delivered[region]) == names(moves)


def test_a_slow_region_that_holds_up_nobody_is_not_detached() -> None:
    work = FakeWork()
    running = Running(work, packs(20, "a"), "a", IMPATIENT)
    assert running.result() == {}
    assert running.fanout.detached == []


def test_a_detached_region_that_fails_fails_alone() -> None:
    let_go = threading.Event()

    def deliver(region: str, _move: PackMove) -> None:
        if region == "s":
            _wait(let_go)
            raise Unavailable("s is gone")

    work = FakeWork(on_deliver=deliver)
    running = Running(work, packs(40, "as"), "as", IMPATIENT)
    assert work.ended["a"].wait(SECONDS_MAX)
    let_go.set()
    assert set(running.result()) == {"s"}
    assert work.published == ["a"]


def test_a_failing_region_fails_alone_and_is_not_published() -> None:
    error = Unavailable("no")

    def deliver(region: str, move: PackMove) -> None:
        if region == "b" and move.pack_id == "3":
            raise error

    work, moves = FakeWork(on_deliver=deliver), packs(30, "abc")
    assert run(work, moves, "abc") == {"b": error}
    assert sorted(work.published) == ["a", "c"]
    assert Counter(work.delivered["c"]) == names(moves)
    assert len(work.delivered["b"]) < len(moves)


class Lingering(threading.Condition):
    """Lets every other thread run for a moment when the thread `lingerer` lets go of it."""

    lingerer: int | None = None

    def __exit__(self, *args: Any) -> None:
        super().__exit__(*args)
        if self.lingerer == threading.get_ident():
            time.sleep(0.3)


def test_a_region_whose_last_delivery_fails_is_never_published() -> None:
    """The region's other thread finds nothing left to do before the failure is noted."""
    changed = Lingering()
    together = threading.Barrier(2)

    def deliver(_region: str, move: PackMove) -> None:
        together.wait(SECONDS_MAX)
        if move.pack_id == "1":
            changed.lingerer = threading.get_ident()
            raise Unavailable("no")

    work = FakeWork(on_deliver=deliver)
    fanout = Fanout(work, OPTIONS, SystemClock(), threading.Event(), regions_of)
    fanout._changed = changed
    assert set(fanout.run(packs(2, "a"), "a")) == {"a"}
    assert work.published == []


def test_a_region_that_cannot_be_published_fails_alone() -> None:
    work, moves = FakeWork(), packs(3, "ab")

    def refuse(region: str) -> None:
        if region == "a":
            raise Corrupt("not all there")

    work.on_delivered = refuse
    errors = run(work, moves, "ab")
    assert isinstance(errors.pop("a"), Corrupt)
    assert errors == {}
    assert work.published == ["b"]


def test_a_pack_that_nobody_can_read_fails_the_regions_that_need_it_and_no_other() -> None:
    class Unreadable(FakeWork):
        def read(self, move: PackMove) -> bytes:
            if move.pack_id == "5":
                raise Corrupt("lost", code="PackLost")
            return super().read(move)

    work = Unreadable()
    moves = [*packs(5, "abc"), move_to(5, "ab"), *(move_to(n, "abc") for n in range(6, 9))]
    errors = run(work, moves, "abc")
    assert set(errors) == {"a", "b"}
    assert all(isinstance(error, Corrupt) for error in errors.values())
    assert work.published == ["c"]
    assert len(work.delivered["c"]) == 8


def test_reads_stop_once_every_region_has_failed() -> None:
    def deliver(_region: str, _move: PackMove) -> None:
        raise Unavailable("no")

    work = FakeWork(on_deliver=deliver)
    assert set(run(work, packs(200, "ab"), "ab")) == {"a", "b"}
    assert sum(work.reads.values()) < 30


def test_a_stop_ends_all_lanes_after_what_was_begun_and_publishes_nothing() -> None:
    begun, let_go = threading.Semaphore(0), threading.Event()

    def deliver(_region: str, _move: PackMove) -> None:
        begun.release()
        _wait(let_go)

    work = FakeWork(on_deliver=deliver)
    running = Running(work, packs(50, "ab"), "ab")
    for _ in range(2 * OPTIONS.region_uploads):
        assert begun.acquire(timeout=SECONDS_MAX)
    running.stop.set()
    let_go.set()
    with pytest.raises(Interrupted):
        running.result()
    assert work.published == []
    assert sum(map(len, work.delivered.values())) == 2 * OPTIONS.region_uploads


def test_a_stop_before_the_start_delivers_nothing() -> None:
    work = FakeWork()
    fanout_stop = threading.Event()
    fanout_stop.set()
    fanout = Fanout(work, OPTIONS, SystemClock(), fanout_stop, regions_of)
    with pytest.raises(Interrupted):
        fanout.run(packs(5, "ab"), "ab")
    assert not work.delivered


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.text("abcd", min_size=1), st.booleans()), max_size=25),
    st.sets(st.tuples(st.sampled_from("abcd"), st.integers(0, 25)), max_size=3),
    st.integers(1, 6),
    st.booleans(),
)
def test_a_region_is_published_exactly_when_it_got_each_of_its_packs_once(
    wanted: list[tuple[str, bool]],
    failing: set[tuple[str, int]],
    budget_packs: int,
    impatient: bool,
) -> None:
    moves = [
        move_to(number, "".join(dict.fromkeys(regions)), read=read)
        for number, (regions, read) in enumerate(wanted)
    ]

    def deliver(region: str, move: PackMove) -> None:
        if (region, int(move.pack_id)) in failing:
            raise Unavailable("no")

    work = FakeWork(on_deliver=deliver)
    options = replace(
        IMPATIENT if impatient else OPTIONS, transfer_budget_bytes=budget_packs * PACK_BYTES
    )
    errors = run(work, moves, "abcd", options)
    for region in "abcd":
        mine = [move for move in moves if region in regions_of(move)]
        fails = any((region, int(move.pack_id)) in failing for move in mine)
        assert (region in errors) == fails
        assert (region in work.published) == (not fails)
        assert fails or Counter(work.delivered[region]) == names(mine)
