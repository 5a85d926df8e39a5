"""How many requests an endpoint is sent at once: as many as it bears, found out while working.

Additive increase, multiplicative decrease, in windows of their own for puts, reads and looks. Who
asks for more than an endpoint serves is refused, sends the same bytes again, and gets less through
than who asks for a little less.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from imgrepl.clock import Clock
from imgrepl.errors import ImgreplError, Unavailable
from imgrepl.store.protocols import Body, DeleteFailure, ObjectInfo, Store
from imgrepl.store.wrapping import StoreWrapper

_Answer = TypeVar("_Answer")

OVERLOADED = frozenset({"ServerBusy", "EndpointTimeout"})
"""Codes of `Unavailable` that say: less at once. 429, 503 and their kin; a server fallen silent."""

_REQUEST_WEIGHT_BYTES = 64 << 10
"""What a request without a body counts for: looks are measured by their number."""
_GROWTH = 1.05
"""How much more must come through for one more request at once to be worth it."""
_ROUNDS_HELD = 8
"""Rounds after which growing is tried again where it was not worth it."""


@dataclass(frozen=True, kw_only=True)
class WindowOptions:
    """Bounds of one window. It costs no memory: what waits for it, its caller holds anyway.

    `start` is at or above what the engine asks for unless it is told to ask for more, so that an
    endpoint that bears it is never made to wait.
    """

    start: int = 16
    maximum: int = 32
    wait_seconds_max: float = 30.0
    """Who has waited so long goes ahead all the same: a window is advice, and blocks nobody."""


class Window:
    """How many requests of one kind are under way at once to one endpoint.

    A round is as many successes as the window is wide. After a round in which it was filled it
    grows by one, if more came through than before it grew last. If not, or if that width was too
    much the last time, it stays, and tries again some rounds later. A sign of overload halves it,
    once for all requests that were under way.
    """

    def __init__(self, options: WindowOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._limit = min(options.start, options.maximum)
        self._under_way = 0
        self._cuts = 0
        self._rate_before: float | None = None
        self._too_wide: int | None = None
        self._held = 0
        self._free = threading.Condition()
        self._begin_round()

    @property
    def limit(self) -> int:
        """How wide it is now."""
        return self._limit

    def serve(self, request: Callable[[], _Answer], weigh: Callable[[_Answer], int]) -> _Answer:
        """What `request` gives, once it is its turn; `weigh` tells its bytes by its answer."""
        cuts = self._enter()
        served_bytes: int | None = None
        overloaded = False
        try:
            answer = request()
            served_bytes = weigh(answer)
        except Unavailable as error:
            overloaded = error.code in OVERLOADED
            raise
        except ImgreplError:
            served_bytes = 0  # it answered, whatever it said
            raise
        else:
            return answer
        finally:
            self._leave(cuts, served_bytes, overloaded=overloaded)

    def shrink(self) -> None:
        """What a sign of overload does that came to a request outside of this window."""
        with self._free:
            self._cut()

    def _enter(self) -> int:
        """Waits for a place. Gives how often the window had been cut by then."""
        deadline = self._clock.monotonic() + self._options.wait_seconds_max
        with self._free:
            has_waited = False
            while self._under_way >= self._limit:
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    break
                has_waited = True
                self._free.wait(left)
                self._clock.sleep(0)  # who was asked to stop meanwhile begins nothing
            self._under_way += 1
            self._is_filled |= has_waited or self._under_way >= self._limit
            return self._cuts

    def _leave(self, cuts: int, served_bytes: int | None, *, overloaded: bool) -> None:
        with self._free:
            self._under_way -= 1
            if overloaded and cuts == self._cuts:
                self._cut()
            elif served_bytes is not None:
                self._count(_REQUEST_WEIGHT_BYTES + served_bytes)
            self._free.notify(max(0, self._limit - self._under_way))

    def _cut(self) -> None:
        self._too_wide = self._limit
        self._limit = max(1, self._limit // 2)
        self._cuts += 1
        self._rate_before = None
        self._held = 0
        self._begin_round()

    def _count(self, weight: int) -> None:
        self._round_weight += weight
        self._round_left -= 1
        if self._round_left > 0:
            return
        seconds = self._clock.monotonic() - self._round_began
        if self._is_filled and seconds > 0:
            self._grow(self._round_weight / seconds)
        self._begin_round()

    def _grow(self, rate: float) -> None:
        if self._too_wide is not None and self._limit >= self._too_wide:
            self._too_wide = None  # a whole round went well
        brings_more = self._rate_before is None or rate >= self._rate_before * _GROWTH
        was_too_wide = self._too_wide is not None and self._limit + 1 >= self._too_wide
        self._held += 1
        if (brings_more and not was_too_wide) or self._held >= _ROUNDS_HELD:
            self._rate_before = rate
            self._held = 0
            self._limit = min(self._options.maximum, self._limit + 1)

    def _begin_round(self) -> None:
        self._round_began = self._clock.monotonic()
        self._round_left = self._limit
        self._round_weight = 0
        self._is_filled = self._under_way >= self._limit


class Windows:
    """The windows of one endpoint, shared by all stores that lie there."""

    def __init__(self, options: WindowOptions, clock: Clock) -> None:
        self.puts = Window(options, clock)
        self.gets = Window(options, clock)
        self.heads = Window(options, clock)


class AdaptiveStore(StoreWrapper):
    """Sends an endpoint as many requests at once as its windows are wide.

    It stands inside the retrying wrapper, whose waits then hold no place. Copies and deletions are
    puts. Listings are one at a time and wait for nobody; what they meet counts.
    """

    def __init__(self, inner: Store, windows: Windows) -> None:
        super().__init__(inner)
        self._windows = windows

    def head(self, key: str) -> ObjectInfo:
        return self._windows.heads.serve(lambda: self.inner.head(key), _nothing)

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        return self._windows.gets.serve(
            lambda: self.inner.get(key, offset=offset, length=length), len
        )

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        try:
            yield from self.inner.list(prefix, start_after=start_after)
        except Unavailable as error:
            if error.code in OVERLOADED:
                self._windows.heads.shrink()
            raise

    def put(
        self,
        key: str,
        body: Body,
        *,
        sha256: bytes | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> ObjectInfo:
        return self._windows.puts.serve(
            lambda: self.inner.put(
                key, body, sha256=sha256, if_absent=if_absent, if_match=if_match
            ),
            _size,
        )

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        return self._windows.puts.serve(lambda: self.inner.delete(keys), _nothing)

    def copy_from(self, source: object, source_key: str, key: str) -> ObjectInfo:
        return self._windows.puts.serve(
            lambda: self.inner.copy_from(source, source_key, key), _size
        )


def _size(info: ObjectInfo) -> int:
    return info.size_bytes


def _nothing(_answer: object) -> int:
    return 0
