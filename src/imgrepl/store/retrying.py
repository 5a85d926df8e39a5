"""Patience around any store: again after `Unavailable`, and lost replies of puts made good."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeVar

import tenacity

from imgrepl.clock import Clock
from imgrepl.errors import Conflict, NotFound, Unavailable
from imgrepl.store.protocols import Body, DeleteFailure, ObjectInfo, Store
from imgrepl.store.wrapping import StoreWrapper

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often and how long one call is tried.

    Waits are drawn evenly from zero to a bound that doubles from `wait_seconds_first` up to
    `wait_seconds_max`; a server's own wish is the least that is waited. No wait begins that would
    end after `deadline_seconds`.
    """

    attempts_max: int = 8
    deadline_seconds: float = 120
    wait_seconds_first: float = 0.2
    wait_seconds_max: float = 20


class RetryingStore(StoreWrapper):
    """Tries again what raised `Unavailable`, but not `PlaceFull`.

    A put whose reply was lost and whose repetition is refused by its own condition succeeded, if
    what stands there is what it sent: then the object's info is given, not `Conflict`. Who swaps
    by `if_match` and must know that it was he puts something into the body that nobody else would.
    A listing goes on after the last key it gave.
    """

    def __init__(self, inner: Store, policy: RetryPolicy, clock: Clock) -> None:
        super().__init__(inner)
        self._policy = policy
        self._clock = clock

    def within(self, seconds: float) -> "RetryingStore":
        """The same store, asked again for so long at most; with 0 it is asked once."""
        deadline = min(self._policy.deadline_seconds, seconds)
        attempts = self._policy.attempts_max if seconds else 1
        policy = replace(self._policy, deadline_seconds=deadline, attempts_max=attempts)
        return RetryingStore(self.inner, policy, self._clock)

    def head(self, key: str) -> ObjectInfo:
        return self._try(lambda _: self.inner.head(key))

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        return self._try(lambda _: self.inner.get(key, offset=offset, length=length))

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        items, last = self.inner.list(prefix, start_after=start_after), start_after
        while True:
            try:
                for info in items:
                    yield info
                    last = info.key
            except Unavailable as error:
                items = self._resumed(prefix, last, error)
            else:
                return

    def put(
        self,
        key: str,
        body: Body,
        *,
        sha256: bytes | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> ObjectInfo:
        digest = sha256 or hashlib.sha256(body).digest()

        def attempt(number: int) -> ObjectInfo:
            try:
                return self.inner.put(
                    key, body, sha256=digest, if_absent=if_absent, if_match=if_match
                )
            except Conflict:
                landed = self._landed(key, digest, memoryview(body).nbytes) if number > 1 else None
                if landed is None:
                    raise
                return landed

        return self._try(attempt)

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        remaining, lasting = list(keys), list[DeleteFailure]()

        def attempt(_: int) -> Sequence[DeleteFailure]:
            nonlocal remaining
            failures = self.inner.delete(remaining)
            lasting.extend(failure for failure in failures if not failure.transient)
            transient = [failure for failure in failures if failure.transient]
            remaining = [failure.key for failure in transient]
            if transient:
                raise _StillThere(transient)
            return lasting

        try:
            return self._try(attempt)
        except _StillThere as error:
            return [*lasting, *error.failures]

    def copy_from(self, source: object, source_key: str, key: str) -> ObjectInfo:
        return self._try(lambda _: self.inner.copy_from(source, source_key, key))

    def _landed(self, key: str, digest: bytes, size_bytes: int) -> ObjectInfo | None:
        """The object under `key`, where it is the one that was sent."""
        try:
            info = self.inner.head(key)
            if info.size_bytes != size_bytes:
                return None
            stated = info.sha256 or hashlib.sha256(self.inner.get(key)).digest()
        except NotFound:
            return None
        return info if stated == digest else None

    def _resumed(self, prefix: str, last: str, failure: Unavailable) -> Iterator[ObjectInfo]:
        """The rest of a listing; `failure` counts as the first attempt, so a wait comes first."""

        def attempt(number: int) -> Iterator[ObjectInfo]:
            if number == 1:
                raise failure
            rest = self.inner.list(prefix, start_after=last)
            return chain([info for info in [next(rest, None)] if info], rest)

        return self._try(attempt)

    def _try(self, attempt: Callable[[int], _Answer]) -> _Answer:
        return patiently(self._policy, self._clock, attempt)


def patiently(policy: RetryPolicy, clock: Clock, attempt: Callable[[int], _Answer]) -> _Answer:
    """Calls `attempt` with 1, 2, … until it answers or the policy's patience ends."""
    deadline = clock.monotonic() + policy.deadline_seconds

    def is_enough(state: tenacity.RetryCallState) -> bool:
        ends = clock.monotonic() + state.upcoming_sleep
        return state.attempt_number >= policy.attempts_max or ends > deadline

    trying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_worth_it),
        wait=_wait(policy),
        stop=is_enough,
        sleep=clock.sleep,
        reraise=True,
    )
    for number in trying:
        with number:
            return attempt(number.retry_state.attempt_number)
    raise AssertionError("tenacity ends by an answer or an error")


class _StillThere(Unavailable):
    """Some keys of a deletion were answered with a plea for patience."""

    def __init__(self, failures: Sequence[DeleteFailure]) -> None:
        super().__init__(f"{len(failures)} keys were not deleted: {failures[0].reason}")
        self.failures = failures


def _is_worth_it(error: BaseException) -> bool:
    return isinstance(error, Unavailable) and error.code != "PlaceFull"


def _wait(policy: RetryPolicy) -> Callable[[tenacity.RetryCallState], float]:
    """Full jitter, and never less than the server asked for."""
    jitter = tenacity.wait_random_exponential(policy.wait_seconds_first, policy.wait_seconds_max)

    def seconds(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        wished = error.retry_after_seconds if isinstance(error, Unavailable) else None
        return max(jitter(state), wished or 0.0)

    return seconds
