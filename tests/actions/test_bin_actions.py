"""Deleting into the bin, using what lies there, bringing it back, and its end."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from engine.world import REGIONS, World, open_world
from imgrepl.actions import (
    collecting,
    creating,
    galleries,
    index,
    updating,
    version_bin,
    version_deleting,
    versions,
)
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion, VersionView
from imgrepl.engine.records import path_of
from imgrepl.engine.region_records import list_of_path, read_record, resource_of
from imgrepl.errors import Conflict, ImgreplError, NotFound, Unavailable
from imgrepl.gallery import schema
from imgrepl.model.etags import etag_of
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.replica import ReplicaState
from imgrepl.model.waiting import WAIT_FOR_NOTHING
from imgrepl.testing.faulty import Fault, FaultKind

DAY_SECONDS = 86_400
TWO = [TargetRequest("eastus", 2), TargetRequest("westeurope", 1)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A gallery that keeps what is deleted for 7 days, and then for 2 days of grace."""
    with open_world(tmp_path / "world") as opened:
        policy = GalleryChanges(
            soft_delete_enabled=True, soft_delete_retention_days=7, soft_delete_grace_days=2
        )
        galleries.create(
            opened.ctx, opened.definition.gallery, location="eastus", bin_policy=policy
        )
        yield opened


def test_making_the_gallery_again_asks_only_for_what_is_said_of_its_bin(world: World) -> None:
    gallery = world.definition.gallery
    present = galleries.show(world.ctx, gallery)
    assert galleries.create(world.ctx, gallery, location="eastus") == present
    with pytest.raises(Conflict, match="soft_delete_grace_days"):
        galleries.create(
            world.ctx,
            gallery,
            location="eastus",
            bin_policy=GalleryChanges(soft_delete_grace_days=9),
        )


def _stands(view: VersionView) -> list[tuple[str, int, ReplicaState]]:
    return [(replica.region, replica.number, replica.state) for replica in view.replicas]


def _code(error: pytest.ExceptionInfo[ImgreplError]) -> str:
    return error.value.code


def _record(world: World, name: str = "1.0.0", region: str = "eastus") -> ImageVersion:
    """The newest record of a version in a region."""
    store = world.store(region)
    key = max(list_of_path(store, path_of(world.id(name))), key=lambda key: key.revision)
    found = resource_of(read_record(store, key))
    assert isinstance(found, ImageVersion)
    return found


def test_a_deleted_version_keeps_one_replica_a_region_and_is_never_the_latest(
    world: World,
) -> None:
    world.publish("1.0.0", regions=["eastus", "westeurope"])
    world.publish("1.0.1", disk="patched", like="debian", regions=TWO)
    report = version_deleting.delete(world.ctx, world.id("1.0.1"))
    assert (report["deleted"], report["softDeleted"]) == (True, True)
    done = ReplicaState.COMPLETED
    assert _stands(world.view("1.0.1")) == [("eastus", 0, done), ("westeurope", 0, done)]
    assert versions.show(world.ctx, world.definition, "latest").version.id == world.id("1.0.0")
    assert [v.version.id for v in versions.list_of(world.ctx, world.definition)] == [
        world.id("1.0.0")
    ]
    binned = version_bin.list_of(world.ctx, world.definition)
    assert [view.version.id for view in binned] == [world.id("1.0.1")]


def test_it_is_used_by_its_number_until_its_consumption_ends(world: World) -> None:
    world.publish("1.0.0", regions=TWO)
    world.delete("1.0.0")
    world.clock.advance(7 * DAY_SECONDS - 1)
    assert world.download("1.0.0", region="westeurope") == world.disk().read_bytes()
    with pytest.raises(NotFound) as none:
        world.download("latest")
    world.clock.advance(1)
    with pytest.raises(Conflict) as over:
        world.download("1.0.0")
    again = world.request("2.0.0", os_disk="imgrepl:golden/debian/1.0.0")
    with pytest.raises(Conflict) as as_source:
        creating.create(world.ctx, again)
    assert (_code(none), _code(over)) == ("NoLatestVersion", "ConsumptionEnded")
    assert _code(as_source) == "ConsumptionEnded"


def test_undelete_brings_back_what_it_was_and_refills_its_regions(world: World) -> None:
    before = world.publish("1.0.0", regions=TWO)
    world.delete("1.0.0")
    world.clock.advance(8 * DAY_SECONDS)
    after = version_bin.undelete(world.ctx, world.id("1.0.0"))
    assert after.version.target_regions == before.version.target_regions
    assert _stands(after) == _stands(before)
    assert after.version.revision > before.version.revision
    assert world.download("latest", region="eastus") == world.disk().read_bytes()
    again = version_bin.undelete(world.ctx, world.id("1.0.0"))
    assert again.version == after.version


def test_collecting_frees_all_replicas_but_one_and_undelete_fills_them_again(
    world: World,
) -> None:
    world.publish("1.0.0", regions=TWO)
    world.delete("1.0.0")
    assert collecting.collect(world.ctx, dry_run=False).error is None
    assert world.pack_ids("eastus", 1) == set()
    assert world.download("1.0.0", region="eastus") == world.disk().read_bytes()
    version_bin.undelete(world.ctx, world.id("1.0.0"))
    assert world.pack_ids("eastus", 1) == world.pack_ids("eastus", 0) != set()


def test_collecting_purges_what_is_overdue_and_frees_it(world: World) -> None:
    world.publish("1.0.0", regions=TWO)
    world.delete("1.0.0")
    world.clock.advance(9 * DAY_SECONDS)
    told = collecting.collect(world.ctx, dry_run=True)
    assert told.purged_versions == ("golden/debian/1.0.0",)
    assert len(version_bin.list_of(world.ctx, world.definition)) == 1
    done = collecting.collect(world.ctx, dry_run=False)
    assert (done.purged_versions, done.unpurged_versions) == (("golden/debian/1.0.0",), ())
    assert world.pack_ids("eastus") == world.pack_ids("westeurope") == set()
    assert done.deleted_packs > 6
    assert told.places == done.places, "the dry run counted what the real one freed"


def test_a_dry_collection_does_not_count_what_could_not_be_purged(world: World) -> None:
    world.publish("1.0.0", regions=TWO)
    world.delete("1.0.0")
    world.clock.advance(9 * DAY_SECONDS)
    world.store("eastus").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    told = collecting.collect(world.ctx, dry_run=True)
    assert told.deleted_packs == 0
    done = collecting.collect(world.ctx, dry_run=False)
    assert done.deleted_packs == 0
    assert done.purged_versions == ()
    assert world.pack_ids("westeurope")


def test_a_dry_collection_counts_nothing_that_another_version_needs(world: World) -> None:
    world.publish("1.0.0", regions=TWO)
    world.publish("1.0.1", regions=["eastus"])
    world.delete("1.0.0")
    world.clock.advance(9 * DAY_SECONDS)
    told = collecting.collect(world.ctx, dry_run=True)
    done = collecting.collect(world.ctx, dry_run=False)
    assert told.places == done.places
    assert world.download("1.0.1", region="eastus") == world.disk().read_bytes()
    assert world.pack_ids("westeurope") == set()


def test_it_serves_again_at_once_where_its_regions_are_away(world: World) -> None:
    world.publish("1.0.0", regions=TWO)
    world.delete("1.0.0")
    away = world.place("eastus", 1)
    world.store("eastus", 1).faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    with world.index.begin() as tx:
        tx.execute(schema.place_packs.delete().where(schema.place_packs.c.place_id == away.id))
    after = version_bin.undelete(world.ctx, world.id("1.0.0"))
    assert ReplicaState.FAILED in {replica.state for replica in after.replicas}
    assert world.download("latest", region="eastus") == world.disk().read_bytes()


def test_its_state_is_in_the_records_so_that_a_rebuild_knows_it(world: World) -> None:
    world.publish("1.0.0", regions=TWO)
    world.delete("1.0.0")
    row = world.view("1.0.0").version
    for region in ("eastus", "westeurope"):
        record = _record(world, region=region)
        assert (record.deletion, record.target_regions) == (row.deletion, row.target_regions)
    version_bin.undelete(world.ctx, world.id("1.0.0"))
    assert _record(world).deletion is None
    assert [t.replica_count for t in _record(world).target_regions] == [2, 1]


def test_a_region_whose_first_replica_is_not_whole_keeps_all(world: World) -> None:
    world.publish("1.0.0", regions=TWO)
    with world.index.begin() as tx:
        first = (schema.replicas.c.number == 0) & (schema.replicas.c.region == "eastus")
        tx.execute(schema.replicas.update().where(first).values(state=ReplicaState.FAILED))
    world.delete("1.0.0")
    assert [t.replica_count for t in world.view("1.0.0").version.target_regions] == [2, 1]
    assert len(world.view("1.0.0").replicas) == 3


def test_nothing_about_it_can_be_changed_and_its_number_is_taken(world: World) -> None:
    world.publish("1.0.0")
    world.delete("1.0.0")
    with pytest.raises(Conflict) as changed:
        world.update("1.0.0", tags={"a": "b"})
    with pytest.raises(Conflict) as published:
        world.publish("1.0.0")
    with pytest.raises(Conflict) as retried:
        world.retry("1.0.0")
    codes = {_code(error) for error in (changed, published, retried)}
    assert codes == {"VersionSoftDeleted"}
    assert versions.next_name(world.ctx, world.definition, "patch").patch == 1


def test_deleting_it_again_leaves_it_as_it_is_and_past_the_bin_it_is_gone(world: World) -> None:
    world.publish("1.0.0")
    world.delete("1.0.0")
    binned = world.view("1.0.0").version
    world.clock.advance(DAY_SECONDS)
    assert version_deleting.delete(world.ctx, world.id("1.0.0"))["softDeleted"]
    assert world.view("1.0.0").version == binned
    gone = version_deleting.delete(world.ctx, world.id("1.0.0"), bypass_soft_delete=True)
    assert (gone["softDeleted"], gone["unreachedRegions"]) == (False, [])
    with pytest.raises(NotFound):
        world.view("1.0.0")


def test_a_dry_run_shows_the_bin_and_changes_nothing(world: World) -> None:
    before = world.publish("1.0.0", regions=TWO).version
    report = version_deleting.delete(world.ctx, world.id("1.0.0"), dry_run=True)
    assert (report["deleted"], report["softDeleted"]) == (False, True)
    assert report["consumptionEndTime"] == world.clock.now() + timedelta(days=7)
    assert world.view("1.0.0").version == before


def test_a_purge_takes_only_what_lies_in_the_bin(world: World) -> None:
    world.publish("1.0.0")
    with pytest.raises(Conflict) as active:
        version_bin.purge(world.ctx, world.id("1.0.0"))
    world.delete("1.0.0")
    assert version_bin.purge(world.ctx, world.id("1.0.0"), dry_run=True)["purged"] is False
    assert version_bin.purge(world.ctx, world.id("1.0.0"))["purged"] is True
    with pytest.raises(NotFound):
        world.view("1.0.0")
    assert _code(active) == "NotSoftDeleted"
    assert world.publish("1.0.0").version.committed


def test_only_what_is_overdue_is_purged_and_one_that_fails_stops_no_other(world: World) -> None:
    world.publish("1.0.0", regions=["westeurope"])
    world.publish("1.0.1", regions=["eastus"])
    world.publish("1.0.2", regions=["eastus"])
    world.delete("1.0.0")
    world.delete("1.0.1")
    world.clock.advance(9 * DAY_SECONDS - 1)
    world.delete("1.0.2")
    assert version_bin.purge_expired(world.ctx) == []
    world.clock.advance(1)
    assert len(version_bin.purge_expired(world.ctx, dry_run=True)) == 2
    away = Fault(FaultKind.LOST_REQUEST, times=None)
    world.store("westeurope").faults.append(away)
    purged = version_bin.purge_expired(world.ctx)
    assert [(str(p.version.version), type(p.error)) for p in purged] == [
        ("1.0.0", Unavailable),
        ("1.0.1", type(None)),
    ]
    world.store("westeurope").faults.clear()
    assert [p.error for p in version_bin.purge_expired(world.ctx)] == [None]
    left = version_bin.list_of(world.ctx, world.definition)
    assert [view.version.id for view in left] == [world.id("1.0.2")]


def test_what_a_purge_has_begun_cannot_be_brought_back(world: World) -> None:
    world.publish("1.0.0", regions=["eastus"])
    world.delete("1.0.0")
    world.store("eastus").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    with pytest.raises(Unavailable):
        version_bin.purge(world.ctx, world.id("1.0.0"))
    with pytest.raises(Conflict) as caught:
        version_bin.undelete(world.ctx, world.id("1.0.0"))
    assert _code(caught) == "MarkedForDeletion"
    world.store("eastus").faults.clear()
    assert version_deleting.delete(world.ctx, world.id("1.0.0"))["softDeleted"] is False


def test_once_its_time_is_over_it_is_not_brought_back(world: World) -> None:
    world.publish("1.0.0")
    world.delete("1.0.0")
    world.clock.advance(9 * DAY_SECONDS)
    with pytest.raises(Conflict) as caught:
        version_bin.undelete(world.ctx, world.id("1.0.0"))
    assert _code(caught) == "HardDeletionDue"


def test_a_version_that_never_was_committed_does_not_go_to_the_bin(world: World) -> None:
    creating.create(world.ctx, world.request("1.0.0"), wait=WAIT_FOR_NOTHING)
    assert version_deleting.delete(world.ctx, world.id("1.0.0"))["softDeleted"] is False
    with pytest.raises(NotFound):
        world.view("1.0.0")


def test_of_two_who_saw_the_same_state_one_wins_and_the_other_is_told(world: World) -> None:
    seen = etag_of(world.publish("1.0.0").version)
    first = UpdateVersion(tags={"first": ""})
    updating.update(world.ctx, world.id("1.0.0"), first, if_match=seen)
    with pytest.raises(Conflict) as late:
        updating.update(world.ctx, world.id("1.0.0"), UpdateVersion(), if_match=seen)
    with pytest.raises(Conflict) as deleted:
        version_deleting.delete(world.ctx, world.id("1.0.0"), if_match=seen)
    assert {_code(late), _code(deleted)} == {"ChangedMeanwhile"}
    assert world.view("1.0.0").version.tags == {"first": ""}
    assert world.view("1.0.0").version.deletion is None


def test_an_update_that_moves_no_replica_waits_for_none(world: World) -> None:
    world.store("westeurope").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    world.publish("2.0.0", regions=["eastus", "westeurope"], exclude_from_latest=True)
    assert world.update("2.0.0", exclude_from_latest=False).operation is None
    assert world.download("latest", region="eastus") == world.disk().read_bytes()


def test_a_rebuilt_index_knows_the_bin_and_what_an_undelete_gives_back(
    world: World, tmp_path: Path
) -> None:
    world.publish("1.0.0", regions=TWO)
    world.delete("1.0.0")
    binned = world.view("1.0.0").version
    with open_world(tmp_path / "reborn", buckets=world.buckets) as reborn:
        index.rebuild(reborn.ctx, REGIONS)
        found = reborn.view("1.0.0").version
        assert (found.deletion, found.target_regions) == (binned.deletion, binned.target_regions)
        back = version_bin.undelete(reborn.ctx, reborn.id("1.0.0"))
        assert [target.replica_count for target in back.version.target_regions] == [2, 1]
        policy = galleries.show(reborn.ctx, reborn.definition.gallery)
        assert (policy.soft_delete_enabled, policy.soft_delete_grace_days) == (True, 2)
