"""Dice that fall the same way for the same seed, on every machine and every release of Python."""

from imgrepl.testing.simulation.scheduler import Roll

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15


def dice(seed: int, stream: int = 0) -> Roll:
    """Numbers from 0 up to 1 (SplitMix64); each seed and stream is independent of the others.

    The seed is mixed before it is stepped from: else the next seed's numbers were this one's but
    for the first.
    """
    state = _mixed(_mixed(seed * _STEP & _MASK) ^ (stream * 0xD1B54A32D192ED03 & _MASK))

    def roll() -> float:
        nonlocal state
        state = (state + _STEP) & _MASK
        return (_mixed(state) >> 11) / (1 << 53)

    return roll


def _mixed(state: int) -> int:
    mixed = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
    return mixed ^ (mixed >> 31)
