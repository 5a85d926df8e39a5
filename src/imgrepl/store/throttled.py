"""Bounds on bytes and requests per second, shared by as many stores as a user wants bounded."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imgrepl.clock import Clock
from imgrepl.store.protocols import Body, DeleteFailure, ObjectInfo, Store
from imgrepl.store.wrapping import StoreWrapper


class Bucket:
    """A token bucket: `rate_per_second` on average, `burst` at once after a rest.

    Takes are served in order. One that is larger than the burst is let through on credit, and the
    next ones wait until it is paid back, so the average holds for bodies of any size.
    """

    def __init__(self, rate_per_second: float, burst: float, clock: Clock) -> None:
        if rate_per_second <= 0 or burst < 0:
            raise ValueError(f"a rate of {rate_per_second}/s and a burst of {burst} bound nothing")
        self._rate = rate_per_second
        self._burst = burst
        self._clock = clock
        self._level = burst
        self._at = clock.monotonic()
        self._lock = threading.Lock()

    def take(self, amount: float) -> None:
        """Waits until `amount` more is within the bound."""
        with self._lock:
            now = self._clock.monotonic()
            self._level = min(self._burst, self._level + (now - self._at) * self._rate)
            self._at = now
            self._level -= amount
            wait_seconds = -self._level / self._rate
        if wait_seconds > 0:
            self._clock.sleep(wait_seconds)


@dataclass(frozen=True, kw_only=True)
class Throttle:
    """What some stores share: None bounds nothing."""

    sent_bytes: Bucket | None = None
    received_bytes: Bucket | None = None
    requests: Bucket | None = None

    def request(self, sent_bytes: int = 0, received_bytes: int = 0) -> None:
        """Waits until one more request with these bytes is within the bounds."""
        if self.requests:
            self.requests.take(1)
        if self.sent_bytes and sent_bytes:
            self.sent_bytes.take(sent_bytes)
        if self.received_bytes and received_bytes:
            self.received_bytes.take(received_bytes)


class ThrottledStore(StoreWrapper):
    """Waits before each request; server-side copies cost a request and no bytes.

    A read of unknown length is paid for by those that follow it. Listings pay per page of 1,000.
    """

    def __init__(self, inner: Store, throttle: Throttle) -> None:
        super().__init__(inner)
        self._throttle = throttle

    def head(self, key: str) -> ObjectInfo:
        self._throttle.request()
        return self.inner.head(key)

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        self._throttle.request(received_bytes=length or 0)
        content = self.inner.get(key, offset=offset, length=length)
        if length is None and self._throttle.received_bytes:
            self._throttle.received_bytes.take(len(content))
        return content

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        self._throttle.request()
        for number, info in enumerate(self.inner.list(prefix, start_after=start_after)):
            if number and number % 1000 == 0:
                self._throttle.request()
            yield info

    def put(
        self,
        key: str,
        body: Body,
        *,
        sha256: bytes | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> ObjectInfo:
        self._throttle.request(sent_bytes=memoryview(body).nbytes)
        return self.inner.put(key, body, sha256=sha256, if_absent=if_absent, if_match=if_match)

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        self._throttle.request()
        return self.inner.delete(keys)

    def copy_from(self, source: object, source_key: str, key: str) -> ObjectInfo:
        self._throttle.request()
        return self.inner.copy_from(source, source_key, key)
