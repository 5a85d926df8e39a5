"""Two versions beside each other: may machines go on, and which bytes do they share."""

import random
from pathlib import Path

import pytest

from engine.collecting_kit import PATCHED
from engine.world import DATA_BYTES, DISK_BYTES, MEBIBYTE, World
from imgrepl.actions import comparing, definitions
from imgrepl.actions.comparing import Comparison
from imgrepl.actions.definitions import CreateDefinition
from imgrepl.azure import comparing_shapes
from imgrepl.errors import Conflict, NotFound
from imgrepl.model.compatibility import Verdict
from imgrepl.model.gallery import ImageIdentifier, OsType
from imgrepl.testing.faulty import Fault, FaultKind


def compare(world: World, first: str, second: str) -> Comparison:
    return comparing.compare(world.ctx, world.id(first), world.id(second))


def test_equal_versions_share_everything(world: World) -> None:
    world.publish("1.0.0")
    world.publish("1.0.1")
    found = compare(world, "1.0.0", "1.0.1")
    assert found.compatible
    assert found.content is not None
    assert found.content.shared_occupied_bytes == DATA_BYTES
    assert (found.content.new_occupied_bytes, found.content.new_stored_bytes) == (0, 0)
    assert (found.only_first_pack_bytes, found.only_second_pack_bytes) == (0, 0)
    shown = comparing_shapes.comparison(found)
    assert shown["equal"]
    assert shown["compatible"]


def test_a_patched_version_shares_what_was_not_patched(world: World) -> None:
    world.publish("1.0.0")
    world.publish("1.0.1", **PATCHED)
    for names in (("1.0.0", "1.0.1"), ("1.0.1", "1.0.0")):
        found = compare(world, *names).content
        assert found is not None
        total = found.shared_occupied_bytes + found.new_occupied_bytes
        assert total == DATA_BYTES
        assert MEBIBYTE <= found.new_occupied_bytes < MEBIBYTE + (256 << 10)
        assert found.new_stored_bytes == pytest.approx(found.new_occupied_bytes, rel=0.01)


def test_content_that_is_there_twice_counts_twice_and_is_stored_once(
    world: World, tmp_path: Path
) -> None:
    """Two equal halves: machines have 4 MiB in common, the store half of that."""
    half = random.Random("half").randbytes(2 * MEBIBYTE)
    twice = tmp_path / "twice.raw"
    twice.write_bytes(half + bytes(62 * MEBIBYTE) + half + bytes(2 * MEBIBYTE))
    once = tmp_path / "once.raw"
    once.write_bytes(half + bytes(62 * MEBIBYTE))
    world.publish("1.0.0", os_disk=str(once))
    world.publish("1.0.1", os_disk=str(twice))
    found = compare(world, "1.0.0", "1.0.1").content
    assert found is not None
    assert found.shared_occupied_bytes == 4 * MEBIBYTE
    assert found.shared_stored_bytes == pytest.approx(2 * MEBIBYTE, rel=0.01)
    assert found.new_occupied_bytes == 0


def test_nothing_in_common_is_told(world: World) -> None:
    world.publish("1.0.0")
    world.publish("1.0.1", disk="other")
    found = compare(world, "1.0.0", "1.0.1")
    assert found.content is not None
    assert (found.content.shared_occupied_bytes, found.shared_packs) == (0, 0)
    assert found.content.new_occupied_bytes == DATA_BYTES


def test_another_definition_may_block(world: World) -> None:
    world.publish("1.0.0")
    windows = world.definition.gallery.definition("windows")
    definitions.create(
        world.ctx,
        CreateDefinition(
            id=windows, identifier=ImageIdentifier("a", "b", "w"), os_type=OsType.WINDOWS
        ),
    )
    world.publish("2.0.0", id=windows.version(world.id("2.0.0").version))
    found = comparing.compare(
        world.ctx, world.id("1.0.0"), windows.version(world.id("2.0.0").version)
    )
    assert not found.compatible
    (blocking,) = [one for one in found.checks if one.verdict is Verdict.BLOCKS]
    assert (blocking.name, blocking.first, blocking.second) == ("osType", "Linux", "Windows")
    assert comparing_shapes.comparison(found)["equal"]


def test_where_no_region_answers_the_rest_is_told(world: World) -> None:
    world.publish("1.0.0")
    world.publish("1.0.1", **PATCHED)
    for store in world.buckets.all():
        store.faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    found = compare(world, "1.0.0", "1.0.1")
    assert found.content is None
    assert found.shared_packs > 0
    assert comparing_shapes.comparison(found)["content"] is None
    assert any("cannot be told" in text for text in world.notices)


def test_what_is_not_there_or_not_published_is_not_compared(world: World) -> None:
    from imgrepl.actions import creating
    from imgrepl.model.waiting import WAIT_FOR_NOTHING

    world.publish("1.0.0")
    with pytest.raises(NotFound):
        compare(world, "1.0.0", "9.9.9")
    creating.create(world.ctx, world.request("1.0.1"), wait=WAIT_FOR_NOTHING)
    with pytest.raises(Conflict) as refused:
        compare(world, "1.0.0", "1.0.1")
    assert refused.value.code == "VersionStaged"
    assert world.disk().stat().st_size == DISK_BYTES
