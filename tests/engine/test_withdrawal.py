"""A publication that ended without its version: either it was committed, or nothing of it stays."""

import pytest

from engine.collecting_kit import collect, open_operations
from engine.world import World
from imgrepl.actions import operations
from imgrepl.errors import Conflict, NotFound, Unavailable
from imgrepl.gallery import versions
from imgrepl.testing.faulty import Crashed, Fault, FaultKind


def die(world: World, kind: FaultKind, where: str) -> None:
    world.store("eastus").faults.append(Fault(kind, "put", where))
    with pytest.raises(Crashed):
        world.publish("1.0.0", regions=["eastus"])
    world.restart()


def lose_source(world: World) -> None:
    world.disk().rename(world.folder / "elsewhere.raw")


def find_source(world: World) -> None:
    (world.folder / "elsewhere.raw").rename(world.disk())


def exists(world: World) -> bool:
    with world.index.read() as tx:
        return versions.find(tx, world.id("1.0.0")) is not None


def test_a_version_whose_record_was_durable_is_committed_when_its_next_attempt_fails(
    world: World,
) -> None:
    die(world, FaultKind.CRASH_AFTER, "1.0.0")
    lose_source(world)
    with pytest.raises(NotFound):
        world.publish("1.0.0", regions=["eastus"])
    find_source(world)
    assert world.view("1.0.0").version.committed
    assert collect(world).unknown_records == ()
    world.publish("1.0.0", regions=["eastus"])
    assert world.download() == world.disk().read_bytes()


def test_a_version_without_a_record_is_gone_and_buried_when_its_next_attempt_fails(
    world: World,
) -> None:
    die(world, FaultKind.CRASH_BEFORE, "1.0.0")
    lose_source(world)
    with pytest.raises(NotFound):
        world.publish("1.0.0", regions=["eastus"])
    assert not exists(world)
    (tombstone,) = [key for key in world.keys("records/") if "1.0.0" in key]
    assert b'"deleted":true' in world.store().get(tombstone)
    find_source(world)
    world.publish("1.0.0", regions=["eastus"])
    assert world.download() == world.disk().read_bytes()


def test_a_failure_before_the_commit_asks_no_store_for_records(world: World) -> None:
    die(world, FaultKind.CRASH_BEFORE, "packs/")
    lose_source(world)
    with pytest.raises(NotFound):
        world.publish("1.0.0", regions=["eastus"])
    assert not exists(world)
    assert not [key for verb, key in world.store().requests if "1.0.0" in key]


def test_a_canceled_publication_frees_its_number(world: World) -> None:
    die(world, FaultKind.CRASH_BEFORE, "manifests/")
    world.outlive_leases()
    (left,) = open_operations(world)
    operations.cancel(world.ctx, left.id)
    assert not exists(world)
    world.publish("1.0.0", disk="other", regions=["eastus"])
    assert world.download() == world.disk("other").read_bytes()


def test_a_publication_canceled_after_its_commit_leaves_a_version_to_retry(world: World) -> None:
    die(world, FaultKind.CRASH_AFTER, "1.0.0")
    world.outlive_leases()
    (left,) = open_operations(world)
    operations.cancel(world.ctx, left.id)
    assert world.view("1.0.0").version.committed
    world.retry("1.0.0")
    assert world.download() == world.disk().read_bytes()


def test_a_number_is_not_given_out_again_while_its_home_region_cannot_tell(world: World) -> None:
    die(world, FaultKind.CRASH_AFTER, "1.0.0")
    world.outlive_leases()
    (left,) = open_operations(world)
    world.store("eastus").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    operations.cancel(world.ctx, left.id)
    assert any("could not be withdrawn" in notice for notice in world.notices)
    with pytest.raises(Unavailable):
        world.publish("1.0.0", disk="other", regions=["eastus"])
    world.buckets.revive()
    with pytest.raises(Conflict) as caught:
        world.publish("1.0.0", disk="other", regions=["eastus"])
    assert caught.value.code == "VersionExists"
    world.publish("1.0.0", regions=["eastus"])
    assert world.download() == world.disk().read_bytes()
