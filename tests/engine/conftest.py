"""A small world per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.collecting_kit import PATCHED
from engine.world import World, open_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three empty regions and an index: see `engine.world`."""
    with open_world(tmp_path / "world") as opened:
        yield opened


@pytest.fixture
def two(world: World) -> World:
    """1.0.0, deleted, and 1.0.1, which shares most of its packs, in all three regions."""
    world.publish("1.0.0")
    world.publish("1.0.1", **PATCHED)
    world.delete("1.0.0")
    return world
