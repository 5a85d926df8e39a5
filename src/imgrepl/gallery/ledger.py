"""The ledger: what operations brought into each region, and what of it is billed as egress.

Entries are never changed, and outlive the version that they were made for: a bill of last month
still has them.
"""

from collections import defaultdict
from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery.schema import ledger
from imgrepl.gallery.types import UtcDay
from imgrepl.model.bill import Month
from imgrepl.model.gallery import GalleryId, VersionId, VersionName
from imgrepl.model.tally import Moved


class Brought(NamedTuple):
    """One operation's part in one region.

    `is_first` says that it filled the version's first replica there; then `egress_bytes` is what is
    billed for it, 0 in the home region. `sent_bytes` and `requests` are what really went there.
    """

    from_region: str
    to_region: str
    is_first: bool
    egress_bytes: int
    sent_bytes: int
    requests: int


def note(tx: Connection, version: VersionId, brought: Brought, at: datetime) -> None:
    """Adds an entry, in the transaction that makes it true."""
    gallery = version.gallery
    tx.execute(
        sa.insert(ledger).values(
            at=at,
            subscription=gallery.subscription,
            group_name=gallery.group,
            gallery=gallery.gallery,
            definition=version.definition.definition,
            version=str(version.version),
            **brought._asdict(),
        )
    )


class History(NamedTuple):
    """What came of one version: when each region's first replica was last filled, and all moves."""

    filled: dict[str, date]
    moved: list[Moved]


def by_version(
    tx: Connection, gallery: GalleryId | None = None, *, since: datetime | None = None
) -> dict[VersionId, History]:
    """The entries of a gallery, or of all, by days and months in UTC.

    A gallery's names compare without case.
    """
    names = (ledger.c.subscription, ledger.c.group_name, ledger.c.gallery, ledger.c.definition)
    brought = tuple(ledger.c[name] for name in Brought._fields)
    chosen = sa.select(*names, ledger.c.version, UtcDay(ledger.c.at), *brought)
    if since is not None:
        chosen = chosen.where(ledger.c.at >= since)
    if gallery is not None:
        chosen = chosen.where(
            sa.func.lower(ledger.c.subscription) == gallery.subscription.lower(),
            sa.func.lower(ledger.c.group_name) == gallery.group.lower(),
            sa.func.lower(ledger.c.gallery) == gallery.gallery.lower(),
        )
    days = _Days()
    found: defaultdict[tuple[str, ...], History] = defaultdict(lambda: History({}, []))
    for row in tx.execute(chosen).all():
        *version, text, home, to, is_first, egress, sent, requests = row
        filled, moved = found[tuple(version)]
        day, month = days[text]
        moved.append(Moved(month, home, to, egress, sent, requests))
        if is_first:
            filled[to] = max(day, filled.get(to, day))
    return {_version(*version): history for version, history in found.items()}


class _Days(dict[str, tuple[date, Month]]):
    """Days by how they are written, each read once."""

    def __missing__(self, text: str) -> tuple[date, Month]:
        day = date.fromisoformat(text)
        self[text] = (day, Month(day.year, day.month))
        return self[text]


def _version(subscription: str, group: str, gallery: str, definition: str, name: str) -> VersionId:
    of = GalleryId(subscription=subscription, group=group, gallery=gallery)
    return of.definition(definition).version(VersionName.parse(name))
