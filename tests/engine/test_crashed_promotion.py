"""Shallow versions: publishing one and making it full die at steps in turn, and go on."""

from collections.abc import Callable
from pathlib import Path

from engine.crashes import Fate, mortal_world
from engine.world import OPTIONS, World
from imgrepl.actions import index
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.model.gallery import ReplicationMode
from imgrepl.model.replica import ReplicaState
from imgrepl.testing.faulty import Crashed

REGIONS = ("eastus", "westeurope")
STEPS_MAX = 400


def publish(world: World) -> None:
    world.publish(regions=["eastus"], replication_mode=ReplicationMode.SHALLOW)


def promote(world: World) -> None:
    added = [TargetRequest("westeurope", 1)]
    world.update(replication_mode=ReplicationMode.FULL, add_regions=added)


def died(world: World, fate: Fate, dies_at: int, act: Callable[[World], None]) -> bool:
    """Acts until the process dies before step `dies_at`; False where it ends before."""
    fate.revive()
    fate.dies_at = dies_at
    try:
        act(world)
    except Crashed:
        fate.revive()
        world.restart()
        return True
    fate.revive()
    return False


def test_publishing_a_shallow_version_dies_before_any_step_and_goes_on(tmp_path: Path) -> None:
    for dies_at in range(1, STEPS_MAX):
        fate = Fate()
        with mortal_world(
            tmp_path / str(dies_at), fate, region_names=REGIONS, options=OPTIONS
        ) as world:
            if not died(world, fate, dies_at, publish):
                assert dies_at > 10
                return
            publish(world)
            assert world.view().replicas[0].state is ReplicaState.COMPLETED
            assert world.download() == world.disk().read_bytes()
            assert index.check(world.ctx).faults == (), dies_at
    raise AssertionError("it never ends")


def test_a_promotion_that_dies_leaves_what_can_be_read_and_goes_on(tmp_path: Path) -> None:
    for dies_at in range(1, STEPS_MAX, 7):
        fate = Fate()
        with mortal_world(
            tmp_path / str(dies_at), fate, region_names=REGIONS, options=OPTIONS
        ) as world:
            publish(world)
            wanted = world.disk().read_bytes()
            if not died(world, fate, dies_at, promote):
                assert dies_at > 30
                return
            assert world.download() == wanted, dies_at
            promote(world)
            if world.view().operation is not None:
                world.retry()
            view = world.view()
            assert not view.version.is_shallow, dies_at
            assert {r.state for r in view.replicas} == {ReplicaState.COMPLETED}, dies_at
            world.disk().rename(world.folder / "away")
            assert world.download(region="westeurope") == wanted
            assert index.check(world.ctx).faults == (), dies_at
    raise AssertionError("it never ends")
