"""An update whose process died anywhere is finished by the same command, its records included."""

from pathlib import Path
from typing import Any

import pytest

from engine.crashes import Fate, mortal_world
from engine.world import OPTIONS
from imgrepl.actions import verifying
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.model.replica import ReplicaState
from imgrepl.testing.faulty import Crashed

BOTH = ("eastus", "westeurope")
CHANGES: dict[str, dict[str, Any]] = {
    "a region and a tag": {
        "target_regions": [TargetRequest(name, 1) for name in BOTH],
        "tags": {"turn": "2"},
    },
    "a tag": {"tags": {"turn": "2"}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_same_command_finishes_an_update_that_died(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    for dies_at in range(1, 80, 2):
        fate = Fate()
        folder = tmp_path / str(dies_at)
        with mortal_world(folder, fate, region_names=BOTH, options=OPTIONS) as world:
            world.publish("1.0.0", regions=("eastus",))
            fate.revive()
            fate.dies_at = dies_at
            try:
                world.update(**change)
            except Crashed:
                fate.revive()
                world.restart()
                view = world.update(**change)
            else:
                assert dies_at > 1
                return
            assert {one.state for one in view.replicas} == {ReplicaState.COMPLETED}, dies_at
            assert len(view.replicas) == len(change.get("target_regions", ("eastus",)))
            report = verifying.verify(world.ctx, world.id("1.0.0"), None, True)
            assert {one["state"] for one in report["replicas"]} == {"healthy"}, dies_at
    raise AssertionError("an update never ends")
