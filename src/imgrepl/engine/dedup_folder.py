"""The folder of the dedup cache: names, locks, and files that several processes take turns with.

```
<sequence>-<random>.journal    what one process added, being written as long as it holds its lock
<sequence>-<random>.run        sorted and immutable
<sequence>-<random>.tmp        a run being written
lock, merging                  empty; see below
```

Every file that is being written carries an exclusive `flock` of its writer, which the kernel takes
back whatever ends the process: a file without one has lost its writer. `lock` is held for the
moments in which files are created, listed with their opening, renamed and unlinked, so that nobody
sees a half of such a change; `merging` by the one process that merges runs. A file's sequence is
above that of all files it could know of: what is newer speaks for what is older.
"""

import fcntl
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

JOURNAL, RUN, UNFINISHED = "journal", "run", "tmp"

_NAME = re.compile(r"([0-9]{12})-[0-9a-f]{32}\.(journal|run|tmp)")


class CacheFile(NamedTuple):
    """One file of the folder, by its name; orders by age, oldest first."""

    sequence: int
    path: Path
    kind: str


class OpenFile(NamedTuple):
    """A file and the descriptor it is held open by; locked unless somebody else writes it."""

    file: CacheFile
    descriptor: int
    locked: bool


class CacheFolder:
    """Creates, lists and publishes files. Holds nothing open but while a lock is taken."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(parents=True, exist_ok=True)

    def open_all(self, known: Iterable[Path] = ()) -> list[OpenFile]:
        """Opens every run and journal that is not `known`, oldest first, and removes leftovers.

        A journal that comes back locked has lost its writer and is the caller's now.
        """
        known = set(known)
        with self._lock():
            files = self._files()
            for file in files:
                if file.kind == UNFINISHED:
                    _unlink_if_left_behind(file.path)
            wanted = [file for file in files if file.kind != UNFINISHED and file.path not in known]
            return [_open(file) for file in wanted]

    def paths(self) -> set[Path]:
        """What is in the folder at this moment."""
        with self._lock():
            return {file.path for file in self._files()}

    def create(self, kind: str) -> OpenFile:
        """A new, empty, locked file under a name nobody else has."""
        with self._lock():
            sequence = max((file.sequence for file in self._files()), default=0) + 1
            file = CacheFile(sequence, self._path / _name(sequence, kind), kind)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(file.path, flags, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return OpenFile(file, descriptor, locked=True)

    def publish(self, finished: CacheFile, sequence: int, replaces: Iterable[Path]) -> CacheFile:
        """Makes an unfinished file a run of that `sequence`, in place of the files it replaces."""
        run = CacheFile(sequence, self._path / _name(sequence, RUN), RUN)
        with self._lock():
            finished.path.rename(run.path)
            for path in replaces:
                path.unlink(missing_ok=True)
        return run

    @contextmanager
    def merging(self) -> Iterator[bool]:
        """Whether this process is the one that may merge, for as long as the block runs."""
        with self._lock_file("merging") as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with self._lock_file("lock") as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _lock_file(self, name: str) -> Iterator[int]:
        descriptor = os.open(self._path / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _files(self) -> list[CacheFile]:
        matches = (_NAME.fullmatch(path.name) for path in self._path.iterdir())
        return sorted(
            CacheFile(int(match[1]), self._path / match[0], match[2]) for match in matches if match
        )


def _name(sequence: int, kind: str) -> str:
    return f"{sequence:012}-{uuid.uuid4().hex}.{kind}"


def _open(file: CacheFile) -> OpenFile:
    descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    locked = file.kind == JOURNAL and _take(descriptor)
    return OpenFile(file, descriptor, locked)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlink_if_left_behind(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _take(descriptor):
            path.unlink()
    finally:
        os.close(descriptor)
