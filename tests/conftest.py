"""The order of the rooms: those with long files first, so that all processes end together."""

from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_LONG_FILES_FIRST = ("simulation", "e2e", "journeys", "lab", "engine", "gallery", "store")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _rank(item.path.relative_to(_HERE).parts[0]))


def _rank(room: str) -> int:
    return _LONG_FILES_FIRST.index(room) if room in _LONG_FILES_FIRST else len(_LONG_FILES_FIRST)
