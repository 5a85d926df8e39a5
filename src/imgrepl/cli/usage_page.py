"""Usage for people: galleries, definitions, versions and regions as one tree of names."""

from collections.abc import Iterator, Mapping
from typing import Any

from imgrepl.cli.blocks import Block, Column, Grid
from imgrepl.cli.image_tree import image_tree

Json = Mapping[str, Any]

_FIGURES = (
    Column("Provisioned", "provisionedBytes", spare=1),
    Column("Occupied", "occupiedBytes"),
    Column("Billed", "billedBytes"),
    Column("Stored", "storedBytes"),
    Column("Replicas", "replicas", spare=2),
)


def usage_page(usage: Json) -> Iterator[Block]:
    """What `usage` gives: first by image, then by region, each with the sum of all."""
    total = {**usage["total"], "name": "all"}
    by_region = [{**region, "name": region["region"]} for region in usage["regions"]]
    yield Grid([*image_tree(usage), total], (Column("Image", "name"), *_FIGURES))
    yield Grid([*by_region, total], (Column("Region", "name"), *_FIGURES))
