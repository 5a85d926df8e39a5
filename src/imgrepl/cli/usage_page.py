"""Usage for people: galleries, definitions, versions and regions as one tree of names."""

from collections.abc import Iterator, Mapping
from typing import Any

from imgrepl.cli import human
from imgrepl.cli.blocks import Block, Column, Grid, Lines
from imgrepl.cli.image_tree import image_tree, left_out

Json = Mapping[str, Any]

_FIGURES = (
    Column("Provisioned", "provisionedBytes", spare=1),
    Column("Occupied", "occupiedBytes"),
    Column("Billed", "billedBytes"),
    Column("Stored", "storedBytes"),
    Column("Replicas", "replicas", spare=2),
)

_LIMITS = (
    Column("Limit", "name"),
    Column("Subscription", "subscription", spare=1),
    Column("Region", "region"),
    Column("Used", "currentValue"),
    Column("Of", "limit"),
    Column("Left", "left"),
)


def usage_page(usage: Json) -> Iterator[Block]:
    """What `usage` gives: first by image, then by region, each with the sum of all."""
    total = {**usage["total"], "name": "all"}
    by_region = [{**region, "name": region["region"]} for region in usage["regions"]]
    yield Grid([*image_tree(usage), total], (Column("Image", "name"), *_FIGURES))
    yield Lines(left_out(usage))
    yield Grid([*by_region, total], (Column("Region", "name"), *_FIGURES))
    yield Grid([_shown(limit) for limit in usage["limits"]], _LIMITS)


def _shown(limit: Json) -> Json:
    """Bytes as people read them, which the cells tell by their names."""
    if limit["unit"] != "Bytes":
        return limit
    sizes = {key: human.size(limit[key]) for key in ("currentValue", "limit", "left")}
    return {**limit, **sizes}
