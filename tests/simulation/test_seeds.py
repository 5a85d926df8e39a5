"""Worlds from seeds: whatever befalls them, no promise is broken.

`IMGREPL_SEEDS=FIRST-LAST` runs others; `make simulate` runs ten thousand.
"""

import os

import pytest

from imgrepl.testing.simulation.simulation import simulate

_FIRST, _LAST = (int(part) for part in os.environ.get("IMGREPL_SEEDS", "1-200").split("-"))
_BATCH = 10


@pytest.mark.parametrize("seed", [1055, 1234, 1433, 1446, 1519])
def test_a_seed_that_broke_a_promise_breaks_none_any_more(seed: int) -> None:
    simulate(seed)


@pytest.mark.parametrize("first", range(_FIRST, _LAST + 1, _BATCH))
def test_nothing_is_lost_and_nothing_is_wrong(first: int) -> None:
    for seed in range(first, min(first + _BATCH, _LAST + 1)):
        simulate(seed)
