"""What a publication or an update would change in the bill, and whether the budget allows it."""

from collections.abc import Callable
from dataclasses import replace

from imgrepl.actions import costs
from imgrepl.actions.context import Context
from imgrepl.errors import Invalid
from imgrepl.model import bill
from imgrepl.model.bill import Placement
from imgrepl.model.budget import BudgetAction, BudgetState
from imgrepl.model.cost_change import CostChange
from imgrepl.model.events import Notice
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.transfer import Transfer


def of_publication(ctx: Context, version: ImageVersion, transfer: Transfer | None) -> CostChange:
    """What a new version costs, whose disks and new bytes a rehearsal has counted."""
    counted = transfer or Transfer()
    after = Placement.of(version, packs=counted.packs_written)
    really = bill.change(ctx.pricing.prices, None, replace(after, occupied_bytes=counted.new_bytes))
    return replace(_change(ctx, None, after), really=bill.total(really.values()))


def of_update(ctx: Context, before: ImageVersion, after: ImageVersion, packs: int) -> CostChange:
    """What other target regions cost. `packs` is how many objects each new replica takes."""
    return _change(ctx, Placement.of(before), Placement.of(after, packs=packs))


def check_publication(ctx: Context, *attempts: Callable[[], CostChange]) -> None:
    """Whether the budget allows a publication. Raises `Invalid` (`BudgetExceeded`).

    Each of `attempts` knows the cost better than the one before and is dearer to ask; the first
    that fits decides, else the last.
    """
    if ctx.pricing.budget is None:
        return
    for attempt in attempts:
        found = attempt()
        if not _exceeds(found):
            return
    check(ctx, found)


def check(ctx: Context, found: CostChange) -> None:
    """Warns of a change that exceeds the budget, or refuses it, as is set.

    A change that makes the month no dearer is always allowed. Raises `Invalid` (`BudgetExceeded`).
    """
    if found.budget is None or not _exceeds(found):
        return
    if found.budget.budget.action is BudgetAction.REFUSE:
        raise Invalid(
            str(found.budget),
            code="BudgetExceeded",
            target="budget_monthly_usd",
            hint="fewer replicas or regions, or a higher budget_monthly_usd; `imgrepl cost` shows"
            " what the money goes to",
        )
    ctx.events(Notice(level="warning", text=str(found.budget)))


def _exceeds(found: CostChange) -> bool:
    return found.budget is not None and found.budget.exceeded and found.budget.raised


def _change(ctx: Context, before: Placement | None, after: Placement) -> CostChange:
    prices = ctx.pricing.prices
    found = CostChange(regions=bill.change(prices, before, after))
    if ctx.pricing.budget is None:
        return found
    now = costs.present(ctx, prices).first_month_usd
    state = BudgetState(
        budget=ctx.pricing.budget,
        present_usd=now,
        projected_usd=now + found.total.first_month_usd,
    )
    return replace(found, budget=state)
