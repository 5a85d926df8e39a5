"""What costs are counted by, out of settings."""

from decimal import Decimal

from imgrepl.actions.pricing import Pricing
from imgrepl.model.budget import Budget, BudgetAction
from imgrepl.settings import Settings


def pricing_of(settings: Settings) -> Pricing:
    """The price list and the budget, as set."""
    budget = None
    if settings.budget_monthly_usd:
        budget = Budget(
            monthly_usd=Decimal(str(settings.budget_monthly_usd)),
            action=BudgetAction(settings.budget_action),
        )
    return Pricing(settings.prices_file, budget)
