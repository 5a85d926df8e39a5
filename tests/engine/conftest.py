"""A small world per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.world import World, open_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three empty regions and an index: see `engine.world`."""
    with open_world(tmp_path / "world") as opened:
        yield opened
