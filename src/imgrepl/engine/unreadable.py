"""Objects that a server does not give any more, though it gives others: damage, not absence.

A server that keeps checksums of its own (SeaweedFS) finds a flipped bit before we do: it breaks off
while it sends, every time. To a client that looks like a bad connection.
"""

from imgrepl.errors import Corrupt, ImgreplError, Interrupted, Unavailable
from imgrepl.layout import keys
from imgrepl.store.protocols import Reads

_BREAKS = frozenset({"ConnectionLost", "ServerFailed"})
"""What it looks like. Silence and 503 say that the server is busy or away."""


def read_whole(store: Reads, key: str) -> bytes:
    """All bytes of an object, for who looks after its health.

    Raises `Corrupt` (`ObjectUnreadable`) where all retries ended and the fault is the object's: its
    server tells its size, and gives another one. Raises what the store raises.
    """
    try:
        return store.get(key)
    except Unavailable as error:
        if error.code not in _BREAKS or not _gives_others(store, key):
            raise
        raise Corrupt(
            "it cannot be read: its server breaks off each time, and gives other objects",
            code="ObjectUnreadable",
            target=key,
            hint="`imgrepl image-version repair` brings it from another replica",
        ) from error


def _gives_others(store: Reads, key: str) -> bool:
    try:
        store.head(key)
        store.get(keys.STORE_KEY if key == keys.OWNER_KEY else keys.OWNER_KEY)
    except Interrupted:
        raise
    except ImgreplError:
        return False
    return True
