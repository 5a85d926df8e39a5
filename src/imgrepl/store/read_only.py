"""A store that may be looked at, whatever its credentials allow."""

from collections.abc import Sequence

from imgrepl.errors import NotAllowed
from imgrepl.store.protocols import DeleteFailure, ObjectInfo
from imgrepl.store.wrapping import StoreWrapper


class ReadOnlyStore(StoreWrapper):
    """Refuses every verb that changes something: `NotAllowed` (`ReadOnlyStore`)."""

    def put(self, key: str, *_args: object, **_options: object) -> ObjectInfo:
        raise self._refusal(key)

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        raise self._refusal(next(iter(keys), ""))

    def can_copy_from(self, _source: object) -> bool:
        return False

    def copy_from(self, _source: object, _source_key: str, key: str) -> ObjectInfo:
        raise self._refusal(key)

    def _refusal(self, key: str) -> NotAllowed:
        return NotAllowed(
            f"{self.url} was opened for reading alone: {key} cannot be changed",
            code="ReadOnlyStore",
            target=self.url,
            hint="use the gallery index that owns it, or make one with `imgrepl index rebuild`",
        )
