"""The file system's side of a directory store: safe walks, whole files, one lock.

Every name is opened below an open directory and no symbolic link is followed, so that no key leads
out of the root, whoever else may write there. A file appears whole or not at all: it is written
under `.imgrepl-parts`, synced, and linked or renamed into place. Who writes a part holds a lock on
it, so a part that nobody holds is a dead writer's and may go.
"""

import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imgrepl.errors import Corrupt, ImgreplError, Invalid, NotAllowed, NotFound, Unavailable
from imgrepl.store.protocols import Body

PARTS_NAME = ".imgrepl-parts"
LOCK_NAME = ".imgrepl-lock"

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BELOW = os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_MISPLACED = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.ENAMETOOLONG)
_COPY_BYTES = 1 << 30
_NO_RANGE_COPY = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def opened_root(root: Path, *, create: bool = False) -> Iterator[int]:
    """An open directory; `create` makes it, and what is missing above it, first.

    Raises `NotFound` (`BucketMissing`).
    """
    try:
        if create:
            root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root, _DIRECTORY)
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no directory {root}",
            code="BucketMissing",
            target=str(root),
            hint="mount or create it, or correct the region's URL",
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_parent(root_fd: int, key: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
    """The open directory that `key` stands in, and its last segment.

    Raises `FileNotFoundError` where a directory is missing and `create` is not asked for.
    """
    *directories, name = key.split("/")
    descriptor = os.dup(root_fd)
    try:
        for directory in directories:
            below = _step(descriptor, directory, create=create)
            os.close(descriptor)
            descriptor = below
        yield descriptor, name
    finally:
        os.close(descriptor)


def _step(parent_fd: int, name: str, *, create: bool) -> int:
    try:
        return os.open(name, _DIRECTORY | _BELOW, dir_fd=parent_fd)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=parent_fd)
        os.fsync(parent_fd)
    return os.open(name, _DIRECTORY | _BELOW, dir_fd=parent_fd)


def open_file(root_fd: int, key: str) -> int:
    """A descriptor of the regular file `key`. Raises `FileNotFoundError`."""
    with opened_parent(root_fd, key) as (parent_fd, name):
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _BELOW, dir_fd=parent_fd)
    if not is_regular(os.fstat(descriptor)):
        os.close(descriptor)
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), key)
    return descriptor


def is_regular(status: os.stat_result) -> bool:
    """Whether this is a plain file: no directory, link, device or pipe."""
    return (status.st_mode & 0o170000) == 0o100000


@contextmanager
def locked(root_fd: int) -> Iterator[None]:
    """One replacer or remover at a time, over threads and processes."""
    descriptor = os.open(LOCK_NAME, os.O_RDWR | os.O_CREAT | _BELOW, 0o644, dir_fd=root_fd)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class Part:
    """A file that is not yet part of the store: written, then linked or renamed to its key."""

    def __init__(self, root_fd: int, parts_fd: int, name: str, descriptor: int) -> None:
        self._root_fd = root_fd
        self._parts_fd = parts_fd
        self._name = name
        self.descriptor = descriptor

    def write(self, body: Body) -> None:
        """Writes all of `body` and makes it durable."""
        rest = memoryview(body).cast("B")
        while rest:
            rest = rest[os.write(self.descriptor, rest) :]
        os.fsync(self.descriptor)

    def copy(self, source_fd: int) -> None:
        """Takes the bytes of an open file over, inside the kernel where it can, and syncs."""
        try:
            while os.copy_file_range(source_fd, self.descriptor, _COPY_BYTES):
                pass
        except OSError as error:
            if error.errno not in _NO_RANGE_COPY:
                raise
            while os.sendfile(self.descriptor, source_fd, None, _COPY_BYTES):
                pass
        if os.fstat(self.descriptor).st_size != os.fstat(source_fd).st_size:
            raise OSError(errno.EIO, "the copy ended early")
        os.fsync(self.descriptor)

    def link_to(self, key: str) -> None:
        """Gives it its key; raises `FileExistsError` where the key names something already."""
        with opened_parent(self._root_fd, key, create=True) as (parent_fd, name):
            os.link(
                self._name,
                name,
                src_dir_fd=self._parts_fd,
                dst_dir_fd=parent_fd,
                follow_symlinks=False,
            )
            os.fsync(parent_fd)

    def rename_to(self, key: str) -> None:
        """Gives it its key, in place of what stood there."""
        with opened_parent(self._root_fd, key, create=True) as (parent_fd, name):
            os.rename(self._name, name, src_dir_fd=self._parts_fd, dst_dir_fd=parent_fd)
            os.fsync(parent_fd)


@contextmanager
def new_part(root_fd: int) -> Iterator[Part]:
    """A fresh part, removed afterwards unless it was renamed."""
    parts_fd = _step(root_fd, PARTS_NAME, create=True)
    try:
        name, descriptor = _create_locked(parts_fd)
        try:
            yield Part(root_fd, parts_fd, name, descriptor)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parts_fd)
            os.close(descriptor)
    finally:
        os.close(parts_fd)


def _create_locked(parts_fd: int) -> tuple[str, int]:
    """A new file and its lock; again, should a sweep have come between the two."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _BELOW
    while True:
        name = uuid.uuid4().hex
        descriptor = os.open(name, flags, 0o644, dir_fd=parts_fd)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return name, descriptor
        os.close(descriptor)


def sweep_parts(root_fd: int) -> None:
    """Removes the parts of writers that died; those of living ones are locked and stay."""
    try:
        parts_fd = os.open(PARTS_NAME, _DIRECTORY | _BELOW, dir_fd=root_fd)
    except FileNotFoundError:
        return
    try:
        with os.scandir(parts_fd) as parts:
            for part in parts:
                with suppress(FileNotFoundError, BlockingIOError):
                    _remove_if_dead(parts_fd, part.name)
    finally:
        os.close(parts_fd)


def _remove_if_dead(parts_fd: int, name: str) -> None:
    descriptor = os.open(name, os.O_RDONLY | _BELOW, dir_fd=parts_fd)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=parts_fd)
    finally:
        os.close(descriptor)


def translated(error: OSError, what: str, root: Path) -> ImgreplError:
    """The error of ours for one of the file system's; `what` is the verb and key."""
    text = f"{what} in {root}: {os.strerror(error.errno or 0)}"
    if error.errno in _FULL:
        hint = "free or add space, then run the command again: it goes on from where it stopped"
        return Unavailable(text, code="PlaceFull", target=str(root), hint=hint)
    if error.errno in _FORBIDDEN:
        hint = "give this user the right to read and write below the directory"
        return NotAllowed(text, code="AccessDenied", target=str(root), hint=hint)
    if error.errno in _MISPLACED:
        hint = "no link is followed, and a key cannot stand both for an object and for a directory"
        return Invalid(text, code="InvalidKey", target=what, hint=hint)
    if error.errno == errno.EIO:
        hint = "the medium fails: read it from another replica, then repair this one"
        return Corrupt(text, code="MediumFailed", target=str(root), hint=hint)
    return Unavailable(text, code="ServerFailed", target=str(root))
