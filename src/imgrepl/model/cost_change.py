"""What a change of what stands where costs."""

from dataclasses import dataclass

from imgrepl.model import bill
from imgrepl.model.bill import Bill
from imgrepl.model.budget import BudgetState


@dataclass(frozen=True, kw_only=True)
class CostChange:
    """What a change costs, by region.

    `really` is the same for the bytes that deduplication leaves to be stored and sent; None where
    that is not known before it is done.
    """

    regions: dict[str, Bill]
    really: Bill | None = None
    budget: BudgetState | None = None

    @property
    def total(self) -> Bill:
        """All regions together."""
        return bill.total(self.regions.values())
