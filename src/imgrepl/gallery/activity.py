"""The activity log: who did what to what, and how it ended; and who was allowed or refused what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery.lookups import fold
from imgrepl.gallery.schema import activity
from imgrepl.model.gallery import GalleryId

ALLOWED, REFUSED = ANSWERS = ("Allowed", "Refused")
"""The outcomes of what the policy was asked."""


@dataclass(frozen=True, kw_only=True)
class ActivityEntry:
    """One line of the log; `at` is the database's clock, `detail` a JSON value."""

    at: datetime
    principal: str
    action: str
    target: str
    outcome: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ActivityFilter:
    """Which entries are wanted: all that is stated must hold. Texts compare without case.

    `target` is a resource's name, with all that lies in it; `action` one action, or what actions
    begin with where it ends in `*`; `since` is included, `until` is not.
    """

    principal: str | None = None
    action: str | None = None
    target: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = ActivityFilter()


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


def list_recent(
    tx: Connection, limit: int, wanted: ActivityFilter = EVERYTHING
) -> list[ActivityEntry]:
    """The latest `limit` entries that are wanted, newest first."""
    chosen = sa.select(*(column for column in activity.c if column is not activity.c.id))
    chosen = chosen.where(*_conditions(wanted))
    rows = tx.execute(chosen.order_by(activity.c.id.desc()).limit(limit))
    return [ActivityEntry(**row) for row in rows.mappings()]


def latest_of(
    tx: Connection, resource: GalleryId, action: str | None = None
) -> ActivityEntry | None:
    """The last entry of this very gallery, of one action where given; never what was asked of it.

    The policy's answers are left out: they change nothing.
    """
    chosen = sa.select(*(column for column in activity.c if column is not activity.c.id))
    chosen = chosen.where(activity.c.target == str(resource))
    if action is None:
        chosen = chosen.where(activity.c.outcome.not_in(ANSWERS))
    else:
        chosen = chosen.where(activity.c.action == action)
    row = tx.execute(chosen.order_by(activity.c.id.desc()).limit(1)).mappings().one_or_none()
    return None if row is None else ActivityEntry(**row)


def _conditions(wanted: ActivityFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    for column, text in (
        (activity.c.principal, wanted.principal),
        (activity.c.outcome, wanted.outcome),
    ):
        if text is not None:
            found.append(sa.func.lower(column) == fold(text))
    if wanted.action is not None:
        found.append(_begins(activity.c.action, fold(wanted.action)))
    if wanted.target is not None:
        named, target = fold(wanted.target), sa.func.lower(activity.c.target)
        found.append(sa.or_(target == named, target.startswith(f"{named}/", autoescape=True)))
    if wanted.since is not None:
        found.append(activity.c.at >= wanted.since)
    if wanted.until is not None:
        found.append(activity.c.at < wanted.until)
    return found


def _begins(column: sa.Column[str], text: str) -> sa.ColumnElement[bool]:
    folded = sa.func.lower(column)
    if text.endswith("*"):
        return folded.startswith(text.removesuffix("*"), autoescape=True)
    return folded == text
