"""Stage 7, the flow: each pack is read once and handed to every region.

And no region waits for another.

Every region has a lane: a bounded queue and a few threads. One budget bounds the packs in memory. A
lane that stays full while others have nothing to do is detached: it gives back what it has not
started and is served apart, one pack at a time, from wherever its packs are nearest by then. A lane
that fails ends alone.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from imgrepl.clock import Clock
from imgrepl.engine.options import EngineOptions
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import ImgreplError, Interrupted
from imgrepl.model.plan import Move

_POLL_SECONDS = 0.2

_Move = TypeVar("_Move", bound=Move)
_Taken = TypeVar("_Taken", bound=Move, contravariant=True)


class Work(Protocol[_Taken]):
    """What a fan-out does with a pack; called from many threads."""

    def read(self, move: _Taken) -> bytes:
        """The pack, proven by its name. Raises when no holder gives it."""

    def read_apart(self, move: _Taken, region: str) -> bytes:
        """The same for one region alone, from the holder that is nearest to it now."""

    def deliver(self, region: str, move: _Taken, body: bytes | None) -> None:
        """Does the region's part of `move`. `body` is None where nothing had to be read."""

    def region_delivered(self, region: str) -> None:
        """All moves of `region` are done: proves, seals and publishes it."""


@dataclass(eq=False)
class _Cargo(Generic[_Move]):
    """A pack in memory and how many lanes still need it."""

    move: _Move
    body: bytes | None
    lanes: int


class _Lane(Generic[_Move]):
    """One region's queue. Fields are guarded by the fan-out's condition."""

    def __init__(self, region: str, moves: int) -> None:
        self.region = region
        self.left = moves
        self.queue: deque[_Cargo[_Move]] = deque()
        self.in_hand: list[_Cargo[_Move]] = []
        self.reserved = 0
        self.apart: deque[_Move] = deque()
        self.detached = False
        self.error: BaseException | None = None
        self.finished = False

    @property
    def ended(self) -> bool:
        return self.finished or self.error is not None


class Fanout(Generic[_Move]):
    """Runs the moves of one plan. `regions_of` says which regions take part in a move."""

    def __init__(
        self,
        work: Work[_Move],
        options: EngineOptions,
        clock: Clock,
        stop: threading.Event,
        regions_of: Callable[[_Move], Sequence[str]],
    ) -> None:
        self._work = work
        self._options = options
        self._clock = clock
        self._stop = stop
        self._regions_of = regions_of
        self._changed = threading.Condition()
        self._lanes: dict[str, _Lane[_Move]] = {}
        self._budget_bytes = options.transfer_budget_bytes
        self._all_offered = False
        self._apart = threading.BoundedSemaphore(options.detached_regions)
        self.detached: list[str] = []

    def run(self, moves: Sequence[_Move], regions: Iterable[str]) -> dict[str, BaseException]:
        """Does every move; gives the regions that failed and why.

        Raises `Interrupted` when asked to stop, after what was started is done.
        """
        counts = dict.fromkeys(regions, 0)
        for move in moves:
            for region in self._regions_of(move):
                counts[region] += 1
        self._lanes = {region: _Lane(region, count) for region, count in counts.items()}
        threads = [
            threading.Thread(target=self._serve, args=(lane,), name=f"to-{lane.region}-{number}")
            for lane in self._lanes.values()
            for number in range(self._options.region_uploads)
        ]
        for thread in threads:
            thread.start()
        try:
            with ThreadPoolExecutor(self._options.pack_reads, "read") as readers:
                for move in moves:
                    self._offer(move, readers)
        finally:
            with self._changed:
                self._all_offered = True
                self._changed.notify_all()
            for thread in threads:
                thread.join()
        check_stop(self._stop)
        return {r: lane.error for r, lane in self._lanes.items() if lane.error is not None}

    # ------------------------------------------------------------------ offering

    def _offer(self, move: _Move, readers: ThreadPoolExecutor) -> None:
        """Reserves budget and room for one move and starts its read."""
        check_stop(self._stop)
        lanes = self._lanes_with_room(move)
        if not lanes:
            return
        if move.read_from is None:
            self._load(_Cargo(move, None, len(lanes)), lanes)
            return
        readers.submit(self._read, move, lanes)

    def _lanes_with_room(self, move: _Move) -> list[_Lane[_Move]]:
        """Waits until every lane of `move` can take it, detaching those that hold up others."""
        needed = move.pack_bytes if move.read_from is not None else 0
        waiting_since = self._clock.monotonic()
        noted: set[str] = set()
        with self._changed:
            while True:
                lanes = self._active_lanes(move, noted)
                full = [lane for lane in lanes if lane.reserved >= self._lane_room]
                fits = self._budget_bytes >= min(needed, self._options.transfer_budget_bytes)
                if not lanes or (fits and not full):
                    break
                check_stop(self._stop)
                waited = self._clock.monotonic() - waiting_since
                slow = full or self._slowest()
                patient = waited < self._options.slow_region_seconds
                if patient or not slow or not self._somebody_starves():
                    self._changed.wait(_POLL_SECONDS)
                    continue
                for lane in slow:
                    self._detach(lane)
            if lanes:
                self._budget_bytes -= needed
            for lane in lanes:
                lane.reserved += 1
        return lanes

    @property
    def _lane_room(self) -> int:
        return self._options.region_queue_packs + self._options.region_uploads

    def _active_lanes(self, move: _Move, noted: set[str]) -> list[_Lane[_Move]]:
        """The lanes that take `move` from the common read; detached ones note it, once."""
        lanes = []
        for region in self._regions_of(move):
            lane = self._lanes[region]
            if lane.error is not None:
                continue
            if not lane.detached:
                lanes.append(lane)
            elif region not in noted:
                noted.add(region)
                lane.apart.append(move)
                self._changed.notify_all()
        return lanes

    def _somebody_starves(self) -> bool:
        return any(
            lane.reserved == 0 and lane.left and not lane.detached and lane.error is None
            for lane in self._lanes.values()
        )

    def _slowest(self) -> list[_Lane[_Move]]:
        """Whoever holds most of the budget, when no lane's queue is full."""
        active = [lane for lane in self._lanes.values() if not lane.detached and lane.reserved]
        return [max(active, key=lambda lane: lane.reserved)] if active else []

    def _detach(self, lane: _Lane[_Move]) -> None:
        """Takes back what `lane` has not started; from here on it is served apart.

        What it is at counts against the budget no longer, or it would still hold up the others.
        """
        lane.detached = True
        self.detached.append(lane.region)
        while lane.queue:
            cargo = lane.queue.popleft()
            lane.apart.append(cargo.move)
            lane.reserved -= 1
            self._unload(cargo)
        while lane.in_hand:
            self._let_go(lane, lane.in_hand[0])
        self._changed.notify_all()

    def _read(self, move: _Move, lanes: list[_Lane[_Move]]) -> None:
        try:
            body = self._work.read(move)
        except BaseException as error:  # noqa: BLE001 - whatever it is, these lanes end with it
            with self._changed:
                self._budget_bytes += move.pack_bytes
                for lane in lanes:
                    lane.reserved -= 1
                    self._fail(lane, error)
            return
        self._load(_Cargo(move, body, len(lanes)), lanes)

    def _load(self, cargo: _Cargo[_Move], lanes: list[_Lane[_Move]]) -> None:
        with self._changed:
            for lane in lanes:
                if lane.error is not None or lane.detached:
                    lane.reserved -= 1
                    self._unload(cargo)
                    if lane.error is None:
                        lane.apart.append(cargo.move)
                else:
                    lane.queue.append(cargo)
            self._changed.notify_all()

    def _unload(self, cargo: _Cargo[_Move]) -> None:
        cargo.lanes -= 1
        if cargo.lanes == 0 and cargo.body is not None:
            self._budget_bytes += cargo.move.pack_bytes
            cargo.body = None
        self._changed.notify_all()

    # ------------------------------------------------------------------ serving

    def _serve(self, lane: _Lane[_Move]) -> None:
        """A lane's thread: delivers until nothing is left, or the region failed."""
        try:
            while (step := self._next(lane)) is not None:
                step()
        except BaseException as error:  # noqa: BLE001 - a region fails alone
            with self._changed:
                self._fail(lane, error)

    def _next(self, lane: _Lane[_Move]) -> Callable[[], None] | None:
        """What this thread does next; None when the lane has ended."""
        with self._changed:
            while True:
                if lane.ended or self._stop.is_set():
                    return None
                if lane.queue:
                    cargo = lane.queue.popleft()
                    lane.in_hand.append(cargo)
                    return partial(self._deliver, lane, cargo, cargo.body)
                if lane.apart:
                    return partial(self._deliver_apart, lane, lane.apart.popleft())
                if lane.left == 0:
                    lane.finished = True
                    self._changed.notify_all()
                    return partial(self._work.region_delivered, lane.region)
                if self._all_offered and lane.reserved == 0:
                    return None  # offering ended early: the rest never comes
                self._changed.wait(_POLL_SECONDS)

    def _deliver(self, lane: _Lane[_Move], cargo: _Cargo[_Move], body: bytes | None) -> None:
        try:
            self._work.deliver(lane.region, cargo.move, body)
        except BaseException as error:  # noqa: BLE001 - noted at once: no other thread may publish
            with self._changed:
                self._let_go(lane, cargo)
                self._fail(lane, error)
            return
        with self._changed:
            lane.left -= 1
            self._let_go(lane, cargo)

    def _let_go(self, lane: _Lane[_Move], cargo: _Cargo[_Move]) -> None:
        """The lane is done with `cargo`, unless it was detached meanwhile and already was."""
        if cargo in lane.in_hand:
            lane.in_hand.remove(cargo)
            lane.reserved -= 1
            self._unload(cargo)
        self._changed.notify_all()

    def _deliver_apart(self, lane: _Lane[_Move], move: _Move) -> None:
        with self._apart:
            body = self._work.read_apart(move, lane.region) if move.read_from is not None else None
            self._work.deliver(lane.region, move, body)
        with self._changed:
            lane.left -= 1
            self._changed.notify_all()

    def _fail(self, lane: _Lane[_Move], error: BaseException) -> None:
        if lane.error is None:
            lane.error = error
        while lane.queue:
            lane.reserved -= 1
            self._unload(lane.queue.popleft())
        lane.apart.clear()
        self._changed.notify_all()


def reason(error: BaseException) -> str:
    """What a region's status says of why it failed."""
    if isinstance(error, ImgreplError) and not isinstance(error, Interrupted):
        return f"{error.code}: {error.message}"
    return f"{type(error).__name__}: {error}"
