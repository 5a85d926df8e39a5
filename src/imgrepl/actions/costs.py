"""What a month costs, by gallery, version and region, and what of it is really stored and sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

from imgrepl.actions import allowing
from imgrepl.actions.context import Context
from imgrepl.actions.pricing import Pricing
from imgrepl.gallery import ledger, usage
from imgrepl.gallery.ledger import History
from imgrepl.gallery.usage import Shares, VersionShare
from imgrepl.model import bill
from imgrepl.model.bill import Bill, Month
from imgrepl.model.budget import BudgetState
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId
from imgrepl.model.policy import Action
from imgrepl.model.prices import Prices
from imgrepl.model.tally import Biller, Kept, Moved, Tally

MONTHS_MAX = 36
"""How many months a report goes back."""


class Cost(NamedTuple):
    """One line of a month's bill.

    In `bill`, storage is the price of a whole month of what stands now, egress and requests are
    those of the month. `storage_usd` is the month's own storage: what was filled in it counts from
    that day on. `sent_bytes` is what really went between regions.
    """

    bill: Bill
    storage_usd: Decimal
    stored_bytes: int
    sent_bytes: int

    @property
    def usd(self) -> Decimal:
        """What the month costs."""
        return self.storage_usd + self.bill.once_usd


@dataclass(frozen=True, kw_only=True)
class CostReport:
    """Costs at every level, in the order of names; what is only in the ledger comes last.

    `months` has the total of every month since the ledger begins, `total` that of `month`.
    `stored_usd_month` is what the bytes that are really stored would cost, `sent_usd` the traffic
    that really went between regions.
    """

    month: Month
    prices: Prices
    galleries: dict[GalleryId, Cost]
    definitions: dict[DefinitionId, Cost]
    versions: dict[VersionId, Cost]
    version_regions: dict[VersionId, dict[str, Cost]]
    regions: dict[str, Cost]
    months: dict[Month, Cost]
    total: Cost
    stored_usd_month: Decimal
    sent_usd: Decimal
    budget: BudgetState | None


class _Account(NamedTuple):
    """One version: what stands, if anything does, what is kept, and what moved."""

    version: VersionId
    share: VersionShare | None
    kept: list[Kept]
    moved: list[Moved]


@dataclass(frozen=True)
class _Group:
    """Several versions: what stands of them, and the sums of the rest."""

    shares: list[VersionShare] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def add(self, share: VersionShare | None, kept: list[Kept], moved: list[Moved]) -> None:
        """Adds a version."""
        if share is not None:
            self.shares.append(share)
        self.tally.add(kept, moved)

    def merge(self, other: "_Group") -> None:
        """Adds another group."""
        self.shares.extend(other.shares)
        self.tally.add(other.tally.kept, other.tally.moved)


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
        found = usage.shares(tx, gallery_id)
        histories = ledger.by_version(tx, gallery_id)
    shares = found.of([one for one in found.versions if sees(one.version)])
    accounts = _accounts(shares, {name: of for name, of in histories.items() if sees(name)})
    stored = shares.stored_bytes_by_region()
    books = _Books(prices, chosen, shares)
    definitions, galleries = _grouped(accounts, books)
    whole = _whole(accounts)
    versions = {account.version: books.of_version(account) for account in accounts}
    return CostReport(
        month=chosen,
        prices=prices,
        galleries={name: books.of_group(group) for name, group in galleries.items()},
        definitions={name: books.of_group(group) for name, group in definitions.items()},
        versions={name: whole for name, (whole, _regions) in versions.items()},
        version_regions={name: regions for name, (_whole, regions) in versions.items()},
        regions=books.by_region(whole, stored),
        months={
            one: _Books(prices, one, shares).of_tally(whole, sum(stored.values()))
            for one in _months(whole, current)
        },
        total=books.of_tally(whole, sum(stored.values())),
        stored_usd_month=bill.stored_usd_month(prices, shares.stored_bytes_by_role()),
        sent_usd=books.sent_usd(whole),
        budget=_budget(ctx, prices) if gallery_id is None and ctx.caller.owns_index else None,
    )


def present(ctx: Context, prices: Prices) -> Bill:
    """What all galleries cost: storage as if it stood all month, the rest as it was this month."""
    month = Month.of(ctx.clock.now())
    with ctx.index.read() as tx:
        shares = usage.shares(tx, with_packs=False)
        histories = ledger.by_version(tx, since=month.start)
    whole = _whole(_accounts(shares, histories))
    return Biller(prices, month).price(whole.kept, whole.moved).bill


def _budget(ctx: Context, prices: Prices) -> BudgetState | None:
    if ctx.pricing.budget is None:
        return None
    usd = present(ctx, prices).first_month_usd
    return BudgetState(budget=ctx.pricing.budget, present_usd=usd, projected_usd=usd)


def _accounts(shares: Shares, histories: Mapping[VersionId, History]) -> list[_Account]:
    """In the order of names; versions that are only in the ledger come last."""
    nothing = History({}, [])
    standing = {one.version: one for one in shares.versions}
    found = [_account(one, histories.get(name, nothing)) for name, one in standing.items()]
    gone = [(name, of.moved) for name, of in histories.items() if name not in standing]
    return [*found, *(_Account(name, None, [], moved) for name, moved in gone)]


def _account(share: VersionShare, history: History) -> _Account:
    filled, occupied = history.filled, share.occupied_bytes
    kept = [
        Kept(region, kind, filled.get(region), billed, occupied * billed)
        for region, kind, _completed, billed in share.kept
    ]
    return _Account(share.version, share, kept, history.moved)


def _grouped(
    accounts: Iterable[_Account], books: "_Books"
) -> tuple[dict[DefinitionId, _Group], dict[GalleryId, _Group]]:
    """By definition and by gallery, as far as the month of the books asks for it."""
    definitions: dict[DefinitionId, _Group] = {}
    for of, versions in groupby(accounts, lambda account: account.version.definition):
        group = definitions.setdefault(of, _Group())
        for account in versions:
            group.add(account.share, *books.of_the_month(account))
    galleries: dict[GalleryId, _Group] = {}
    for definition, group in definitions.items():
        galleries.setdefault(definition.gallery, _Group()).merge(group)
    return definitions, galleries


def _whole(accounts: Iterable[_Account]) -> Tally:
    """All together, for any month."""
    found = Tally()
    for account in accounts:
        found.add(account.kept, account.moved)
    return found


def _months(whole: Tally, current: Month) -> list[Month]:
    """From the ledger's first month to the current one, at most `MONTHS_MAX`."""
    month = min([current, *(moved.month for moved in whole.moved)])
    found = [month]
    while month < current:
        month = month.next()
        found.append(month)
    return found[-MONTHS_MAX:]


class _Books:
    """Costs of one month at every level."""

    def __init__(self, prices: Prices, month: Month, shares: Shares) -> None:
        self._biller = Biller(prices, month)
        self._shares = shares

    def of_group(self, group: _Group) -> Cost:
        """What several versions cost."""
        return self.of_tally(group.tally, self._shares.of(group.shares).stored_bytes())

    def of_tally(self, tally: Tally, stored_bytes: int) -> Cost:
        """What its sums cost."""
        return self._cost(tally.kept, tally.moved, stored_bytes)

    def of_the_month(self, account: _Account) -> tuple[list[Kept], list[Moved]]:
        """What there is of a version that this month's bill can tell apart."""
        return self._biller.kept(account.kept), self._biller.moved(account.moved)

    def by_region(self, whole: Tally, stored: Mapping[str, int]) -> dict[str, Cost]:
        """The same in each region."""
        return {
            name: self.of_tally(tally, stored.get(name, 0))
            for name, tally in whole.by_region().items()
        }

    def of_version(self, account: _Account) -> tuple[Cost, dict[str, Cost]]:
        """What a version costs, and what it does in each region."""
        stored = self._stored(account.share)
        moved = self._biller.moved(account.moved)
        regions: dict[str, tuple[list[Kept], list[Moved]]] = {}
        for kept in account.kept:
            regions.setdefault(kept.region, ([], []))[0].append(kept)
        for one in moved:
            regions.setdefault(one.to_region, ([], []))[1].append(one)
        return self._cost(account.kept, moved, sum(stored.values())), {
            name: self._cost(*parts, stored.get(name, 0)) for name, parts in regions.items()
        }

    def sent_usd(self, whole: Tally) -> Decimal:
        """What the traffic that really went between regions costs."""
        return self._biller.price([], whole.moved).sent_usd

    def _cost(self, kept: Iterable[Kept], moved: list[Moved], stored_bytes: int) -> Cost:
        bill, storage_usd, sent_bytes, _sent_usd = self._biller.price(kept, moved)
        return Cost(bill, storage_usd, stored_bytes, sent_bytes)

    def _stored(self, share: VersionShare | None) -> dict[str, int]:
        if share is None:
            return {}
        return self._shares.held.bytes_in([one.region for one in share.kept], (share.number,))
