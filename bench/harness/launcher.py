"""Starts one program and writes down what it cost: `launcher.py REPORT PROGRAM ARGUMENT...`.

A program of its own because a child's peak memory, as the kernel counts it, starts with that of the
process that started it; this one has 10 MB. What the program waited for counts as its own, so the
parts of a shell pipeline are added up (processor time) or compared (memory).
"""

import os
import sys
import time


def main(report: str, *command: str) -> int:
    """The program's exit status; wall seconds, processor seconds and peak KiB go to `report`."""
    started = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall_seconds = time.perf_counter() - started
    with open(report, "w", encoding="ascii") as out:  # noqa: PTH123 - pathlib is not imported here
        out.write(f"{wall_seconds} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}\n")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) & 0xFF)
