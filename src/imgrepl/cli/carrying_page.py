"""Exports, imports and moves of whole galleries, for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from imgrepl.cli import human
from imgrepl.cli.blocks import Block, Column, Facts, Grid, Lines

Json = Mapping[str, Any]

_PLAN = "nothing was changed: this is what would be done"
_VERSIONS = (
    Column("Version", "version"),
    Column("State", "state"),
    Column("Was there", "wasThere", spare=1),
    Column("Regions", "regions", spare=2),
    Column("Sent", "sentBytes"),
    Column("Server-copied", "serverCopiedBytes", spare=1),
)


def carrying_page(found: Json) -> Iterator[Block]:
    """What `gallery export` and `gallery import` give."""
    yield Facts(
        {
            "Gallery": found["gallery"],
            "Bucket": found["bucket"],
            "Plan": _PLAN if found["planned"] else None,
            "Image definitions": found["imageDefinitions"],
            "Image versions": found["imageVersions"],
            "New": found["newVersions"],
            "Sent": human.size(found["sentBytes"]),
            "Server-copied": human.size(found["serverCopiedBytes"]),
            "Shared there, not here": found["sharingNotCarried"],
        }
    )
    yield Grid(found["versions"], _VERSIONS, "Versions")
    yield Lines(found["changed"], "Fields that followed the source")
    yield Lines(found["onlyThere"], "Only at the target, and left there")
    pointing = [one for one in found["versions"] if one["pointsAt"]]
    sources = (Column("Version", "version"), Column("Points at", "pointsAt"))
    yield Grid(
        pointing, sources, "Shallow: what they point at is not carried and was not looked at"
    )
    left = (Column("Version", "version"), Column("Why", "reason"))
    yield Grid(found["leftOut"], left, "Left out")
    yield Lines(found["unread"], "Lies in the bucket and could not be read")
    roles = (Column("Resource", "resource"), Column("Who", "assignee"), Column("Role", "role"))
    yield Grid(
        found["rolesNotCarried"], roles, "Roles at the source, given to nobody at the target"
    )


def home_page(found: Json) -> Iterator[Block]:
    """What `gallery move-home` gives."""
    yield Facts(
        {
            "Gallery": found["gallery"],
            "Home before": found["from"],
            "Home": found["to"],
            "Plan": _PLAN if found["planned"] else None,
            "Image definitions": found["imageDefinitions"],
            "Image versions": found["imageVersions"],
            "Tombstones": found["tombstones"],
        }
    )
    left = (Column("Version", "version"), Column("Why", "reason"))
    yield Grid(found["left"], left, "Left at their home")
    told = (Column("Region", "region"), Column("Why", "reason"))
    yield Grid(found["notTold"], told, "Not told yet")
