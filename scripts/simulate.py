"""Many simulated worlds, each from its seed; a seed that breaks a promise is told at once.

What was run is kept in a file for this very source: a run that was stopped is gone on with, and so
is one that asks for more seeds. The last lines count the faults that befell all worlds, by kind.
`--minutes` ends it early, between two seeds. Exit status 1 where any promise was broken.
"""

import argparse
import hashlib
import json
import logging
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "imgrepl"
_BATCH = 5
_SLOWEST_SHOWN = 3

console = Console(highlight=False)


@dataclass(frozen=True, kw_only=True)
class Life:
    """What became of one seed's world."""

    seed: int
    seconds: float
    steps: int = 0
    broken: str = ""
    deeds: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)


def main() -> int:
    """Runs what is missing, then tells of all."""
    given = _arguments()
    journal = given.folder / f"{_digest()}.jsonl"
    lives = {life.seed: life for life in _read(journal)}
    wanted = range(given.first, given.first + given.seeds)
    missing = [seed for seed in wanted if seed not in lives]
    done = len(wanted) - len(missing)
    if done:
        console.print(f"{done:,} of {len(wanted):,} seeds were run before: {journal}")
    for life in _run(missing, jobs=given.jobs, minutes=given.minutes):
        lives[life.seed] = life
        with journal.open("a") as file:
            file.write(json.dumps(asdict(life)) + "\n")
        _tell(life, given.folder)
    mine = [lives[seed] for seed in wanted if seed in lives]
    _summarize(mine, asked=len(wanted))
    return int(any(life.broken for life in mine))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many worlds")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--minutes", type=float, help="end after so long, to go on another time")
    parser.add_argument("--folder", type=Path, default=ROOT / ".cache" / "simulate")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    return given


def _digest() -> str:
    """A name for the source as it is: another source runs all seeds anew."""
    digest = hashlib.sha256()
    for path in sorted(SOURCE.rglob("*.py")):
        digest.update(f"{path.relative_to(SOURCE)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _read(journal: Path) -> Iterator[Life]:
    if not journal.exists():
        return
    for line in journal.read_text().splitlines():
        try:
            yield Life(**json.loads(line))
        except ValueError:
            continue  # the line that was being written when a run was killed


# ---------------------------------------------------------------------- running


def _run(seeds: Sequence[int], *, jobs: int, minutes: float | None) -> Iterator[Life]:
    """Lives as they end, a few batches ahead of each process."""
    until = None if minutes is None else time.monotonic() + minutes * 60
    batches = [seeds[at : at + _BATCH] for at in range(0, len(seeds), _BATCH)]
    waiting = iter(batches)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_quiet) as pool:
        running: set[Future[list[Life]]] = set()
        while True:
            while len(running) < jobs and (until is None or time.monotonic() < until):
                batch = next(waiting, None)
                if batch is None:
                    break
                running.add(pool.submit(_live, batch))
            if not running:
                return
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                yield from future.result()


def _quiet() -> None:
    """Executors of processes that died say so in the log; nobody needs to."""
    logging.getLogger("concurrent.futures").disabled = True


def _live(seeds: Sequence[int]) -> list[Life]:
    return [_life_of(seed) for seed in seeds]


def _life_of(seed: int) -> Life:
    from imgrepl.testing.invariants import Violation
    from imgrepl.testing.simulation.simulation import simulate

    began = time.monotonic()
    try:
        world = simulate(seed)
    except Violation as error:
        seconds = round(time.monotonic() - began, 3)
        return Life(seed=seed, seconds=seconds, broken=str(error))
    return Life(
        seed=seed,
        seconds=round(time.monotonic() - began, 3),
        steps=world.world.scheduler.steps,
        deeds=world.counts,
        faults=world.faults(),
    )


# ---------------------------------------------------------------------- telling


def _tell(life: Life, folder: Path) -> None:
    if not life.broken:
        return
    report = folder / f"seed-{life.seed}.txt"
    report.write_text(life.broken + "\n")
    first = "\n".join(life.broken.splitlines()[:4])
    console.print(f"{first}\n  all of it: {report}", markup=False, soft_wrap=True)


def _summarize(lives: Sequence[Life], *, asked: int) -> None:
    faults: Counter[str] = Counter()
    deeds: Counter[str] = Counter()
    for life in lives:
        faults.update(life.faults)
        deeds.update(life.deeds)
    table = Table("what befell them", "times", title="Faults injected")
    table.columns[1].justify = "right"
    for kind, times in sorted(faults.items()):
        table.add_row(kind, f"{times:,}")
    console.print(table)
    ended = sum(deeds.values())
    console.print(
        f"{len(lives):,} of {asked:,} worlds, {sum(life.steps for life in lives):,} steps,"
        f" {ended:,} commands of users: {deeds['done']:,} done, {deeds['crashed']:,} killed,"
        f" {ended - deeds['done'] - deeds['crashed']:,} refused or failed"
    )
    slowest = sorted(lives, key=lambda life: -life.seconds)[:_SLOWEST_SHOWN]
    console.print("slowest: " + ", ".join(f"seed {one.seed} {one.seconds} s" for one in slowest))
    broken = [life.seed for life in lives if life.broken]
    console.print(f"seeds that broke a promise: {broken or 'none'}")


if __name__ == "__main__":
    sys.exit(main())
