"""Counts what one store, or several, really sent, received and asked."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from imgrepl.store.protocols import Body, DeleteFailure, ObjectInfo, Store
from imgrepl.store.wrapping import StoreWrapper


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Counts up to a moment. `server_copied_bytes` passed no client."""

    sent_bytes: int = 0
    received_bytes: int = 0
    server_copied_bytes: int = 0
    puts: int = 0
    gets: int = 0
    heads: int = 0
    lists: int = 0
    copies: int = 0
    deletes: int = 0

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(**{name: getattr(self, name) + getattr(other, name) for name in _COUNTERS})

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        return Traffic(**{name: getattr(self, name) - getattr(earlier, name) for name in _COUNTERS})

    @property
    def requests(self) -> int:
        """All of them."""
        return self.puts + self.gets + self.heads + self.lists + self.copies + self.deletes


_COUNTERS = tuple(field.name for field in fields(Traffic))


class Meter:
    """A `Traffic` that grows, from any number of threads."""

    def __init__(self) -> None:
        self._total = Traffic()
        self._lock = threading.Lock()

    @property
    def total(self) -> Traffic:
        """What was counted so far."""
        return self._total

    def add(self, traffic: Traffic) -> None:
        """Counts more."""
        with self._lock:
            self._total += traffic


class MeteredStore(StoreWrapper):
    """Counts each attempt, so it wraps the bare store and the retrying one wraps it.

    A put counts when it is sent, whatever becomes of it; a deletion counts one request per 1,000
    keys, a listing one per 1,000 keys given.
    """

    def __init__(self, inner: Store, meter: Meter) -> None:
        super().__init__(inner)
        self._meter = meter

    def head(self, key: str) -> ObjectInfo:
        self._meter.add(_HEAD)
        return self.inner.head(key)

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        self._meter.add(_GET)
        content = self.inner.get(key, offset=offset, length=length)
        self._meter.add(Traffic(received_bytes=len(content)))
        return content

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        self._meter.add(_LIST)
        for number, info in enumerate(self.inner.list(prefix, start_after=start_after)):
            if number and number % 1000 == 0:
                self._meter.add(_LIST)
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
        self._meter.add(Traffic(puts=1, sent_bytes=memoryview(body).nbytes))
        return self.inner.put(key, body, sha256=sha256, if_absent=if_absent, if_match=if_match)

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        self._meter.add(Traffic(deletes=-(-len(keys) // 1000)))
        return self.inner.delete(keys)

    def copy_from(self, source: object, source_key: str, key: str) -> ObjectInfo:
        self._meter.add(_COPY)
        info = self.inner.copy_from(source, source_key, key)
        self._meter.add(Traffic(server_copied_bytes=info.size_bytes))
        return info


_HEAD, _GET, _LIST, _COPY = Traffic(heads=1), Traffic(gets=1), Traffic(lists=1), Traffic(copies=1)
