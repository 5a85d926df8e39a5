"""A resource's revision: grows with every change, and no two records carry the same one."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from imgrepl.errors import Conflict
from imgrepl.gallery import identity


def allocate(tx: Connection, table: Table, number: int) -> int:
    """A revision never given out before: a record written under it and lost is not overwritten.

    Nor by an index before this one: regions that were away at its rebuild may hold theirs.
    """
    mine = table.c.id == number
    following = tx.execute(sa.select(table.c.next_revision).where(mine)).scalar_one()
    revision = max(int(following), identity.generation_floor(tx))
    tx.execute(sa.update(table).where(mine).values(next_revision=revision + 1))
    return revision


def write(
    tx: Connection, table: Table, number: int, *, revision: int, values: Mapping[str, Any]
) -> None:
    """Sets `values` and `revision`, which must be above the stored one.

    Raises `Conflict` (`ChangedMeanwhile`) where it is not.
    """
    stored = tx.execute(sa.select(table.c.revision).where(table.c.id == number)).scalar_one()
    if revision <= stored:
        raise Conflict(
            f"revision {revision} comes too late: the index holds revision {stored}",
            code="ChangedMeanwhile",
            hint="read it again and repeat the change",
        )
    overwrite(tx, table, number, revision=revision, values=values)


def overwrite(
    tx: Connection, table: Table, number: int, *, revision: int, values: Mapping[str, Any]
) -> None:
    """Sets `values` and `revision`, whatever was stored; never gives a lower one out again."""
    later = sa.case((table.c.next_revision <= revision, revision + 1), else_=table.c.next_revision)
    mine = table.c.id == number
    tx.execute(
        sa.update(table).where(mine).values(**values, revision=revision, next_revision=later)
    )
