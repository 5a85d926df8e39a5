"""A store that fails as the world does, or lies: by a script, by dice, or until all ends.

Faults of a request pass; damage at rest (`damaged`) stays until somebody mends it.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NoReturn, TypeVar, cast

from imgrepl.errors import NotFound, Unavailable
from imgrepl.store.memory import MemoryStore
from imgrepl.store.protocols import Body, DeleteFailure, ObjectInfo, Store
from imgrepl.store.wrapping import StoreWrapper, bare

_Answer = TypeVar("_Answer")


class FaultKind(StrEnum):
    """What goes wrong. Each is tried on the requests of one verb, or of all that it can befall."""

    LOST_REQUEST = "lost request"
    """Nothing happens, and the caller is told `Unavailable`."""
    LOST_REPLY = "lost reply"
    """All happens, and the caller is told `Unavailable`."""
    BUSY = "busy"
    """503 with a Retry-After of one second."""
    FULL = "full"
    """The place takes no more bytes."""
    BIT_FLIP = "bit flip"
    """A read gives one wrong bit."""
    WRONG_OBJECT = "wrong object"
    """A read gives the bytes of another object."""
    TRUNCATED = "truncated"
    """A read gives half of what it should, and says nothing."""
    ABSENT = "absent"
    """A read or HEAD says that there is no such object."""
    OLD_VERSION = "old version"
    """A read or HEAD gives what the key held before it was last written: nothing, for most."""
    ERROR_INSIDE = "error inside"
    """A read succeeds, and gives a server's error text for the object."""
    EMPTY_LISTING = "empty listing"
    """A listing ends at once, as if there were nothing."""
    WRONG_CHECKSUM = "wrong checksum"
    """A HEAD, or the answer to a write, states the SHA-256 of other bytes."""
    CRASH_BEFORE = "crash before"
    """The process dies before the request leaves it."""
    CRASH_AFTER = "crash after"
    """The process dies after the request was served."""


class Crashed(BaseException):
    """The process died here. No handler of errors may catch it, so it is no `Exception`."""


_READS = {"get"}
_LOOKS = {"get", "head"}
_WRITES = {"put", "copy_from"}
_ALL = {"get", "head", "list", "put", "delete", "copy_from"}
_BEFALLS = {
    FaultKind.FULL: _WRITES,
    FaultKind.BIT_FLIP: _READS,
    FaultKind.WRONG_OBJECT: _READS,
    FaultKind.TRUNCATED: _READS,
    FaultKind.ABSENT: _LOOKS,
    FaultKind.OLD_VERSION: _LOOKS,
    FaultKind.ERROR_INSIDE: _READS,
    FaultKind.EMPTY_LISTING: {"list"},
    FaultKind.WRONG_CHECKSUM: {"head", *_WRITES},
}


@dataclass
class Fault:
    """Befalls `times` requests (None: all from then on) after `skip` that it could have befallen.

    `verb` None means any that this kind can befall; `key_part` must occur in the key, or for a
    listing in the prefix, for a deletion in one of the keys.
    """

    kind: FaultKind
    verb: str | None = None
    key_part: str = ""
    skip: int = 0
    times: int | None = 1

    def befalls(self, verb: str, key: str) -> bool:
        """Whether it happens now; counts itself down."""
        verbs = {self.verb} if self.verb else _BEFALLS.get(self.kind, _ALL)
        if verb not in verbs or self.key_part not in key or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(frozen=True)
class Dice:
    """Faults by chance: each request fails with `probability`, in one of `kinds`.

    `roll` gives numbers from 0 up to 1, such as `random.Random(seed).random`; print the seed.
    """

    roll: Callable[[], float]
    probability: float
    kinds: Sequence[FaultKind] = (FaultKind.LOST_REQUEST, FaultKind.LOST_REPLY, FaultKind.BUSY)

    def fault(self, verb: str) -> FaultKind | None:
        """What befalls a request of `verb`, if anything."""
        fitting = [kind for kind in self.kinds if verb in _BEFALLS.get(kind, _ALL)]
        if not fitting or self.roll() >= self.probability:
            return None
        return fitting[int(self.roll() * len(fitting))]


class FaultyStore(StoreWrapper):
    """Hands on to `inner` what its faults let through.

    `requests` tells every request that was made as (verb, key), also those that failed. After a
    crash every request raises `Crashed` until `revive`: a dead process asks nothing.
    """

    def __init__(self, inner: Store, *faults: Fault, dice: Dice | None = None) -> None:
        super().__init__(inner)
        self.faults = list(faults)
        self.dice = dice
        self.requests: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self._is_dead = False
        self._frozen: list[ObjectInfo] | None = None
        self._before: dict[str, bytes] = {}

    def revive(self) -> None:
        """Starts the process anew: what the server holds stays, the crash is over."""
        self._is_dead = False

    def freeze_listings(self) -> None:
        """From now on listings show the place as it is at this moment: none is fresh."""
        self._frozen = list(self.inner.list(""))

    def thaw_listings(self) -> None:
        """Listings are fresh again."""
        self._frozen = None

    def head(self, key: str) -> ObjectInfo:
        return self._serve("head", key, lambda: self.inner.head(key))

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        return self._serve("get", key, lambda: self.inner.get(key, offset=offset, length=length))

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        found = self._serve("list", prefix, lambda: self._listing(prefix, start_after))
        for position, info in enumerate(found):
            if position and position % 1000 == 0:
                self._serve("list", prefix, lambda: None)
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
        def act() -> ObjectInfo:
            with suppress(NotFound):
                if key in _REWRITTEN:
                    self._before[key] = self.inner.get(key)
            return self.inner.put(key, body, sha256=sha256, if_absent=if_absent, if_match=if_match)

        return self._serve("put", key, act)

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        return self._serve("delete", " ".join(keys), lambda: self.inner.delete(keys))

    def copy_from(self, source: object, source_key: str, key: str) -> ObjectInfo:
        return self._serve("copy_from", key, lambda: self.inner.copy_from(source, source_key, key))

    def _listing(self, prefix: str, start_after: str) -> Iterator[ObjectInfo]:
        if self._frozen is None:
            return self.inner.list(prefix, start_after=start_after)
        kept = [info for info in self._frozen if info.key.startswith(prefix)]
        return iter([info for info in kept if info.key > start_after])

    def _serve(self, verb: str, key: str, act: Callable[[], _Answer]) -> _Answer:
        kind = self._next_fault(verb, key)
        if kind is FaultKind.OLD_VERSION and (verb == "head" or key not in self._before):
            raise NotFound(f"{verb} {key}: not there yet", code="ObjectNotFound")
        if kind in _INSTEAD:
            raise _INSTEAD[kind](f"{verb} {key}")
        if kind is FaultKind.CRASH_BEFORE:
            self._die(verb, key)
        answer = act()
        if kind is FaultKind.CRASH_AFTER:
            self._die(verb, key)
        if kind is FaultKind.LOST_REPLY:
            raise Unavailable(f"{verb} {key}: the reply was lost", code="ConnectionLost")
        if kind is not None and isinstance(answer, bytes):
            return cast("_Answer", self._spoilt(kind, key, answer))
        if kind is FaultKind.WRONG_CHECKSUM and isinstance(answer, ObjectInfo):
            return cast("_Answer", replace(answer, sha256=hashlib.sha256(b"another").digest()))
        if kind is FaultKind.EMPTY_LISTING:
            return cast("_Answer", iter(()))
        return answer

    def _next_fault(self, verb: str, key: str) -> FaultKind | None:
        with self._lock:
            if self._is_dead:
                raise Crashed(f"{verb} {key} after the crash")
            self.requests.append((verb, key))
            for fault in self.faults:
                if fault.befalls(verb, key):
                    return fault.kind
            return self.dice.fault(verb) if self.dice else None

    def _die(self, verb: str, key: str) -> NoReturn:
        self._is_dead = True
        raise Crashed(f"{verb} {key}")

    def _spoilt(self, kind: FaultKind, key: str, content: bytes) -> bytes:
        if kind is FaultKind.BIT_FLIP:
            return flipped(content, len(content) * 4)
        if kind is FaultKind.OLD_VERSION:
            return self._before[key]
        if kind is FaultKind.ERROR_INSIDE:
            return _ERROR_TEXT
        if kind is FaultKind.TRUNCATED:
            return content[: len(content) // 2]
        assert kind is FaultKind.WRONG_OBJECT, kind
        other = next((info.key for info in self.inner.list("") if info.key != key), key)
        return self.inner.get(other)[: len(content)].ljust(len(content), b"\0")


def flipped(content: bytes, bit: int) -> bytes:
    """The same bytes but for one bit; nothing can be flipped in none."""
    if not content:
        return content
    spoilt = bytearray(content)
    spoilt[bit // 8 % len(content)] ^= 1 << bit % 8
    return bytes(spoilt)


def damaged(store: object, key: str, spoil: Callable[[bytes], bytes]) -> None:
    """Damages an object at rest, beneath all wrappers.

    In memory the checksum that the store states stays, as on a failing disk; elsewhere the spoilt
    bytes are put, so that even the server's checksum vouches for them.
    """
    origin = bare(store)
    if isinstance(origin, MemoryStore):
        origin.damage(key, spoil(origin.get(key)))
        return
    assert isinstance(origin, Store), origin
    origin.put(key, spoil(origin.get(key)))


_ERROR_TEXT = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"""
_REWRITTEN = ("owner.json",)
"""Keys that change: only of these is there an older version. Any other was simply not there."""

_INSTEAD: Mapping[FaultKind | None, Callable[[str], Exception]] = {
    FaultKind.LOST_REQUEST: lambda what: Unavailable(
        f"{what}: the connection broke", code="ConnectionLost"
    ),
    FaultKind.BUSY: lambda what: Unavailable(
        f"{what}: slow down", code="ServerBusy", retry_after_seconds=1
    ),
    FaultKind.FULL: lambda what: Unavailable(f"{what}: the place is full", code="PlaceFull"),
    FaultKind.ABSENT: lambda what: NotFound(f"{what}: not there", code="ObjectNotFound"),
}
