"""Versions in a bin, as the index keeps them."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection

from gallery import samples
from gallery.samples import NOON
from imgrepl.gallery import candidates, galleries, replicas, versions
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model import latest
from imgrepl.model.gallery import ImageVersion, SoftDeletion, VersionId
from imgrepl.model.replica import ReplicaState

DAY = timedelta(days=1)


def _deletion(days: int) -> SoftDeletion:
    return SoftDeletion(
        deleted_at=NOON,
        consumption_ends_at=NOON + days * DAY,
        hard_deletion_at=NOON + (days + 1) * DAY,
        replica_counts={"eastus": 3},
    )


def _delete(tx: Connection, version_id: VersionId, days: int = 7) -> ImageVersion:
    found = versions.get(tx, version_id)
    revision = versions.next_revision(tx, version_id)
    deleted = replace(found, deletion=_deletion(days), revision=revision)
    versions.update(tx, deleted)
    return deleted


def test_a_deletion_is_kept_and_taken_back_and_comes_with_an_adopted_record(
    index: GalleryIndex,
) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        version_id = samples.published(tx, "1.0.0", "c")
        before = versions.get(tx, version_id)
        deleted = _delete(tx, version_id)
        assert versions.get(tx, version_id) == deleted
        restored = replace(before, revision=versions.next_revision(tx, version_id))
        versions.update(tx, restored)
        assert versions.get(tx, version_id) == restored
        versions.adopt(tx, replace(deleted, revision=99))
        assert versions.get(tx, version_id).deletion == _deletion(7)


def test_only_what_is_overdue_has_expired_the_longest_overdue_first(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        for number, days in [("1.0.0", 7), ("1.0.1", 2), ("1.0.2", 8)]:
            _delete(tx, samples.published(tx, number, number), days)
        samples.published(tx, "1.0.3", "c")
        due = versions.expired(tx, NOON + 8 * DAY)
        assert [version.id.version.patch for version in due] == [1, 0]
        assert versions.expired(tx, NOON) == []


def test_a_deleted_version_is_a_candidate_that_says_so(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        for number in ("1.0.0", "1.0.1"):
            version_id = samples.published(tx, number, number)
            replicas.set_state(tx, version_id, "eastus", 0, state=ReplicaState.COMPLETED)
        deleted = _delete(tx, version_id)
        found = list(candidates.newest_first(tx, samples.DEFINITION))
        assert [candidate.soft_deleted for candidate in found] == [True, False]
        assert found[0] == latest.Candidate.of(deleted, {"eastus"})


def test_the_days_of_grace_are_the_gallerys(index: GalleryIndex) -> None:
    with index.begin() as tx:
        made = samples.gallery(soft_delete_grace_days=3)
        galleries.create(tx, made)
        assert galleries.get(tx, made.id) == made
