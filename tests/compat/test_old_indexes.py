"""Indexes and places that the program of each schema wrote: opened, served, proven, carried on.

`make_index.py` made them, each with the program of its time. A change that breaks one of these
tests breaks every user who upgrades.
"""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from compat.make_index import DEFINITION, HERE, disk_of
from imgrepl.cli.app import main
from imgrepl.gallery import upgrade

INDEXES = Path(__file__).parent / "indexes"
SCHEMAS = sorted(path.name for path in INDEXES.iterdir())

Cli = Callable[..., Any]


@pytest.fixture(params=SCHEMAS)
def cli(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Cli:
    """Today's command line over the index and the places of an old program."""
    old = INDEXES / str(request.param)
    for region in ("eastus", "westeurope"):
        shutil.copytree(old / region, tmp_path / region)
    with closing(sqlite3.connect(tmp_path / "index.db")) as index:
        dump = (old / "index.sql").read_text(encoding="utf-8")
        index.executescript(dump.replace(HERE, str(tmp_path)))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IMGREPL_INDEX", f"sqlite:///{tmp_path / 'index.db'}")
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object) -> Any:
        status = main([*map(str, words), "-o", "json"])
        out, err = capsys.readouterr()
        assert status == 0, err
        return json.loads(out) if out else None

    return run


def test_schemas_are_kept_from_the_first_on() -> None:
    """Of every schema but today's, which may still change; see `make_index.py`."""
    assert tuple(SCHEMAS) == upgrade.REVISIONS[: len(SCHEMAS)]
    assert len(SCHEMAS) >= len(upgrade.REVISIONS) - 1


def sha256_of(cli: Cli, version: str, folder: Path, *words: str) -> str:
    target = folder / f"{version}.out"
    cli("image-version", "download", *DEFINITION, "-e", version, "--file", target, *words)
    return hashlib.sha256(target.read_bytes()).hexdigest()


def test_a_store_of_an_earlier_program_is_served_and_goes_on(cli: Cli, tmp_path: Path) -> None:
    names = [one["name"] for one in cli("image-version", "list", *DEFINITION)]
    assert sorted(names) == ["1.0.0", "1.1.0"]
    assert cli("index", "check")["faults"] == []
    for version, region in (("1.0.0", "eastus"), ("1.1.0", "westeurope")):
        wanted = hashlib.sha256(disk_of(version)).hexdigest()
        assert sha256_of(cli, version, tmp_path, "--region", region) == wanted
        health = cli("image-version", "verify", *DEFINITION, "-e", version, "--deep")
        assert {replica["state"] for replica in health["replicas"]} == {"healthy"}

    image = tmp_path / "next.raw"
    image.write_bytes(disk_of("1.0.0"))
    words = ("-e", "2.0.0", "--os-disk", image, "-l", "eastus")
    made = cli("image-version", "create", *DEFINITION, *words)
    assert made["imgrepl"]["transfer"]["newBytes"] == 0, "what old packs hold is found again"
    cli("image-version", "delete", *DEFINITION, "-e", "1.1.0", "--yes")
    cli("collect", "--yes")
    cli("collect", "--yes")
    assert sha256_of(cli, "2.0.0", tmp_path) == hashlib.sha256(disk_of("1.0.0")).hexdigest()
    assert cli("index", "check")["faults"] == []


@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_is_kept_does_not_say_where_it_was_made(schema: str) -> None:
    """`make_index.py /srv/images/NUMBER` makes it: records keep the path of their disk."""
    for path in (INDEXES / schema).rglob("records/**/*.json"):
        for disk in json.loads(path.read_bytes())["body"]["fields"].get("disks", ()):
            assert disk["source"].startswith("/srv/images/"), path
