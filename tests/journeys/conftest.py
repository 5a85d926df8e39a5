"""A person with three regions on a lab's servers, or with two directories."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imgrepl.errors import NotFound
from imgrepl.lab.programs import choose
from imgrepl.model.events import silent
from journeys.disks import DebianImages, debian_images
from journeys.person import Person

REGIONS = ("eastus", "westeurope", "southeastasia")


@dataclass(frozen=True)
class Lab:
    """Three regions on real servers, and somebody who uses them."""

    person: Person
    folder: Path

    def servers(self) -> dict[str, dict[str, Any]]:
        """What `lab status` says of each region's server."""
        found = self.person.does("lab", "status", "--dir", self.folder)
        return {server["region"]: server for server in found}

    def kill(self, region: str) -> None:
        """Ends a region's server as a power cut would."""
        pid = self.servers()[region]["pid"]
        os.kill(pid, signal.SIGKILL)
        while self.servers()[region]["state"] == "running":
            time.sleep(0.05)

    def restart(self) -> None:
        """Brings back every server that died, with its data."""
        self.person.does("lab", "up", "--dir", self.folder)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("lab")
    person = Person(home, {"IMGREPL_RETRY_DEADLINE_SECONDS": "6"})
    try:
        choose(person.environment, silent)
    except NotFound as error:
        pytest.skip(error.message)
    lab = Lab(person, home / "lab")
    person.does("lab", "up", "--dir", lab.folder, "--regions", *REGIONS)
    yield lab
    person.says("lab", "down", "--delete", "--dir", lab.folder)


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """Somebody with two regions in directories."""
    somebody = Person(tmp_path / "home")
    somebody.home.mkdir()
    for region in ("eastus", "westeurope"):
        somebody.does("region", "add", region, "--url", f"file://{tmp_path / region}")
    return somebody


@pytest.fixture(scope="session")
def debian() -> DebianImages:
    return debian_images()
