"""Whether what runs on one image may go on with another, rule by rule."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from imgrepl.model.compatibility import Check, Image, Verdict, compare, may_go_on
from imgrepl.model.gallery import (
    Architecture,
    GalleryId,
    HyperVGeneration,
    ImageDefinition,
    ImageIdentifier,
    ImageVersion,
    OsState,
    OsType,
    PurchasePlan,
    VersionDisk,
    VersionName,
)
from imgrepl.model.ids import IncarnationId
from imgrepl.model.region import StorageAccountType

GIB = 1 << 30
DEFINITION = ImageDefinition(
    id=GalleryId(gallery="golden").definition("debian"),
    incarnation=IncarnationId("0"),
    revision=1,
    location="eastus",
    identifier=ImageIdentifier("a", "b", "c"),
    os_type=OsType.LINUX,
)
VERSION = ImageVersion(
    id=DEFINITION.id.version(VersionName(1, 0, 0)),
    incarnation=IncarnationId("0"),
    revision=1,
    location="eastus",
    target_regions=(),
    replica_count=1,
    storage_account_type=StorageAccountType.STANDARD_LRS,
    disks=(VersionDisk(lun=None, source="a", provisioned_bytes=8 * GIB),),
)


def image(
    *, regions: str = "eastus", disks: dict[int | None, int] | None = None, **fields: Any
) -> Image:
    """An image; `fields` are of the definition, or of the version where that has them."""
    version = VERSION
    if disks is not None:
        version = replace(
            version,
            disks=tuple(
                VersionDisk(lun=lun, source="a", provisioned_bytes=size * GIB)
                for lun, size in disks.items()
            ),
        )
    of_version = {name: fields.pop(name) for name in ("end_of_life_date",) if name in fields}
    return Image(
        version=replace(version, **of_version),
        definition=replace(DEFINITION, **fields),
        regions=frozenset(regions.split()),
    )


def check(name: str, first: Image, second: Image) -> Check:
    (found,) = [one for one in compare(first, second) if one.name == name]
    return found


def test_the_same_image_goes_on() -> None:
    checks = compare(image(), image())
    assert {one.verdict for one in checks} == {Verdict.SAME}
    assert {one.reason for one in checks} == {""}
    assert may_go_on(checks)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("osType", "os_type", OsType.WINDOWS),
        ("osState", "os_state", OsState.SPECIALIZED),
        ("hyperVGeneration", "hyper_v_generation", HyperVGeneration.V1),
        ("architecture", "architecture", Architecture.ARM64),
        ("purchasePlan", "purchase_plan", PurchasePlan("x", "y", "z")),
    ],
)
def test_what_a_machine_keeps_for_life_blocks(name: str, field: str, value: object) -> None:
    fields: dict[str, Any] = {field: value}
    for first, second in ((image(), image(**fields)), (image(**fields), image())):
        found = check(name, first, second)
        assert found.verdict is Verdict.BLOCKS
        assert found.reason.startswith("a machine")
        assert not may_go_on(compare(first, second))


@pytest.mark.parametrize(
    ("feature", "first", "second", "verdict"),
    [
        ("SecurityType", None, "Standard", Verdict.SAME),
        ("SecurityType", None, "TrustedLaunchSupported", Verdict.FITS),
        ("SecurityType", None, "TrustedLaunch", Verdict.BLOCKS),
        ("SecurityType", "TrustedLaunch", "TrustedLaunchSupported", Verdict.FITS),
        ("SecurityType", "TrustedLaunchSupported", "TrustedLaunch", Verdict.DEPENDS),
        ("SecurityType", "TrustedLaunchSupported", None, Verdict.DEPENDS),
        ("SecurityType", "TrustedLaunch", "ConfidentialVM", Verdict.BLOCKS),
        ("SecurityType", "ConfidentialVM", "TrustedLaunchAndConfidentialVmSupported", Verdict.FITS),
        ("DiskControllerTypes", None, "SCSI,NVMe", Verdict.FITS),
        ("DiskControllerTypes", "SCSI,NVMe", "SCSI", Verdict.DEPENDS),
        ("IsHibernateSupported", "True", "False", Verdict.DEPENDS),
        ("IsHibernateSupported", "False", "True", Verdict.FITS),
        ("IsAcceleratedNetworkSupported", "True", None, Verdict.DEPENDS),
    ],
)
def test_features(feature: str, first: str | None, second: str | None, verdict: Verdict) -> None:
    images = [
        image(features={} if value is None else {feature: value}) for value in (first, second)
    ]
    found = check(f"features.{feature}", *images)
    assert found.verdict is verdict
    assert bool(found.reason) == (verdict is not Verdict.SAME)


def test_a_feature_that_begins_with_a_later_version_is_not_counted_yet() -> None:
    later = {"SecurityType": VersionName(2, 0, 0)}
    trusted = image(features={"SecurityType": "TrustedLaunch"}, features_start_at=later)
    assert check("features.SecurityType", image(), trusted).verdict is Verdict.SAME
    now = {"SecurityType": VersionName(1, 0, 0)}
    trusted = image(features={"SecurityType": "TrustedLaunch"}, features_start_at=now)
    assert check("features.SecurityType", image(), trusted).verdict is Verdict.BLOCKS


@pytest.mark.parametrize(
    ("first", "second", "name", "verdict"),
    [
        ({None: 8}, {None: 16}, "osDisk", Verdict.DEPENDS),
        ({None: 8}, {None: 4}, "osDisk", Verdict.FITS),
        ({None: 8, 0: 1}, {None: 8}, "dataDisk.0", Verdict.BLOCKS),
        ({None: 8, 0: 1}, {None: 8, 1: 1}, "dataDisk.0", Verdict.BLOCKS),
        ({None: 8, 0: 1}, {None: 8, 1: 1}, "dataDisk.1", Verdict.DEPENDS),
        ({None: 8, 0: 1}, {None: 8, 0: 2}, "dataDisk.0", Verdict.DEPENDS),
        ({None: 8, 0: 1}, {None: 8, 0: 1}, "dataDisk.0", Verdict.SAME),
    ],
)
def test_disks(
    first: dict[int | None, int], second: dict[int | None, int], name: str, verdict: Verdict
) -> None:
    assert check(name, image(disks=first), image(disks=second)).verdict is verdict


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ("eastus", "eastus westeurope", Verdict.FITS),
        ("eastus westeurope", "eastus", Verdict.DEPENDS),
        ("eastus", "westeurope", Verdict.BLOCKS),
        ("", "westeurope", Verdict.FITS),
    ],
)
def test_regions(first: str, second: str, verdict: Verdict) -> None:
    found = check("regions", image(regions=first), image(regions=second))
    assert found.verdict is verdict
    assert ("westeurope" in found.reason) == (first == "eastus westeurope")


def test_an_end_of_life_that_comes_sooner_is_told() -> None:
    soon, later = (datetime(year, 1, 1, tzinfo=UTC) for year in (2030, 2031))
    for first, second, verdict in (
        (later, soon, Verdict.DEPENDS),
        (None, soon, Verdict.DEPENDS),
        (soon, later, Verdict.FITS),
        (soon, None, Verdict.FITS),
    ):
        images = [image(end_of_life_date=date) for date in (first, second)]
        assert check("endOfLifeDate", *images).verdict is verdict
        assert may_go_on(compare(*images))
