"""An image version for people: what it is, where it stands, its disks, what publishing it moved."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imgrepl.cli import human
from imgrepl.cli.blocks import Block, Column, Facts, Grid, Lines
from imgrepl.cli.cost_page import cost_change
from imgrepl.cli.fact_page import list_page
from imgrepl.model.wording import counted

Json = Mapping[str, Any]

_CONTENT_ID_SHOWN = 12
_REPLICA_COLUMNS = (
    Column("Region", "region"),
    Column("Replica", "replica"),
    Column("State", "state"),
    Column("Progress", "progress", unit="%"),
    Column("Storage", "storageAccountType", spare=2),
    Column("Proven", "proof.at", spare=1),
    Column("How", "proof.level", spare=3),
)
_DISK_COLUMNS = (
    Column("Disk", "disk"),
    Column("Format", "format"),
    Column("Provisioned", "provisionedBytes", spare=2),
    Column("Occupied", "occupiedBytes"),
    Column("Stored", "storedBytes"),
    Column("Content id", "contentId", spare=1),
)
_PHASE_COLUMNS = (
    Column("Phase", "phase"),
    Column("Regions", "regions"),
    Column("State", "state"),
)
_TRANSFER_COLUMNS = (
    Column("Region", "region"),
    Column("Sent", "sentBytes"),
    Column("Server-copied", "serverCopiedBytes"),
    Column("Puts", "puts", spare=1),
    Column("Time", "seconds", spare=2),
)


_LISTED = (
    Column("Version", "name"),
    Column("State", "provisioningState"),
    Column("Replication", "replicationStatus.aggregatedState", spare=1),
    Column("Regions", "publishingProfile.targetRegions[].name"),
    Column("Excluded", "publishingProfile.excludeFromLatest", spare=4),
    Column("Published", "publishingProfile.publishedDate", spare=2),
    Column("End of life", "publishingProfile.endOfLifeDate", spare=3),
)
versions_page = list_page(*_LISTED)
all_versions_page = list_page(
    Column("Gallery", "imgrepl.gallery"),
    Column("Definition", "imgrepl.imageDefinition"),
    *_LISTED,
)


def version_page(version: Json) -> Iterator[Block]:
    """What `create`, `show`, `update`, `retry` and `wait` give."""
    ours, profile = version["imgrepl"], version["publishingProfile"]
    yield Facts(_identity(version) | _profile(version, profile) | _operation(ours))
    yield from _replicas(ours["replicas"], planned=ours.get("planned", False))
    if "changes" in ours:
        yield Lines(
            _changes(ours["changes"]),
            "Regions, as they would be" if ours.get("planned") else "Regions",
        )
    if "phases" in ours:
        yield Grid(ours["phases"]["groups"], _PHASE_COLUMNS, "Phases")
    yield Grid([_disk(disk) for disk in ours["disks"]], _DISK_COLUMNS, "Disks")
    if ours["transfer"] is not None:
        yield from _transfer(ours["transfer"], planned=ours.get("planned", False))
    if "cost" in ours:
        yield from cost_change(ours["cost"])
    yield Lines(ours.get("explained", ()), "Latest")


def status_page(status: Json) -> Iterator[Block]:
    """What `status` gives."""
    yield Facts(_identity(status))
    yield from _replicas(status["replicas"], planned=False)


def _identity(version: Json) -> dict[str, object]:
    return {
        "Version": "/".join(version["id"].split("/")[8::2]) if "id" in version else version["name"],
        "State": version["provisioningState"],
        "Replication": version["replicationStatus"]["aggregatedState"],
    }


def _profile(version: Json, profile: Json) -> dict[str, object]:
    return {
        "Home region": version["location"],
        "Published": profile["publishedDate"],
        **_pointers(version, profile),
        "Excluded from latest": _exclusion(profile),
        "End of life": profile["endOfLifeDate"],
        "Tags": version["tags"],
        "ETag": version["etag"],
        **_bin(version["imgrepl"]["softDelete"]),
    }


def _pointers(version: Json, profile: Json) -> dict[str, object]:
    if profile["replicationMode"] != "Shallow":
        return {}
    disks = version["storageProfile"]
    images = [disks["osDiskImage"], *disks["dataDiskImages"]]
    return {
        "Replication mode": "Shallow: nothing is copied or billed",
        "Points at": ", ".join(image["source"]["uri"] for image in images if image),
    }


def _bin(times: Json | None) -> dict[str, object]:
    if times is None:
        return {}
    return {
        "Deleted": times["softDeletedTime"],
        "Usable until": times["consumptionEndTime"],
        "Purged at": times["hardDeletionTargetTime"],
    }


def _exclusion(profile: Json) -> str:
    if profile["excludeFromLatest"]:
        return "yes"
    regions = [one["name"] for one in profile["targetRegions"] if one["excludeFromLatest"]]
    return f"in {', '.join(regions)}" if regions else "no"


def _operation(ours: Json) -> dict[str, object]:
    if ours.get("planned"):
        return {"Plan": "nothing was changed: this is what would be done"}
    return {} if ours["committed"] else {"Operation": ours["operation"]}


def _replicas(replicas: Sequence[Json], *, planned: bool) -> Iterator[Block]:
    columns: Sequence[Column] = _REPLICA_COLUMNS
    if planned:
        columns = tuple(c for c in columns if c.heading in {"Region", "Replica", "Storage"})
    yield Grid([{**one, "progress": _percent(one)} for one in replicas], columns, "Replicas")
    reasons = [
        f"{one['region']}, replica {one['replica']}: {one['details']}"
        for one in replicas
        if one["details"]
    ]
    yield Lines(reasons, "Why")


def _changes(changes: Json) -> list[str]:
    lines = [
        f"added: {one['name']}, {one['regionalReplicaCount']} x {one['storageAccountType']}"
        for one in changes["added"]
    ]
    lines += [
        f"removed: {one['name']}, {one['regionalReplicaCount']} x {one['storageAccountType']}"
        for one in changes["removed"]
    ]
    lines += [f"{one['region']}: {one['from']} → {one['to']} replicas" for one in changes["counts"]]
    if lines:
        known = changes["copiesBytes"] is not None
        copied = f"at most {human.size(changes['copiesBytes'])}" if known else "what the source has"
        lines.append(f"copies {copied}; `collect` may free {human.size(changes['freesBytes'])}")
    return lines


def _percent(replica: Json) -> int:
    if replica["state"] == "Completed":
        return 100
    total = replica["bytesTotal"]
    return min(99, 100 * replica["bytesDone"] // total) if total else 0


def _disk(disk: Json) -> Json:
    lun, content_id = disk["lun"], disk["contentId"]
    return {
        **disk,
        "disk": "os" if lun is None else f"LUN {lun}",
        "contentId": content_id and content_id[:_CONTENT_ID_SHOWN],
    }


def _transfer(transfer: Json, *, planned: bool) -> Iterator[Block]:
    facts = [
        f"{human.size(transfer['readBytes'])} read",
        f"{human.size(transfer['newBytes'])} new",
        f"{human.size(transfer['deduplicatedBytes'])} deduplicated",
        f"{counted(transfer['packsWritten'], 'pack')} written",
    ]
    yield Lines([", ".join(facts)], "Transfer, planned" if planned else "Transfer")
    total = {**transfer, "region": "all"}
    yield Grid([*transfer["regions"], total], _TRANSFER_COLUMNS)
