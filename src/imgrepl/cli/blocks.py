"""What a page for people is made of: names with values, grids, and lines of text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Facts:
    """Names and their values, one a line; what has no value is left out."""

    values: Mapping[str, object]
    title: str | None = None


@dataclass(frozen=True)
class Column:
    """One column of a grid. `expression` is JMESPath over a row; `unit` follows every value.

    Where a terminal is too narrow for all columns, those of the highest `spare` go first; 0 stays.
    A column that can be spared is left out as well where it is empty.
    """

    heading: str
    expression: str
    spare: int = 0
    unit: str = ""


@dataclass(frozen=True)
class Grid:
    """Rows under headings; nothing at all where there are no rows."""

    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[Column]
    title: str | None = None


@dataclass(frozen=True)
class Lines:
    """Sentences, wrapped to the width; nothing at all where there are none."""

    texts: Sequence[str]
    title: str | None = None


Block = Facts | Grid | Lines

Page = Callable[[Any], Iterable[Block]]
"""Makes the blocks of a result from its JSON value."""
