"""The unfinished file beside the target, and how it takes the target's name."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Never

from imgrepl.disks.writers import faults

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


def part_path(target: Path) -> Path:
    """Where the bytes of `target` lie until they are durable."""
    return target.with_name(f".{target.name}.imgrepl-part")


class PartFile:
    """A new, empty file that becomes `target` in one step, or leaves nothing behind.

    `write` may be called by many threads at once; `publish` and `discard` by one, after every
    `write` has returned. A part file whose process died is replaced; one that a living process
    holds is a `Conflict` (`TargetInUse`). `file_bytes_max` only serves to tell how much room is
    needed.

    A fault of the local disk removes the part file's name and is raised as `Unavailable`
    (`LocalDiskFull`, `LocalDiskFailed`), `Invalid` (`LocalFileTooLarge`), `NotAllowed`
    (`LocalPathNotWritable`) or `NotFound` (`TargetFolderNotFound`); `discard` then gives the room
    back.
    """

    def __init__(self, target: Path, *, file_bytes_max: int, overwrite: bool) -> None:
        self._target = target
        self._part = part_path(target)
        self._file_bytes_max = file_bytes_max
        self._overwrite = overwrite
        self._fd: int | None = None
        self._refuse_existing()
        try:
            self._fd = _create_locked(self._part)
        except BlockingIOError as held:
            raise faults.in_use(target) from held
        except OSError as fault:
            self._fail(fault)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Puts `data` at `offset` of the file: one `pwrite`, no copy, nothing flushed."""
        try:
            written = os.pwrite(self._open_fd, data, offset)
            while written < len(data):
                written += os.pwrite(self._open_fd, memoryview(data)[written:], offset + written)
        except OSError as fault:
            self._fail(fault)

    def set_length(self, length: int) -> None:
        """Makes the file `length` bytes long; what is added is a hole."""
        try:
            os.ftruncate(self._open_fd, length)
        except OSError as fault:
            self._fail(fault)

    def publish(self) -> None:
        """Makes the file durable, then gives it the target's name, then makes that durable.

        `Conflict` (`TargetExists`) when the target came into being meanwhile and may not be
        overwritten.
        """
        try:
            os.fsync(self._open_fd)
            if self._overwrite:
                self._part.replace(self._target)
            else:
                self._take_free_name()
            _fsync_folder(self._target.parent)
        except FileExistsError as taken:
            raise faults.exists(self._target) from taken
        except OSError as fault:
            self._fail(fault)
        self._close()

    def discard(self) -> None:
        """Removes the part file. Does nothing after `publish` or a second time."""
        if self._fd is not None:
            self._part.unlink(missing_ok=True)
            self._close()

    @property
    def _open_fd(self) -> int:
        assert self._fd is not None, "used after finish() or abort()"
        return self._fd

    def _close(self) -> None:
        assert self._fd is not None
        os.close(self._fd)
        self._fd = None

    def _refuse_existing(self) -> None:
        if not os.path.lexists(self._target):
            return
        if not self._target.is_file():
            raise faults.not_a_file(self._target)
        if not self._overwrite:
            raise faults.exists(self._target)

    def _take_free_name(self) -> None:
        """Unlike a rename, a link never replaces a file that came meanwhile."""
        try:
            os.link(self._part, self._target)
        except OSError as fault:
            if fault.errno not in _NO_LINKS:
                raise
            self._refuse_existing()  # no hard links here: a small race is the best there is
            self._part.replace(self._target)
        else:
            self._part.unlink()

    def _fail(self, fault: OSError) -> Never:
        """Removes the name, keeps the descriptor: other threads may be inside `pwrite`."""
        if self._fd is not None:
            self._part.unlink(missing_ok=True)
        raise faults.explained(fault, self._target, self._file_bytes_max) from fault


def _create_locked(part: Path) -> int:
    """A new file under a lock that dies with this process.

    Raises `BlockingIOError` when another process holds it or was faster.
    """
    _remove_abandoned(part)
    try:
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError as faster:
        raise BlockingIOError(errno.EWOULDBLOCK, "made by another process") from faster
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(fd).st_nlink == 0:
            raise BlockingIOError(errno.EWOULDBLOCK, "taken for abandoned by another process")
    except OSError:
        os.close(fd)
        raise
    return fd


def _remove_abandoned(part: Path) -> None:
    """Unlinks, never truncates: after a crash in `publish` it may be the target's own inode."""
    try:
        fd = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.unlink()
    finally:
        os.close(fd)


def _fsync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
