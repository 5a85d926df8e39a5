"""Results as people and programs read them: Markdown tables, floors that hold or miss, JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Floor:
    """What must be reached. `value` is measured; it is at least, or at most, `limit`."""

    name: str
    value: float
    limit: float
    at_least: bool
    unit: str = ""

    @property
    def holds(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def cells(self) -> list[str]:
        """Name, measured, needed, verdict."""
        sign = "≥" if self.at_least else "≤"
        verdict = "holds" if self.holds else "**MISSES**"
        return [
            self.name,
            f"{number(self.value)}{self.unit}",
            f"{sign} {number(self.limit)}{self.unit}",
            verdict,
        ]


@dataclass
class Report:
    """What one benchmark found, in the order in which it is shown."""

    title: str
    notes: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    floors: list[Floor] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def markdown(self) -> str:
        """Everything, floors last."""
        parts = [f"## {self.title}", *self.notes, *self.tables]
        if self.floors:
            rows = [floor.cells for floor in self.floors]
            parts.append(table(["floor", "measured", "needed", ""], rows))
        return "\n\n".join(parts) + "\n"

    def as_json(self) -> dict[str, Any]:
        floors = [
            {
                "name": floor.name,
                "value": floor.value,
                "limit": floor.limit,
                "atLeast": floor.at_least,
                "unit": floor.unit,
                "holds": floor.holds,
            }
            for floor in self.floors
        ]
        return {"title": self.title, "notes": self.notes, "floors": floors, "data": self.data}


def publish(report: Report, json_file: Path | None) -> None:
    """Prints the Markdown; writes the JSON where it was asked for."""
    print(report.markdown(), flush=True)
    if json_file is not None:
        json_file.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose first column is text and the others are numbers."""
    lines = [_line(head), _line(["---", *["---:"] * (len(head) - 1)])]
    return "\n".join([*lines, *(_line(row) for row in rows)])


def number(value: float) -> str:
    """Three significant digits, or all of a whole number above them."""
    if value and abs(value) < 0.01:
        return f"{value:.4f}"
    if abs(value) < 10:
        return f"{value:.2f}"
    return f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}"


def megabytes(count: float) -> str:
    """In units of 1,000,000 bytes, as network and disk sizes are stated."""
    return f"{count / 1e6:,.1f}" if count < 1e8 else f"{count / 1e6:,.0f}"


def mebibytes(count: float) -> str:
    """In units of 2**20 bytes, as memory is stated."""
    return f"{count / (1 << 20):,.0f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
