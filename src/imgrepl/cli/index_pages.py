"""Checks and rebuilds of the gallery index, for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from imgrepl.cli.blocks import Block, Column, Facts, Grid

Json = Mapping[str, Any]

_DIFFERENCES = (
    Column("Place", "place"),
    Column("Object", "object"),
    Column("What is wrong", "reason"),
)
_REGIONS = (
    Column("Region", "region"),
    Column("Records", "records"),
    Column("Left out because", "error.message", spare=1),
)
_PLACES = (
    Column("Place", "place"),
    Column("Packs", "packs"),
    Column("New", "newPacks", spare=1),
    Column("Bytes", "bytes"),
    Column("Manifests", "manifests", spare=2),
    Column("Seals", "seals", spare=3),
)


def check_page(report: Json) -> Iterator[Block]:
    """What `index check` gives."""
    yield Facts(
        {
            "Places": report["places"],
            "Objects": report["objects"],
            "Missing or wrong": len(report["faults"]),
            "Unknown": len(report["unknown"]),
        }
    )
    yield Grid(report["faults"], _DIFFERENCES, "Missing or wrong")
    yield Grid(report["unknown"], _DIFFERENCES, "Unknown to the index")
    unread = (Column("Region", "region"), Column("Not read because", "message"))
    yield Grid(report["unread"], unread)


def rebuild_page(report: Json) -> Iterator[Block]:
    """What `index rebuild` gives."""
    others = [f"{region} ({count})" for region, count in report["otherRegions"].items()]
    yield Facts(
        {
            "Store": report["storeId"],
            "Epoch": report["epoch"],
            "Galleries": report["galleries"],
            "Image definitions": report["imageDefinitions"],
            "Image versions": report["imageVersions"],
            "Tombstones": report["tombstones"],
            "Replicas complete": report["replicasCompleted"],
            "Not read (versions)": others,
            "Not in the index yet": report["unregisteredRegions"],
        }
    )
    yield Grid(report["regions"], _REGIONS)
    yield Grid([place for region in report["regions"] for place in region["places"]], _PLACES)
    for title, key in (("Could not be read", "damaged"), ("Not restored", "skipped")):
        yield Grid([{"what": line} for line in report[key]], (Column("What", "what"),), title)
