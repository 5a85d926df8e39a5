"""Runs inputs by their numbers: the same number is the same input, on every machine.

An input must end within `CPU_SECONDS` and within its target's memory, and raise nothing but what
its target expects. What does is written down: the bytes, and the edits that are enough for it.
"""

import random
import resource
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from fuzz.edits import Edit, applied, edits_for
from fuzz.target import Seed, Target
from images.sparse import SparseBytes

CPU_SECONDS = 10.0
"""Of processor time for one input; the slowest good one takes a hundredth of it."""

_MENDED = 0.85
"""Share of inputs whose checksums are made right again."""


class Hang(BaseException):
    """An input took too long; no reader can catch this by accident."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input, and how it was made."""

    number: int
    target: Target
    seed: Seed
    edits: Sequence[Edit]
    mended: bool

    def content(self, edits: Sequence[Edit]) -> SparseBytes:
        """The bytes that some of the edits make."""
        made = applied(self.seed.content, edits)
        return self.seed.mend(made) if self.mended and self.seed.mend else made


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What an input did that it must not do."""

    input: Input
    why: str
    edits: Sequence[Edit]
    trace: str


@dataclass
class Tally:
    """What became of inputs, by target and outcome."""

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    @property
    def inputs(self) -> int:
        """How many were run."""
        return self.outcomes.total()


def input_of(targets: Sequence[Target], number: int) -> Input:
    """Input `number`."""
    turns = [target for target in targets for _ in range(target.weight)]
    target = turns[number % len(turns)]
    rng = random.Random(number)
    seed = rng.choice(target.seeds)
    others = [other.content for other in target.seeds]
    edits = edits_for(rng, seed.content, seed.areas, others)
    mended = rng.random() < _MENDED
    return Input(number=number, target=target, seed=seed, edits=edits, mended=mended)


def run(
    targets: Sequence[Target], numbers: Iterator[int], begun: Callable[[int], None] = lambda _: None
) -> Tally:
    """Runs the inputs of these numbers; `begun` is told each before it is run."""
    tally = Tally()
    for number in numbers:
        begun(number)
        one = input_of(targets, number)
        outcome, trace = _outcome(one, one.edits)
        tally.outcomes[f"{one.target.name}: {outcome}"] += 1
        if trace:
            edits = _fewest(one, outcome)
            tally.findings.append(Finding(input=one, why=outcome, edits=edits, trace=trace))
    return tally


def _outcome(one: Input, edits: Sequence[Edit]) -> tuple[str, str]:
    """A word for what became of it; with a traceback, a finding."""
    try:
        content = one.content(edits)
        with _bounded(one.target.memory_bytes):
            return one.target.read(content), ""
    except (Exception, Hang) as error:  # noqa: BLE001 - all but what targets expect is a finding
        return _described(error), traceback.format_exc()


def _described(error: BaseException) -> str:
    """The kind of error and where it was raised: what makes two findings one."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [frame for frame in frames if "/imgrepl/" in frame.filename] or frames
    place = f"{Path(where[-1].filename).name}:{where[-1].name}" if where else "?"
    return f"{type(error).__name__} in {place}"


def _fewest(one: Input, why: str) -> Sequence[Edit]:
    """As few of the edits as still do it."""
    edits = list(one.edits)
    for edit in list(edits):
        fewer = [other for other in edits if other is not edit]
        if _outcome(one, fewer)[0] == why:
            edits = fewer
    return edits


@contextmanager
def _bounded(memory_bytes: int) -> Iterator[None]:
    """Ends what takes too much processor time, and lets no allocation go beyond the bound."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGPROF, _too_long)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + memory_bytes, hard))
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        signal.signal(signal.SIGPROF, before)


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise Hang(f"an input took more than {CPU_SECONDS} s of processor time")


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def write_down(finding: Finding, folder: Path) -> Path:
    """Writes the input and how it came about; gives the path of its text."""
    folder.mkdir(parents=True, exist_ok=True)
    one = finding.input
    name = f"{one.target.name.replace(' ', '-')}-{one.number}"
    one.content(finding.edits).write_to(folder / f"{name}.bin")
    edits = "".join(f"  {edit!r}\n" for edit in finding.edits)
    text = (
        f"{finding.why}\n\ninput {one.number}, target {one.target.name}, seed {one.seed.name},"
        f" checksums {'right' if one.mended else 'as edited'}, edits:\n{edits}\n"
        f"again: PYTHONPATH=src:tests {sys.executable} -m fuzz --only {one.number}\n\n"
        f"{finding.trace}"
    )
    (folder / f"{name}.txt").write_text(text, encoding="utf-8", errors="backslashreplace")
    return folder / f"{name}.txt"
