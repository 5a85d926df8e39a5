"""A collection for people: what went from each place, what stayed and why."""

from collections.abc import Iterator, Mapping
from typing import Any

from imgrepl.cli.blocks import Block, Column, Facts, Grid

Json = Mapping[str, Any]

_PLACES = (
    Column("Place", "place"),
    Column("Packs deleted", "deletedPacks"),
    Column("Freed", "deletedBytes"),
    Column("Condemned", "condemnedPacks", spare=2),
    Column("Manifests", "deletedManifests", spare=3),
    Column("Seals", "deletedSeals", spare=4),
    Column("Unknown objects", "unknownObjects", spare=1),
)
_KEPT = (
    Column("Place", "place"),
    Column("Packs", "packs"),
    Column("Bytes", "bytes"),
    Column("Kept because", "reason"),
)
_COMPACTED = (
    Column("Place", "place"),
    Column("Packs compacted", "packs"),
    Column("Bytes", "packBytes"),
    Column("New packs", "newPacks"),
    Column("New bytes", "newBytes"),
)
_FREED = (Column("Region", "region"), Column("Linked files", "files"), Column("Freed", "bytes"))
_ERRORS = (Column("Place", "place"), Column("Left alone because", "error.message"))


def collect_page(report: Json) -> Iterator[Block]:
    """What `collect` gives."""
    places = report["places"]
    yield Grid(places, _PLACES)
    kept = [{**kept, "place": place["place"]} for place in places for kept in place["kept"]]
    yield Grid(kept, _KEPT)
    compacted = report["compacted"]
    yield Grid([place for place in compacted if place["packs"]], _COMPACTED)
    freed = report["freedFiles"]
    yield Grid([region for region in freed if region["files"]], _FREED)
    away = [{**region, "place": region["region"]} for region in freed]
    yield Grid([place for place in (*places, *compacted, *away) if place["error"]], _ERRORS)
    yield Facts(
        {
            "Operations ended": report["endedOperations"],
            "Versions withdrawn": report["withdrawnVersions"],
            "Versions adopted": report["adoptedVersions"],
            "Records unknown": report["unknownRecords"],
            "Versions purged": report["purgedVersions"],
            "Versions not purged": report["unpurgedVersions"],
        }
    )
