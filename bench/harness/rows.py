"""One row of results: what each contender took for the same work, run in turns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.measuring import Cost, median_of
from harness.tables import mebibytes, megabytes, number, table

SLOW_SECONDS = 20.0
SLOW_ROUNDS = 2
"""Rounds that a contender takes part in once it was seen to be slow."""

HEAD = ("work", "program", "wall s", "CPU s", "peak MiB", "sent MB", "wall, imgrepl = 1")


@dataclass
class Row:
    """The costs of one work by contender, in the order in which they first ran.

    `sent_bytes` is by how much each contender's store grew.
    """

    name: str
    costs: dict[str, list[Cost]] = field(default_factory=dict)
    sent_bytes: dict[str, int] = field(default_factory=dict)

    def add(self, title: str, cost: Cost) -> None:
        self.costs.setdefault(title, []).append(cost)

    def of(self, titles: Sequence[str]) -> "Row":
        """The same work by these contenders alone."""
        part = Row(self.name)
        part.costs = {title: self.costs[title] for title in titles if title in self.costs}
        part.sent_bytes = {t: self.sent_bytes[t] for t in titles if t in self.sent_bytes}
        return part

    def take(self, other: "Row") -> None:
        """Adds the contenders of a row for the same work."""
        self.costs |= other.costs
        self.sent_bytes |= other.sent_bytes

    def has_enough(self, title: str) -> bool:
        """Whether a slow contender has had its rounds."""
        costs = self.costs.get(title, [])
        return len(costs) >= SLOW_ROUNDS and costs[0].wall_seconds > SLOW_SECONDS

    def median(self, title: str) -> Cost | None:
        """None for a contender that did not take part."""
        costs = self.costs.get(title)
        return median_of(costs) if costs else None

    def ratio(self, title: str, ours: str) -> float | None:
        """How many times as long as ours it took."""
        theirs, mine = self.median(title), self.median(ours)
        if theirs is None or mine is None:
            return None
        return theirs.wall_seconds / mine.wall_seconds

    def cells(self, ours: str) -> list[list[str]]:
        """A line for each contender, the fastest first."""
        medians = {title: median_of(costs) for title, costs in self.costs.items()}
        lines = []
        for title, cost in sorted(medians.items(), key=lambda item: item[1].wall_seconds):
            sent, ratio = self.sent_bytes.get(title), self.ratio(title, ours)
            lines.append(
                [
                    self.name,
                    f"**{title}**" if title == ours else title,
                    number(cost.wall_seconds),
                    number(cost.cpu_seconds),
                    mebibytes(cost.peak_bytes),
                    megabytes(sent) if sent is not None else "",
                    number(ratio) if ratio is not None else "",
                ]
            )
        return lines

    def as_json(self) -> dict[str, Any]:
        runs = {title: [cost.as_json() for cost in costs] for title, costs in self.costs.items()}
        return {"name": self.name, "runs": runs, "sentBytes": self.sent_bytes}


def table_of(rows: Sequence[Row], ours: str) -> str:
    """All rows as one Markdown table."""
    return table(HEAD, [line for row in rows for line in row.cells(ours)])


def in_turns(rounds: int, works: Mapping[str, Callable[[], None]], rows: Sequence[Row]) -> None:
    """Runs every work once a round, beginning with another one each round.

    A contender that all of `rows` have seen to be slow sits out the later rounds. A machine that is
    disturbed for a while so disturbs all of them.
    """
    names = list(works)
    for done in range(rounds):
        shift = done % len(names)
        for name in [*names[shift:], *names[:shift]]:
            if not any(row.has_enough(name) for row in rows):
                works[name]()
