"""Tables for people: lists as rows, single things as names and values, fitted to the width."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TextIO

import jmespath
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from imgrepl.cli.blocks import Block, Column, Facts, Grid, Lines
from imgrepl.cli.cell_text import text_of
from imgrepl.cli.rows import Columns, columns_of, rows_of

_WIDTH_WITHOUT_TERMINAL = 10_000
_GAP = 2
_WRAPPED_FROM = 20
_WRAPPED_WIDTH_MIN = 16


def write_table(value: object, columns: Columns | None, stream: TextIO) -> None:
    """Writes `value` as a table: a list as a grid, a mapping as fields and tables below them."""
    console = _console(stream)
    rows = rows_of(value)
    if isinstance(value, Mapping):
        _print_blocks(console, _blocks_of(value))
    elif all(isinstance(row, Mapping) for row in rows):
        _print_blocks(console, [_grid([row for row in rows if isinstance(row, Mapping)], columns)])
    else:
        for row in rows:
            console.print(text_of(row), soft_wrap=True)


def write_page(blocks: Iterable[Block], stream: TextIO) -> None:
    """Writes blocks one below another, with a line between two.

    Off a terminal lines are as long as they must be; on one, columns that can be spared go first,
    then long values wrap in their columns.
    """
    _print_blocks(_console(stream), blocks)


class _Console(Console):
    """One whose reader may leave: `head` has what it wanted, which is no failure."""

    def on_broken_pipe(self) -> NoReturn:
        """Lets it be handled as for any other output; the library would exit with 1."""
        raise BrokenPipeError


def _console(stream: TextIO) -> Console:
    console = _Console(file=stream, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    return console


def _blocks_of(record: Mapping[str, Any]) -> list[Block]:
    """Any record: its fields by dotted names, then the tables that are in it."""
    flat = _flat(record)
    plain = {name: text_of(value, name) for name, value in flat if not _is_list_of_records(value)}
    grids = [_grid(value, None, name) for name, value in flat if _is_list_of_records(value)]
    return [Facts(plain), *grids]


def _flat(record: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    fields: list[tuple[str, Any]] = []
    for name, value in record.items():
        if isinstance(value, Mapping) and value:
            fields += _flat(value, f"{prefix}{name}.")
        elif value not in ([], {}):
            fields.append((prefix + name, value))
    return fields


def _is_list_of_records(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value)


def _grid(
    rows: Sequence[Mapping[str, Any]], columns: Columns | None, title: str | None = None
) -> Grid:
    chosen = columns or columns_of(rows)
    return Grid(rows, [Column(heading, path) for heading, path in chosen.items()], title)


def _print_blocks(console: Console, blocks: Iterable[Block]) -> None:
    separate = False
    for block in blocks:
        table = _table_of(block, console.width)
        if not table.row_count:
            continue
        if separate:
            console.print()
        separate = True
        if block.title is not None:
            console.print(block.title, style="bold")
        console.print(table)


def _table_of(block: Block, width: int) -> Table:
    match block:
        case Facts():
            return _facts_table(block)
        case Grid():
            return _grid_table(block, width)
        case Lines():
            return _lines_table(block)


def _facts_table(facts: Facts) -> Table:
    table = _bare_table()
    table.add_column(style="bold", overflow="fold")
    table.add_column(overflow="fold")
    for name, value in facts.values.items():
        text = text_of(value, name)
        if text:
            table.add_row(name, text)
    return table


def _lines_table(lines: Lines) -> Table:
    table = _bare_table()
    table.add_column(overflow="fold")
    for line in lines.texts:
        table.add_row(text_of(line))
    return table


def _bare_table() -> Table:
    return Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))


def _grid_table(grid: Grid, width: int) -> Table:
    shown = _fitting([_Strip.of(grid, column) for column in grid.columns], width)
    if sum(strip.width_min + _GAP for strip in shown) - _GAP > width:
        return _stacked_table(shown)
    table = Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold"
    )
    for strip in shown:
        table.add_column(
            strip.column.heading,
            justify="right" if strip.numeric else "left",
            overflow="fold",
            min_width=strip.width_min,
        )
    for texts in zip(*(strip.texts for strip in shown), strict=True):
        table.add_row(*texts)
    return table


def _stacked_table(strips: "Sequence[_Strip]") -> Table:
    """Where not even wrapped columns fit side by side: each row's cells below one another."""
    table = _bare_table()
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for texts in zip(*(strip.texts for strip in strips), strict=True):
        for strip, text in zip(strips, texts, strict=True):
            table.add_row(strip.column.heading, text)
        table.add_row()
    return table


@dataclass(frozen=True)
class _Strip:
    """One column's texts. `width` is what it takes unwrapped, in cells of the terminal."""

    column: Column
    texts: Sequence[str]
    numeric: bool
    width: int

    @property
    def width_min(self) -> int:
        """What it takes at least: figures, states and moments are never wrapped."""
        return self.width if self.width <= _WRAPPED_FROM else _WRAPPED_WIDTH_MIN

    @classmethod
    def of(cls, grid: Grid, column: Column) -> "_Strip":
        find = jmespath.compile(column.expression).search
        values = [find(row) for row in grid.rows]
        texts = [text_of(value, column.expression) for value in values]
        numeric = any(map(_is_number, values)) and all(v is None or _is_number(v) for v in values)
        texts = [text + column.unit if text else "" for text in texts]
        lines = [line for text in (column.heading, *texts) for line in text.splitlines()]
        return cls(column, texts, numeric, max(map(cell_len, lines), default=0))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fitting(strips: Sequence[_Strip], width: int) -> list[_Strip]:
    """The columns that fit side by side: the most dispensable go first."""
    shown = [strip for strip in strips if any(strip.texts) or not strip.column.spare]
    while sum(strip.width + _GAP for strip in shown) - _GAP > width:
        spare = max(shown, key=lambda strip: strip.column.spare)
        if not spare.column.spare:
            break
        shown.remove(spare)
    return shown
