"""What a fault of the local disk means to somebody who wanted a file there."""

import errno
import os
from pathlib import Path

from imgrepl import errors

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def explained(fault: OSError, target: Path, file_bytes_max: int) -> errors.ImgreplError:
    """The error that says what failed at `target` and the way out; `fault` is its cause."""
    if fault.errno in _FULL:
        return _full(target, file_bytes_max)
    if fault.errno in _MISSING:
        return errors.NotFound(
            f"the folder {target.parent} does not exist",
            code="TargetFolderNotFound",
            target=str(target),
            hint=f"Make it first: mkdir -p {target.parent}",
        )
    if fault.errno in _FORBIDDEN:
        return errors.NotAllowed(
            f"no permission to write {target}: {fault.strerror}",
            code="LocalPathNotWritable",
            target=str(target),
            hint="Choose a folder that you may write to.",
        )
    if fault.errno == errno.EFBIG:
        return _too_large(target, file_bytes_max)
    return _failed(fault, target)


def exists(target: Path) -> errors.Conflict:
    """`target` is there and was not to be replaced."""
    return errors.Conflict(
        f"{target} exists already, and an existing file is only replaced on request",
        code="TargetExists",
        target=str(target),
        hint="name another file, or replace this one with --overwrite",
    )


def not_a_file(target: Path) -> errors.Conflict:
    """`target` is a folder, a device or a broken link: never replaced."""
    return errors.Conflict(
        f"{target} is not a regular file, and nothing else is ever replaced",
        code="TargetNotAFile",
        target=str(target),
        hint="Choose another name.",
    )


def in_use(target: Path) -> errors.Conflict:
    """A living process holds the part file of `target`."""
    return errors.Conflict(
        f"another process is writing {target}",
        code="TargetInUse",
        target=str(target),
        hint="Wait until it has ended, or choose another name.",
    )


def _full(target: Path, file_bytes_max: int) -> errors.Unavailable:
    room = os.statvfs(target.parent)
    return errors.Unavailable(
        f"no space left for {target}: it needs up to {file_bytes_max} bytes",
        code="LocalDiskFull",
        target=str(target),
        hint=f"Make up to {file_bytes_max} bytes of room in {target.parent}, or choose another "
        "folder. Less may do: only blocks that hold data take room.",
        details=(f"free now: {room.f_bavail * room.f_frsize} bytes",),
    )


def _too_large(target: Path, file_bytes_max: int) -> errors.Invalid:
    return errors.Invalid(
        f"{target} may grow to {file_bytes_max} bytes, more than this file system or the file "
        "size limit of this process allows",
        code="LocalFileTooLarge",
        target=str(target),
        hint="Choose another file system, or raise the limit (ulimit -f).",
    )


def _failed(fault: OSError, target: Path) -> errors.Unavailable:
    return errors.Unavailable(
        f"{target} cannot be written: {fault.strerror}",
        code="LocalDiskFailed",
        target=str(target),
        hint="See the system log, or choose another name or disk.",
    )
