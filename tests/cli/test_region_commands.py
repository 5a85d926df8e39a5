"""Regions of versions on the command line: lists that drop, phases, edge zones, shallow ones."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imgrepl.cli.app import main

VERSION = ("-r", "golden", "-i", "debian", "-e", "1.0.0")
MIB = 1 << 20


class Ran(NamedTuple):
    status: int
    out: Any
    error: Any
    told: str


Cli = Callable[..., Ran]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line over two regions and an edge zone, each in a directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "IMGREPL_INDEX"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object, form: str = "json") -> Ran:
        status = main([*map(str, words), "-o", form])
        out, err = capsys.readouterr()
        last = json.loads(err.splitlines()[-1])["error"] if status and form == "json" else None
        return Ran(status, json.loads(out) if out and form == "json" else out, last, err)

    for name in ("eastus", "westus"):
        assert run("region", "add", name, "--url", f"file://{tmp_path}/{name}").status == 0
    edge = ("--url", f"file://{tmp_path}/edge", "--parent", "West US")
    assert run("region", "add", "losangeles", *edge).out["parent"] == "westus"
    return run


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(random.Random(7).randbytes(MIB) + bytes(MIB))
    return path


def create(cli: Cli, image: Path, *words: object) -> Ran:
    base = ("image-version", "create", *VERSION, "--os-disk", image, "-l", "eastus")
    return cli(*base, "--create-parents", *words)


def update(cli: Cli, *words: object, **form: str) -> Ran:
    return cli("image-version", "update", *VERSION, *words, **form)


def names(ran: Ran) -> list[str]:
    return [one["name"] for one in ran.out["publishingProfile"]["targetRegions"]]


def test_a_list_that_drops_a_region_needs_a_yes_and_a_dry_run_shows_it(
    cli: Cli, image: Path
) -> None:
    assert create(cli, image, "--target-regions", "eastus", "westus").status == 0
    refused = update(cli, "--target-regions", "eastus=2")
    assert (refused.status, refused.error["code"]) == (2, "ConfirmationRequired")
    assert "westus" in refused.error["message"]
    planned = update(cli, "--target-regions", "eastus=2", "--dry-run")
    changes = planned.out["imgrepl"]["changes"]
    assert [one["name"] for one in changes["removed"]] == ["westus"]
    assert changes["counts"] == [{"region": "eastus", "from": 1, "to": 2}]
    page = update(cli, "--target-regions", "eastus=2", "--dry-run", form="table").out
    assert "removed: westus" in page
    assert "eastus: 1 → 2 replicas" in page
    assert names(update(cli, "--target-regions", "eastus=2", "--yes")) == ["eastus"]
    assert names(update(cli, "--add-regions", "westus")) == ["eastus", "westus"]
    assert names(update(cli, "--remove-regions", "westus")) == ["eastus"]


def test_edge_zones_are_named_as_az_does(cli: Cli, image: Path) -> None:
    alone = create(cli, image, "--target-edge-zones", "westus=losangeles")
    assert (alone.status, alone.error["code"]) == (5, "InvalidTargetRegions")
    words = ("--target-regions", "eastus", "westus")
    zone = ("--target-edge-zones", "West US=losangeles=1=standardssd_lrs")
    made = create(cli, image, *words, *zone)
    assert made.status == 0, made.told
    (location,) = made.out["publishingProfile"]["targetExtendedLocations"]
    assert location["extendedLocation"] == {"name": "losangeles", "type": "EdgeZone"}
    dropped = update(cli, "--target-edge-zones", "None")
    assert (dropped.status, dropped.error["code"]) == (2, "ConfirmationRequired")
    gone = update(cli, "--target-edge-zones", "None", "--yes")
    assert gone.out["publishingProfile"]["targetExtendedLocations"] == []


def test_phases_stop_with_exit_8_and_retry_goes_on(cli: Cli, image: Path, tmp_path: Path) -> None:
    (tmp_path / "westus").write_text("in the way")
    words = ("--target-regions", "eastus", "westus", "losangeles")
    made = create(cli, image, *words, "--phases", "westus", "losangeles")
    assert made.status == 8, made.told
    states = {one["region"]: one["state"] for one in made.out["imgrepl"]["replicas"]}
    assert states == {"eastus": "Completed", "westus": "Failed", "losangeles": "Unknown"}
    early = cli("image-version", "retry", *VERSION, "--region", "losangeles")
    assert (early.status, early.error["code"]) == (4, "PhaseNotReached")
    (tmp_path / "westus").unlink()
    done = cli("image-version", "retry", *VERSION)
    assert done.status == 0, done.told
    page = cli("image-version", "show", *VERSION, form="table").out
    assert "Phases" in page


def test_a_pause_without_phases_is_wrong_usage(cli: Cli, image: Path) -> None:
    assert create(cli, image, "--phase-pause", "5").status == 2


def test_a_shallow_version_from_creation_to_full(cli: Cli, image: Path) -> None:
    made = create(cli, image, "--replication-mode", "shallow")
    assert made.status == 0, made.told
    assert made.out["publishingProfile"]["replicationMode"] == "Shallow"
    page = cli("image-version", "show", *VERSION, form="table").out
    assert "nothing is copied" in page
    more = update(cli, "--add-regions", "westus")
    assert (more.status, more.error["code"]) == (5, "ShallowRule")
    full = update(cli, "--replication-mode", "Full", "--add-regions", "westus")
    assert full.status == 0, full.told
    assert names(full) == ["eastus", "westus"]
    back = update(cli, "--replication-mode", "Shallow")
    assert (back.status, back.error["code"]) == (4, "ImmutableProperty")


def test_a_shallow_source_that_changed_is_refused_with_exit_6(
    cli: Cli, image: Path, tmp_path: Path
) -> None:
    create(cli, image, "--replication-mode", "Shallow")
    image.write_bytes(image.read_bytes()[::-1])
    got = cli("image-version", "download", *VERSION, "--file", tmp_path / "got.raw")
    assert (got.status, got.error["code"]) == (6, "ShallowSourceChanged")
    assert not (tmp_path / "got.raw").exists()
    assert cli("image-version", "verify", *VERSION).status == 6
    image.unlink()
    gone = cli("image-version", "download", *VERSION, "--file", tmp_path / "got.raw")
    assert (gone.status, gone.error["code"]) == (3, "ShallowSourceMissing")
