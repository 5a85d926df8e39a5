"""What is kept and what was moved, added up as far as a bill can be made of the sums alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from imgrepl.model.bill import ZERO_USD, Bill, Month, storage_usd_in
from imgrepl.model.prices import Prices
from imgrepl.model.region import StorageAccountType


class Kept(NamedTuple):
    """How a region keeps something, and since when, if that is known.

    `billed_bytes` is occupied bytes times copies.
    """

    region: str
    storage_account_type: StorageAccountType
    since: date | None
    copies: int
    billed_bytes: int


class Moved(NamedTuple):
    """What went from one region to another in a month.

    `egress_bytes` are billed, `sent_bytes` really went there, with so many requests.
    """

    month: Month
    from_region: str
    to_region: str
    egress_bytes: int
    sent_bytes: int
    requests: int


@dataclass
class Tally:
    """Sums, which more may be added to: prices are linear, so a bill needs nothing else."""

    _kept: dict[tuple[str, StorageAccountType, date | None], tuple[int, int]] = field(
        default_factory=dict
    )
    _moved: dict[tuple[Month, str, str], tuple[int, int, int]] = field(default_factory=dict)

    def add(self, kept: Iterable[Kept], moved: Iterable[Moved]) -> None:
        """Adds what is kept and what was moved."""
        for region, kind, since, copies, billed in kept:
            stay = (region, kind, since)
            before = self._kept.get(stay, (0, 0))
            self._kept[stay] = (before[0] + copies, before[1] + billed)
        for month, away, to, egress, sent, requests in moved:
            way = (month, away, to)
            was = self._moved.get(way, (0, 0, 0))
            self._moved[way] = (was[0] + egress, was[1] + sent, was[2] + requests)

    @property
    def kept(self) -> list[Kept]:
        """All that is kept, once a way."""
        return [Kept(*stay, *sums) for stay, sums in self._kept.items()]

    @property
    def moved(self) -> list[Moved]:
        """All that was moved, once a way and month."""
        return [Moved(*way, *sums) for way, sums in self._moved.items()]

    def by_region(self) -> "dict[str, Tally]":
        """By the region where it is kept or was moved to, in the order of names."""
        found: dict[str, Tally] = {}
        for kept in self.kept:
            found.setdefault(kept.region, Tally()).add([kept], ())
        for moved in self.moved:
            found.setdefault(moved.to_region, Tally()).add((), [moved])
        return dict(sorted(found.items()))


class Priced(NamedTuple):
    """A month's bill.

    In `bill`, storage is the price of a whole month, the rest is of this one. `storage_usd` is this
    month's own storage: what was filled in it counts from that day on.
    """

    bill: Bill
    storage_usd: Decimal
    sent_bytes: int = 0
    sent_usd: Decimal = ZERO_USD


class Biller:
    """Makes one month's bills by one price list."""

    def __init__(self, prices: Prices, month: Month) -> None:
        self.month = month
        self._prices = prices
        self._begin = month.start.date()

    def kept(self, kept: list[Kept]) -> list[Kept]:
        """The same, without days that make no difference to this month: more of it adds up."""
        begin = self._begin
        return [
            one if one[2] is None or one[2] > begin else Kept(one[0], one[1], None, *one[3:])
            for one in kept
        ]

    def moved(self, moved: list[Moved]) -> list[Moved]:
        """What was moved in this month."""
        return [one for one in moved if one.month == self.month]

    def price(self, kept: Iterable[Kept], moved: list[Moved]) -> Priced:
        """What it costs to keep this, and to have moved that; other months' moves do not count."""
        copies = billed = 0
        a_month = this_month = ZERO_USD
        for region, kind, since, count, size in kept:
            usd = self._prices.storage_usd_month(region, kind, size)
            copies += count
            billed += size
            a_month += usd
            if since is not None and since > self._begin:
                usd = storage_usd_in(self.month, since, usd)
            this_month += usd
        mine = self.moved(moved)
        if not mine:
            bill = Bill(snapshots=copies, billed_bytes=billed, storage_usd_month=a_month)
            return Priced(bill, this_month)
        return self._with_moves((copies, billed, a_month), this_month, mine)

    def _with_moves(
        self, kept: tuple[int, int, Decimal], this_month: Decimal, moved: list[Moved]
    ) -> Priced:
        prices = self._prices
        bill = Bill(
            snapshots=kept[0],
            billed_bytes=kept[1],
            storage_usd_month=kept[2],
            egress_bytes=sum(one.egress_bytes for one in moved),
            egress_usd=_usd(prices.egress_usd(m.from_region, m.egress_bytes) for m in moved),
            requests=sum(one.requests for one in moved),
            requests_usd=_usd(prices.requests_usd(m.to_region, m.requests) for m in moved),
        )
        away = [one for one in moved if one.from_region != one.to_region]
        sent_usd = _usd(prices.egress_usd(one.from_region, one.sent_bytes) for one in away)
        return Priced(bill, this_month, sum(one.sent_bytes for one in away), sent_usd)


def _usd(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO_USD)
