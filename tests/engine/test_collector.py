"""Collecting: what it frees, in which order, and what it says of it."""

import pytest

from engine.collecting_kit import collect, dump, everything, patched
from engine.world import REGIONS, World
from imgrepl.actions import collecting
from imgrepl.gallery import contents
from imgrepl.layout import keys


def test_collect_frees_what_only_a_deleted_version_named(two: World) -> None:
    before = two.pack_ids()
    report = collect(two)
    assert report.error is None
    for region in REGIONS:
        assert len(before - two.pack_ids(region)) == 1
        assert two.download("1.0.1", region=region) == patched(two)
    with two.index.read() as tx:
        named = contents.packs_of(tx, two.view("1.0.1").version.content_ids)
    assert two.pack_ids() == set(named)


def test_collect_after_the_last_version_leaves_records_and_headers_only(two: World) -> None:
    two.delete("1.0.1")
    collect(two)
    for region in REGIONS:
        left = {key.partition("/")[0] for key in two.keys(region=region)}
        assert left == {"owner.json", "records", "region.json", "store.json"}


def test_collect_says_what_it_freed_and_what_it_kept(two: World) -> None:
    before = two.store("eastus").inner
    sizes = {info.key: info.size_bytes for info in before.list("packs/")}
    report = collect(two)
    place = report.places[0]
    gone = set(sizes) - set(two.keys("packs/"))
    assert (place.place, place.deleted_packs, place.condemned_packs) == ("eastus/standard/0", 1, 1)
    assert place.deleted_bytes == sum(sizes[key] for key in gone)
    assert (place.deleted_manifests, place.deleted_seals) == (1, 1)
    (kept,) = place.kept
    assert (kept.reason, kept.packs) == ("named by a version", len(sizes) - 1)
    assert kept.bytes == sum(sizes.values()) - place.deleted_bytes


def test_collecting_twice_finds_nothing_the_second_time(two: World) -> None:
    collect(two)
    again = collect(two)
    assert (again.deleted_packs, again.error) == (0, None)
    assert all(place.deleted_manifests == place.deleted_seals == 0 for place in again.places)


def test_a_dry_run_says_the_same_and_changes_nothing(two: World) -> None:
    before, rows = everything(two), dump(two)
    rehearsed = collecting.collect(two.ctx, dry_run=True).as_json()
    assert (everything(two), dump(two)) == (before, rows)
    assert rehearsed | {"dryRun": False} == collect(two).as_json()


def test_seals_go_before_manifests_and_manifests_before_packs(two: World) -> None:
    store = two.store("westeurope")
    store.requests.clear()
    collect(two)
    deleted = [key.partition("/")[0] for verb, key in store.requests if verb == "delete"]
    assert deleted == ["seals", "manifests", "packs"]


def test_owner_json_is_read_before_every_batch_of_deletions(two: World) -> None:
    store = two.store("westeurope")
    store.requests.clear()
    collect(two)
    asked = [(verb, key) for verb, key in store.requests if verb in {"get", "delete"}]
    for position, (verb, _) in enumerate(asked):
        if verb == "delete":
            assert asked[position - 1] == ("get", keys.OWNER_KEY)


def test_deletions_come_in_batches_of_at_most_a_thousand(
    two: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.delete("1.0.1")
    monkeypatch.setattr("imgrepl.engine.disposal.BATCH_MAX", 2)
    monkeypatch.setattr("imgrepl.engine.collect_steps.BATCH_MAX", 2)
    report = collect(two)
    assert two.pack_ids() == set()
    assert report.places[0].deleted_packs == report.places[0].condemned_packs == 4
    sizes = [len(key.split()) for verb, key in two.store().requests if verb == "delete"]
    assert max(sizes) == 2


def test_replicas_that_were_given_up_are_freed_and_the_others_stay(world: World) -> None:
    world.publish("1.0.0", regions=["eastus", "westeurope"], replica_count=2)
    world.update("1.0.0", remove_regions=["westeurope"])
    collect(world)
    assert world.pack_ids("westeurope") == set()
    assert not world.keys("seals/", "westeurope")
    assert world.download("1.0.0", region="eastus") == world.disk().read_bytes()
    world.update("1.0.0", add_regions=[world.request(regions=["westeurope"]).target_regions[0]])  # type: ignore[index]
    assert world.download("1.0.0", region="westeurope") == world.disk().read_bytes()
    assert len(world.keys("seals/", "westeurope")) == 1


def test_deleted_version_published_again_is_whole(two: World) -> None:
    collect(two)
    two.publish("1.0.0")
    collect(two)
    for region in REGIONS:
        assert two.download("1.0.0", region=region) == two.disk().read_bytes()
    (content_id,) = two.view("1.0.0").version.content_ids
    assert keys.manifest_key(content_id, 1) in two.keys("manifests/")
    assert keys.manifest_key(content_id, 0) not in two.keys("manifests/")


def test_no_key_that_was_deleted_is_ever_written_again(two: World) -> None:
    for _ in range(3):
        collect(two)
        two.publish("1.0.0")
        two.delete("1.0.0")
    for region in REGIONS:
        gone: set[str] = set()
        for verb, what in two.store(region).requests:
            if verb == "delete":
                gone |= set(what.split())
            elif verb in {"put", "copy_from"}:
                assert what not in gone


def test_chunks_of_a_freed_pack_are_stored_anew(two: World) -> None:
    two.delete("1.0.1")
    collect(two)
    again = two.publish("2.0.0")
    assert again.transfer is not None
    assert again.transfer.deduplicated_bytes == 0
    assert two.download("2.0.0") == two.disk().read_bytes()
