"""A pack is not lost because one answer about it was wrong."""

import pytest

from engine.world import World
from imgrepl.engine.pack_reading import set_damaged
from imgrepl.errors import Corrupt
from imgrepl.gallery import replicas
from imgrepl.model.replica import ReplicaState
from imgrepl.testing.faulty import Fault, FaultKind, damaged, flipped

REGIONS = ("eastus", "westeurope")


def half_published(world: World) -> list[str]:
    """A version whose second region was away; what lies in the first is called damaged."""
    world.store("westeurope").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    world.publish(regions=REGIONS)
    world.buckets.revive()
    for pack_id in world.pack_ids("eastus"):
        set_damaged(world.engine, world.place("eastus"), pack_id, "a footer came as half of itself")
    return world.keys("packs/", "eastus")


def states(world: World) -> set[ReplicaState]:
    with world.index.read() as tx:
        return {one.state for one in replicas.of_version(tx, world.id("1.0.0"))}


def test_a_retry_reads_again_what_every_place_was_said_to_have_damaged(world: World) -> None:
    half_published(world)
    world.retry()
    assert states(world) == {ReplicaState.COMPLETED}
    assert world.download(region="westeurope") == world.disk().read_bytes()


def test_what_is_damaged_when_it_is_read_again_stays_so(world: World) -> None:
    first, *_ = half_published(world)
    damaged(world.store("eastus"), first, lambda now: flipped(now, 99))
    with pytest.raises(Corrupt, match="healthy copy"):
        world.retry()
    assert states(world) != {ReplicaState.COMPLETED}
