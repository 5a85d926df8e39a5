"""An index that is lost comes back out of the buckets, as it was, and nothing deleted with it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from engine import world as worlds
from engine.collecting_kit import PATCHED, add_rich_region, collect, patched
from engine.world import REGIONS, World, open_world, region_named
from imgrepl.actions import definitions, galleries, index, verifying
from imgrepl.actions.definitions import DefinitionChanges
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.azure import shapes
from imgrepl.engine.rebuild_report import RebuildReport
from imgrepl.errors import Conflict, Corrupt, Interrupted, NotFound, Unavailable
from imgrepl.gallery import operations, packs, places, records_log, versions
from imgrepl.gallery import regions as region_rows
from imgrepl.layout import keys
from imgrepl.model.region import PlaceRole, StorageAccountType
from imgrepl.model.replica import ReplicaState
from imgrepl.store.protocols import DeleteFailure
from imgrepl.testing.faulty import Crashed, Fault, FaultKind, damaged, flipped


@contextmanager
def reborn(world: World, folder: Path, *, regions: tuple[str, ...] = REGIONS) -> Iterator[World]:
    """A new index over the same buckets, to which `regions` were added."""
    with open_world(folder, buckets=world.buckets, region_names=regions) as opened:
        opened._disks.update(world._disks)
        yield opened


def rebuild(world: World, *regions: str) -> RebuildReport:
    return index.rebuild(world.ctx, regions or REGIONS)


def visible(world: World) -> dict[str, Any]:
    """All that a user can see of galleries, definitions and versions."""
    found = {}
    for gallery in galleries.list_all(world.ctx):
        found[str(gallery.id)] = shapes.gallery(gallery)
        for definition in definitions.list_of(world.ctx, gallery.id):
            found[str(definition.id)] = shapes.definition(definition)
    with world.index.read() as tx:
        ids = [version.id for version in versions.list_all(tx)]
    for version_id in ids:
        shown = shapes.version(world.view(str(version_id.version)))
        for replica in shown["imgrepl"]["replicas"]:
            replica.pop("bytesDone")  # what an operation moved, not what the version is
            replica.pop("bytesTotal", None)
            replica.pop("proof")  # what lies in a bucket is listed, and no more
        found[str(version_id)] = shown
    return found


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with a history: a change of everything, a deletion, a freed pack."""
    with open_world(tmp_path_factory.mktemp("history")) as world:
        world.publish("1.0.0", tags={"build": "1"})
        world.publish("1.0.1", **PATCHED)
        world.publish("1.0.2", disk="other")
        world.update("1.0.1", replica_count=2, tags={"build": "2"})
        changes = GalleryChanges(description="Golden images")
        galleries.update(world.ctx, world.definition.gallery, changes)
        changed = DefinitionChanges(description="Debian", tags={"os": "linux"})
        definitions.update(world.ctx, world.definition, changed)
        world.delete("1.0.2")
        collect(world)
        yield world


@pytest.fixture
def lived(history: World, tmp_path: Path) -> Iterator[World]:
    """The same world again, for one test alone."""
    with history.twin(tmp_path / "lived") as twin:
        yield twin


def test_a_rebuilt_index_is_the_index_that_was_lost(lived: World, tmp_path: Path) -> None:
    before, stones = visible(lived), tombstones(lived)
    with reborn(lived, tmp_path / "new") as new:
        report = rebuild(new)
        assert report.error is None
        assert visible(new) == before
        assert tombstones(new) == stones
        assert (report.galleries, report.definitions, report.versions) == (1, 1, 2)
        assert (report.tombstones, report.damaged, report.skipped) == (1, (), ())
        for region in REGIONS:
            assert new.download("1.0.0", region=region) == new.disk().read_bytes()
            assert new.download("1.0.1", region=region) == patched(new)
        assert index.check(new.ctx).error is None


@pytest.mark.parametrize("region", REGIONS)
def test_one_region_alone_is_enough(lived: World, tmp_path: Path, region: str) -> None:
    with reborn(lived, tmp_path / "new", regions=(region,)) as new:
        report = rebuild(new, region)
        assert report.error is None
        others = set(REGIONS) - {region}
        assert set(report.unregistered) == others
        assert dict(report.other_regions) == dict.fromkeys(others, 2)
        assert new.download("1.0.1", region=region) == patched(new)
        states = {one.region: one.state for one in new.view("1.0.1").replicas}
        assert states == {
            name: ReplicaState.COMPLETED if name == region else ReplicaState.UNKNOWN
            for name in REGIONS
        }


def test_regions_that_are_added_later_complete_the_index(lived: World, tmp_path: Path) -> None:
    before = visible(lived)
    with reborn(lived, tmp_path / "new") as new:
        rebuild(new, "westeurope")
        assert visible(new) != before
        rebuild(new, "eastus", "southeastasia")
        assert visible(new) == before


def test_retry_fills_a_region_that_lost_everything(lived: World, tmp_path: Path) -> None:
    store = lived.store("westeurope").inner
    store.delete(lived.keys(region="westeurope"))
    with reborn(lived, tmp_path / "new") as new:
        rebuild(new, "eastus")
        new.retry("1.0.0")
        assert new.download("1.0.0", region="westeurope") == new.disk().read_bytes()


def test_a_region_that_is_not_registered_fails_a_retry_with_the_way_out(
    lived: World, tmp_path: Path
) -> None:
    with reborn(lived, tmp_path / "new", regions=("eastus",)) as new:
        rebuild(new, "eastus")
        new.retry("1.0.0")
        failed = {one.region: one.detail for one in new.view("1.0.0").replicas if one.detail}
        assert set(failed) == set(REGIONS) - {"eastus"}
        assert all("imgrepl region add" in why for why in failed.values())


def test_a_place_in_which_no_version_stands_any_more_is_taken_over_too(
    lived: World, tmp_path: Path
) -> None:
    """Else a replica that comes to stand there again finds that another index owns it."""
    lived.update("1.0.1", replica_count=1)
    lived.update("1.0.0", replica_count=1)
    with reborn(lived, tmp_path / "new") as world:
        rebuild(world)
        collect(world)
        with world.index.read() as tx:
            assert {(p.region, p.number) for p in places.list_all(tx)} == {
                (region, number) for region in REGIONS for number in (0, 1)
            }
        assert world.keys("packs/", "westeurope", 1) == []
        world.update("1.0.1", replica_count=2)
        assert world.download("1.0.1", region="westeurope") == patched(world)
        states = {one.state for one in world.view("1.0.1").replicas}
        assert states == {ReplicaState.COMPLETED}


def test_a_second_rebuild_changes_nothing(lived: World, tmp_path: Path) -> None:
    with reborn(lived, tmp_path / "new") as new:
        first = rebuild(new)
        before = visible(new)
        second = rebuild(new)
        assert visible(new) == before
        assert second.epoch == first.epoch + 1
        assert all(place.new_packs == 0 for region in second.regions for place in region.places)


# What was deleted stays so.


def test_an_older_region_does_not_bring_back_a_deleted_version(
    lived: World, tmp_path: Path
) -> None:
    lived.store("westeurope").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    lived.delete("1.0.0")
    lived.buckets.revive()
    for order in (("eastus", "westeurope"), ("westeurope", "eastus")):
        with reborn(lived, tmp_path / order[0]) as new:
            rebuild(new, *order)
            assert "golden/debian/1.0.0" not in visible(new)
    with reborn(lived, tmp_path / "one by one") as new:
        rebuild(new, "westeurope")
        assert "golden/debian/1.0.0" in visible(new)
        rebuild(new, "eastus")
        assert "golden/debian/1.0.0" not in visible(new)
        rebuild(new, "westeurope")
        assert "golden/debian/1.0.0" not in visible(new)


def test_of_two_incarnations_of_a_name_the_newer_lives(lived: World, tmp_path: Path) -> None:
    lived.store("westeurope").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    lived.delete("1.0.0")
    lived.clock.advance(60)
    lived.publish("1.0.0", disk="other", regions=["eastus", "southeastasia"])
    lived.buckets.revive()
    other = lived.disk("other").read_bytes()
    for order in (("southeastasia", "westeurope"), ("westeurope", "southeastasia")):
        with reborn(lived, tmp_path / order[0]) as new:
            rebuild(new, *order)
            assert new.download("1.0.0") == other


def test_a_gallery_deleted_with_all_its_children_stays_deleted(
    world: World, tmp_path: Path
) -> None:
    world.publish("1.0.0")
    world.delete("1.0.0")
    definitions.delete(world.ctx, world.definition)
    galleries.delete(world.ctx, world.definition.gallery)
    with reborn(world, tmp_path / "new") as new:
        assert rebuild(new).tombstones == 3
        assert visible(new) == {}


def test_a_restored_index_learns_what_was_deleted_and_published_since(
    lived: World, tmp_path: Path
) -> None:
    with lived.twin(tmp_path / "backup"):
        pass
    with open_copy(lived, tmp_path / "backup") as backup:
        lived.delete("1.0.0")
        lived.publish("2.0.0", disk="other")
        rebuild(backup)
        assert set(visible(backup)) == set(visible(lived))
        assert backup.download("2.0.0") == backup.disk("other").read_bytes()


def test_a_restored_index_does_not_rely_on_packs_that_were_collected_since(
    lived: World, tmp_path: Path
) -> None:
    """Its rows said that they were present, and what was published then was not whole."""
    lived.publish("2.0.0", disk="again")
    with lived.twin(tmp_path / "backup"):
        pass
    with open_copy(lived, tmp_path / "backup") as backup:
        lived.delete("2.0.0")
        collect(lived)
        rebuild(backup)
        backup.publish("3.0.0", disk="again")
        for region in REGIONS:
            assert backup.download("3.0.0", region=region) == backup.disk("again").read_bytes()
        assert index.check(backup.ctx).error is None


def test_a_restored_index_fences_out_the_one_it_was_copied_from(
    lived: World, tmp_path: Path
) -> None:
    with lived.twin(tmp_path / "backup"):
        pass
    with open_copy(lived, tmp_path / "backup") as backup:
        rebuild(backup)
        lived.engine.prepared.clear()
        with pytest.raises(Conflict) as caught:
            lived.publish("2.0.0", disk="other")
        assert caught.value.code == "NotOwner"
        backup.publish("2.0.0", disk="other")


@contextmanager
def open_copy(world: World, folder: Path) -> Iterator[World]:
    with worlds._opened(folder, world.buckets, world.engine.options) as opened:
        opened._disks.update(world._disks)
        yield opened


# Who owns the store.


def test_the_index_that_was_thought_lost_may_no_longer_write_or_delete(
    lived: World, tmp_path: Path
) -> None:
    with reborn(lived, tmp_path / "new") as new:
        rebuild(new)
        lived.engine.prepared.clear()
        before = {region: new.keys(region=region) for region in REGIONS}
        with pytest.raises(Conflict) as caught:
            lived.publish("2.0.0")
        assert caught.value.code == "NotOwner"
        report = collect(lived)
        assert {place.error.code for place in report.places if place.error} == {"NotOwner"}
        assert {region: new.keys(region=region) for region in REGIONS} == before
        new.publish("2.0.0", disk="other")
        assert new.download("2.0.0") == new.disk("other").read_bytes()


def test_keys_and_revisions_of_a_new_epoch_are_above_all_before(
    lived: World, tmp_path: Path
) -> None:
    first = lived.view("1.0.0").version
    with reborn(lived, tmp_path / "new") as new:
        rebuild(new)
        new.update("1.0.0", tags={"after": "rebuild"})
        assert new.view("1.0.0").version.revision >= 1 << 16
        assert new.view("1.0.0").version.incarnation == first.incarnation
        new.publish("1.0.2", disk="other")  # deleted and freed by the index before
        fresh = set(new.keys("packs/")) - set(lived_keys(lived))
        assert fresh
        assert all(int(key.rpartition(".")[2]) >= 1 << 16 for key in fresh)


def test_a_delete_of_the_index_that_was_lost_hits_nothing_that_was_published_since(
    lived: World, tmp_path: Path
) -> None:
    """The new index took over what lay there, and used it, while its deletion was on its way."""
    lived.publish("2.0.0", disk="again")
    lived.delete("2.0.0")
    late = doomed_by_collecting(lived)
    with reborn(lived, tmp_path / "new") as new:
        rebuild(new)
        new.publish("3.0.0", disk="again")
        for region, doomed in late.items():
            assert {"packs", "manifests", "seals"} <= {key.split("/")[0] for key in doomed}
            new.store(region).inner.delete(doomed)
        for region in REGIONS:
            assert new.download("3.0.0", region=region) == new.disk("again").read_bytes()
        report = verifying.verify(new.ctx, new.id("3.0.0"), deep=True)
        assert {replica["state"] for replica in report["replicas"]} == {"healthy"}


def test_every_rebuild_raises_the_epoch_whatever_the_regions_say(
    lived: World, tmp_path: Path
) -> None:
    with reborn(lived, tmp_path / "new") as new:
        rebuild(new, "eastus")
        with new.index.begin() as tx:
            for _ in range(5):
                new.index.take_over(tx)
        assert rebuild(new, "westeurope").epoch == 8
        new.publish("2.0.0", disk="other")


def test_two_rebuilds_at_once_do_not_both_win(lived: World, tmp_path: Path) -> None:
    with (
        reborn(lived, tmp_path / "a") as one,
        reborn(lived, tmp_path / "b") as other,
    ):
        store = lived.store("eastus")
        real = store.put

        def other_first(key: str, *arguments: Any, **named: Any) -> Any:
            if key == keys.OWNER_KEY and store.put is other_first:
                store.put = real  # type: ignore[method-assign]
                rebuild(other)
            return real(key, *arguments, **named)

        store.put = other_first  # type: ignore[method-assign]
        with pytest.raises(Conflict):
            rebuild(one, "eastus")
        other.publish("3.0.0", disk="other")


def test_an_index_that_holds_another_store_is_not_overwritten(lived: World, tmp_path: Path) -> None:
    with open_world(tmp_path / "other", region_names=("northeurope",)) as other:
        other.publish("1.0.0", regions=["northeurope"])
        other.buckets._stores.update(lived.buckets._stores)
        with other.index.begin() as tx:
            region_rows.add(tx, region_named("eastus"))
        with pytest.raises(Conflict) as caught:
            rebuild(other, "eastus")
        assert caught.value.code == "IndexNotEmpty"
        assert other.download("1.0.0") == other.disk().read_bytes()


def test_regions_of_two_stores_do_not_make_one_index(lived: World, tmp_path: Path) -> None:
    with open_world(tmp_path / "other", region_names=("northeurope",)) as other:
        other.publish("1.0.0", regions=["northeurope"])
        lived.buckets._stores.update(other.buckets._stores)
    with reborn(lived, tmp_path / "new", regions=("eastus", "northeurope")) as new:
        with pytest.raises(Conflict) as caught:
            rebuild(new, "eastus", "northeurope")
        assert caught.value.code == "BucketOfAnotherStore"


def test_a_bucket_without_a_store_is_refused(world: World) -> None:
    with pytest.raises(NotFound) as caught:
        rebuild(world, "eastus")
    assert caught.value.code == "StoreMissing"


def test_a_region_must_be_added_before_it_is_read(world: World) -> None:
    with pytest.raises(NotFound) as caught:
        rebuild(world, "atlantis")
    assert caught.value.code == "RegionNotFound"


# What cannot be read.


def test_a_damaged_record_is_taken_from_another_region(lived: World, tmp_path: Path) -> None:
    before = visible(lived)
    for key in newest_records(lived, "1.0.1"):
        damaged(lived.store("eastus"), key, lambda content: flipped(content, 500))
    with reborn(lived, tmp_path / "new") as new:
        assert rebuild(new).error is None
        assert visible(new) == before


def test_a_record_that_nobody_gives_whole_is_told_and_the_rest_restored(
    lived: World, tmp_path: Path
) -> None:
    for key in newest_records(lived, "1.0.1"):
        damaged(lived.store("eastus"), key, lambda content: flipped(content, 500))
    with reborn(lived, tmp_path / "new") as new:
        report = rebuild(new, "eastus")
        assert isinstance(report.error, Corrupt)
        assert len(report.damaged) == 1
        assert "1.0.1" in report.damaged[0]
        assert new.download("1.0.0") == new.disk().read_bytes()
        assert "golden/debian/1.0.1" not in visible(new)
        packs = new.pack_ids("eastus")
        assert collect(new).error is not None
        assert new.pack_ids("eastus") == packs


def test_a_damaged_manifest_is_taken_from_another_region(lived: World, tmp_path: Path) -> None:
    for key in lived.keys("manifests/"):
        damaged(lived.store("eastus"), key, lambda content: flipped(content, 500))
    with reborn(lived, tmp_path / "new") as new:
        assert rebuild(new).error is None
        assert new.download("1.0.1", region="westeurope") == patched(new)


def test_a_version_without_any_manifest_is_told_and_not_shown(lived: World, tmp_path: Path) -> None:
    (content_id,) = lived.view("1.0.0").version.content_ids
    key = keys.manifest_key(content_id, 0)
    damaged(lived.store("eastus"), key, lambda content: flipped(content, 500))
    with reborn(lived, tmp_path / "new", regions=("eastus",)) as new:
        report = rebuild(new, "eastus")
        assert "golden/debian/1.0.0" not in visible(new)
        assert "golden/debian/1.0.1" in visible(new)
        assert any("1.0.0" in line for line in (*report.damaged, *report.elsewhere))


def test_a_replica_that_lacks_a_pack_is_not_complete(lived: World, tmp_path: Path) -> None:
    lost = lived.keys("packs/", "westeurope")[0]
    lived.store("westeurope").inner.delete([lost])
    with reborn(lived, tmp_path / "new") as new:
        rebuild(new)
        states = {
            one.region: one.state
            for name in ("1.0.0", "1.0.1")
            for one in new.view(name).replicas
            if one.number == 0 and one.state is not ReplicaState.COMPLETED
        }
        assert states == {"westeurope": ReplicaState.UNKNOWN}
        for name in ("1.0.0", "1.0.1"):
            new.retry(name)
        assert index.check(new.ctx).error is None
        assert new.download("1.0.1", region="westeurope") == patched(new)


def test_a_truncated_pack_is_damaged_not_present(lived: World, tmp_path: Path) -> None:
    short = lived.keys("packs/", "westeurope")[0]
    store = lived.store("westeurope").inner
    store.put(short, store.get(short)[:-7])
    with reborn(lived, tmp_path / "new") as new:
        rebuild(new)
        faults = index.check(new.ctx).faults
        assert any(fault.object == short for fault in faults)


def test_a_region_that_does_not_answer_is_named_and_left_out(lived: World, tmp_path: Path) -> None:
    lived.store("westeurope").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    with reborn(lived, tmp_path / "new") as new:
        report = rebuild(new)
        assert isinstance(report.error, Unavailable)
        assert [one.region for one in report.regions if one.error] == ["westeurope"]
        assert new.download("1.0.1", region="eastus") == patched(new)


def test_no_region_that_answers_is_an_error(lived: World, tmp_path: Path) -> None:
    lived.store("westeurope").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    with reborn(lived, tmp_path / "new") as new, pytest.raises(Unavailable):
        rebuild(new, "westeurope")


# Death and afterwards.


def test_a_rebuild_that_dies_anywhere_is_finished_by_the_next(lived: World, tmp_path: Path) -> None:
    before = visible(lived)
    with reborn(lived, tmp_path / "whole") as whole:
        for store in whole.buckets.all():
            store.requests.clear()
        rebuild(whole)
        requests = len(whole.store("eastus").requests)
    assert requests > 15
    for skip in range(0, requests, 3):
        with reborn(lived, tmp_path / f"{skip}") as new:
            new.store("eastus").faults.append(Fault(FaultKind.CRASH_AFTER, skip=skip))
            with pytest.raises(Crashed):
                rebuild(new)
            new.restart()
            rebuild(new)
            assert visible(new) == before, skip
            with new.index.read() as tx:
                assert operations.list_open(tx) == []


def test_ctrl_c_ends_a_rebuild_which_may_be_repeated(lived: World, tmp_path: Path) -> None:
    with reborn(lived, tmp_path / "new") as new:
        new.stop.set()
        with pytest.raises(Interrupted):
            rebuild(new)
        new.stop.clear()
        rebuild(new)
        assert visible(new) == visible(lived)


def test_what_was_unneeded_when_the_index_was_lost_is_freed_by_the_next(
    lived: World, tmp_path: Path
) -> None:
    lived.delete("1.0.0")
    with reborn(lived, tmp_path / "new") as new:
        rebuild(new)
        report = collect(new)
        assert report.error is None
        assert report.deleted_packs >= len(REGIONS)
        assert all(place.unknown_objects == 0 for place in report.places)
        for region in REGIONS:
            assert len(new.keys("manifests/", region)) == 1
            assert new.download("1.0.1", region=region) == patched(new)


def test_collecting_right_after_a_rebuild_frees_nothing(lived: World, tmp_path: Path) -> None:
    before = {region: lived.pack_ids(region) for region in REGIONS}
    with reborn(lived, tmp_path / "new") as new:
        rebuild(new)
        assert collect(new).deleted_packs == 0
        assert {region: new.pack_ids(region) for region in REGIONS} == before


def tombstones(world: World) -> set[tuple[str, str]]:
    with world.index.read() as tx:
        return {(one.resource_key, one.incarnation) for one in records_log.list_all(tx)}


def doomed_by_collecting(world: World) -> dict[str, list[str]]:
    """What a collector would delete, by region; its requests are still on their way."""
    doomed: dict[str, list[str]] = {region: [] for region in REGIONS}
    with ExitStack() as patches:
        for region, named in doomed.items():

            def send(batch: Sequence[str], to: list[str] = named) -> Sequence[DeleteFailure]:
                to.extend(batch)
                return []

            patches.enter_context(mock.patch.object(world.store(region), "delete", send))
        collect(world)
    return doomed


def lived_keys(world: World) -> list[str]:
    place = world.place("eastus")
    with world.index.read() as tx:
        rows = packs.all_in(tx, place.id)
    return [keys.pack_key(row.pack_id, row.generation) for row in rows]


def newest_records(world: World, name: str) -> list[str]:
    found = [key for key in world.keys("records/") if f"/{name}/" in key]
    return [max(found, key=lambda key: int(key.split(".")[-2]))]


def test_a_region_whose_first_place_was_never_made_is_taken_over_by_another(tmp_path: Path) -> None:
    """It was away while packs came to the premium place: no record was ever written there."""
    fast = TargetRequest("rich", 1, StorageAccountType.PREMIUM_LRS)
    with open_world(tmp_path / "lost", region_names=("eastus",)) as lost:
        add_rich_region(lost)
        lost.store("rich").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
        lost.publish(regions=["eastus", fast])
        lost.buckets.revive()
        with reborn(lost, tmp_path / "reborn", regions=("eastus",)) as world:
            add_rich_region(world)
            report = rebuild(world, "eastus", "rich")
            assert report.error is None
            with world.index.read() as tx:
                rich = {place.role: place for place in places.of_region(tx, "rich")}
                found = packs.present_ids(tx, rich[PlaceRole.PREMIUM].id)
            assert found == world.pack_ids("eastus")
            world.retry()
            assert world.download(region="rich") == world.disk().read_bytes()
