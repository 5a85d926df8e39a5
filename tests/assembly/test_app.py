"""Settings that become wired objects, each where it belongs."""

import ast
import threading
from dataclasses import fields
from pathlib import Path

import pytest

import imgrepl
from imgrepl.assembly.app import open_app
from imgrepl.model.events import silent
from imgrepl.model.ids import PlaceId
from imgrepl.model.region import Endpoint, Place, PlaceRole
from imgrepl.settings import Given, Settings, load, setting_fields

SOURCE = Path(imgrepl.__file__).parent


READ_WHILE_LOADING = {"limits_profile"}
"""Settings that only choose the defaults of others."""


def settings(folder: Path, **stated: object) -> Settings:
    flags = [Given(name, value, "test") for name, value in stated.items()]
    return load(flags, {"HOME": str(folder)}).settings


def average_chunk_bytes(chosen: Settings) -> int:
    with open_app(chosen, silent, threading.Event()) as app:
        return app.ctx.engine.domain.chunker.average_bytes


def test_the_average_chunk_is_chosen_once_when_the_index_is_made(tmp_path: Path) -> None:
    coarse = settings(tmp_path, average_chunk_bytes="256KiB")

    assert average_chunk_bytes(coarse) == 256 << 10
    assert average_chunk_bytes(settings(tmp_path)) == 256 << 10


def attributes_read(folder: Path) -> set[str]:
    """Every attribute that is read of something that is called settings."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Attribute):
                continue
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name.strip("_") == "settings":
                found.add(node.attr)
    return found


@pytest.mark.parametrize("name", [spec.name for spec in setting_fields()])
def test_every_setting_is_read_somewhere(name: str) -> None:
    assert name in attributes_read(SOURCE) | READ_WHILE_LOADING


def test_nothing_reads_a_setting_that_there_is_not() -> None:
    assert attributes_read(SOURCE) <= {spec.name for spec in fields(Settings)}


def test_a_place_that_has_the_number_of_a_forgotten_one_has_a_store_of_its_own(
    tmp_path: Path,
) -> None:
    """SQLite gives the number of a row that was deleted to the next one."""
    with open_app(settings(tmp_path), silent, threading.Event()) as app:
        first, second = (
            Place(
                id=PlaceId(1),
                region=name,
                role=PlaceRole.STANDARD,
                number=0,
                endpoint=Endpoint(url=(tmp_path / name).as_uri()),
            )
            for name in ("eastus", "westeurope")
        )
        stores = app.ctx.stores
        assert stores.of(first) is stores.of(first)
        assert stores.of(first).url != stores.of(second).url
