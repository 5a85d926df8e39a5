"""What every action is handed, over stores in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.world import World, open_world
from imgrepl.actions.context import Context


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three empty regions and an index: see `engine.world`."""
    with open_world(tmp_path / "world") as opened:
        yield opened


@pytest.fixture
def ctx(world: World) -> Context:
    return world.ctx
