"""A seed is a life: told again in any process, it goes step by step as it went."""

import gc
import os
import subprocess
import sys

from imgrepl.testing.simulation.simulation import opened

SEEDS = (14, 40)
"""They read from two replicas, join many threads, and wait for many answers."""
_STEPS = 3


def life_of(seed: int) -> list[str]:
    with opened(seed) as simulation:
        for _ in range(_STEPS):
            simulation.step()
        simulation.settle()
        return simulation.world.scheduler.trace


def test_a_seed_goes_the_same_way_whatever_ran_before_and_however_the_process_hashes() -> None:
    program = f"from {__name__} import *\nfor seed in SEEDS: print('\\n'.join(life_of(seed)))"
    others = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "1"}
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=os.environ | others,
        capture_output=True,
        check=True,
        text=True,
        timeout=200,
    )
    before = gc.get_threshold()
    gc.set_threshold(101, 3, 3)
    try:
        here = [line for seed in SEEDS for line in life_of(seed)]
    finally:
        gc.set_threshold(*before)
    assert told.stdout.splitlines() == [line for text in here for line in text.splitlines()]
