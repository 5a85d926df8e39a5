"""The bin: what a deleted version keeps, for how long, and what it forbids."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from imgrepl.errors import Conflict
from imgrepl.model import etags, soft_deletion
from imgrepl.model.gallery import (
    Gallery,
    GalleryId,
    ImageVersion,
    ProvisioningState,
    TargetRegion,
    VersionName,
)
from imgrepl.model.ids import IncarnationId
from imgrepl.model.region import StorageAccountType

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ID = GalleryId(gallery="golden").definition("debian").version(VersionName(1, 0, 0))
GALLERY = Gallery(
    id=ID.gallery,
    incarnation=IncarnationId("1" * 32),
    revision=1,
    location="eastus",
    soft_delete_enabled=True,
    soft_delete_retention_days=7,
    soft_delete_grace_days=2,
)


def _version() -> ImageVersion:
    kind = StorageAccountType.STANDARD_LRS
    return ImageVersion(
        id=ID,
        incarnation=IncarnationId("2" * 32),
        revision=3,
        location="eastus",
        target_regions=(
            TargetRegion(name="eastus", replica_count=3, storage_account_type=kind),
            TargetRegion(name="westeurope", replica_count=2, storage_account_type=kind),
        ),
        replica_count=1,
        storage_account_type=kind,
        disks=(),
        committed=True,
        provisioning_state=ProvisioningState.SUCCEEDED,
    )


def _counts(version: ImageVersion) -> list[int]:
    return [target.replica_count for target in version.target_regions]


def test_a_region_whose_first_replica_is_complete_keeps_that_one_alone() -> None:
    deleted = soft_deletion.put_in(_version(), GALLERY, NOW, only_first={"eastus"})
    assert _counts(deleted) == [1, 2]


def test_retention_then_grace_and_then_it_is_over() -> None:
    deletion = soft_deletion.put_in(_version(), GALLERY, NOW, only_first=()).deletion
    assert deletion is not None
    assert deletion.deleted_at == NOW
    assert deletion.consumption_ends_at == NOW + 7 * DAY
    assert deletion.hard_deletion_at == NOW + 9 * DAY


def test_what_was_taken_out_is_as_it_was_before() -> None:
    both = {"eastus", "westeurope"}
    deleted = soft_deletion.put_in(_version(), GALLERY, NOW, only_first=both)
    assert soft_deletion.taken_out(deleted, NOW + 8 * DAY) == _version()


def test_nothing_is_taken_out_from_its_last_moment_on() -> None:
    deleted = soft_deletion.put_in(_version(), GALLERY, NOW, only_first=())
    end = NOW + 9 * DAY
    assert not soft_deletion.is_expired(deleted, end - timedelta(seconds=1))
    assert soft_deletion.is_expired(deleted, end)
    with pytest.raises(Conflict) as caught:
        soft_deletion.taken_out(deleted, end)
    assert caught.value.code == "HardDeletionDue"


def test_an_active_version_is_usable_changeable_and_never_expired() -> None:
    soft_deletion.check_active(_version())
    soft_deletion.check_usable(_version(), NOW)
    assert not soft_deletion.is_expired(_version(), NOW + 1000 * DAY)


def test_a_version_in_the_bin_is_usable_until_its_consumption_ends_and_never_changeable() -> None:
    deleted = soft_deletion.put_in(_version(), GALLERY, NOW, only_first=())
    soft_deletion.check_usable(deleted, NOW + 7 * DAY - timedelta(seconds=1))
    with pytest.raises(Conflict) as unusable:
        soft_deletion.check_usable(deleted, NOW + 7 * DAY)
    with pytest.raises(Conflict) as fixed:
        soft_deletion.check_active(deleted)
    assert unusable.value.code == "ConsumptionEnded"
    assert fixed.value.code == "VersionSoftDeleted"


def test_a_version_that_is_being_deleted_can_only_be_deleted() -> None:
    deleting = replace(_version(), provisioning_state=ProvisioningState.DELETING)
    with pytest.raises(Conflict) as caught:
        soft_deletion.check_active(deleting)
    assert caught.value.code == "MarkedForDeletion"


@pytest.mark.parametrize("spelled", [None, "*", "{}", '"{}"'])
def test_an_etag_matches_in_all_its_spellings(spelled: str | None) -> None:
    etags.check_match(_version(), spelled and spelled.format(etags.etag_of(_version())))


@pytest.mark.parametrize(
    "change",
    [
        lambda version: replace(version, revision=4),
        lambda version: replace(version, incarnation=IncarnationId("3" * 32)),
    ],
)
def test_another_revision_or_incarnation_does_not_match(
    change: Callable[[ImageVersion], ImageVersion],
) -> None:
    seen = etags.etag_of(_version())
    with pytest.raises(Conflict) as caught:
        etags.check_match(change(_version()), seen)
    assert caught.value.code == "ChangedMeanwhile"
