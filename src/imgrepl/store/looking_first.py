"""Conditions of puts on a server that has none: looked at by HEAD, then written without them."""

from collections.abc import Callable

from imgrepl.errors import NotFound
from imgrepl.model.capabilities import Capabilities
from imgrepl.store.protocols import Body, ObjectInfo, Store
from imgrepl.store.refusals import check_conditions, object_changed, object_exists
from imgrepl.store.wrapping import StoreWrapper


class LookingFirstStore(StoreWrapper):
    """Hands conditions on to a server that keeps them, and looks itself where one does not.

    A look and a put are two moments: of two writers that look at once both write, the later one's
    bytes stay, and neither is told. So names that exist are safe from whoever comes after, a
    repeated put included, but `if_absent` and `if_match` fence nobody out there. It stands inside
    the retrying wrapper, so that a put whose reply was lost is found by the next look.

    `ask` tells what the server can do; it is called for puts that have a condition only.
    """

    def __init__(self, inner: Store, ask: Callable[[], Capabilities]) -> None:
        super().__init__(inner)
        self._ask = ask

    def put(
        self,
        key: str,
        body: Body,
        *,
        sha256: bytes | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> ObjectInfo:
        check_conditions(key, if_absent=if_absent, if_match=if_match)
        if if_absent and not self._ask().conditional_put:
            self._check_absent(key)
            if_absent = False
        elif if_match is not None and not self._ask().conditional_swap:
            self._check_unchanged(key, if_match)
            if_match = None
        return self.inner.put(key, body, sha256=sha256, if_absent=if_absent, if_match=if_match)

    def _check_absent(self, key: str) -> None:
        try:
            self.inner.head(key)
        except NotFound as error:
            if error.code == "BucketMissing":
                raise
            return
        raise object_exists(key, self.url)

    def _check_unchanged(self, key: str, etag: str) -> None:
        try:
            found = self.inner.head(key)
        except NotFound as error:
            if error.code == "BucketMissing":
                raise
            raise object_changed(key, self.url) from error
        if found.etag != etag:
            raise object_changed(key, self.url)
