"""The ledger: what operations brought into each region, and what of it is billed as egress.

Entries are never changed, and outlive the version that they were made for: a bill of last month
still has them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery.schema import ledger
from imgrepl.model.gallery import GalleryId, VersionId, VersionName


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One operation's part in one region.

    `is_first` says that it filled the version's first replica there; then `egress_bytes` is what is
    billed for it, 0 in the home region. `sent_bytes` and `requests` are what really went there.
    """

    at: datetime
    version: VersionId
    from_region: str
    to_region: str
    is_first: bool
    egress_bytes: int
    sent_bytes: int
    requests: int


def note(tx: Connection, entry: LedgerEntry) -> None:
    """Adds an entry, in the transaction that makes it true."""
    gallery = entry.version.gallery
    tx.execute(
        sa.insert(ledger).values(
            at=entry.at,
            subscription=gallery.subscription,
            group_name=gallery.group,
            gallery=gallery.gallery,
            definition=entry.version.definition.definition,
            version=str(entry.version.version),
            from_region=entry.from_region,
            to_region=entry.to_region,
            is_first=entry.is_first,
            egress_bytes=entry.egress_bytes,
            sent_bytes=entry.sent_bytes,
            requests=entry.requests,
        )
    )


def entries(
    tx: Connection, gallery: GalleryId | None = None, *, since: datetime | None = None
) -> list[LedgerEntry]:
    """The entries of a gallery, or of all, the oldest first; names compare without case."""
    chosen = sa.select(ledger).order_by(ledger.c.at, ledger.c.id)
    if since is not None:
        chosen = chosen.where(ledger.c.at >= since)
    if gallery is not None:
        chosen = chosen.where(
            sa.func.lower(ledger.c.subscription) == gallery.subscription.lower(),
            sa.func.lower(ledger.c.group_name) == gallery.group.lower(),
            sa.func.lower(ledger.c.gallery) == gallery.gallery.lower(),
        )
    return [_entry(row) for row in tx.execute(chosen)]


def _entry(row: sa.Row[Any]) -> LedgerEntry:
    gallery = GalleryId(subscription=row.subscription, group=row.group_name, gallery=row.gallery)
    return LedgerEntry(
        at=row.at,
        version=gallery.definition(row.definition).version(VersionName.parse(row.version)),
        from_region=row.from_region,
        to_region=row.to_region,
        is_first=row.is_first,
        egress_bytes=row.egress_bytes,
        sent_bytes=row.sent_bytes,
        requests=row.requests,
    )
