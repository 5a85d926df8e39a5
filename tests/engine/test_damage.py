"""What a deep verification says of damage: which object, chunks, and bytes of which disk."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import pieced
from engine.world import MEBIBYTE, World
from imgrepl.actions import collecting, verifying
from imgrepl.layout import keys
from imgrepl.layout.content import chunk_id
from imgrepl.layout.pack import HEADER_BYTES, decode_footer
from imgrepl.testing.faulty import damaged

Problem = dict[str, Any]
TILE = 40 * 4096


def problems(world: World, name: str = "1.0.0") -> list[Problem]:
    report = verifying.verify(world.ctx, world.id(name), deep=True)
    return [problem for replica in report["replicas"] for problem in replica["problems"]]


def spoil(world: World, key: str, change: Callable[[bytes], bytes]) -> None:
    damaged(world.store("eastus"), key, change)


def changed_at(offset: int) -> Callable[[bytes], bytes]:
    return lambda content: (
        content[:offset] + bytes([content[offset] ^ 0x10]) + content[offset + 1 :]
    )


def ranges_of(problem: Problem) -> list[tuple[int, int]]:
    return [(one["offset"], one["offset"] + one["length"]) for one in problem["diskRanges"]]


def middle_of_slot(world: World, key: str, slot: int) -> int:
    body = world.store("eastus").get(key)
    footer = decode_footer(body, len(body))
    return int(footer.offsets[slot] + footer.stored_bytes[slot] // 2)


def first_pack(world: World) -> str:
    return world.keys("packs/")[0]


@pytest.fixture
def disk(world: World) -> bytes:
    world.publish("1.0.0", regions=["eastus"])
    return world.disk().read_bytes()


def test_a_flipped_bit_names_its_chunk_and_the_disk_bytes_that_need_it(
    world: World, disk: bytes
) -> None:
    key = first_pack(world)
    spoil(world, key, changed_at(middle_of_slot(world, key, 3)))
    (problem,) = problems(world)
    assert (problem["object"], problem["version"]) == (key, "golden/debian/1.0.0")
    assert [chunk["slot"] for chunk in problem["chunks"]] == [3]
    ((start, end),) = ranges_of(problem)
    named = bytes.fromhex(problem["chunks"][0]["chunk"])
    assert chunk_id(world.engine.domain.chunk_key, disk[start:end]) == named
    assert problem["affectedDiskBytes"] == end - start


def test_damage_between_the_frames_is_found_and_touches_no_disk(world: World, disk: bytes) -> None:
    assert disk
    spoil(world, first_pack(world), changed_at(HEADER_BYTES - 1))
    (problem,) = problems(world)
    assert problem["reason"]
    assert (problem["damagedChunks"], problem["diskRanges"]) == (0, [])


@pytest.mark.parametrize("how", ["cut", "gone"])
def test_of_a_pack_that_is_lost_all_that_it_holds_is_named(
    world: World, disk: bytes, how: str
) -> None:
    lost = world.keys("packs/")
    for key in lost:
        if how == "cut":
            spoil(world, key, lambda content: content[: len(content) // 2])
        else:
            world.store("eastus").inner.delete([key])
    found = problems(world)
    assert {problem["object"] for problem in found} == set(lost)
    covered = sorted(each for problem in found for each in ranges_of(problem))
    assert b"".join(disk[start:end] for start, end in covered) == disk[MEBIBYTE : 4 * MEBIBYTE]


def test_a_chunk_that_is_on_a_disk_many_times_is_named_wherever_it_is(
    world: World, tmp_path: Path
) -> None:
    tile = random.Random(7).randbytes(TILE)
    path = tmp_path / "tiles.raw"
    path.write_bytes(tile + bytes(TILE) + tile + bytes(TILE) + tile)
    world.publish("1.0.0", os_disk=str(path), regions=["eastus"])
    key = first_pack(world)
    spoil(world, key, changed_at(middle_of_slot(world, key, 0)))
    (problem,) = problems(world)
    starts = [start for start, _ in ranges_of(problem)]
    assert starts == [0, 2 * TILE, 4 * TILE]


def test_of_several_disks_the_one_that_is_hit_is_named(world: World) -> None:
    world.publish(
        "1.0.0", data_disks={4: str(world.disk("data"))}, disk="debian", regions=["eastus"]
    )
    content = world.disk("data").read_bytes()
    for key in world.keys("packs/"):
        spoil(world, key, changed_at(middle_of_slot(world, key, 0)))
    hits = [each for problem in problems(world) for each in problem["diskRanges"]]
    assert {each["lun"] for each in hits} == {None, 4}
    found = {chunk["chunk"] for problem in problems(world) for chunk in problem["chunks"]}
    of_data = [each for each in hits if each["lun"] == 4]
    for each in of_data:
        piece = content[each["offset"] : each["offset"] + each["length"]]
        assert chunk_id(world.engine.domain.chunk_key, piece).hex() in found


def test_frames_that_were_packed_anew_are_named_where_the_disk_has_them(world: World) -> None:
    pieced.publish(world, "1.0.0", range(8))
    disk = pieced.publish(world, "1.0.1", [0, 5])
    world.delete("1.0.0")
    collecting.collect(world.ctx, dry_run=False, compacts=True)
    (key,) = [each for each in world.keys("packs/") if keys.parse_pack_key(each)]
    spoil(world, key, changed_at(middle_of_slot(world, key, 1)))
    (problem,) = [one for one in problems(world, "1.0.1") if one["object"] == key]
    named = bytes.fromhex(problem["chunks"][0]["chunk"])
    ((start, end),) = ranges_of(problem)
    assert chunk_id(world.engine.domain.chunk_key, disk[start:end]) == named


def test_only_so_many_chunks_and_ranges_are_listed_and_all_are_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "_LISTED_MAX", 2)
    world.publish("1.0.0", regions=["eastus"])
    key = first_pack(world)
    for slot in (1, 3, 5, 7):
        spoil(world, key, changed_at(middle_of_slot(world, key, slot)))
    (problem,) = problems(world)
    assert (problem["damagedChunks"], len(problem["chunks"])) == (4, 2)
    assert len(problem["diskRanges"]) == 2
    listed = sum(end - start for start, end in ranges_of(problem))
    assert problem["affectedDiskBytes"] > listed
