"""The health of replicas for people: what `verify` found, and what `repair` did."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imgrepl.cli.blocks import Block, Column, Grid, Lines

Json = Mapping[str, Any]

_REPLICA_COLUMNS = (
    Column("Region", "region"),
    Column("Replica", "replica"),
    Column("State", "state"),
    Column("Packs", "packs", spare=2),
    Column("Bytes", "bytes", spare=1),
    Column("Problems", "length(problems)"),
)
_FAULT_COLUMNS = (
    Column("Place", "place"),
    Column("Object", "object"),
    Column("Disk bytes", "affectedDiskBytes", spare=1),
    Column("Reason", "reason"),
)


LOST_COLUMNS = (
    Column("Version", "version"),
    Column("Disk", "disk"),
    Column("Offset", "offset"),
    Column("Length", "length"),
)


def health_page(report: Json) -> Iterator[Block]:
    """What `verify` and `repair` give; a repair also names what it mended and what it could not."""
    replicas: Sequence[Json] = report["replicas"]
    healthy = sum(replica["state"] == "healthy" for replica in replicas)
    yield Lines([f"{healthy} of {len(replicas)} replicas are healthy"])
    yield Grid(replicas, _REPLICA_COLUMNS)
    problems = [problem for replica in replicas for problem in replica["problems"]]
    yield Grid(problems, _FAULT_COLUMNS, "Problems")
    yield Grid(report.get("mended", ()), _FAULT_COLUMNS, "Mended")
    yield Grid(report.get("beyondRepair", ()), _FAULT_COLUMNS, "Beyond repair: no intact copy")
    yield Grid([lost_row(one) for one in report.get("lost", ())], LOST_COLUMNS, "Lost")


def lost_row(lost: Json) -> Json:
    """Bytes that no place has, with the disk as people call it."""
    return {**lost, "disk": "os" if lost["lun"] is None else f"LUN {lost['lun']}"}
