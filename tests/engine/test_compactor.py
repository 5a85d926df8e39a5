"""Compaction frees what is dead in packs, and what lives is read as before."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.collecting_kit import dump, everything, open_operation
from engine.crashes import Fate, mortal_world
from engine.pieced import PIECE_BYTES, publish
from engine.world import OPTIONS, World
from imgrepl.actions import collecting, verifying
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.engine.collect_report import CollectReport, Compacted
from imgrepl.engine.lease import Lease
from imgrepl.gallery import packs
from imgrepl.testing.faulty import Crashed

HOME, AWAY, LATE = "eastus", "westeurope", "southeastasia"
ALIVE = [0, 20]
"""Pieces that stay: one of the first pack's four, and one of a pack of its own."""


@pytest.fixture
def disk(world: World) -> bytes:
    """A version that needs a quarter of the only pack of one that was deleted, in two regions."""
    return mostly_dead(world)


def mostly_dead(world: World) -> bytes:
    publish(world, "1.0.0", range(4), HOME, AWAY)
    found = publish(world, "2.0.0", ALIVE, HOME, AWAY)
    world.delete("1.0.0")
    return found


def compact(world: World, *, dry_run: bool = False, grace_seconds: float = 0) -> CollectReport:
    report = collecting.collect(
        world.ctx, dry_run=dry_run, grace_seconds=grace_seconds, compacts=True
    )
    assert report.error is None
    return report


def by_place(report: CollectReport) -> dict[str, Compacted]:
    return {one.place.partition("/")[0]: one for one in report.compacted}


def stored_bytes(world: World, region: str) -> int:
    return sum(info.size_bytes for info in world.store(region).inner.list("packs/"))


def assert_healthy(world: World, name: str, disk: bytes, *regions: str) -> None:
    for region in regions:
        report = verifying.verify(world.ctx, world.id(name), region, deep=True)
        assert [one["state"] for one in report["replicas"]] == ["healthy"]
        assert world.download(name, region=region) == disk
    assert not [text for text in world.notices if "could not be read" in text]


def test_what_is_dead_is_freed_and_what_lives_is_whole(world: World, disk: bytes) -> None:
    for region in (HOME, AWAY):
        assert stored_bytes(world, region) > 5 * PIECE_BYTES
    report = by_place(compact(world))
    for region in (HOME, AWAY):
        assert (report[region].packs, report[region].new_packs) == (1, 1)
        assert report[region].pack_bytes > 4 * PIECE_BYTES
        assert report[region].new_bytes < 1.02 * PIECE_BYTES
        assert stored_bytes(world, region) < 2.04 * PIECE_BYTES
    assert_healthy(world, "2.0.0", disk, HOME, AWAY)


def test_without_being_asked_collecting_compacts_nothing(world: World, disk: bytes) -> None:
    before = world.pack_ids()
    assert collecting.collect(world.ctx, dry_run=False).compacted == ()
    assert world.pack_ids() == before
    assert disk


def test_a_second_time_there_is_nothing_to_do(world: World, disk: bytes) -> None:
    compact(world)
    before = everything(world)
    assert {one.packs for one in compact(world).compacted} == {0}
    assert everything(world) == before
    assert_healthy(world, "2.0.0", disk, HOME, AWAY)


def test_a_dry_run_tells_the_same_and_changes_nothing(world: World, disk: bytes) -> None:
    before, rows = everything(world), dump(world)
    told = compact(world, dry_run=True)
    assert (everything(world), dump(world)) == (before, rows)
    assert compact(world).compacted == told.compacted
    assert disk


def test_a_pack_that_is_needed_by_more_than_that_stays(world: World) -> None:
    publish(world, "1.0.0", range(4))
    disk = publish(world, "2.0.0", [0, 1])
    world.delete("1.0.0")
    assert by_place(compact(world))[HOME].packs == 0
    assert_healthy(world, "2.0.0", disk, HOME)


def test_needs_of_all_versions_count_together(world: World) -> None:
    publish(world, "1.0.0", range(4))
    disks = {name: publish(world, name, [at]) for at, name in enumerate(["2.0.0", "3.0.0"])}
    world.delete("1.0.0")
    assert by_place(compact(world))[HOME].packs == 0
    for name, disk in disks.items():
        assert_healthy(world, name, disk, HOME)


def test_a_pack_that_an_operation_holds_stays(world: World, disk: bytes) -> None:
    place, held = world.place(), world.pack_ids()
    holder = open_operation(world)
    with Lease(world.index, holder, lease_seconds=60, stop=world.stop):
        with world.index.begin() as tx:
            packs.pin_present(tx, holder, place.id, held)
        report = by_place(compact(world))
        assert (report[HOME].packs, report[AWAY].packs) == (0, 1)
    assert_healthy(world, "2.0.0", disk, HOME, AWAY)


def test_within_the_grace_a_version_that_needs_more_takes_the_pack_back(
    world: World, disk: bytes
) -> None:
    before = world.pack_ids()
    compact(world, grace_seconds=3600)
    assert before < world.pack_ids()
    other = publish(world, "3.0.0", [1, 2])
    collecting.collect(world.ctx, dry_run=False)
    assert world.pack_ids() == before, "the pack is needed whole again, its frames are not"
    assert_healthy(world, "2.0.0", disk, HOME, AWAY)
    assert_healthy(world, "3.0.0", other, HOME)


def test_a_region_that_comes_after_gets_the_frames_where_no_place_has_the_pack(
    world: World, disk: bytes
) -> None:
    compact(world)
    world.update("2.0.0", add_regions=[TargetRequest(LATE, 1)])
    assert stored_bytes(world, LATE) < 2.04 * PIECE_BYTES
    assert_healthy(world, "2.0.0", disk, LATE)


def test_the_same_disk_is_published_again_without_sending_anything(
    world: World, disk: bytes
) -> None:
    compact(world)
    before = world.pack_ids()
    publish(world, "3.0.0", ALIVE)
    assert world.pack_ids() == before
    assert_healthy(world, "3.0.0", disk, HOME)


def test_what_was_moved_is_found_when_another_disk_has_it(world: World, disk: bytes) -> None:
    compact(world)
    before = stored_bytes(world, HOME)
    other = publish(world, "3.0.0", [20, 0, 30])
    assert stored_bytes(world, HOME) - before < 1.02 * PIECE_BYTES
    assert_healthy(world, "3.0.0", other, HOME)
    assert_healthy(world, "2.0.0", disk, HOME)


def test_what_is_damaged_after_compaction_is_mended_from_another_region(
    world: World, disk: bytes
) -> None:
    compact(world)
    for key in world.keys("packs/", AWAY):
        world.store(AWAY).inner.delete([key])
    report = verifying.repair(world.ctx, world.id("2.0.0"))
    assert report["beyondRepair"] == []
    assert_healthy(world, "2.0.0", disk, HOME, AWAY)


def test_once_the_last_version_is_deleted_nothing_is_left(world: World, disk: bytes) -> None:
    compact(world)
    world.delete("2.0.0")
    collecting.collect(world.ctx, dry_run=False)
    for region in (HOME, AWAY):
        left = {key.partition("/")[0] for key in world.keys(region=region)}
        assert left == {"owner.json", "records", "region.json", "store.json"}
    assert disk


def test_dying_at_any_step_loses_nothing_and_the_next_run_ends_it(tmp_path: Path) -> None:
    for dies_at in range(1, 200, 2):
        fate = Fate()
        options = replace(OPTIONS, pack_bytes_target=4 * PIECE_BYTES)
        folder = tmp_path / str(dies_at)
        with mortal_world(folder, fate, region_names=(HOME,), options=options) as world:
            publish(world, "1.0.0", range(4))
            disk = publish(world, "2.0.0", ALIVE)
            world.delete("1.0.0")
            fate.revive()
            fate.dies_at = dies_at
            try:
                compact(world)
            except Crashed:
                died = True
            else:
                died = False
            fate.revive()
            world.restart()
            assert_healthy(world, "2.0.0", disk, HOME)
            compact(world)
            compact(world)
            assert_healthy(world, "2.0.0", disk, HOME)
            assert stored_bytes(world, HOME) < 2.04 * PIECE_BYTES, dies_at
            if not died:
                assert dies_at > 10, "there are more steps than that"
                return
    raise AssertionError("it never ends")
