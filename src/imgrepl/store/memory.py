"""A place in this process's memory: for tests and for trying things out."""

import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from imgrepl.store.keys import checked_key, checked_prefix
from imgrepl.store.protocols import Body, DeleteFailure, ObjectInfo
from imgrepl.store.ranges import span_of
from imgrepl.store.refusals import (
    check_conditions,
    checked_digest,
    copy_not_supported,
    object_changed,
    object_exists,
    object_missing,
)
from imgrepl.store.wrapping import bare


class _Object(NamedTuple):
    content: bytes
    sha256: bytes

    def info(self, key: str) -> ObjectInfo:
        return ObjectInfo(
            key=key, size_bytes=len(self.content), etag=self.sha256.hex(), sha256=self.sha256
        )


class MemoryStore:
    """Keeps every object as bytes; gone with the process.

    Stores of one `server` copy from each other. Equal content has an equal ETag, as on S3.
    """

    def __init__(self, name: str = "store", *, server: str = "memory") -> None:
        self._name = name
        self._server = server
        self._objects: dict[str, _Object] = {}
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"memory://{self._server}/{self._name}"

    def head(self, key: str) -> ObjectInfo:
        return self._find(key).info(key)

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        content = self._find(key).content
        start, end = span_of(key, len(content), offset, length)
        return content[start:end]

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        checked_prefix(prefix)
        with self._lock:
            found = sorted(self._objects.items())
        for key, item in found:
            if key.startswith(prefix) and key > start_after:
                yield ObjectInfo(key=key, size_bytes=len(item.content), etag=item.sha256.hex())

    def put(
        self,
        key: str,
        body: Body,
        *,
        sha256: bytes | None = None,
        if_absent: bool = False,
        if_match: str | None = None,
    ) -> ObjectInfo:
        check_conditions(checked_key(key), if_absent=if_absent, if_match=if_match)
        content = bytes(body)
        item = _Object(content, checked_digest(key, content, sha256))
        with self._lock:
            present = self._objects.get(key)
            if if_absent and present is not None:
                raise object_exists(key, self.url)
            if if_match is not None and (present is None or present.sha256.hex() != if_match):
                raise object_changed(key, self.url)
            self._objects[key] = item
        return item.info(key)

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        with self._lock:
            for key in map(checked_key, keys):
                self._objects.pop(key, None)
        return ()

    def can_copy_from(self, source: object) -> bool:
        origin = bare(source)
        return isinstance(origin, MemoryStore) and origin._server == self._server

    def copy_from(self, source: object, source_key: str, key: str) -> ObjectInfo:
        origin = bare(source)
        if not isinstance(origin, MemoryStore) or not self.can_copy_from(origin):
            raise copy_not_supported(source, self.url)
        item = origin._find(source_key)
        with self._lock:
            self._objects[checked_key(key)] = item
        return item.info(key)

    def damage(self, key: str, content: bytes) -> None:
        """Replaces the bytes but not the stated checksum, as a failing medium does."""
        with self._lock:
            self._objects[key] = self._objects[key]._replace(content=content)

    def _find(self, key: str) -> _Object:
        checked_key(key)
        with self._lock:
            item = self._objects.get(key)
        if item is None:
            raise object_missing(key, self.url)
        return item
