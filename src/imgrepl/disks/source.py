"""Local files and block devices as byte sources. Opened read-only, never mapped into memory."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from imgrepl.disks.disk import ByteSource, Extent
from imgrepl.disks.names import printable
from imgrepl.errors import Conflict, Invalid, NotAllowed, NotFound
from imgrepl.model.secrets import without_secrets


class FileStamp(NamedTuple):
    """By what a regular file is known again, also after its volume was mounted anew."""

    inode: int
    modified_ns: int
    changed_ns: int


Identity = tuple[int | str, ...]
"""Tells one source from another whatever name it was opened by."""

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISLNK, "a symbolic link"),
)


class FileSource:
    """A regular file or block device, read at any offset from many threads at once.

    `path` is kept absolute, so that a later change of the working directory changes nothing.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.name = printable(str(path))
        self._descriptor = descriptor
        self._block_device = stat.S_ISBLK(os.fstat(descriptor).st_mode)
        self._opened_as = self._fingerprint(os.fstat(descriptor))
        self.size_bytes = self._current_size()

    @property
    def identity(self) -> Identity:
        """Device and inode."""
        return self._opened_as[:2]

    @property
    def stamp(self) -> FileStamp | None:
        """As it was when it was opened; None for a block device, whose times say nothing."""
        _device, inode, _bytes, modified_ns, changed_ns = self._opened_as
        return None if self._block_device else FileStamp(inode, modified_ns, changed_ns)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills `buffer` from `offset`.

        Raises `Invalid` (`ImageTruncated`, `SourceNotReadable`) and `Conflict` (`SourceChanged`).
        """
        done, length = 0, buffer.nbytes
        view = buffer.cast("B") if buffer.format != "B" or buffer.ndim != 1 else buffer
        while done < length:
            try:
                count = os.preadv(self._descriptor, [view[done:]], offset + done)
            except OSError as fault:
                raise self._unreadable(fault, offset + done) from fault
            if count == 0:
                self._check_whole()
                raise self._truncated(offset + length)
            done += count

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        """The parts of `[offset, offset + length)` within the source that are not holes.

        What the file system does not tell counts as data.
        """
        end = min(offset + length, self.size_bytes)
        while offset < end:
            start = self._seek(offset, os.SEEK_DATA, otherwise=offset)
            if start >= end:
                return
            stop = self._seek(start, os.SEEK_HOLE, otherwise=end)
            stop = min(stop, end) if stop > start else end
            yield Extent(start, stop - start)
            offset = stop

    def check_unchanged(self) -> None:
        """Raises `Conflict` (`SourceChanged`) when file or name are not what was opened."""
        try:
            now = self._fingerprint(os.fstat(self._descriptor))
            named = self._fingerprint(self.path.stat())
            size_bytes = self._current_size()
        except OSError as fault:
            raise self._changed(fault.strerror or "it is gone") from fault
        for found in (named, now):
            for field, before, after in zip(_FINGERPRINT, self._opened_as, found, strict=True):
                if before != after:
                    raise self._changed(f"{field} was {before}, is {after}")
        if size_bytes != self.size_bytes:
            raise self._changed(f"size was {self.size_bytes}, is {size_bytes}")

    def close(self) -> None:
        """Gives the file back; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _seek(self, offset: int, whence: int, *, otherwise: int) -> int:
        """Where the next data or hole starts; `otherwise` when the file system does not say."""
        try:
            return os.lseek(self._descriptor, offset, whence)
        except OSError as fault:
            if fault.errno != errno.ENXIO:
                return otherwise
        self._check_whole()
        return self.size_bytes if whence == os.SEEK_DATA else otherwise

    def _check_whole(self) -> None:
        size_bytes = self._current_size()
        if size_bytes < self.size_bytes:
            raise self._changed(f"size was {self.size_bytes}, is {size_bytes}")

    def _current_size(self) -> int:
        if self._block_device:
            return os.lseek(self._descriptor, 0, os.SEEK_END)
        return os.fstat(self._descriptor).st_size

    def _fingerprint(self, found: os.stat_result) -> tuple[int, ...]:
        if self._block_device:
            return (found.st_dev, found.st_ino, found.st_rdev, 0, 0)
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def _truncated(self, wanted_end: int) -> Invalid:
        return Invalid(
            f"{self.name} has {self.size_bytes} bytes and ends before byte {wanted_end}",
            code="ImageTruncated",
            target=self.name,
            hint="fetch the image again: this copy of it is not whole",
        )

    def _unreadable(self, fault: OSError, offset: int) -> Invalid:
        return Invalid(
            f"{self.name} cannot be read at byte {offset}: {fault.strerror}",
            code="SourceNotReadable",
            target=self.name,
            hint="the medium or its network fails there: publish another copy of the image",
        )

    def _changed(self, what: str) -> Conflict:
        return Conflict(
            f"{self.name} changed while it was read: {what}",
            code="SourceChanged",
            target=self.name,
            hint="stop whatever writes to it, or read from a snapshot",
        )


_FINGERPRINT = ("device", "inode", "size", "modification time", "change time")


def open_source(path: str | os.PathLike[str], *, follow_symlink: bool = True) -> FileSource:
    """Opens a regular file or block device.

    Raises `NotFound` (`SourceNotFound`), `NotAllowed` (`SourceNotReadable`) where permission is
    missing, and `Invalid` (`SourceNotReadable`) for anything else that is no image: a directory,
    FIFO, socket or character device, none of which is even opened; a symbolic link when
    `follow_symlink` is false.
    """
    absolute = Path(os.fspath(path)).absolute()
    name = printable(without_secrets(str(absolute)))  # somebody may have named a signed URL
    descriptor = -1
    try:
        _refuse_kind(absolute.stat(follow_symlinks=follow_symlink), name)
        descriptor = os.open(absolute, _FLAGS if follow_symlink else _FLAGS | os.O_NOFOLLOW)
        _refuse_kind(os.fstat(descriptor), name)
        return FileSource(absolute, descriptor)
    except BaseException as fault:
        if descriptor >= 0:
            os.close(descriptor)
        if isinstance(fault, OSError | ValueError):
            raise _cannot_open(fault, name) from fault
        raise


def identity_of(source: ByteSource) -> Identity:
    """Device and inode of a file, the name of anything else."""
    return source.identity if isinstance(source, FileSource) else (source.name,)


def _refuse_kind(found: os.stat_result, name: str) -> None:
    for is_kind, kind in _KINDS:
        if is_kind(found.st_mode):
            raise Invalid(
                f"{name} is {kind}; an image is a regular file or a block device",
                code="SourceNotReadable",
                target=name,
                hint="name the image file or the block device itself",
            )


def _cannot_open(fault: OSError | ValueError, name: str) -> Exception:
    number = fault.errno if isinstance(fault, OSError) else None
    if number in {errno.ENOENT, errno.ENOTDIR}:
        return NotFound(
            f"{name} does not exist",
            code="SourceNotFound",
            target=name,
            hint="check the path, and that it is mounted on this machine",
        )
    reason = fault.strerror if isinstance(fault, OSError) else str(fault)
    message = f"{name} cannot be opened: {reason}"
    if number in {errno.EACCES, errno.EPERM}:
        hint = "let this user read the file and enter the directories above it"
        return NotAllowed(message, code="SourceNotReadable", target=name, hint=hint)
    hint = "copy the image to a regular file and name that"
    return Invalid(message, code="SourceNotReadable", target=name, hint=hint)
