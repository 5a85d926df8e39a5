"""A store that takes no notice of conditions, as servers without conditional writes do."""

from collections.abc import Callable

from imgrepl.store.protocols import Body, ObjectInfo, Store
from imgrepl.store.wrapping import StoreWrapper


class UnconditionalStore(StoreWrapper):
    """Every put replaces what stands there. `between` happens after each look at a key."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.between: Callable[[], object] = lambda: None

    def head(self, key: str) -> ObjectInfo:
        try:
            return self.inner.head(key)
        finally:
            self.between()

    def put(
        self,
        key: str,
        body: Body,
        *,
        sha256: bytes | None = None,
        if_absent: bool = False,  # noqa: ARG002 - that is its fault
        if_match: str | None = None,  # noqa: ARG002 - as above
    ) -> ObjectInfo:
        return self.inner.put(key, body, sha256=sha256)
