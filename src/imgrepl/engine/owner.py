"""Who owns an operation: this process, told apart from a later one with the same pid."""

import os
import socket
from pathlib import Path

from imgrepl.model.operation import Owner

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_START_TICKS_FIELD = 19
"""Position of `starttime` in /proc/PID/stat, counted behind the command name."""


def this_process() -> Owner:
    """The running process as an owner."""
    pid = os.getpid()
    return Owner(
        host=socket.gethostname(), boot_id=_boot_id(), pid=pid, started_ticks=_start_ticks(pid) or 0
    )


def is_gone(owner: Owner) -> bool:
    """Whether `owner` certainly runs no more: it was on this host, and its process is not there.

    An owner on another host is never certainly gone: its lease decides.
    """
    if owner.host != socket.gethostname():
        return False
    if owner.boot_id != _boot_id():
        return True
    ticks = _start_ticks(owner.pid)
    if ticks is not None:
        return ticks != owner.started_ticks
    return not _exists(owner.pid)


def is_alive(owner: Owner) -> bool:
    """Whether `owner` certainly runs: it is on this host, and its process is there."""
    return owner.host == socket.gethostname() and not is_gone(owner)


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None where that cannot be told."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[_START_TICKS_FIELD])


def _exists(pid: int) -> bool:
    if Path("/proc/self").exists():
        return False  # /proc/PID/stat was looked at, and is not there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
