"""A region that needs little of a pack gets those frames, and is whole all the same."""

from engine.pieced import PIECE_BYTES, publish
from engine.world import World


def sent_to(world: World, region: str) -> int:
    return sum(one.sent_bytes for one in world.stores.moved() if one.region == region)


def test_a_region_that_comes_late_gets_only_the_frames_it_needs(world: World) -> None:
    publish(world, "1.0.0", range(12))
    disk = publish(world, "3.0.0", [0, 5, 20], "eastus", "westeurope")
    whole = world.pack_ids("eastus")
    assert 3 * PIECE_BYTES < sent_to(world, "westeurope") < 3.2 * PIECE_BYTES
    assert len(world.keys("moved/", "westeurope")) == 2
    assert len(world.pack_ids("westeurope") - whole) == 1
    assert world.download("3.0.0", region="westeurope") == disk
