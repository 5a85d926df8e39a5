"""The moved objects in a place make the rows that were there before the index was lost."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.pieced import publish
from engine.world import World, open_world
from imgrepl.actions import collecting, index, verifying
from imgrepl.engine import rebuild_doubts
from imgrepl.engine.rebuild_moved import read_moved
from imgrepl.gallery import moved, packs, places, schema, versions
from imgrepl.layout import keys
from imgrepl.model.ids import PackId
from imgrepl.testing.faulty import damaged, flipped

LATE = "westeurope"
TABLES = (schema.moved_uses, schema.moved_parts, schema.moved_packs)


@pytest.fixture
def disk(world: World) -> bytes:
    """Version 2.0.0, in the second region in part through new packs."""
    publish(world, "1.0.0", range(12))
    return publish(world, "2.0.0", [0, 5, 20], "eastus", LATE)


def rows(world: World) -> list[set[tuple[Any, ...]]]:
    with world.index.read() as tx:
        return [{tuple(row) for row in tx.execute(sa.select(table))} for table in TABLES]


def forget(world: World) -> None:
    with world.index.begin() as tx:
        for table in TABLES:
            tx.execute(sa.delete(table))


def lacking(world: World, name: str = "2.0.0") -> set[PackId]:
    place = world.place(LATE)
    with world.index.read() as tx:
        content_ids = versions.get(tx, world.id(name)).content_ids
        return moved.lacking(tx, place.id, content_ids)


def test_what_was_lost_is_there_again_and_once_more_changes_nothing(
    world: World, disk: bytes
) -> None:
    publish(world, "3.0.0", [5, 21], "eastus", LATE)
    before = rows(world)
    assert all(before)
    forget(world)
    assert read_moved(world.engine, world.place(LATE)) == 2
    assert rows(world) == before
    assert read_moved(world.engine, world.place(LATE)) == 0
    assert rows(world) == before
    assert world.download("2.0.0", region=LATE) == disk


def test_a_new_index_over_the_same_buckets_serves_and_proves_it(
    world: World, disk: bytes, tmp_path: Path
) -> None:
    with open_world(tmp_path / "new", buckets=world.buckets) as new:
        assert index.rebuild(new.ctx, ("eastus", LATE)).error is None
        report = verifying.verify(new.ctx, new.id("2.0.0"), LATE, deep=True)
        assert [one["state"] for one in report["replicas"]] == ["healthy"]
        before = new.pack_ids(LATE)
        collecting.collect(new.ctx, dry_run=False, grace_seconds=0)
        assert new.pack_ids(LATE) == before
        new.store("eastus").inner.delete(new.keys("packs/"))
        assert new.download("2.0.0", region=LATE) == disk
        assert not [text for text in new.notices if "could not be read" in text]


def test_a_pack_that_came_whole_since_needs_no_others(world: World, disk: bytes) -> None:
    publish(world, "3.0.0", [1, 2, 3], "eastus", LATE)
    before = rows(world)
    assert len(before[2]) > len(before[1]), "one of the packs leads nowhere any more"
    forget(world)
    read_moved(world.engine, world.place(LATE))
    rebuild_doubts.settle(world.engine, [world.place(LATE)])
    assert rows(world) == before
    assert world.download("2.0.0", region=LATE) == disk


def test_every_place_is_read_for_itself(world: World, disk: bytes) -> None:
    assert disk
    before = rows(world)
    forget(world)
    with world.index.read() as tx:
        every = places.list_all(tx)
    for place in every:
        read_moved(world.engine, place)
    assert rows(world) == before


def test_an_object_that_cannot_be_read_meets_nothing_and_a_retry_writes_another(
    world: World, disk: bytes
) -> None:
    key = keys.parse_moved_key(world.keys("moved/", LATE)[0])
    assert key is not None
    damaged(world.store(LATE), keys.moved_key(*key), lambda body: flipped(body, 800))
    forget(world)
    assert read_moved(world.engine, world.place(LATE)) == 1
    assert lacking(world) == {key.pack_id}
    world.retry("2.0.0")
    assert lacking(world) == set()
    assert keys.moved_key(key.pack_id, key.revision + 1) in world.keys("moved/", LATE)
    assert world.download("2.0.0", region=LATE) == disk


def test_an_object_that_leads_to_a_pack_which_is_not_there_meets_nothing(
    world: World, disk: bytes
) -> None:
    assert disk
    place = world.place(LATE)
    (part,) = world.pack_ids(LATE) - world.pack_ids()
    with world.index.begin() as tx:
        packs.set_damaged(tx, place.id, part, "it is missing")
    forget(world)
    read_moved(world.engine, place)
    assert len(lacking(world)) == 2


def test_a_content_that_needs_slots_which_are_not_there_is_not_met(
    world: World, disk: bytes
) -> None:
    assert disk
    publish(world, "3.0.0", [4])
    forget(world)
    read_moved(world.engine, world.place(LATE))
    assert lacking(world) == set()
    assert len(lacking(world, "3.0.0")) == 1
