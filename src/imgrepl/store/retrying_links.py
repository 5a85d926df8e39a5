"""Patience around uploads in parts, as `retrying` has it around stores."""

from collections.abc import Callable, Iterator, Sequence

from imgrepl.clock import Clock
from imgrepl.errors import NotFound
from imgrepl.store.protocols import Links, Unfinished
from imgrepl.store.retrying import RetryPolicy, patiently


class RetryingLinks:
    """Tries again what raised `Unavailable`. `before_part` is told of the bytes of each attempt."""

    def __init__(
        self, inner: Links, policy: RetryPolicy, clock: Clock, before_part: Callable[[int], None]
    ) -> None:
        self._inner = inner
        self._policy = policy
        self._clock = clock
        self._before_part = before_part

    def begin(self, key: str) -> str:
        return patiently(self._policy, self._clock, lambda _: self._inner.begin(key))

    def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> str:
        def attempt(_: int) -> str:
            self._before_part(len(body))
            return self._inner.put_part(key, upload_id, number, body)

        return patiently(self._policy, self._clock, attempt)

    def finish(self, key: str, upload_id: str, etags: Sequence[str]) -> None:
        """A second attempt finds no upload where the first one's reply was lost: the caller looks.

        Raises `NotFound` only where the first attempt was answered so.
        """

        def attempt(number: int) -> None:
            try:
                self._inner.finish(key, upload_id, etags)
            except NotFound:
                if number == 1:
                    raise

        patiently(self._policy, self._clock, attempt)

    def give_up(self, key: str, upload_id: str) -> None:
        patiently(self._policy, self._clock, lambda _: self._inner.give_up(key, upload_id))

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        found = patiently(self._policy, self._clock, lambda _: list(self._inner.unfinished(prefix)))
        return iter(found)

    def signed_url(self, key: str, *, seconds: int, filename: str) -> str:
        return self._inner.signed_url(key, seconds=seconds, filename=filename)
