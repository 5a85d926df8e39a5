"""A place in a directory of a local or mounted file system."""

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from imgrepl.errors import NotFound
from imgrepl.store import directory_files as files
from imgrepl.store.directory_listing import walk
from imgrepl.store.keys import checked_key, checked_prefix
from imgrepl.store.protocols import Body, DeleteFailure, ObjectInfo
from imgrepl.store.ranges import span_of, truncated
from imgrepl.store.refusals import (
    check_conditions,
    checked_digest,
    copy_not_supported,
    object_changed,
    object_exists,
    object_missing,
)
from imgrepl.store.wrapping import bare

_HASHED_BYTES_MAX = 64 << 10
"""Up to here an ETag is the content's digest: records and `owner.json`, what `if_match` is for."""


class DirectoryStore:
    """One file per object below `root`, durable when a call returns.

    The root is made by the first put; until then reading raises `NotFound` (`BucketMissing`), so
    that a disk which is not mounted never looks like an empty place. Conditions hold between all
    processes of all machines that share the file system's locks. HEAD states no checksum: nothing
    but reading proves a file.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._swept = False
        self._sweeping = threading.Lock()

    @property
    def url(self) -> str:
        return self._root.absolute().as_uri()

    def head(self, key: str) -> ObjectInfo:
        with self._opened(key) as descriptor:
            return _info(key, os.fstat(descriptor), descriptor)

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        with self._opened(key) as descriptor:
            size_bytes = os.fstat(descriptor).st_size
            start, end = span_of(key, size_bytes, offset, length)
            content = os.pread(descriptor, end - start, start)
        if len(content) != end - start:
            raise truncated(key, end, start + len(content))
        return content

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        checked_prefix(prefix)
        with self._translating(f"LIST {prefix}"), files.opened_root(self._root) as root_fd:
            for key, status in walk(root_fd, prefix, start_after):
                try:
                    etag = self.head(key).etag if _is_hashed(status) else _etag(status)
                except NotFound:  # deleted since the walk saw it
                    continue
                yield ObjectInfo(key=key, size_bytes=status.st_size, etag=etag)

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
        digest = checked_digest(key, body, sha256)
        with self._translating(f"PUT {key}"), self._new_part() as (root_fd, part):
            part.write(body)
            if if_absent:
                self._link(part, key)
            else:
                self._replace(root_fd, part, key, if_match)
            status = os.fstat(part.descriptor)
        etag = digest.hex() if _is_hashed(status) else _etag(status)
        return ObjectInfo(key=key, size_bytes=status.st_size, etag=etag, sha256=digest)

    def delete(self, keys: Sequence[str]) -> Sequence[DeleteFailure]:
        ordered = sorted(map(checked_key, keys))
        failures: list[DeleteFailure] = []
        with (
            self._translating("DELETE"),
            files.opened_root(self._root) as root_fd,
            files.locked(root_fd),
        ):
            for _, siblings in groupby(ordered, key=lambda key: key.rpartition("/")[0]):
                failures += _unlink(root_fd, list(siblings))
        return failures

    def can_copy_from(self, source: object) -> bool:
        return isinstance(bare(source), DirectoryStore)

    def copy_from(self, source: object, source_key: str, key: str) -> ObjectInfo:
        """As promised; a file system that shares extents copies without moving a byte."""
        origin = bare(source)
        if not isinstance(origin, DirectoryStore):
            raise copy_not_supported(source, self.url)
        checked_key(key)
        with (
            origin._opened(source_key) as source_fd,
            self._translating(f"COPY {key}"),
            self._new_part() as (root_fd, part),
        ):
            part.copy(source_fd)
            self._replace(root_fd, part, key, None)
        return self.head(key)

    @contextmanager
    def _opened(self, key: str) -> Iterator[int]:
        checked_key(key)
        with self._translating(f"READ {key}"), files.opened_root(self._root) as root_fd:
            try:
                descriptor = files.open_file(root_fd, key)
            except FileNotFoundError as error:
                raise object_missing(key, self.url) from error
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    @contextmanager
    def _new_part(self) -> Iterator[tuple[int, files.Part]]:
        with files.opened_root(self._root, create=True) as root_fd:
            self._sweep_once(root_fd)
            with files.new_part(root_fd) as part:
                yield root_fd, part

    def _sweep_once(self, root_fd: int) -> None:
        with self._sweeping:
            if not self._swept:
                files.sweep_parts(root_fd)
                self._swept = True

    def _link(self, part: files.Part, key: str) -> None:
        try:
            part.link_to(key)
        except FileExistsError as error:
            raise object_exists(key, self.url) from error

    def _replace(self, root_fd: int, part: files.Part, key: str, if_match: str | None) -> None:
        with files.locked(root_fd):
            if if_match is not None and self._etag_now(key) != if_match:
                raise object_changed(key, self.url)
            part.rename_to(key)

    def _etag_now(self, key: str) -> str | None:
        try:
            return self.head(key).etag
        except NotFound:
            return None

    @contextmanager
    def _translating(self, what: str) -> Iterator[None]:
        """Lets only errors of ours out."""
        try:
            yield
        except OSError as error:
            raise files.translated(error, what, self._root) from error


def _unlink(root_fd: int, keys: Sequence[str]) -> Iterator[DeleteFailure]:
    """Removes files that stand in one directory, which is synced once."""
    try:
        with files.opened_parent(root_fd, keys[0]) as (parent_fd, _):
            for key in keys:
                try:
                    os.unlink(key.rpartition("/")[2], dir_fd=parent_fd)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    yield _failure(key, error)
            os.fsync(parent_fd)
    except FileNotFoundError:
        return
    except OSError as error:
        yield from (_failure(key, error) for key in keys)


def _failure(key: str, error: OSError) -> DeleteFailure:
    return DeleteFailure(key=key, reason=os.strerror(error.errno or 0))


def _is_hashed(status: os.stat_result) -> bool:
    return status.st_size <= _HASHED_BYTES_MAX


def _etag(status: os.stat_result) -> str:
    return f"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"


def _info(key: str, status: os.stat_result, descriptor: int) -> ObjectInfo:
    etag = _etag(status)
    if _is_hashed(status):
        etag = hashlib.sha256(os.pread(descriptor, _HASHED_BYTES_MAX, 0)).hexdigest()
    return ObjectInfo(key=key, size_bytes=status.st_size, etag=etag)
