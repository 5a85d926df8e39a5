"""Collecting never touches what anything names, or what it cannot judge."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.collecting_kit import PATCHED, add_rich_region, collect, everything, forget, patched
from engine.world import CAPABLE, REGIONS, World, open_world
from imgrepl.actions import collecting, verifying
from imgrepl.errors import Conflict, Corrupt, Unavailable
from imgrepl.gallery import contents, records_log, versions
from imgrepl.layout import keys
from imgrepl.layout.header import Owner, encode_owner
from imgrepl.model.ids import IndexId
from imgrepl.model.region import StorageAccountType
from imgrepl.testing.faulty import Crashed, Fault, FaultKind, damaged, flipped


def test_collect_deletes_nothing_when_a_record_is_unreadable(two: World) -> None:
    (record,) = [key for key in two.keys("records/", "westeurope") if "1.0.1" in key]
    damaged(two.store("westeurope"), record, lambda content: flipped(content, 400))
    before = two.keys(region="westeurope")
    report = collect(two)
    assert two.keys(region="westeurope") == before
    assert isinstance(report.error, Corrupt)
    (left,) = [place for place in report.places if place.region == "westeurope"]
    assert left.error is not None
    assert record in left.error.message
    assert any(record in notice for notice in two.notices)
    assert len(two.pack_ids("eastus")) == len(two.pack_ids("westeurope")) - 1


@pytest.mark.parametrize("prefix", ["records/", ""])
def test_collect_deletes_nothing_when_the_listing_fails(two: World, prefix: str) -> None:
    fault = Fault(FaultKind.LOST_REQUEST, "list", prefix, skip=0 if prefix else 1, times=None)
    two.store("westeurope").faults.append(fault)
    before = two.keys(region="westeurope")
    report = collect(two)
    assert two.keys(region="westeurope") == before
    assert isinstance(report.error, Unavailable)
    assert len(two.pack_ids("eastus")) < len(two.pack_ids("westeurope"))


@pytest.mark.parametrize("lacking", ["records/", "records/default/default/golden/debian/1.0.1"])
def test_collect_deletes_nothing_when_the_listing_lacks_a_record_that_was_written(
    two: World, lacking: str
) -> None:
    """Of an index that forgot a version, records alone say what that version needs."""
    if lacking == "records/":
        forget(two, "1.0.1")
    stores = [two.store(region).inner for region in REGIONS]
    hidden = [{one.key: store.get(one.key) for one in store.list(lacking)} for store in stores]
    for store, records in zip(stores, hidden, strict=True):
        store.delete(list(records))
    before = everything(two)
    report = collect(two)
    assert everything(two) == before
    assert isinstance(report.error, Unavailable)
    assert report.error.code == "ListingIncomplete"
    for store, records in zip(stores, hidden, strict=True):
        for key, content in records.items():
            store.put(key, content)
    assert collect(two).error is None
    assert [len(two.pack_ids(region)) for region in REGIONS] == [3, 3, 3]


def test_collect_goes_on_when_a_record_that_was_lost_is_written_again(two: World) -> None:
    lost = two.keys("records/default/default/golden/debian/1.0.1", "westeurope")
    two.store("westeurope").inner.delete(lost)
    assert collect(two).error is not None
    verifying.repair(two.ctx, two.id("1.0.1"))
    assert collect(two).error is None


def test_a_region_that_is_away_is_collected_when_it_is_back(two: World) -> None:
    two.store("westeurope").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    collect(two)
    two.buckets.revive()
    assert collect(two).error is None
    for region in REGIONS:
        assert len(two.pack_ids(region)) == 3
        assert len(two.keys("manifests/", region)) == 1


def test_collect_spares_a_pack_that_a_staged_version_pinned(two: World) -> None:
    two.store("eastus").faults.append(Fault(FaultKind.CRASH_BEFORE, "put", "manifests/"))
    with pytest.raises(Crashed):
        two.publish("2.0.0", regions=["eastus"])
    two.buckets.revive()
    before = two.pack_ids("eastus")
    report = collect(two)
    assert two.pack_ids("eastus") == before
    assert [kept.reason[:7] for kept in report.places[0].kept] == ["named b", "pinned "]
    two.restart()
    two.publish("2.0.0", regions=["eastus"])
    assert two.download("2.0.0") == two.disk().read_bytes()


def test_what_a_record_that_the_index_does_not_know_names_is_kept(two: World) -> None:
    forget(two, "1.0.1")
    report = collect(two)
    assert len(report.unknown_records) == len(REGIONS)
    with two.index.begin() as tx:
        contents.remove(tx, contents.unused(tx, 10))
    again = collect(two)
    kept = {kept.reason: kept.packs for kept in again.places[0].kept}
    assert kept == {"named by a record that the gallery index does not know": 3}
    for region in REGIONS:
        assert len(two.pack_ids(region)) == 3
        assert len(two.keys("manifests/", region)) == 1
        assert len(two.keys("seals/", region)) == 1


def test_a_record_of_a_later_revision_than_the_index_knows_is_a_root(
    two: World, tmp_path: Path
) -> None:
    with two.twin(tmp_path / "restored") as restored:
        with restored.index.begin() as tx:
            versions.remove(tx, restored.id("1.0.1"))
            row = two.view("1.0.1").version
            records_log.bury(tx, row.id, row.incarnation, row.revision - 1)
        collect(restored)
        assert len(restored.pack_ids()) == 3


def test_an_unknown_record_whose_manifest_is_nowhere_blocks_its_region(two: World) -> None:
    forget(two, "1.0.1")
    with two.index.begin() as tx:
        contents.remove(tx, contents.unused(tx, 10))
    store = two.store("westeurope").inner
    store.delete(two.keys("manifests/", "westeurope"))
    before = two.keys(region="westeurope")
    report = collect(two)
    assert two.keys(region="westeurope") == before
    assert isinstance(report.error, Corrupt)


def test_objects_without_a_row_are_counted_and_never_deleted(two: World) -> None:
    strange = [
        "readme.txt",
        "packs/00/" + "0" * 64 + ".0",
        "manifests/" + "1" * 64 + ".0",
        "seals/" + "2" * 64 + ".1",
        "records/notes.txt",
    ]
    for key in strange:
        two.store("eastus").inner.put(key, b"somebody else's")
    report = collect(two)
    assert set(strange) <= set(two.keys())
    assert (report.places[0].unknown_objects, report.places[0].unknown_bytes) == (5, 75)
    assert report.places[1].unknown_objects == 0


def test_a_second_index_that_is_not_owner_deletes_nothing(two: World, tmp_path: Path) -> None:
    with two.twin(tmp_path / "copy") as copy:
        thief = encode_owner(Owner(index_id=IndexId("e" * 32), epoch=2))
        for region in REGIONS:
            copy.store(region).inner.put(keys.OWNER_KEY, thief)
        before = everything(copy)
        for dry_run in (True, False):
            report = collecting.collect(copy.ctx, dry_run=dry_run)
            assert [type(place.error) for place in report.places] == [Conflict] * 3
            assert report.error is not None
            assert report.error.code == "NotOwner"
        assert everything(copy) == before


def test_an_index_that_loses_its_place_between_two_batches_stops(
    two: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.delete("1.0.1")
    store = two.store("eastus")
    real = store.delete
    thief = encode_owner(Owner(index_id=IndexId("e" * 32), epoch=2))

    def delete_and_lose(wanted: Any) -> Any:
        done = real(wanted)
        store.inner.put(keys.OWNER_KEY, thief)
        return done

    monkeypatch.setattr(store, "delete", delete_and_lose)
    report = collect(two)
    assert report.places[0].error is not None
    assert report.places[0].error.code == "NotOwner"
    assert two.keys("packs/")
    assert two.keys("manifests/")
    assert not two.keys("seals/")


def test_collecting_is_off_where_the_server_has_no_conditional_writes(world: World) -> None:
    world.stores.capabilities = replace(CAPABLE, conditional_swap=False)
    world.publish("1.0.0", regions=["eastus"])
    world.delete("1.0.0")
    before = world.keys()
    for dry_run in (True, False):
        report = collecting.collect(world.ctx, dry_run=dry_run)
        assert report.error is not None
        assert report.error.code == "CollectingOff"
        assert "conditional" in report.error.message
    assert world.keys() == before


def test_other_storage_types_keep_what_is_theirs(tmp_path: Path) -> None:
    with open_world(tmp_path / "w", region_names=()) as world:
        add_rich_region(world)
        zoned = StorageAccountType.STANDARD_ZRS
        fast = StorageAccountType.PREMIUM_LRS
        world.publish("1.0.0", regions=["rich"], storage_account_type=zoned)
        world.publish("1.0.1", regions=["rich"], storage_account_type=fast, **PATCHED)
        collect(world)
        assert world.download("1.0.0") == world.disk().read_bytes()
        assert world.download("1.0.1") == patched(world)
        world.delete("1.0.0")
        report = collect(world)
        assert {place.place for place in report.places if place.deleted_packs} == {
            "rich/zone1/0",
            "rich/zone2/0",
            "rich/zone3/0",
        }
        assert world.download("1.0.1") == patched(world)
