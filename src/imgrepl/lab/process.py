"""Processes that are recognised later, also after their number was given to another.

A process id alone proves nothing: the kernel hands it out again. A mark therefore holds the moment
the process started as well, and no signal is sent to a process whose start does not match.
"""

import contextlib
import errno
import os
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imgrepl.clock import Clock

_POLL_SECONDS = 0.05
_KILLED_SECONDS_MAX = 10.0


@dataclass(frozen=True, kw_only=True)
class ProcessMark:
    """One process, never mistaken for another.

    `started` says when it started: boot id and clock ticks where there is a /proc, else the date
    that `ps` prints.
    """

    pid: int
    started: str


def mark_of(pid: int) -> ProcessMark | None:
    """The mark of the process that runs under `pid` now.

    None where there is none, or only a dead one that nobody waited for.
    """
    started = _started_in_proc(pid) if Path("/proc/self/stat").exists() else _started_by_ps(pid)
    return None if started is None else ProcessMark(pid=pid, started=started)


def is_running(mark: ProcessMark) -> bool:
    """Whether this very process still runs."""
    return mark_of(mark.pid) == mark


def end(
    marks: Iterable[ProcessMark], *, clock: Clock, grace_seconds: float
) -> tuple[ProcessMark, ...]:
    """Asks these processes to end, all at once, and kills those that have not after the grace.

    Gives those that run nevertheless: none, but for a process that hangs in the kernel. Processes
    that only share a number with a mark are left alone.
    """
    left = list(marks)
    _signal_all(left, signal.SIGTERM)
    left = _wait(left, clock, grace_seconds)
    _signal_all(left, signal.SIGKILL)
    return tuple(_wait(left, clock, _KILLED_SECONDS_MAX))


def _signal_all(marks: Iterable[ProcessMark], number: signal.Signals) -> None:
    for mark in marks:
        with contextlib.suppress(ProcessLookupError):
            _signal(mark, number)


def _signal(mark: ProcessMark, number: signal.Signals) -> None:
    """Signals the process of this mark and no other.

    A pidfd names one process for good, so that nothing can happen between the check and the signal.
    Where the system has none, the check comes as late as possible.
    """
    descriptor = _pidfd(mark.pid)
    if descriptor is None:
        if is_running(mark):
            os.kill(mark.pid, number)
        return
    try:
        if is_running(mark):
            signal.pidfd_send_signal(descriptor, number)
    finally:
        os.close(descriptor)


def _pidfd(pid: int) -> int | None:
    """None where the system (macOS) or its kernel (Linux before 5.3) has no such thing."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return None
        raise


def _wait(marks: list[ProcessMark], clock: Clock, seconds_max: float) -> list[ProcessMark]:
    """Those that still run after at most `seconds_max`."""
    deadline = clock.monotonic() + seconds_max
    left = [mark for mark in marks if is_running(mark)]
    while left and clock.monotonic() < deadline:
        clock.sleep(_POLL_SECONDS)
        left = [mark for mark in left if is_running(mark)]
    return left


def _started_in_proc(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    # The name, field 2, is in parentheses and may hold anything, spaces and parentheses included.
    state, *fields = stat.rpartition(")")[2].split()
    start_ticks = fields[18]
    return None if state in "ZX" else f"{boot_id}:{start_ticks}"


def _started_by_ps(pid: int) -> str | None:
    answer = subprocess.run(
        ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    return None if not answer or answer[0].startswith("Z") else " ".join(answer[1:])
