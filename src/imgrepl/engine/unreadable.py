"""Objects that a server does not give any more, though it gives others: damage, not absence.

A server that keeps checksums of its own (SeaweedFS) finds a flipped bit before we do: it breaks off
while it sends, every time, and thinks 13 s about it. To a client that looks like a bad connection,
which is waited for. That patience is had once in a while, not for every such object: a place that
just broke off to the end of it is asked again for the next one only where that is soon answered.
"""

from imgrepl.engine.context import Engine
from imgrepl.errors import Corrupt, ImgreplError, Interrupted, Unavailable
from imgrepl.layout import keys
from imgrepl.model.region import Place
from imgrepl.store.protocols import Hurries, ObjectInfo, Reads

_BREAKS = frozenset({"ConnectionLost", "ServerFailed"})
"""What it looks like. Silence and 503 say that the server is busy or away."""
_PATIENT_SECONDS, _HURRIED_SECONDS = 20.0, 2.0
_REMEMBERED_SECONDS = 600.0
"""So a fault that passes is given patience every ten minutes at least."""


def read_whole(engine: Engine, place: Place, key: str) -> bytes:
    """All bytes of an object, for who looks after its health. Raises as `HealthReads.get`."""
    return HealthReads(engine, place).get(key)


class HealthReads:
    """Reads of a place for who looks after the health of what lies there."""

    def __init__(self, engine: Engine, place: Place) -> None:
        self._engine = engine
        self._place = place
        self._store = engine.stores.of(place)

    def head(self, key: str) -> ObjectInfo:
        return self._store.head(key)

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """As `Reads.get`.

        Raises `Corrupt` (`ObjectUnreadable`), too, where retries ended and the fault is the
        object's: its server tells its size, and gives another one.
        """
        is_known = self._broke_off_lately()
        try:
            reads = self._within(_HURRIED_SECONDS if is_known else 0.0)
            return reads.get(key, offset=offset, length=length)
        except Unavailable as error:
            is_its_own = self._is_its_own(key, error)
            if is_its_own and is_known:
                raise _unreadable(key) from error
        if not is_its_own:
            return self._store.get(key, offset=offset, length=length)
        try:
            return self._within(_PATIENT_SECONDS).get(key, offset=offset, length=length)
        except Unavailable as error:
            self._engine.breaking[self._place.id] = self._engine.clock.monotonic()
            raise _unreadable(key) from error

    def _broke_off_lately(self) -> bool:
        since = self._engine.breaking.get(self._place.id)
        return since is not None and self._engine.clock.monotonic() - since < _REMEMBERED_SECONDS

    def _within(self, seconds: float) -> Reads:
        store = self._store
        return store.within(seconds) if isinstance(store, Hurries) else store

    def _is_its_own(self, key: str, error: Unavailable) -> bool:
        """Whether the fault is the object's: its server gives others."""
        if error.code not in _BREAKS:
            return False
        reads = self._within(_HURRIED_SECONDS)
        try:
            reads.head(key)
            reads.get(keys.STORE_KEY if key == keys.OWNER_KEY else keys.OWNER_KEY)
        except Interrupted:
            raise
        except ImgreplError:
            return False
        return True


def _unreadable(key: str) -> Corrupt:
    return Corrupt(
        "it cannot be read: its server breaks off each time, and gives other objects",
        code="ObjectUnreadable",
        target=key,
        hint="`imgrepl image-version repair` brings it from another replica",
    )
