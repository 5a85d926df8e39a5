"""Tables for people: lists as rows, single things as names and values, fitted to the width."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from imgrepl.cli import human
from imgrepl.cli.rows import Columns, cells, columns_of, rows_of

_WIDTH_WITHOUT_TERMINAL = 10_000


def write_table(value: object, columns: Columns | None, stream: TextIO) -> None:
    """Writes `value` as a table: a list as a grid, a mapping as fields and tables below them.

    Off a terminal lines are as long as they must be; on one they wrap in their columns.
    """
    console = Console(file=stream, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(
            file=stream, markup=False, highlight=False, emoji=False, width=_WIDTH_WITHOUT_TERMINAL
        )
    if isinstance(value, Mapping):
        _print_record(console, value)
    elif all(isinstance(row, Mapping) for row in rows_of(value)):
        _print_grid(console, [row for row in rows_of(value) if isinstance(row, Mapping)], columns)
    else:
        for row in rows_of(value):
            console.print(text_of(row), soft_wrap=True)


def _print_grid(
    console: Console, rows: Sequence[Mapping[str, Any]], columns: Columns | None
) -> None:
    if not rows:
        return
    chosen = columns or columns_of(rows)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    grid = [cells(row, chosen) for row in rows]
    for number, heading in enumerate(chosen):
        values = [line[number] for line in grid]
        numeric = all(_is_number(value) for value in values)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    fields = list(chosen.values())
    for line in grid:
        table.add_row(*(text_of(cell, field) for cell, field in zip(line, fields, strict=True)))
    console.print(table)


def _print_record(console: Console, record: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    nested: dict[str, list[Mapping[str, Any]]] = {}
    for name, value in _flat(record):
        if _is_list_of_records(value):
            nested[name] = value
        elif value not in (None, [], {}):
            table.add_row(name, text_of(value, name))
    console.print(table)
    for name, rows in nested.items():
        console.print(f"\n{name}", style="bold")
        _print_grid(console, rows, None)


def _flat(record: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    fields: list[tuple[str, Any]] = []
    for name, value in record.items():
        if isinstance(value, Mapping) and value:
            fields += _flat(value, f"{prefix}{name}.")
        else:
            fields.append((prefix + name, value))
    return fields


def _is_list_of_records(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(item, Mapping) for item in value)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def text_of(value: object, field: str = "") -> str:
    """A value as a person reads it; `field` tells a count of bytes from a plain number.

    Control characters are shown escaped, so that no name can drive the terminal.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) and _counts_bytes(field):
        return human.size(value)
    if isinstance(value, int | float) and field.endswith(("seconds", "Seconds")):
        return human.duration(value)
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    if isinstance(value, list | tuple):
        return ", ".join(text_of(item, field) for item in value)
    if isinstance(value, Mapping):
        return json.dumps(value, separators=(",", ":"))
    return "".join(_visible(character) for character in str(value))


def _counts_bytes(field: str) -> bool:
    name = field.rpartition(".")[2].strip('"')
    return name.startswith("bytes") or name.endswith("Bytes")


def _visible(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    return ascii(character)[1:-1]
