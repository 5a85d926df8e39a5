"""How long the command takes before it does anything: `imgrepl --help` under 0.25 s.

python bench/start.py --rounds 20
"""

import argparse
import sys
import tempfile
from pathlib import Path

from harness.bench import IMGREPL
from harness.measuring import Command, measure, median_of
from harness.options import add_rounds, parser_of
from harness.tables import Floor, Report, mebibytes, publish, table

HELP_SECONDS_MAX = 0.25


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 also where the floor is missed, which the report says."""
    asked = _parser().parse_args(arguments)
    report = Report(title="Start")
    with tempfile.TemporaryDirectory(prefix="imgrepl-bench-") as folder:
        report_rows(report, asked.rounds, Path(folder))
    publish(report, asked.json)
    return 0


def report_rows(report: Report, rounds: int, folder: Path) -> None:
    """Measures every command in turns, after one run of each that is not counted."""
    environment = {
        "IMGREPL_INDEX": f"sqlite:///{folder}/index.db",
        "IMGREPL_STATE_DIR": str(folder),
        "IMGREPL_CACHE_DIR": str(folder),
    }
    commands = {
        "python -c pass": (sys.executable, "-c", "pass"),
        "imgrepl --version": (str(IMGREPL), "--version"),
        "imgrepl --help": (str(IMGREPL), "--help"),
        "imgrepl image-version create --help": (str(IMGREPL), "image-version", "create", "--help"),
        "imgrepl gallery list": (str(IMGREPL), "gallery", "list"),
    }
    runs = {
        name: Command(arguments=words, environment=environment) for name, words in commands.items()
    }
    for command in runs.values():
        measure(command)
    turns = [{name: measure(command) for name, command in runs.items()} for _ in range(rounds)]
    medians = {name: median_of([turn[name] for turn in turns]) for name in runs}
    rows = [
        [name, f"{cost.wall_seconds:.3f}", f"{cost.cpu_seconds:.3f}", mebibytes(cost.peak_bytes)]
        for name, cost in medians.items()
    ]
    report.notes.append(f"Median of {rounds}, everything in the page cache.")
    report.tables.append(table(["command", "wall s", "CPU s", "peak MiB"], rows))
    report.floors.append(
        Floor(
            name="imgrepl --help",
            value=medians["imgrepl --help"].wall_seconds,
            limit=HELP_SECONDS_MAX,
            at_least=False,
            unit=" s",
        )
    )
    report.data = {name: [turn[name].as_json() for turn in turns] for name in runs}


def _parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__ or "")
    add_rounds(parser, default=20)
    return parser


if __name__ == "__main__":
    sys.exit(main())
