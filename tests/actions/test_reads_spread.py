"""Readers spread over the complete replicas of a region; one that fails is left for the next."""

from collections import Counter
from dataclasses import replace
from secrets import randbelow

from engine.world import World
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.gallery import replicas
from imgrepl.model.replica import ReplicaState
from imgrepl.testing.faulty import Fault, FaultKind


def reading(world: World, choice: int) -> World:
    """The world of a reader whose choice falls on the replica of that rank."""
    return replace(world, ctx=replace(world.ctx, choose=lambda count: choice % count))


def packs_read(world: World) -> list[int]:
    """How many packs each replica of eastus was asked for so far."""
    stores = [world.store("eastus", number) for number in range(3)]
    return [
        sum(key.startswith("packs/") for verb, key in s.requests if verb == "get") for s in stores
    ]


def test_each_reader_reads_from_the_replica_that_its_choice_falls_on(world: World) -> None:
    world.publish(regions=[TargetRequest("eastus", 3)])

    for number in range(3):
        before = packs_read(world)
        assert reading(world, number).download() == world.disk().read_bytes()
        asked = [now - was for now, was in zip(packs_read(world), before, strict=True)]
        assert [count > 0 for count in asked] == [one == number for one in range(3)]


def test_a_replica_that_fails_is_left_for_the_next(world: World) -> None:
    world.publish(regions=[TargetRequest("eastus", 3)])
    world.store("eastus", 1).faults.append(Fault(FaultKind.LOST_REQUEST, "get", times=None))
    before = packs_read(world)

    assert reading(world, 1).download() == world.disk().read_bytes()

    asked = [now - was for now, was in zip(packs_read(world), before, strict=True)]
    assert asked[2] > 0
    assert asked[0] == 0


def test_a_replica_that_is_not_complete_is_not_chosen(world: World) -> None:
    world.publish(regions=[TargetRequest("eastus", 3)])
    with world.index.begin() as tx:
        state = ReplicaState.REPLICATING
        replicas.set_state(tx, world.id("1.0.0"), "eastus", 0, state=state)
    before = packs_read(world)

    for choice in range(2):
        reading(world, choice).download()

    asked = [now - was for now, was in zip(packs_read(world), before, strict=True)]
    assert [count > 0 for count in asked] == [False, True, True]


def test_without_a_choice_of_its_own_a_reader_is_as_likely_sent_to_any(world: World) -> None:
    chosen = Counter(world.ctx.choose(3) for _ in range(200))

    assert world.ctx.choose is randbelow
    assert set(chosen) == {0, 1, 2}
