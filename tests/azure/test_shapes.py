"""The JSON that scripts read: Azure's field names, and ours under one key."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from gallery import samples
from imgrepl.actions.usage import Usage, UsageReport
from imgrepl.actions.version_requests import VersionView
from imgrepl.azure import codes, shapes
from imgrepl.errors import (
    Conflict,
    Corrupt,
    ImgreplError,
    Interrupted,
    Invalid,
    NotAllowed,
    NotFound,
    PartlyDone,
    Unavailable,
    UsageError,
)
from imgrepl.gallery.activity import ActivityEntry
from imgrepl.model.gallery import (
    GalleryId,
    HostCaching,
    ProvisioningState,
    PurchasePlan,
    Range,
    VersionDisk,
    VersionName,
)
from imgrepl.model.ids import ContentId, OperationId
from imgrepl.model.operation import Operation, OperationKind, OperationState, Owner
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Endpoint
from imgrepl.model.replica import Replica, ReplicaState
from imgrepl.model.transfer import RegionTransfer, Transfer

NOON = "2026-11-23T12:00:00Z"


def test_a_gallery() -> None:
    made = samples.gallery(id=GalleryId(group="rg", gallery="Golden"))
    shown = shapes.gallery(made)
    assert shown == {
        "id": "/subscriptions/default/resourceGroups/rg/providers/Microsoft.Compute"
        "/galleries/Golden",
        "name": "Golden",
        "type": "Microsoft.Compute/galleries",
        "resourceGroup": "rg",
        "location": "eastus",
        "tags": {"team": "images"},
        "description": None,
        "identifier": {"uniqueName": "default-GOLDEN"},
        "provisioningState": "Succeeded",
        "softDeletePolicy": {
            "isSoftDeleteEnabled": False,
            "retentionPeriodInDays": 7,
            "gracePeriodInDays": 0,
        },
        "sharingProfile": {"permissions": "Private", "groups": [], "communityGalleryInfo": None},
        "sharingStatus": None,
        "identity": None,
        "etag": f"{made.incarnation}.1",
    }


def test_a_definition() -> None:
    shown = shapes.definition(
        samples.definition(
            features={"SecurityType": "TrustedLaunch", "IsHibernateSupported": "True"},
            features_start_at={"IsHibernateSupported": VersionName(1, 2, 0)},
            allow_update_image=True,
            recommended_vcpus=Range(1, 4),
            purchase_plan=PurchasePlan("n", "p", "q"),
            end_of_life_date=samples.NOON,
        )
    )
    assert shown["id"].endswith("/galleries/golden/images/debian")
    assert shown["identifier"] == {"publisher": "contoso", "offer": "debian", "sku": "standard"}
    assert (shown["osType"], shown["osState"], shown["hyperVGeneration"]) == (
        "Linux",
        "Generalized",
        "V2",
    )
    assert shown["features"] == [
        {"name": "SecurityType", "value": "TrustedLaunch"},
        {"name": "IsHibernateSupported", "value": "True", "startsAtVersion": "1.2.0"},
    ]
    assert shown["allowUpdateImage"] is True
    assert shown["recommended"] == {
        "vCPUs": {"min": 1, "max": 4},
        "memory": {"min": None, "max": None},
    }
    assert shown["purchasePlan"] == {"name": "n", "publisher": "p", "product": "q"}
    assert shown["endOfLifeDate"] == NOON


def _view() -> VersionView:
    os_disk = VersionDisk(
        lun=None,
        source="debian.vhd",
        format="vhd",
        provisioned_bytes=(8 << 30) + 1,
        occupied_bytes=4096,
        stored_bytes=1000,
        content_id=ContentId("c" * 64),
        chunks=1,
        host_caching=HostCaching.READ_ONLY,
    )
    data_disk = VersionDisk(lun=3, source="data.raw")
    version = samples.version(
        target_regions=(
            samples.target(),
            samples.target("westeurope", 2, exclude_from_latest=True),
        ),
        disks=(os_disk, data_disk),
        published_at=samples.NOON,
        committed=True,
        provisioning_state=ProvisioningState.UPDATING,
    )
    done = Replica(
        region="eastus",
        number=0,
        storage_account_type=samples.LRS,
        state=ReplicaState.COMPLETED,
        verified_at=samples.NOON,
    )
    half = replace(
        done, region="westeurope", state=ReplicaState.REPLICATING, bytes_done=50, bytes_total=100,
        verified_at=None,
    )  # fmt: skip
    transfer = Transfer(
        read_bytes=1, sent_bytes=2, seconds=1.23456, regions=(RegionTransfer(region="eastus"),)
    )
    return VersionView(
        version=version,
        replicas=(done, half, replace(half, number=1, bytes_done=0)),
        transfer=transfer,
        operation=OperationId("op"),
    )


def test_a_version_has_azures_fields() -> None:
    shown = shapes.version(_view())
    assert shown["name"] == "1.0.0"
    assert shown["id"].endswith("/galleries/golden/images/debian/versions/1.0.0")
    assert shown["publishingProfile"]["targetRegions"][1] == {
        "name": "westeurope",
        "regionalReplicaCount": 2,
        "storageAccountType": "Standard_LRS",
        "excludeFromLatest": True,
        "additionalReplicaSets": [],
        "encryption": None,
    }
    assert shown["publishingProfile"]["publishedDate"] == NOON
    assert shown["storageProfile"] == {
        "source": None,
        "osDiskImage": {
            "sizeInGB": 9,
            "hostCaching": "ReadOnly",
            "source": {"uri": "debian.vhd"},
        },
        "dataDiskImages": [
            {"lun": 3, "sizeInGB": None, "hostCaching": None, "source": {"uri": "data.raw"}}
        ],
    }
    assert shown["replicationStatus"] == {
        "aggregatedState": "InProgress",
        "summary": [
            {"region": "eastus", "state": "Completed", "progress": 100, "details": ""},
            {"region": "westeurope", "state": "Replicating", "progress": 25, "details": ""},
        ],
    }


def test_a_version_says_what_was_checked_of_it() -> None:
    half_way = _view()
    complete = tuple(replace(one, state=ReplicaState.COMPLETED) for one in half_way.replicas)
    moments = [datetime(2026, 11, day, tzinfo=UTC) for day in range(1, len(complete) + 1)]
    proofs = {
        (one.region, one.number): Proof(ProofLevel.FULL_READ, at)
        for one, at in zip(complete, moments, strict=True)
    }
    done = replace(half_way, replicas=complete, proofs=proofs)
    failed = replace(done, replicas=(replace(complete[0], state=ReplicaState.FAILED),))
    unproven = replace(done, proofs={})
    found = [
        shapes.version(view)["validationsProfile"] for view in (half_way, done, failed, unproven)
    ]
    checks = [profile["executedValidations"] for profile in found]
    assert [disks["type"] for disks, _replicas in checks] == ["DiskImages"] * 4
    assert checks[0][0]["executionTime"] == NOON
    statuses = [replicas["status"] for _disks, replicas in checks]
    assert statuses == ["Unknown", "Succeeded", "Failed", "Unknown"]
    assert checks[1][1]["executionTime"] == "2026-11-01T00:00:00Z"


def test_a_version_has_ours_under_one_key() -> None:
    ours = shapes.version(_view())["imgrepl"]
    assert set(ours["disks"][0]) >= {
        "lun", "format", "provisionedBytes", "occupiedBytes", "contentId", "chunks", "sha256",
    }  # fmt: skip
    assert [replica["replica"] for replica in ours["replicas"]] == [0, 0, 1]
    assert ours["replicas"][0]["verifiedAt"] == NOON
    assert set(ours["transfer"]) == {
        "readBytes", "occupiedBytes", "newBytes", "sentBytes", "serverCopiedBytes",
        "deduplicatedBytes", "packsWritten", "puts", "seconds", "regions",
    }  # fmt: skip
    assert set(ours["transfer"]["regions"][0]) >= {
        "region", "sentBytes", "serverCopiedBytes", "puts", "seconds",
    }  # fmt: skip
    assert "explained" not in ours
    assert "planned" not in ours
    both = replace(_view(), explained=("1.0.0: the latest",), planned=True)
    assert shapes.version(both)["imgrepl"]["explained"] == ["1.0.0: the latest"]
    assert shapes.version(both)["imgrepl"]["planned"] is True


def test_a_region_shows_what_it_offers_and_no_secret_could_be_in_it() -> None:
    east = samples.region(standard=(Endpoint(url="s3://b", credentials_env="EAST"),))
    shown = shapes.region(east)
    assert shown["storageAccountTypes"] == ["Standard_LRS"]
    assert shown["standard"][0]["credentialsEnv"] == "EAST"
    assert shown["url"] == "s3://b"


def test_an_operation_and_a_line_of_the_log() -> None:
    operation = Operation(
        id=OperationId("op"),
        kind=OperationKind.PUBLISH,
        target="g/i/1.0.0",
        state=OperationState.STALLED,
        request={"secret": "not shown"},
        fence=3,
        owner=Owner(host="h", boot_id="b", pid=7, started_ticks=1),
        lease_until=samples.NOON,
        created_at=samples.NOON,
        updated_at=samples.NOON,
    )
    shown = shapes.operation(operation)
    assert shown["state"] == "Stalled"
    assert shown["owner"] == {"host": "h", "pid": 7}
    assert "request" not in shown
    entry = ActivityEntry(
        at=samples.NOON, principal="me", action="a", target="t", outcome="o", detail={"n": 1}
    )
    assert shapes.activity(entry)["at"] == NOON


def test_usage_at_every_level() -> None:
    used = Usage(provisioned_bytes=5, occupied_bytes=4, billed_bytes=8, stored_bytes=3, replicas=2)
    report = UsageReport(
        galleries={samples.GALLERY: used},
        definitions={samples.DEFINITION: used},
        versions={samples.VERSION: used},
        version_regions={samples.VERSION: {"eastus": used}},
        regions={"eastus": used},
        total=used,
    )
    shown = shapes.usage(report)
    sums = {
        "provisionedBytes": 5,
        "occupiedBytes": 4,
        "billedBytes": 8,
        "storedBytes": 3,
        "replicas": 2,
    }
    assert shown["total"] == sums
    assert shown["versions"][0]["version"] == "1.0.0"
    assert shown["versions"][0]["regions"] == [{"region": "eastus", **sums}]
    assert shown["regions"] == [{"region": "eastus", **sums}]


def test_times_are_in_utc() -> None:
    summer = datetime(2026, 6, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert shapes.time(summer) == "2026-06-01T00:00:00Z"
    assert shapes.time(None) is None


def test_every_shape_is_json() -> None:
    json.dumps(
        [
            shapes.gallery(samples.gallery()),
            shapes.definition(samples.definition()),
            shapes.version(_view()),
            shapes.region(samples.region()),
        ]
    )
    assert datetime.fromisoformat(NOON) == samples.NOON.astimezone(UTC)


@pytest.mark.parametrize(
    ("kind", "exit_status", "http"),
    [
        (ImgreplError, 1, 500),
        (UsageError, 2, 400),
        (NotFound, 3, 404),
        (Conflict, 4, 409),
        (Invalid, 5, 400),
        (Corrupt, 6, 500),
        (Unavailable, 7, 503),
        (PartlyDone, 8, 200),
        (NotAllowed, 9, 403),
        (Interrupted, 130, 503),
    ],
)
def test_every_error_has_its_exit_and_http_status(
    kind: type[ImgreplError], exit_status: int, http: int
) -> None:
    error = kind("m")
    assert error.exit_status == exit_status
    assert exit_status in codes.EXIT_MEANINGS
    assert codes.http_status(error) == http


def test_an_error_as_json() -> None:
    error = Conflict("m", code="NotEmpty", target="t", details=["d"], hint="h")
    assert codes.error_body(error) == {
        "error": {"code": "NotEmpty", "message": "m", "target": "t", "details": ["d"], "hint": "h"}
    }
