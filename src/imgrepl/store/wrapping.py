"""What every wrapper around a store is: all its verbs handed on, to be overridden one by one."""

from collections.abc import Iterator, Sequence

from imgrepl.store.protocols import Body, DeleteFailure, ObjectInfo, Store


class StoreWrapper:
    """Hands every verb on to `inner`. Stateless itself, so as thread-safe as what it wraps."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    @property
    def url(self) -> str:
        return self.inner.url

    def head(self, key: str) -> ObjectInfo:
        return self.inner.head(key)

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        return self.inner.get(key, offset=offset, length=length)

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        return self.inner.list(prefix, start_after=start_after)

    def put(
        self,
        key: str,
        body: Body,
        *,
        sha256: bytes | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> ObjectInfo:
        return self.inner.put(key, body, sha256=sha256, if_absent=if_absent, if_match=if_match)

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        return self.inner.delete(keys)

    def can_copy_from(self, source: object) -> bool:
        return self.inner.can_copy_from(source)

    def copy_from(self, source: object, source_key: str, key: str) -> ObjectInfo:
        return self.inner.copy_from(source, source_key, key)


def bare(store: object) -> object:
    """The store under all wrappers: what a server-side copy needs to know of its source."""
    while isinstance(store, StoreWrapper):
        store = store.inner
    return store
