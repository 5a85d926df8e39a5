"""Copies, exports and buckets by the command line: what is refused, and the way out."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imgrepl.cli.app import main

COPY = ("image-version", "copy", "golden/debian/1.0.0", "silver/debian/1.0.0", "--create-parents")
REFUSED: list[tuple[tuple[str, ...], int, str]] = [
    ((*COPY, "--from-index", "sqlite:///{home}/nothing.sqlite3"), 3, "IndexNotFound"),
    ((*COPY, "--from-index", "postgresql+psycopg://me:hidden@db/x"), 5, "PasswordInUrl"),
    ((*COPY, "--from-index", "sqlite:///x", "--from-bucket", "file:///x"), 2, "Usage"),
    ((*COPY, "--endpoint", "http://127.0.0.1:1"), 2, "Usage"),
    (("image-version", "list", "--from-bucket", "{home}/empty"), 3, "StoreMissing"),
    (("image-version", "list", "--all", "-r", "golden"), 2, "Usage"),
    (("image-version", "list", "--tag", "=7"), 2, "Usage"),
    (("image-version", "compare", "1.0.0", "1.0.0"), 2, "Usage"),
    (("gallery", "export", "-r", "golden", "--to", "{home}/east"), 4, "NotAnExport"),
    (("gallery", "import", "--from", "{home}/empty"), 3, "StoreMissing"),
    (("gallery", "move-home", "-r", "golden", "--to", "nowhere"), 3, "RegionNotFound"),
]


class Ran(NamedTuple):
    status: int
    out: Any
    err: str

    @property
    def error(self) -> Any:
        return json.loads(self.err.splitlines()[-1])["error"]


Cli = Callable[..., Ran]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A gallery of one version in one region."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "IMGREPL_INDEX"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object) -> Ran:
        status = main([*map(str, words), "-o", "json"])
        out, err = capsys.readouterr()
        return Ran(status, json.loads(out) if out else None, err)

    image = tmp_path / "disk.raw"
    image.write_bytes(random.Random(7).randbytes(1 << 20))
    assert run("region", "add", "eastus", "--url", f"file://{tmp_path}/east").status == 0
    version = ("-r", "golden", "-i", "debian", "-e", "1.0.0")
    base = ("image-version", "create", *version, "--os-disk", image, "--create-parents")
    assert run(*base, "--tags", "build=7").status == 0
    return run


def test_what_is_refused_says_why_and_the_way_out(cli: Cli, tmp_path: Path) -> None:
    for words, status, code in REFUSED:
        ran = cli(*(word.replace("{home}", str(tmp_path)) for word in words))
        assert (ran.status, ran.error["code"]) == (status, code), words
        assert "hidden" not in ran.err
        assert status == 2 or ran.error["hint"], words


def test_lists_comparisons_and_copies(cli: Cli, tmp_path: Path) -> None:
    copied = cli(*COPY).out
    assert copied["imgrepl"]["transfer"]["readBytes"] == 0
    listed = cli("image-version", "list", "--tag", "build=7").out
    assert [one["imgrepl"]["gallery"] for one in listed] == ["golden", "silver"]
    assert cli("image-version", "list", "--published-before", "2001-01-01").out == []
    compared = cli("image-version", "compare", "golden/debian/1.0.0", "silver/debian/latest").out
    assert (compared["compatible"], compared["equal"]) == (True, True)
    assert compared["content"]["newBytes"] == 0
    out = tmp_path / "out"
    exported = cli("gallery", "export", "-r", "golden", "--to", out).out
    assert exported["newVersions"] == 1
    assert [one["name"] for one in cli("gallery", "list", "--from-bucket", out).out] == ["golden"]
    brought = cli("gallery", "import", "--from", out, "--as", "bronze").out
    assert (brought["gallery"], brought["versions"][0]["regions"]) == ("bronze", ["eastus"])
