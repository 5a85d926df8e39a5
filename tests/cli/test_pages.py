"""What people see on a terminal: pages that fit it, whatever its width."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from imgrepl.actions.version_requests import VersionView
from imgrepl.azure import shapes
from imgrepl.cli import image_tree
from imgrepl.cli.answer import Answer
from imgrepl.cli.blocks import Block, Column, Facts, Grid, Lines
from imgrepl.cli.health_page import health_page
from imgrepl.cli.output import OutputFormat, compiled_query, write
from imgrepl.cli.region_page import check_page
from imgrepl.cli.scrub_page import scrub_page
from imgrepl.cli.usage_page import usage_page
from imgrepl.cli.version_content import damage
from imgrepl.cli.version_page import status_page, version_page, versions_page
from imgrepl.errors import NotFound
from imgrepl.model.gallery import (
    GalleryId,
    ImageVersion,
    ProvisioningState,
    TargetRegion,
    VersionDisk,
    VersionName,
)
from imgrepl.model.ids import ContentId, IncarnationId
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import StorageAccountType
from imgrepl.model.replica import Replica, ReplicaState
from imgrepl.model.transfer import RegionTransfer, Transfer

MIB = 1 << 20
NOON = datetime(2026, 11, 23, 10, 16, 32, 250_000, tzinfo=UTC)
LRS = StorageAccountType.STANDARD_LRS
VERSION = GalleryId(subscription="default", group="default", gallery="golden").definition("debian")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, width: int, answer: Answer) -> list[str]:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(width))
    stream = Terminal()
    write(answer, OutputFormat.TABLE, None, stream)
    return [line.rstrip() for line in ANSI.sub("", stream.getvalue()).splitlines()]


def replica(region: str, number: int, **fields: Any) -> Replica:
    known: dict[str, Any] = {"state": ReplicaState.COMPLETED, "verified_at": NOON, **fields}
    return Replica(region=region, number=number, storage_account_type=LRS, **known)


def view(**fields: Any) -> VersionView:
    disk = VersionDisk(
        lun=None,
        source="/srv/debian.vhd",
        format="vhd",
        provisioned_bytes=8 << 30,
        occupied_bytes=268 * MIB,
        stored_bytes=96 * MIB,
        content_id=ContentId("d9d87dadd616e82391b09fe2f480af9f"),
        chunks=7605,
    )
    version = ImageVersion(
        id=VERSION.version(VersionName(1, 0, 0)),
        incarnation=IncarnationId("0" * 32),
        revision=1,
        location="eastus",
        target_regions=(
            TargetRegion(name="eastus", replica_count=2, storage_account_type=LRS),
            TargetRegion(
                name="westeurope",
                replica_count=1,
                storage_account_type=LRS,
                exclude_from_latest=True,
            ),
        ),
        replica_count=1,
        storage_account_type=LRS,
        disks=(disk, VersionDisk(lun=3, source="/srv/data.vhd")),
        committed=True,
        published_at=NOON,
        provisioning_state=ProvisioningState.SUCCEEDED,
        tags={"team": "images"},
    )
    transfer = Transfer(
        read_bytes=268 * MIB,
        new_bytes=260 * MIB,
        deduplicated_bytes=8 * MIB,
        packs_written=7,
        sent_bytes=192 * MIB,
        server_copied_bytes=96 * MIB,
        puts=56,
        seconds=9.6,
        regions=(RegionTransfer(region="eastus", sent_bytes=96 * MIB, puts=34, seconds=9.1),),
    )
    replicas = (
        replica("eastus", 0),
        replica("eastus", 1),
        replica(
            "westeurope",
            0,
            state=ReplicaState.FAILED,
            bytes_done=48 * MIB,
            bytes_total=96 * MIB,
            detail="the endpoint http://127.0.0.1:9 did not answer",
            verified_at=None,
        ),
    )
    proofs = {("eastus", number): Proof(ProofLevel.FULL_READ, NOON) for number in (0, 1)}
    told = VersionView(version=version, replicas=replicas, transfer=transfer, proofs=proofs)
    return replace(told, **fields)


def version_answer(**fields: Any) -> Answer:
    return Answer(shapes.version(view(**fields)), page=version_page)


def test_a_version_is_a_header_its_replicas_its_disks_and_what_was_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = shown(monkeypatch, 100, version_answer())

    assert "Version               golden/debian/1.0.0" in lines
    assert "Published             2026-11-23 10:16:32Z" in lines
    assert "Excluded from latest  in westeurope" in lines
    assert "Tags                  team=images" in lines
    told = "eastus            0  Completed      100%  Standard_LRS  2026-11-23 10:16:32Z  fullRead"
    assert told in lines
    assert "westeurope        0  Failed          50%  Standard_LRS" in lines
    assert "westeurope, replica 0: the endpoint http://127.0.0.1:9 did not answer" in lines
    assert "os     vhd         8.0 GiB  268.0 MiB  96.0 MiB  d9d87dadd616" in lines
    assert "LUN 3" in lines
    assert "268.0 MiB read, 260.0 MiB new, 8.0 MiB deduplicated, 7 packs written" in lines
    assert "all     192.0 MiB       96.0 MiB    56  9.6 s" in lines


def test_a_plan_says_that_nothing_was_changed_and_shows_no_state_of_replicas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = shown(monkeypatch, 100, version_answer(planned=True, replicas=(replica("eastus", 0),)))

    assert any("nothing was changed" in line for line in lines)
    assert "Region  Replica  Storage" in lines


def test_why_a_version_is_the_latest_is_told_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, 100, version_answer(explained=("in eastus, 1.0.0: the latest",)))

    assert lines[-2:] == ["Latest", "in eastus, 1.0.0: the latest"]


USAGE: dict[str, Any] = {
    "provisionedBytes": 8 << 30,
    "occupiedBytes": 268 * MIB,
    "billedBytes": 268 * MIB,
    "storedBytes": 96 * MIB,
    "replicas": 1,
}
NAMES = {"subscription": "default", "resourceGroup": "default", "gallery": "golden"}
OTHER = NAMES | {"resourceGroup": "lab"}
IMAGE = USAGE | {"definition": "debian"}
USED: dict[str, Any] = {
    "galleries": [NAMES | USAGE, OTHER | USAGE],
    "definitions": [NAMES | IMAGE, OTHER | IMAGE],
    "versions": [
        NAMES | IMAGE | {"version": "1.0.0", "regions": [{"region": "eastus"} | USAGE]},
        OTHER | IMAGE | {"version": "2.0.0", "regions": []},
    ],
    "regions": [{"region": "eastus"} | USAGE],
    "total": USAGE,
    "limits": [
        {
            "name": "galleries",
            "subscription": "default",
            "region": "eastus",
            "currentValue": 2,
            "limit": 100,
            "left": 98,
            "unit": "Count",
        },
        {
            "name": "diskBytes",
            "subscription": None,
            "region": None,
            "currentValue": 3 << 30,
            "limit": 1 << 40,
            "left": (1 << 40) - (3 << 30),
            "unit": "Bytes",
        },
    ],
}
DAMAGED: dict[str, Any] = {
    "replicas": [
        {"region": "eastus", "replica": 0, "state": "healthy", "packs": 7, "bytes": MIB}
        | {"problems": []},
        {"region": "westeurope", "replica": 0, "state": "damaged", "packs": 7, "bytes": MIB}
        | {
            "problems": [
                {
                    "place": "westeurope/standard/0",
                    "object": "packs/78/" + "0" * 64 + ".0",
                    "pack": "0" * 64,
                    "reason": "its SHA-256 is not its name",
                }
            ]
        },
    ]
}
CHECKED: dict[str, Any] = {
    "region": "eastus",
    "warnings": ["all replicas share one server: they are copies, not independent failures"],
    "places": [
        {
            "place": "eastus/standard/0",
            "url": "s3://golden",
            "state": "ok",
            "message": "answers, and is ready",
            "capabilities": {"server": "MinIO", "conditionalPut": True, "conditionalSwap": False},
        }
    ],
}


def test_usage_is_a_tree_of_names_and_a_table_of_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, 100, Answer(USED, page=usage_page))

    names = [line.split("  8.0")[0].rstrip() for line in lines if "8.0 GiB" in line]
    assert names == [
        "golden",
        "  debian",
        "    1.0.0",
        "      eastus",
        "default/lab/golden",
        "  debian",
        "    2.0.0",
        "all",
        "eastus",
        "all",
    ]
    assert any(
        line.split() == ["galleries", "default", "eastus", "2", "100", "98"] for line in lines
    )
    assert any("3.0 GiB" in line and "1.0 TiB" in line for line in lines)


def test_damage_is_told_replica_by_replica_and_object_by_object(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = shown(monkeypatch, 100, Answer(DAMAGED, page=health_page))

    assert lines[0] == "1 of 2 replicas are healthy"
    assert "westeurope        0  damaged      7  1.0 MiB         1" in lines
    assert any("westeurope/standard/0" in line and "packs/78/" in line for line in lines)


def answers() -> Iterator[Answer]:
    version = shapes.version(view())
    yield version_answer(explained=("in eastus, 1.0.0: the latest",))
    yield Answer([version, version], page=versions_page)
    status = {"name": "1.0.0", "provisioningState": "Updating"}
    status |= {key: version[key] for key in ("replicationStatus",)}
    yield Answer(status | {"replicas": version["imgrepl"]["replicas"]}, page=status_page)
    yield Answer(USED, page=usage_page)
    yield Answer(DAMAGED, page=health_page)
    yield Answer(CHECKED, page=check_page)
    yield Answer([version["imgrepl"]["replicas"][2] | {"note": "x" * 200}])


def test_more_versions_than_anybody_reads_are_left_out_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = USED["versions"][0]
    many = [{**first, "version": f"1.0.{patch}"} for patch in range(image_tree.VERSIONS_SHOWN_MAX)]
    fits = shown(monkeypatch, 100, Answer({**USED, "versions": many}, page=usage_page))
    assert any("1.0.499" in line for line in fits)
    too_many = {**USED, "versions": [*many, {**first, "version": "1.1.0"}]}
    lines = shown(monkeypatch, 100, Answer(too_many, page=usage_page))
    assert not any("1.0.499" in line for line in lines)
    assert any(line.startswith("501 versions, more than 500") for line in lines)
    assert any("  debian" in line for line in lines)


@pytest.mark.parametrize("width", [100, 80, 60, 40])
@pytest.mark.parametrize("answer", list(answers()))
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, width: int
) -> None:
    lines = shown(monkeypatch, width, answer)

    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)


def page(*blocks: Block) -> Answer:
    return Answer({}, page=lambda _: blocks)


WIDE = [{"name": "a", "size": 1, "note": "n" * 30, "empty": None}]
WIDE_COLUMNS = (
    Column("Name", "name"),
    Column("Size", "size", unit=" B"),
    Column("Note", "note", spare=1),
    Column("Empty", "empty", spare=2),
)


def test_columns_that_can_be_spared_go_first_and_empty_ones_always(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = page(Grid(WIDE, WIDE_COLUMNS))

    assert shown(monkeypatch, 60, answer)[0].split() == ["Name", "Size", "Note"]
    assert shown(monkeypatch, 30, answer)[0].split() == ["Name", "Size"]
    assert shown(monkeypatch, 30, answer)[2].split() == ["a", "1", "B"]


def test_where_no_columns_fit_each_row_is_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"a": "1" * 20, "b": "2" * 20}]
    grid = Grid(rows, (Column("First", "a"), Column("Second", "b")))

    lines = shown(monkeypatch, 30, page(grid))

    assert lines[:2] == [f"First   {'1' * 20}", f"Second  {'2' * 20}"]


def test_blocks_without_content_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    empty: list[Block] = [
        Grid((), WIDE_COLUMNS, "Grid"),
        Lines((), "Lines"),
        Facts({"Name": None}, "Facts"),
    ]

    assert shown(monkeypatch, 80, page(*empty, Facts({"Name": "x"}))) == ["Name  x"]


def test_a_page_is_for_tables_only_and_a_query_makes_its_own_columns() -> None:
    answer = Answer({"name": "x"}, page=lambda _: [Facts({"Never": "shown"})])
    stream = io.StringIO()

    for form in (OutputFormat.JSON, OutputFormat.TSV, OutputFormat.YAML):
        write(answer, form, None, stream)
    write(answer, OutputFormat.TABLE, compiled_query("{n: name}"), stream)

    assert "Never" not in stream.getvalue()
    assert "n  x" in stream.getvalue()


def test_replicas_of_which_none_is_complete_are_not_called_healthy() -> None:
    error = damage([])

    assert isinstance(error, NotFound)
    assert error.code == "NotAvailableInRegion"


def test_a_scrub_says_what_was_proven_and_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    report = {
        "packs": 640,
        "replicas": 12,
        "receivedBytes": 10 << 30,
        "complete": False,
        "oldestProof": {"level": "fullRead", "at": "2026-11-23T10:16:32Z"},
        "found": [
            {
                "place": "eastus/standard/0",
                "object": "packs/ab/abc.0",
                "reason": "its bytes do not have the SHA-256 that it is named by",
                "outcome": "left",
                "detail": "PackLost: no place has a healthy copy",
            }
        ],
        "lost": [{"version": "golden/debian/1.0.0", "lun": 3, "offset": 8192, "length": 4096}],
        "unread": [{"region": "westeurope", "message": "it did not answer"}],
    }

    lines = shown(monkeypatch, 120, Answer(report, page=scrub_page))

    text = "\n".join(lines)
    for expected in (
        "640",
        "10.0 GiB",
        "no",
        "2026-11-23 10:16:32Z",
        "LUN 3",
        "8192",
        "westeurope",
    ):
        assert expected in text, expected
