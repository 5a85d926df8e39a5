"""Finds out what an endpoint can do, by doing it with objects of a few bytes."""

import hashlib
import uuid
from collections.abc import Callable
from contextlib import suppress

from imgrepl.errors import Conflict, Corrupt, ImgreplError, Invalid, NotFound
from imgrepl.model.capabilities import Capabilities
from imgrepl.store.protocols import Store
from imgrepl.store.wrapping import bare

_ONE, _TWO, _SIX = b"probe one", b"probe two", b"probe six"
_NAMES = ("fresh", "swapped", "plain", "wrong", "copy", "rehashed")


def probe(store: Store, scratch_prefix: str) -> Capabilities:
    """What `store` can do; writes six objects under `scratch_prefix` and deletes them again.

    Raises what any request may raise where the endpoint cannot be used at all: `NotAllowed`,
    `NotFound` (`BucketMissing`), `Unavailable`.
    """
    base = f"{scratch_prefix.rstrip('/')}/{uuid.uuid4().hex}"
    keys = {name: f"{base}/{name}" for name in _NAMES}
    try:
        found = _probe(store, keys)
    except ImgreplError:
        with suppress(ImgreplError):  # why it could not be tried says more
            store.delete(list(keys.values()))
        raise
    store.delete(list(keys.values()))
    return found


def _probe(store: Store, keys: dict[str, str]) -> Capabilities:
    store.put(keys["plain"], _ONE)
    has_copied = _copies(store, keys["plain"], keys["copy"])
    server, copy_rehashes = _server_and_rehash(store, keys["plain"], keys["rehashed"])
    return Capabilities(
        server=server,
        conditional_put=_refuses_to_replace(store, keys["fresh"]),
        conditional_swap=_refuses_to_swap_blindly(store, keys["swapped"]),
        checksum_checked=_refuses_a_wrong_digest(store, keys["wrong"]),
        checksum_returned=_states_digest(store, keys["plain"]),
        server_copy=has_copied,
        copy_keeps_checksum=has_copied and _states_digest(store, keys["copy"]),
        copy_rehashes=has_copied and copy_rehashes,
    )


def _refuses_to_replace(store: Store, key: str) -> bool:
    if not _works(lambda: store.put(key, _ONE, if_absent=True)):
        return False
    try:
        store.put(key, _TWO, if_absent=True)
    except Conflict:
        return store.get(key) == _ONE
    except Invalid:
        pass
    return False


def _refuses_to_swap_blindly(store: Store, key: str) -> bool:
    stale = store.put(key, _ONE).etag
    if not _works(lambda: store.put(key, _TWO, if_match=stale)):
        return False
    try:
        store.put(key, _SIX, if_match=stale)
    except Conflict:
        return store.get(key) == _TWO
    return False


def _works(put: Callable[[], object]) -> bool:
    """Whether a conditional put whose condition holds is taken."""
    try:
        put()
    except (Conflict, Invalid):
        return False
    return True


def _refuses_a_wrong_digest(store: Store, key: str) -> bool:
    try:
        store.put(key, _ONE, sha256=hashlib.sha256(_TWO).digest())
    except Corrupt:
        return True
    except Invalid:
        pass
    return False


def _states_digest(store: Store, key: str) -> bool:
    return store.head(key).sha256 == hashlib.sha256(_ONE).digest()


def _copies(store: Store, key: str, copy_key: str) -> bool:
    if not store.can_copy_from(store):
        return False
    try:
        store.copy_from(store, key, copy_key)
        return store.get(copy_key) == _ONE
    except (Invalid, NotFound):
        return False


def _server_and_rehash(store: Store, key: str, copy_key: str) -> tuple[str, bool]:
    if not store.url.startswith("s3:"):
        return store.url.partition(":")[0], False
    from imgrepl.store.s3 import S3Store
    from imgrepl.store.s3_probe import rehashes_copies, server_name

    origin = bare(store)
    assert isinstance(origin, S3Store), origin
    return server_name(origin), rehashes_copies(origin, key, copy_key, _ONE)
