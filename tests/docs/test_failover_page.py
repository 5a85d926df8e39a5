"""`docs/failover.md`: what it tells to do when regions or the index are gone is done here."""

import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from docs.command_lines import commands_of
from imgrepl.cli.app import main

PAGE = (Path(__file__).parents[2] / "docs" / "failover.md").read_text(encoding="utf-8")
MIB = 1 << 20
VERSION = ("-r", "golden", "-i", "debian")


def step(name: str) -> str:
    """The commands under a step's mark."""
    block = rf"<!-- step: {name} -->\n\n```sh\n(.*?)^```"
    (found,) = re.findall(block, PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


@dataclass
class Site:
    """A machine with an index, and two regions that are directories below `/srv`."""

    folder: Path
    run: Callable[..., Any]

    @property
    def srv(self) -> Path:
        return self.folder / "srv"

    @property
    def index(self) -> Path:
        return self.folder / ".local" / "share" / "imgrepl"

    def do(self, name: str) -> list[Any]:
        """Runs a step of the page; gives each command's result."""
        text = step(name).replace("/srv/", f"{self.srv}/")
        return [self.run(*words) for words in commands_of(text)]

    def lose_index(self) -> None:
        shutil.rmtree(self.index)

    def lose(self, region: str) -> None:
        (self.srv / region).rename(self.folder / f"lost-{region}")

    def bring_back(self, region: str) -> None:
        shutil.rmtree(self.srv / region, ignore_errors=True)
        (self.folder / f"lost-{region}").rename(self.srv / region)

    def versions(self) -> list[str]:
        listed = self.run("image-version", "list", *VERSION)
        return [version["name"] for version in listed]

    @contextmanager
    def untouched(self, region: str) -> Iterator[None]:
        """Nothing in the region's directory changes inside."""
        before = self.files(region)
        yield
        assert self.files(region) == before

    def files(self, region: str) -> dict[str, tuple[int, int]]:
        found = (path for path in (self.srv / region).rglob("*") if path.is_file())
        return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in found}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's setup, once; every test works on a copy."""
    folder = tmp_path_factory.mktemp("published")
    data = random.Random(1).randbytes(2 * MIB)
    (folder / "debian.raw").write_bytes(data + bytes(2 * MIB))
    (folder / "debian-patched.raw").write_bytes(data[:-4096] + bytes(2 * MIB + 4096))
    return folder


@pytest.fixture
def site(
    published: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Site:
    folder = tmp_path / "site"
    shutil.copytree(published, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "IMGREPL_INDEX"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> Any:
        status = main([*words, "-o", "json"])
        out, err = capsys.readouterr()
        assert status == 0, f"imgrepl {' '.join(words)}: {err}"
        return json.loads(out) if out else None

    made = Site(folder, run)
    made.srv.mkdir()
    made.do("setup")
    return made


def test_every_step_of_the_page_is_walked_through() -> None:
    marked = set(re.findall(r"<!-- step: ([a-z-]+) -->", PAGE))
    assert marked == {"setup", "read", "index-lost", "home-lost", "both-lost", "comes-back"}
    assert len(re.findall(r"^```sh", PAGE, re.MULTILINE)) == len(marked)


def test_reading_needs_neither_index_nor_home(site: Site) -> None:
    site.lose_index()
    site.lose("eastus")
    with site.untouched("westeurope"):
        galleries, listed, latest, verified, _downloaded = site.do("read")
    assert [one["name"] for one in galleries] == ["golden"]
    assert [one["name"] for one in listed] == ["1.1.0", "1.0.0"]
    assert (latest["name"], latest["provisioningState"]) == ("1.1.0", "Succeeded")
    summary = {one["region"]: one["state"] for one in latest["replicationStatus"]["summary"]}
    assert summary == {"eastus": "Unknown", "westeurope": "Completed"}
    assert [one["state"] for one in verified["replicas"]] == ["healthy"]
    patched = site.folder / "debian-patched.raw"
    assert (site.folder / "rescued.raw").read_bytes() == patched.read_bytes()
    assert not site.index.exists()


def test_a_lost_index_comes_back(site: Site) -> None:
    before = site.run("image-version", "list", *VERSION)
    site.lose_index()
    *_added, rebuilt, checked = site.do("index-lost")
    assert (rebuilt["imageVersions"], rebuilt["damaged"], rebuilt["skipped"]) == (2, [], [])
    assert (checked["faults"], checked["unread"]) == ([], [])
    after = site.run("image-version", "list", *VERSION)
    assert [one["etag"] for one in after] == [one["etag"] for one in before]


def test_a_lost_home_is_moved(site: Site) -> None:
    site.lose("eastus")
    planned, moved, *_left, created = site.do("home-lost")
    assert planned["planned"]
    assert (moved["from"], moved["to"], moved["imageVersions"]) == ("eastus", "westeurope", 2)
    assert created["location"] == "westeurope"
    assert site.versions() == ["1.2.0", "1.1.0", "1.0.0"]
    site.bring_back("eastus")
    site.lose_index()
    site.do("index-lost")
    assert site.versions() == ["1.2.0", "1.1.0", "1.0.0"]
    assert site.run("gallery", "show", "-r", "golden")["location"] == "westeurope"


def test_home_and_index_are_lost_and_the_home_comes_back_later(site: Site) -> None:
    site.lose_index()
    site.lose("eastus")
    _added, rebuilt, _downloaded, moved, created, checked = site.do("both-lost")
    assert rebuilt["unregisteredRegions"] == ["eastus"]
    assert (moved["to"], created["location"]) == ("westeurope", "westeurope")
    assert (checked["faults"], checked["unread"]) == ([], [])
    patched = site.folder / "debian-patched.raw"
    assert (site.folder / "rescued.raw").read_bytes() == patched.read_bytes()
    site.bring_back("eastus")
    *_rest, listed = site.do("comes-back")
    assert [one["name"] for one in listed] == ["1.2.0", "1.1.0"]
    assert {one["location"] for one in listed} == {"westeurope"}


@pytest.mark.parametrize("order", [("eastus", "westeurope"), ("westeurope", "eastus")])
def test_after_all_that_the_index_may_be_lost_once_more(site: Site, order: tuple[str, str]) -> None:
    site.lose_index()
    site.lose("eastus")
    site.do("both-lost")
    site.run("image-version", "delete", *VERSION, "-e", "1.0.0", "--yes")
    site.bring_back("eastus")
    site.lose_index()
    for region in order:
        site.run("region", "add", region, "--url", f"file://{site.srv}/{region}")
        site.run("index", "rebuild", "--from", region, "--yes")
    assert site.versions() == ["1.2.0", "1.1.0"]
    assert site.run("gallery", "show", "-r", "golden")["location"] == "westeurope"
