"""The activity log: who did what to what, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery.schema import activity


@dataclass(frozen=True, kw_only=True)
class ActivityEntry:
    """One line of the log; `at` is the database's clock, `detail` a JSON value."""

    at: datetime
    principal: str
    action: str
    target: str
    outcome: str
    detail: Mapping[str, Any]


def log(
    tx: Connection,
    action: str,
    target: str,
    outcome: str,
    detail: Mapping[str, Any],
    principal: str,
) -> None:
    """Adds an entry, in the transaction of what it tells of: both happen, or neither."""
    tx.execute(
        sa.insert(activity).values(
            principal=principal, action=action, target=target, outcome=outcome, detail=dict(detail)
        )
    )


def list_recent(tx: Connection, limit: int, target: str | None = None) -> list[ActivityEntry]:
    """The latest `limit` entries, newest first, of one target where given."""
    chosen = sa.select(*(column for column in activity.c if column is not activity.c.id))
    if target is not None:
        chosen = chosen.where(activity.c.target == target)
    rows = tx.execute(chosen.order_by(activity.c.id.desc()).limit(limit))
    return [ActivityEntry(**row) for row in rows.mappings()]
