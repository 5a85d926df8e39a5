"""Costs for people: by image, by region and by month, what was saved, and the budget."""

from collections.abc import Iterator, Mapping
from typing import Any

from imgrepl.cli import human
from imgrepl.cli.blocks import Block, Column, Facts, Grid, Lines
from imgrepl.cli.image_tree import image_tree, left_out

Json = Mapping[str, Any]

_FIGURES = (
    Column("Billed", "billedBytes"),
    Column("Replicas", "replicas", spare=3),
    Column("A month, USD", "storageUsdPerMonth", spare=1),
    Column("Storage, USD", "storageUsd"),
    Column("Egress, USD", "egressUsd"),
    Column("Requests, USD", "requestsUsd", spare=2),
    Column("Total, USD", "totalUsd"),
)
_CHANGES = (
    Column("Region", "region"),
    Column("Replicas", "replicas", spare=1),
    Column("Billed", "billedBytes"),
    Column("Storage a month, USD", "storageUsdPerMonth"),
    Column("Egress, USD", "egressUsd"),
    Column("Requests, USD", "requestsUsd", spare=2),
)


def cost_page(cost: Json) -> Iterator[Block]:
    """What `cost` gives."""
    total = {**cost["total"], "name": "all"}
    by_region = [{**region, "name": region["region"]} for region in cost["regions"]]
    by_month = [{**month, "name": month["month"]} for month in cost["months"]]
    yield Grid([*image_tree(cost), total], (Column("Image", "name"), *_FIGURES), cost["month"])
    yield Lines(left_out(cost))
    yield Grid([*by_region, total], (Column("Region", "name"), *_FIGURES))
    yield Grid(by_month, (Column("Month", "name"), *_FIGURES))
    yield Lines([_saved(cost["saved"])], "Saved by deduplication and compression")
    yield from _budget(cost["budget"])


def cost_change(change: Json) -> Iterator[Block]:
    """What a plan changes in the bill."""
    total = {**change, "region": "all"}
    yield Grid([*change["regions"], total], _CHANGES, "Cost, planned")
    if change["saved"] is not None:
        yield Lines([_saved(change["saved"])], "Saved by deduplication")
    yield from _budget(change["budget"])


def _saved(saved: Json) -> str:
    return (
        f"{human.usd(saved['storageUsdPerMonth'])} USD of storage a month,"
        f" {human.usd(saved['egressUsd'])} USD of egress"
    )


def _budget(budget: Json | None) -> Iterator[Block]:
    if budget is not None:
        names = {
            "Budget, USD a month": "monthlyUsd",
            "Now": "presentUsd",
            "Then": "projectedUsd",
        }
        shown: dict[str, object] = {name: human.usd(budget[key]) for name, key in names.items()}
        yield Facts({**shown, "Exceeded": budget["exceeded"]}, "Budget")
