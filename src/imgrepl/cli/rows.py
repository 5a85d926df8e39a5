"""A result seen as rows and columns, for tables and tab-separated values."""

from collections.abc import Mapping, Sequence
from typing import Any

Columns = Mapping[str, str]
"""Headings and, for each, a JMESPath expression over one row."""


def rows_of(value: object) -> Sequence[object]:
    """A list's items, or the value alone; nothing for null."""
    if value is None:
        return []
    return value if isinstance(value, list | tuple) else [value]


def columns_of(rows: Sequence[object]) -> Columns:
    """Every field of every row, in the order of first appearance."""
    names = dict.fromkeys(name for row in rows if isinstance(row, Mapping) for name in row)
    return {name: f'"{name}"' for name in names}


def cells(row: Mapping[str, Any], columns: Columns) -> list[object]:
    """The row's value in each column."""
    import jmespath

    return [jmespath.search(expression, row) for expression in columns.values()]
