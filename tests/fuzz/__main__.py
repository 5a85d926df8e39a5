"""Fuzzes every reader: `python -m fuzz --inputs 1000000 --jobs 2 --folder .cache/fuzz`.

Goes on where it was stopped: parts that are done are noted in the folder. Exits with 1 where an
input was found that does what none may do.
"""

import argparse
import json
import mmap
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PART_INPUTS = 5_000
SILENT_SECONDS = 120
"""A worker that begins no input for so long hangs where no signal reaches it."""

State = dict[str, Any]


def main() -> int:
    """Runs what is asked for; gives the exit status."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--folder", type=Path, default=Path(".cache/fuzz"))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--only", type=int, help="run this input alone and show what it does")
    parser.add_argument("--part", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.only is not None:
        return run_part(asked.folder, asked.only, asked.only + 1)
    if asked.part is not None:
        return run_part(asked.folder, asked.part, asked.part + PART_INPUTS)
    return run_all(asked.folder, asked.inputs, asked.jobs, asked.seconds)


def run_part(folder: Path, start: int, stop: int) -> int:
    """A worker's part: writes what became of it as JSON, its place in it as it goes."""
    from fuzz.fuzzer import run, write_down
    from fuzz.targets import all_targets

    with (folder / f"{start}.at").open("w+b") as file:
        file.truncate(8)
        with mmap.mmap(file.fileno(), 8) as at:

            def begun(number: int) -> None:
                at[:8] = number.to_bytes(8, "little")

            tally = run(all_targets(), iter(range(start, stop)), begun)
    texts = [write_down(finding, folder / "found") for finding in tally.findings]
    for text in texts:
        sys.stderr.write(text.read_text(encoding="utf-8") + "\n")
    found = [f"{finding.why} ({text})" for finding, text in zip(tally.findings, texts, strict=True)]
    sys.stdout.write(json.dumps({"outcomes": tally.outcomes, "found": found}) + "\n")
    return 1 if found else 0


class Worker:
    """A process with one part of the inputs."""

    def __init__(self, folder: Path, part: int) -> None:
        self.part = part
        self._at = folder / f"{part}.at"
        self._at.unlink(missing_ok=True)
        words = [sys.executable, "-m", "fuzz", "--folder", str(folder), "--part", str(part)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self._number, self._since = -1, time.monotonic()

    def is_running(self) -> bool:
        """Whether it goes on; one that hangs is ended."""
        if self._process.poll() is not None:
            return False
        number = self.number()
        if number != self._number:
            self._number, self._since = number, time.monotonic()
        elif time.monotonic() - self._since > SILENT_SECONDS:
            self._process.send_signal(signal.SIGKILL)
        return True

    def number(self) -> int:
        """The input it is at, -1 before the first."""
        content = self._at.read_bytes() if self._at.exists() else b""
        return int.from_bytes(content, "little") if content else -1

    def result(self) -> State:
        """What it wrote, or that it died and with which input."""
        written = self._process.communicate()[0]
        number = self.number()
        self._at.unlink(missing_ok=True)
        if self._process.returncode in (0, 1) and written:
            answer: State = json.loads(written)
            return answer
        return {"outcomes": {}, "found": [f"died by {self._process.returncode} at input {number}"]}

    def end(self) -> None:
        """Ends it; its part is run again another time."""
        self._process.kill()
        self._process.wait()
        self._at.unlink(missing_ok=True)


def run_all(folder: Path, inputs: int, jobs: int, seconds: float) -> int:
    """All parts that are not done yet, `jobs` at a time."""
    state_path = folder / "state.json"
    state: State = json.loads(state_path.read_text()) if state_path.exists() else {}
    done = set(state.get("done", []))
    outcomes: Counter[str] = Counter(state.get("outcomes", {}))
    found: list[str] = state.get("found", [])
    todo = [part for part in range(0, inputs, PART_INPUTS) if part not in done]
    stop_at, working = time.monotonic() + seconds, list[Worker]()
    try:
        while working or (todo and time.monotonic() < stop_at):
            while todo and len(working) < jobs and time.monotonic() < stop_at:
                working.append(Worker(folder, todo.pop(0)))
            time.sleep(0.05)
            for worker in [one for one in working if not one.is_running()]:
                working.remove(worker)
                result = worker.result()
                done.add(worker.part)
                outcomes.update(result["outcomes"])
                found += result["found"]
                kept = {"done": sorted(done), "outcomes": outcomes, "found": found}
                state_path.write_text(json.dumps(kept))
    finally:
        for worker in working:
            worker.end()
    report(outcomes, found, todo)
    return 1 if found else 0


def report(outcomes: Counter[str], found: Sequence[str], todo: Sequence[int]) -> None:
    """What became of the inputs, target by target."""
    targets: dict[str, Counter[str]] = {}
    for name, count in outcomes.items():
        target, _, outcome = name.partition(": ")
        targets.setdefault(target, Counter())[outcome] += count
    for target, counts in sorted(targets.items()):
        most = ", ".join(f"{outcome} {count:,}" for outcome, count in counts.most_common(6))
        sys.stdout.write(f"{target:>15} {counts.total():>9,} inputs: {most}\n")
    left = f", {len(todo)} parts of {PART_INPUTS:,} left" if todo else ""
    sys.stdout.write(f"{outcomes.total():,} inputs, {len(found)} findings{left}\n")
    sys.stdout.writelines(f"found: {one}\n" for one in found)


if __name__ == "__main__":
    sys.exit(main())
