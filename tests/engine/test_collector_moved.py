"""Collecting where a place has packs through others: what leads nowhere any more goes first."""

from dataclasses import replace
from pathlib import Path

from engine.collecting_kit import collect
from engine.pieced import PIECE_BYTES, publish
from engine.world import OPTIONS, World, open_world
from imgrepl.actions import index
from imgrepl.testing.faulty import Crashed, Fault, FaultKind

LATE = "westeurope"


def late_with_frames(world: World) -> bytes:
    """A version whose frames alone are in `LATE`, in other packs than at home."""
    publish(world, "1.0.0", range(12))
    disk = publish(world, "3.0.0", [0, 5, 20], "eastus", LATE)
    assert world.keys("moved/", LATE)
    return disk


def test_a_version_that_stands_on_frames_is_spared(world: World) -> None:
    disk = late_with_frames(world)
    before = world.keys(region=LATE)
    report = collect(world)
    assert (report.error, world.keys(region=LATE)) == (None, before)
    assert all(place.unknown_objects == 0 for place in report.places)
    assert world.download("3.0.0", region=LATE) == disk


def test_with_the_version_all_that_led_to_its_frames_goes(world: World) -> None:
    late_with_frames(world)
    world.delete("3.0.0")
    report = collect(world)
    assert report.error is None
    (late,) = [place for place in report.places if place.region == LATE]
    assert late.deleted_moved > 0
    left = {key.partition("/")[0] for key in world.keys(region=LATE)}
    assert left == {"owner.json", "records", "region.json", "store.json"}
    assert collect(world).deleted_packs == 0


def test_moved_goes_before_the_packs_it_leads_to(world: World) -> None:
    late_with_frames(world)
    world.delete("3.0.0")
    world.store(LATE).requests.clear()
    collect(world)
    kinds = [key.partition("/")[0] for verb, key in world.store(LATE).requests if verb == "delete"]
    assert kinds == ["seals", "manifests", "moved", "packs"]


def test_a_region_that_was_emptied_is_filled_again_the_same_way(world: World) -> None:
    late_with_frames(world)
    world.delete("3.0.0")
    collect(world)
    gone = set(world.keys("moved/", LATE))
    disk = publish(world, "4.0.0", [0, 5, 20], "eastus", LATE)
    assert world.download("4.0.0", region=LATE) == disk
    assert not gone & set(world.keys("moved/", LATE))
    assert index.check(world.ctx).error is None


def test_a_superseded_revision_goes_and_the_later_one_is_followed(tmp_path: Path) -> None:
    options = replace(OPTIONS, pack_bytes_target=8 * PIECE_BYTES)
    with open_world(tmp_path / "roomy", options=options) as roomy:
        publish(roomy, "1.0.0", range(8))
        first = publish(roomy, "2.0.0", [0, 1], "eastus", LATE)
        second = publish(roomy, "3.0.0", [1, 3], "eastus", LATE)
        older, newer = sorted(roomy.keys("moved/", LATE))
        assert (older[-2:], newer[-2:]) == (".0", ".1")
        collect(roomy)
        assert roomy.keys("moved/", LATE) == [newer]
        assert roomy.download("2.0.0", region=LATE) == first
        assert roomy.download("3.0.0", region=LATE) == second


def test_once_the_whole_pack_is_there_its_frames_elsewhere_go(world: World) -> None:
    publish(world, "1.0.0", range(12))
    first = publish(world, "3.0.0", [0, 20], "eastus", LATE)
    second = publish(world, "4.0.0", [1, 21], "eastus", LATE)
    before = world.pack_ids(LATE)
    assert world.keys("moved/", LATE)
    collect(world)
    assert not world.keys("moved/", LATE)
    assert world.pack_ids(LATE) < before
    assert world.download("3.0.0", region=LATE) == first
    assert world.download("4.0.0", region=LATE) == second


def test_a_collector_killed_at_any_deletion_of_these_goes_on(world: World, tmp_path: Path) -> None:
    late_with_frames(world)
    world.delete("3.0.0")
    for kind in (FaultKind.CRASH_BEFORE, FaultKind.CRASH_AFTER):
        for what in ("seals/", "manifests/", "moved/", "packs/"):
            with world.twin(tmp_path / f"{kind} {what[:-1]}") as twin:
                twin.store(LATE).faults.append(Fault(kind, "delete", what))
                try:
                    collect(twin)
                except Crashed:
                    twin.restart()
                assert collect(twin).error is None
                left = {key.partition("/")[0] for key in twin.keys(region=LATE)}
                assert left == {"owner.json", "records", "region.json", "store.json"}
