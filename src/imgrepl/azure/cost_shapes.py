"""Bills as JSON. Amounts are US dollars, to the millionth; sizes are bytes."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from imgrepl.actions.costs import Cost, CostReport
from imgrepl.model.bill import Bill
from imgrepl.model.budget import BudgetState
from imgrepl.model.cost_change import CostChange
from imgrepl.model.gallery import DefinitionId, GalleryId

Json = dict[str, Any]
_DIGITS = 6


def change(value: CostChange) -> Json:
    """What a plan changes in the bill: storage by the month, the rest once."""
    total, really = value.total, value.really
    return {
        **_bill(total),
        "firstMonthUsd": _usd(total.first_month_usd),
        "regions": [{"region": name, **_bill(one)} for name, one in value.regions.items()],
        "saved": None
        if really is None
        else {
            "storageUsdPerMonth": _usd(total.storage_usd_month - really.storage_usd_month),
            "egressUsd": _usd(total.egress_usd - really.egress_usd),
        },
        "budget": _budget(value.budget),
    }


def report(value: CostReport) -> Json:
    """A month's costs by gallery, definition, version and region, and the total of each month."""
    regions = value.version_regions
    return {
        "month": str(value.month),
        "galleries": [{**_gallery(key), **_cost(cost)} for key, cost in value.galleries.items()],
        "definitions": [
            {**_definition(key), **_cost(cost)} for key, cost in value.definitions.items()
        ],
        "versions": [
            {
                **_definition(key.definition),
                "version": str(key.version),
                **_cost(cost),
                "regions": [{"region": name, **_cost(at)} for name, at in regions[key].items()],
            }
            for key, cost in value.versions.items()
        ],
        "regions": [{"region": key, **_cost(cost)} for key, cost in value.regions.items()],
        "months": [{"month": str(key), **_cost(cost)} for key, cost in value.months.items()],
        "total": _cost(value.total),
        "saved": _saved(value),
        "budget": _budget(value.budget),
    }


def _gallery(value: GalleryId) -> Json:
    return {
        "subscription": value.subscription,
        "resourceGroup": value.group,
        "gallery": value.gallery,
    }


def _definition(value: DefinitionId) -> Json:
    return {**_gallery(value.gallery), "definition": value.definition}


def _cost(value: Cost) -> Json:
    return {
        **_bill(value.bill),
        "storageUsd": _usd(value.storage_usd),
        "totalUsd": _usd(value.usd),
        "storedBytes": value.stored_bytes,
        "sentBytes": value.sent_bytes,
    }


def _bill(value: Bill) -> Json:
    return {
        "replicas": value.snapshots,
        "billedBytes": value.billed_bytes,
        "storageUsdPerMonth": _usd(value.storage_usd_month),
        "egressBytes": value.egress_bytes,
        "egressUsd": _usd(value.egress_usd),
        "requests": value.requests,
        "requestsUsd": _usd(value.requests_usd),
    }


def _saved(value: CostReport) -> Mapping[str, float]:
    """What is billed less what the bytes that are stored and were sent would cost."""
    return {
        "storageUsdPerMonth": _usd(value.total.bill.storage_usd_month - value.stored_usd_month),
        "egressUsd": _usd(value.total.bill.egress_usd - value.sent_usd),
    }


def _budget(value: BudgetState | None) -> Json | None:
    if value is None:
        return None
    return {
        "monthlyUsd": _usd(value.budget.monthly_usd),
        "action": value.budget.action.value,
        "presentUsd": _usd(value.present_usd),
        "projectedUsd": _usd(value.projected_usd),
        "exceeded": value.exceeded,
    }


def _usd(amount: Decimal) -> float:
    return float(round(amount, _DIGITS)) + 0.0  # no negative zero
