"""A comparison of two versions, for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from imgrepl.cli import human
from imgrepl.cli.blocks import Block, Column, Facts, Grid

Json = Mapping[str, Any]

_CHECKS = (
    Column("Check", "check"),
    Column("First", "first", spare=1),
    Column("Second", "second", spare=1),
    Column("Verdict", "verdict"),
    Column("Why", "reason"),
)


def comparing_page(found: Json) -> Iterator[Block]:
    """What `image-version compare` gives."""
    first, second = found["versions"]
    yield Facts(
        {
            "First": first,
            "Second": second,
            "May go on with it": "yes" if found["compatible"] else "no",
            "Same content": "yes" if found["equal"] else "no",
        }
    )
    yield Grid([_with_size(check) for check in found["checks"]], _CHECKS, "Going on with it")
    yield Facts(_shared(found), "Bytes")


def _with_size(check: Json) -> Json:
    """Disk sizes in binary units."""
    shown = dict(check)
    for side in ("first", "second"):
        number, _, unit = check[side].partition(" ")
        if unit == "bytes":
            shown[side] = human.size(int(number))
    return shown


def _shared(found: Json) -> dict[str, object]:
    content = found["content"]
    facts: dict[str, object] = {}
    if content is not None:
        facts = {
            "Content in common": human.size(content["sharedBytes"]),
            "New in the second": human.size(content["newBytes"]),
            "Stored, in common": human.size(content["sharedStoredBytes"]),
            "Stored, new": human.size(content["newStoredBytes"]),
        }
    return facts | {
        "Packs in common": f"{found['sharedPacks']}, {human.size(found['sharedPackBytes'])}",
        "Packs of the first alone": human.size(found["onlyFirstPackBytes"]),
        "Packs of the second alone": human.size(found["onlySecondPackBytes"]),
    }
