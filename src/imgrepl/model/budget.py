"""How much a month may cost, and what happens to a change that would exceed it."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from imgrepl.model.bill import cents


class BudgetAction(StrEnum):
    """What becomes of a publication or an update that exceeds the budget."""

    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The most that all galleries together are to cost a month."""

    monthly_usd: Decimal
    action: BudgetAction = BudgetAction.WARN


@dataclass(frozen=True, kw_only=True)
class BudgetState:
    """A budget, what the month costs as things stand, and what it would with a change.

    Storage counts as if it stood for the whole month, egress and requests as they were in it.
    """

    budget: Budget
    present_usd: Decimal
    projected_usd: Decimal

    @property
    def exceeded(self) -> bool:
        """Whether the month would cost more than it may."""
        return self.projected_usd > self.budget.monthly_usd

    @property
    def raised(self) -> bool:
        """Whether the change makes the month dearer; one that saves is never in the way."""
        return self.projected_usd > self.present_usd

    def __str__(self) -> str:
        return (
            f"the month would cost {cents(self.projected_usd):,} USD (now"
            f" {cents(self.present_usd):,}); the budget is {cents(self.budget.monthly_usd):,}"
        )
