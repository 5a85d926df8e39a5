"""Every benchmark, one after the other: what `make bench` runs.

    python bench/run.py --images .cache/images/debian --out .cache/bench

Writes NAME.json of each and report.md of all into the folder of --out, and prints the report as it
grows. Takes about an hour and a half on two processors, most of it for the slowest peers; each
benchmark is a program of its own that takes --help. Results are only worth something on a machine
that does nothing else: the load is stated.
"""

import argparse
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from harness.options import add_images
from harness.servers import PROJECT

BENCH = PROJECT / "bench"
ALL = ("start", "index", "chunking", "transfer", "memory")
_TAKES_IMAGES = ("chunking", "transfer")


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 when a benchmark could not be run; missed floors are results."""
    asked = _parser().parse_args(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    failed = []
    with (asked.out / "report.md").open("w", encoding="utf-8") as report:
        _say(report, f"# Benchmarks\n\n{_machine()}\n")
        for name in asked.only:
            command = [sys.executable, str(BENCH / f"{name}.py")]
            command += ["--json", str(asked.out / f"{name}.json")]
            if name in _TAKES_IMAGES and asked.images is not None:
                command += ["--images", str(asked.images)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
            _say(report, done.stdout.decode())
            if done.returncode != 0:
                failed.append(name)
                _say(report, f"**{name}.py ended with {done.returncode}.**\n")
    return 1 if failed else 0


def _say(report: TextIO, text: str) -> None:
    for out in (sys.stdout, report):
        print(text, file=out, flush=True)


def _machine() -> str:
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} processors"
        f" ({platform.machine()}), Python {platform.python_version()}, {platform.system()}"
        f" {platform.release()}; load before the first run {loads}."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_images(parser)
    parser.add_argument(
        "--out", type=Path, default=PROJECT / ".cache" / "bench", help="default .cache/bench"
    )
    parser.add_argument(
        "--only", nargs="+", choices=ALL, default=list(ALL), metavar="NAME", help="default: all"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
