"""What a region has through other packs is proven like all else, and mended from originals."""

from collections.abc import Callable

import pytest

from engine.pieced import publish
from engine.world import World
from imgrepl.actions import verifying
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.layout import keys
from imgrepl.layout.moved import MovedRun, decode_moved, encode_moved
from imgrepl.model.ids import PackId
from imgrepl.testing.faulty import damaged, flipped

LATE = "westeurope"


@pytest.fixture
def disk(world: World) -> bytes:
    """Version 2.0.0 in two regions, in the second through one new pack."""
    publish(world, "1.0.0", range(12))
    return publish(world, "2.0.0", [0, 5, 20], "eastus", LATE)


def states(world: World, *, deep: bool) -> dict[str, str]:
    report = verifying.verify(world.ctx, world.id("2.0.0"), deep=deep)
    return {replica["region"]: replica["state"] for replica in report["replicas"]}


def problems(world: World) -> list[str]:
    report = verifying.verify(world.ctx, world.id("2.0.0"), LATE, deep=True)
    return [fault["object"] for replica in report["replicas"] for fault in replica["problems"]]


def new_pack(world: World, number: int = 0) -> str:
    """The key of the pack that was made for the region."""
    made = world.pack_ids(LATE, number) - world.pack_ids()
    (key,) = [k for k in world.keys("packs/", LATE, number) if PackId(k[9:73]) in made]
    return key


def flip(content: bytes) -> bytes:
    return flipped(content, len(content) * 4)


def lose(world: World, key: str) -> None:
    world.store(LATE).inner.delete([key])


def assert_mended(world: World, disk: bytes) -> None:
    """A repair finds a fault, and leaves none; the region serves the disk alone."""
    report = verifying.repair(world.ctx, world.id("2.0.0"))
    assert report["mended"]
    assert report["beyondRepair"] == []
    assert states(world, deep=True) == {"eastus": "healthy", LATE: "healthy"}
    world.store("eastus").inner.delete(world.keys("packs/"))
    assert world.download("2.0.0", region=LATE) == disk
    assert not [text for text in world.notices if "could not be read" in text]


def test_both_are_healthy_at_first(world: World, disk: bytes) -> None:
    assert disk
    assert states(world, deep=False) == {"eastus": "healthy", LATE: "healthy"}
    assert states(world, deep=True) == {"eastus": "healthy", LATE: "healthy"}


def test_a_flipped_bit_in_a_new_pack_is_found_and_mended_from_the_original(
    world: World, disk: bytes
) -> None:
    key = new_pack(world)
    damaged(world.store(LATE), key, flip)
    assert problems(world) == [key]
    assert_mended(world, disk)


@pytest.mark.parametrize("deep", [True, False])
def test_a_new_pack_that_is_gone_is_found_and_mended(world: World, disk: bytes, deep: bool) -> None:
    lose(world, new_pack(world))
    assert states(world, deep=deep)[LATE] == "damaged"
    assert_mended(world, disk)


@pytest.mark.parametrize("deep", [True, False])
def test_a_moved_object_that_is_gone_is_found_and_mended(
    world: World, disk: bytes, deep: bool
) -> None:
    lose(world, world.keys("moved/", LATE)[0])
    assert states(world, deep=deep)[LATE] == "damaged"
    assert_mended(world, disk)


def test_a_flipped_bit_in_a_moved_object_is_found_and_mended(world: World, disk: bytes) -> None:
    key = world.keys("moved/", LATE)[0]
    damaged(world.store(LATE), key, flip)
    assert problems(world) == [key]
    assert_mended(world, disk)


def _shifted(run: MovedRun) -> MovedRun:
    return run._replace(target_slot=run.target_slot + 1)


def _shortened(run: MovedRun) -> MovedRun:
    return run._replace(slots=run.slots - 1)


def _beyond(run: MovedRun) -> MovedRun:
    return run._replace(target_slot=60_000)


@pytest.mark.parametrize("spoil", [_shifted, _shortened, _beyond])
def test_a_moved_object_that_leads_to_the_wrong_slots_is_found_by_the_content_and_mended(
    world: World, disk: bytes, spoil: Callable[[MovedRun], MovedRun]
) -> None:
    key = world.keys("moved/", LATE)[0]
    parsed = keys.parse_moved_key(key)
    assert parsed is not None
    found = decode_moved(world.store(LATE).inner.get(key), parsed.pack_id)
    wrong = type(found)(
        pack_id=found.pack_id, revision=found.revision, runs=tuple(map(spoil, found.runs))
    )
    damaged(world.store(LATE), key, lambda _: encode_moved(wrong))
    assert key in problems(world)
    assert_mended(world, disk)


def test_a_new_pack_is_mended_from_another_replica_that_has_it(world: World, disk: bytes) -> None:
    world.update("2.0.0", target_regions=[TargetRequest("eastus", 1), TargetRequest(LATE, 2)])
    key = new_pack(world, 1)
    damaged(world.store(LATE, 1), key, flip)
    damaged(world.store(), world.keys("packs/")[0], flip)
    verifying.repair(world.ctx, world.id("2.0.0"), LATE)
    assert world.pack_ids(LATE, 1) == world.pack_ids(LATE)
    assert states(world, deep=True)[LATE] == "healthy"
    assert disk


def test_a_repair_mends_for_every_version_that_stands_there(world: World, disk: bytes) -> None:
    other = publish(world, "3.0.0", [5, 1], "eastus", LATE)
    for key in set(world.keys("packs/", LATE)) - set(world.keys("packs/")):
        lose(world, key)
    verifying.repair(world.ctx, world.id("2.0.0"), LATE)
    report = verifying.verify(world.ctx, world.id("3.0.0"), LATE, deep=True)
    assert [replica["state"] for replica in report["replicas"]] == ["healthy"]
    assert world.download("3.0.0", region=LATE) == other
    assert world.download("2.0.0", region=LATE) == disk


def test_a_download_goes_elsewhere_where_moved_leads_to_damage_and_mends_it(
    world: World, disk: bytes
) -> None:
    damaged(world.store(LATE), new_pack(world), flip)
    assert world.download("2.0.0", region=LATE) == disk
    assert any("could not be read" in text for text in world.notices)
    world.told.clear()
    assert world.download("2.0.0", region=LATE) == disk
    assert not any("could not be read" in text for text in world.notices)
    assert states(world, deep=True)[LATE] == "healthy"
