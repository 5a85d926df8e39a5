"""A scrub for people: what was proven, what was found, and how far back proofs go now."""

from collections.abc import Iterator, Mapping
from typing import Any

from imgrepl.cli import human
from imgrepl.cli.blocks import Block, Column, Facts, Grid
from imgrepl.cli.health_page import LOST_COLUMNS, lost_row

Json = Mapping[str, Any]

_FOUND = (
    Column("Place", "place"),
    Column("Object", "object"),
    Column("Reason", "reason", spare=1),
    Column("Outcome", "outcome"),
    Column("Why", "detail", spare=2),
)
_UNREAD = (Column("Region", "region"), Column("Not read because", "message"))


def scrub_page(report: Json) -> Iterator[Block]:
    """What `scrub` gives."""
    oldest = report["oldestProof"]
    yield Facts(
        {
            "Packs proven": report["packs"],
            "Replicas looked at": report["replicas"],
            "Received": human.size(report["receivedBytes"]),
            "Everything proven": report["complete"],
            "Oldest proof now": oldest and oldest["at"],
        }
    )
    yield Grid(report["found"], _FOUND, "Damaged")
    yield Grid([lost_row(one) for one in report["lost"]], LOST_COLUMNS, "Lost")
    yield Grid(report["unread"], _UNREAD)
