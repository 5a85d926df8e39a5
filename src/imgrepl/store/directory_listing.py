"""Walks a directory store's tree in the order in which S3 lists keys."""

import errno
import os
from collections.abc import Iterator
from typing import NamedTuple

from imgrepl.store.keys import is_key


class Found(NamedTuple):
    """A regular file below the root: its key and status."""

    key: str
    status: os.stat_result


def walk(root_fd: int, prefix: str, start_after: str) -> Iterator[Found]:
    """The files whose key begins with `prefix` and sorts after `start_after`, sorted by key.

    What vanishes meanwhile is left out; any other failure is raised, so an end is the end.
    """
    yield from _walk_below(root_fd, "", prefix, start_after)


def _walk_below(fd: int, path: str, prefix: str, start_after: str) -> Iterator[Found]:
    for key, is_directory in _entries(fd, path):
        if is_directory:
            if _may_hold(key, prefix, start_after):
                yield from _walk_directory(fd, key, prefix, start_after)
        elif key.startswith(prefix) and key > start_after:
            try:
                status = os.stat(key.removeprefix(path), dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield Found(key, status)


def _entries(fd: int, path: str) -> list[tuple[str, bool]]:
    """Keys of files and, ending in a slash, of directories: sorted, that is the order of keys."""
    entries = []
    with os.scandir(fd) as scan:
        for entry in scan:
            if not is_key(f"{path}{entry.name}"):
                continue  # somebody else's: no object of a place has such a name
            if entry.is_dir(follow_symlinks=False):
                entries.append((f"{path}{entry.name}/", True))
            elif entry.is_file(follow_symlinks=False):
                entries.append((f"{path}{entry.name}", False))
    return sorted(entries)


def _may_hold(directory: str, prefix: str, start_after: str) -> bool:
    """Whether a key below `directory` (it ends in a slash) may be wanted."""
    if not (directory.startswith(prefix) or prefix.startswith(directory)):
        return False
    return directory > start_after or start_after.startswith(directory)


def _walk_directory(fd: int, path: str, prefix: str, start_after: str) -> Iterator[Found]:
    name = path.rstrip("/").rpartition("/")[2]
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        below_fd = os.open(name, flags, dir_fd=fd)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):  # replaced since the scan
            return
        raise
    try:
        yield from _walk_below(below_fd, path, prefix, start_after)
    finally:
        os.close(below_fd)
