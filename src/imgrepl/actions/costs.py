"""What a month costs, by gallery, version and region, and what of it is really stored and sent."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from imgrepl.actions import allowing
from imgrepl.actions.context import Context
from imgrepl.actions.pricing import Pricing
from imgrepl.gallery import ledger, usage
from imgrepl.gallery.ledger import LedgerEntry
from imgrepl.gallery.usage import RegionShare
from imgrepl.model import bill
from imgrepl.model.bill import Bill, Kept, Month
from imgrepl.model.budget import BudgetState
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId
from imgrepl.model.policy import Action
from imgrepl.model.prices import Prices

MONTHS_MAX = 36
"""How many months a report goes back."""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One line of a month's bill.

    In `bill`, storage is the price of a whole month of what stands now, egress and requests are
    those of the month. `storage_usd` is the month's own storage: what was filled in it counts from
    that day on. `stored_usd_month` is what the bytes that are really stored would cost, `sent_usd`
    the traffic that really went between regions.
    """

    bill: Bill
    storage_usd: Decimal
    stored_bytes: int
    stored_usd_month: Decimal
    sent_bytes: int
    sent_usd: Decimal

    @property
    def usd(self) -> Decimal:
        """What the month costs."""
        return self.storage_usd + self.bill.once_usd


@dataclass(frozen=True, kw_only=True)
class CostReport:
    """Costs at every level, in the order of names; what is only in the ledger comes last.

    `months` has the total of every month since the ledger begins, `total` that of `month`.
    """

    month: Month
    prices: Prices
    galleries: dict[GalleryId, Cost]
    definitions: dict[DefinitionId, Cost]
    versions: dict[VersionId, Cost]
    version_regions: dict[tuple[VersionId, str], Cost]
    regions: dict[str, Cost]
    months: dict[Month, Cost]
    total: Cost
    budget: BudgetState | None


@dataclass(frozen=True)
class _Item:
    """A version in a region: what stands there, if anything, and what was brought there."""

    version: VersionId
    region: str
    share: RegionShare | None
    entries: list[LedgerEntry]


def report(
    ctx: Context,
    gallery_id: GalleryId | None = None,
    *,
    month: Month | None = None,
    pricing: Pricing | None = None,
) -> CostReport:
    """The costs of a month (this one, unless named), of one gallery or of all.

    A past month knows its egress and requests from the ledger, and storage of what still stands.
    Raises `NotFound` (`GalleryNotFound`, `PricesNotFound`) and `Invalid` (`InvalidPrices`).
    """
    sees = allowing.seeing(ctx, Action.VERSION_READ, gallery_id)
    prices = (pricing or ctx.pricing).prices
    current = Month.of(ctx.clock.now())
    chosen = month or current
    with ctx.index.read() as tx:
        shares = [one for one in usage.shares(tx, gallery_id) if sees(one.version)]
        entries = [one for one in ledger.entries(tx, gallery_id) if sees(one.version)]
    items = _items(shares, entries)

    def by(key: Callable[[_Item], K]) -> dict[K, Cost]:
        groups: dict[K, list[_Item]] = {}
        for item in items:
            groups.setdefault(key(item), []).append(item)
        return {name: _cost(prices, chosen, group) for name, group in groups.items()}

    return CostReport(
        month=chosen,
        prices=prices,
        galleries=by(lambda item: item.version.gallery),
        definitions=by(lambda item: item.version.definition),
        versions=by(lambda item: item.version),
        version_regions=by(lambda item: (item.version, item.region)),
        regions=by(lambda item: item.region),
        months={one: _cost(prices, one, items) for one in _months(entries, current)},
        total=_cost(prices, chosen, items),
        budget=_budget(ctx, prices) if gallery_id is None and ctx.caller.owns_index else None,
    )


def present(ctx: Context, prices: Prices) -> Bill:
    """What all galleries cost: storage as if it stood all month, the rest as it was this month."""
    month = Month.of(ctx.clock.now())
    with ctx.index.read() as tx:
        shares = usage.shares(tx, with_packs=False)
        entries = ledger.entries(tx, since=month.start)
    return _bill(prices, month, [_Item(s.version, s.region, s, []) for s in shares]) + _bill(
        prices, month, [_Item(e.version, e.to_region, None, [e]) for e in entries]
    )


def _budget(ctx: Context, prices: Prices) -> BudgetState | None:
    if ctx.pricing.budget is None:
        return None
    usd = present(ctx, prices).first_month_usd
    return BudgetState(budget=ctx.pricing.budget, present_usd=usd, projected_usd=usd)


def _items(shares: Iterable[RegionShare], entries: Iterable[LedgerEntry]) -> list[_Item]:
    items = {(s.version, s.region): _Item(s.version, s.region, s, []) for s in shares}
    for entry in entries:
        at = (entry.version, entry.to_region)
        items.setdefault(at, _Item(*at, None, [])).entries.append(entry)
    return list(items.values())


def _months(entries: list[LedgerEntry], current: Month) -> list[Month]:
    """From the ledger's first month to the current one, at most `MONTHS_MAX`."""
    month = min([current, *(Month.of(entry.at) for entry in entries[:1])])
    found = [month]
    while month < current:
        month = month.next()
        found.append(month)
    return found[-MONTHS_MAX:]


def _cost(prices: Prices, month: Month, items: list[_Item]) -> Cost:
    shares = [item.share for item in items if item.share is not None]
    stored = usage.stored_bytes_by_role(shares)
    away = [
        entry
        for item in items
        for entry in item.entries
        if Month.of(entry.at) == month and entry.from_region != entry.to_region
    ]
    return Cost(
        bill=_bill(prices, month, items),
        storage_usd=sum((_storage_usd(prices, month, item) for item in items), bill.ZERO_USD),
        stored_bytes=stored.total(),
        stored_usd_month=bill.stored_usd_month(prices, stored),
        sent_bytes=sum(entry.sent_bytes for entry in away),
        sent_usd=sum((prices.egress_usd(e.from_region, e.sent_bytes) for e in away), bill.ZERO_USD),
    )


def _bill(prices: Prices, month: Month, items: Iterable[_Item]) -> Bill:
    found = Bill()
    for item in items:
        if item.share is not None:
            found += _storage(prices, item.share)
        for entry in item.entries:
            if Month.of(entry.at) == month:
                found += bill.egress(prices, entry.from_region, entry.egress_bytes)
                found += bill.requests(prices, entry.to_region, entry.requests)
    return found


def _storage(prices: Prices, share: RegionShare) -> Bill:
    kept = Kept(share.replicas_billed, share.storage_account_type)
    return bill.storage(prices, share.region, kept, share.occupied_bytes)


def _storage_usd(prices: Prices, month: Month, item: _Item) -> Decimal:
    """The month's storage of a version in a region, from the day on which it was last filled."""
    if item.share is None:
        return bill.ZERO_USD
    a_month = _storage(prices, item.share).storage_usd_month
    filled = [entry.at for entry in item.entries if entry.is_first]
    return bill.storage_usd_in(month, max(filled), a_month) if filled else a_month
