"""A region that gets frames: its publication dies at every step in turn, and goes on."""

from dataclasses import replace
from pathlib import Path

from engine.crashes import Fate, mortal_world
from engine.pieced import PIECE_BYTES, pieced, publish
from engine.world import OPTIONS, World
from imgrepl.actions import verifying
from imgrepl.layout import keys
from imgrepl.layout.moved import decode_moved
from imgrepl.model.replica import ReplicaState
from imgrepl.testing.faulty import Crashed

HOME = "eastus"
PIECES = [0, 5, 10, 20]
"""A little of each of three packs, and something new."""

STEPS_MAX = 120
LATE = [f"late{number}" for number in range(STEPS_MAX)]
"""A region for each step to die at: all of them empty."""


def dies(world: World, fate: Fate, dies_at: int) -> bool:
    """Publishes until the process dies before step `dies_at`; False where it ends before."""
    fate.revive()
    fate.dies_at = dies_at
    try:
        request(world, dies_at)
    except Crashed:
        fate.revive()
        world.restart()
        return True
    fate.revive()
    return False


def request(world: World, dies_at: int) -> None:
    """What is asked for until it is done: the same disk for the region of that step."""
    path = pieced(world, "moved", PIECES)
    world.publish(f"3.0.{dies_at}", os_disk=str(path), regions=(HOME, LATE[dies_at]))


def assert_order(world: World, region: str) -> None:
    """Whatever lies there: what moved leads to is there before it (F-19)."""
    store, here = world.store(region).inner, world.pack_ids(region)
    for key in world.keys("moved/", region):
        parsed = keys.parse_moved_key(key)
        assert parsed is not None
        found = decode_moved(store.get(key), parsed.pack_id)
        assert {run.pack_id for run in found.runs} <= here


def assert_whole(world: World, dies_at: int) -> None:
    view = world.view(f"3.0.{dies_at}")
    assert {r.state for r in view.replicas} == {ReplicaState.COMPLETED}, dies_at
    report = verifying.verify(world.ctx, view.version.id, LATE[dies_at], deep=True)
    assert [one["state"] for one in report["replicas"]] == ["healthy"], dies_at
    packs = [keys.parse_moved_key(key) for key in world.keys("moved/", LATE[dies_at])]
    assert len({key.pack_id for key in packs if key is not None}) == 3
    assert len(packs) <= 4, "one revision whose row was lost is gone on from"


def test_a_region_whose_filling_dies_before_any_step_is_completed_by_the_same_command(
    tmp_path: Path,
) -> None:
    fate = Fate()
    options = replace(OPTIONS, pack_bytes_target=4 * PIECE_BYTES)
    with mortal_world(tmp_path, fate, region_names=(HOME, *LATE), options=options) as world:
        publish(world, "1.0.0", range(12))
        publish(world, "2.0.0", PIECES)
        for dies_at in range(1, STEPS_MAX):
            fate.sent.clear()
            died = dies(world, fate, dies_at)
            assert_order(world, LATE[dies_at])
            if died:
                request(world, dies_at)
            assert_whole(world, dies_at)
            sent = sum(size for where, _, size in fate.sent if f"{LATE[dies_at]}/" in where)
            assert PIECE_BYTES * 4 < sent < 4.2 * PIECE_BYTES * (1 + died), dies_at
            if not died:
                assert dies_at > 25, "there are more steps than that"
                return
        raise AssertionError("it never ends")
