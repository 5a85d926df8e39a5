"""What a whole process costs: wall and processor time, and its peak memory."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

_LAUNCHER = Path(__file__).with_name("launcher.py")
_OUTPUT_SHOWN = 2000


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program with its arguments, and what it needs in its environment beside ours."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One run of a process. `peak_bytes` is of the largest process where there were several."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    output: str = ""

    def as_json(self) -> dict[str, float | int]:
        return {
            "wallSeconds": round(self.wall_seconds, 3),
            "cpuSeconds": round(self.cpu_seconds, 3),
            "peakBytes": self.peak_bytes,
        }


class CommandFailed(Exception):
    """A program that ended with another status than 0: nothing that it took is a measurement."""


def measure(command: Command) -> Cost:
    """Runs a program to its end. Raises `CommandFailed` with the end of what it said."""
    with tempfile.TemporaryDirectory(prefix="imgrepl-bench-") as scratch:
        report, said = Path(scratch) / "report", Path(scratch) / "said"
        with said.open("wb") as stdout, (Path(scratch) / "stderr").open("wb") as stderr:
            status = subprocess.call(
                [sys.executable, "-I", "-S", str(_LAUNCHER), str(report), *command.arguments],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=command.folder,
                env={**_inherited(), **command.environment},
            )
        output = said.read_text(errors="replace")
        if status != 0:
            problem = (Path(scratch) / "stderr").read_text(errors="replace")
            shown = (output + problem)[-_OUTPUT_SHOWN:]
            raise CommandFailed(f"{' '.join(command.arguments)} ended with {status}:\n{shown}")
        wall, cpu, peak_kib = report.read_text().split()
    return Cost(
        wall_seconds=float(wall),
        cpu_seconds=float(cpu),
        peak_bytes=int(peak_kib) << 10,
        output=output,
    )


def _inherited() -> dict[str, str]:
    """Our environment, without what would change the run.

    Python that compiles its modules every time, and a person's AWS settings: rclone ends at once
    where AWS_CA_BUNDLE is set.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith("AWS_")
    }


def median_of(costs: Sequence[Cost]) -> Cost:
    """The median of each figure by itself."""
    return Cost(
        wall_seconds=median(cost.wall_seconds for cost in costs),
        cpu_seconds=median(cost.cpu_seconds for cost in costs),
        peak_bytes=int(median(cost.peak_bytes for cost in costs)),
    )


def shell(*commands: str, environment: Mapping[str, str] | None = None) -> Command:
    """Programs one after the other, each only if the one before succeeded."""
    return Command(
        arguments=("/bin/sh", "-c", " && ".join(commands)), environment=environment or {}
    )
