"""A retention plan for people, and what became of it."""

from collections.abc import Iterator, Mapping
from typing import Any

from imgrepl.cli.blocks import Block, Column, Facts, Grid

Json = Mapping[str, Any]

_VERSIONS = (
    Column("Version", "version"),
    Column("Decision", "decision"),
    Column("Why", "join('; ', reasons)"),
    Column("Published", "publishedDate", spare=2),
    Column("State", "provisioningState", spare=1),
    Column("Done", "outcome"),
    Column("Not done because", "error.message"),
)


def retention_page(report: Json) -> Iterator[Block]:
    """What `retention plan` and `retention apply` give."""
    versions = report["versions"]
    spare = set()
    if not any(one["outcome"] for one in versions):
        spare.add("Done")
    if not any(one["error"] for one in versions):
        spare.add("Not done because")
    yield Grid(versions, [column for column in _VERSIONS if column.heading not in spare])
    yield Facts({"Kept": report["kept"], "To delete": report["toDelete"]})
