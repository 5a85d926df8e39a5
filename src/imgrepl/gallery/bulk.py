"""Many rows at once, within what a statement may carry."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, Table

IN_LIST_MAX = 500
"""Values in one IN list: SQLite before 3.32 takes 999 parameters a statement."""

T = TypeVar("T")


def in_lists(values: Iterable[T]) -> Iterator[list[T]]:
    """`values` without repetitions, in lists short enough for one IN."""
    rest = iter(dict.fromkeys(values))
    while batch := list(islice(rest, IN_LIST_MAX)):
        yield batch


def insert_missing(tx: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts those of `rows` whose key is not there yet, and leaves the others as they are."""
    if not rows:
        return
    insert: Any
    if tx.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert
    tx.execute(insert(table).on_conflict_do_nothing(), rows)


def mapped(tx: Connection, pairs: Select[Any]) -> dict[Any, Any]:
    """What a query of two columns finds: the second by the first."""
    found: Any = tx.execute(pairs).all()
    return dict(found)
