"""The tour of a new user: it ends well, goes on when it is run again, and leaves nothing."""

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from imgrepl.errors import NotFound
from imgrepl.lab.programs import choose
from imgrepl.model.events import silent

pytestmark = pytest.mark.servers

PROJECT = Path(__file__).resolve().parents[2]
IMGREPL = Path(sys.executable).with_name("imgrepl")


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    inherited = {name: text for name, text in os.environ.items() if "IMGREPL" not in name}
    tools = PROJECT / ".tools" / "bin"
    variables = {
        **inherited,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "IMGREPL_INDEX": f"sqlite:///{tmp_path / 'index.db'}",
        "IMGREPL_STATE_DIR": str(tmp_path / "state"),
        "IMGREPL_CACHE_DIR": str(tmp_path / "cache"),
        "COLUMNS": "120",
    }
    try:
        choose(variables, silent)
    except NotFound as error:
        pytest.skip(error.message)
    yield variables
    subprocess.run([IMGREPL, "lab", "down", "--delete"], env=variables, capture_output=True)


def small_disk(path: Path) -> Path:
    """64 MiB, 2 of them occupied."""
    with path.open("wb") as disk:
        disk.truncate(64 << 20)
        disk.seek(1 << 20)
        disk.write(random.Random(7).randbytes(2 << 20))
    return path


def tour(environment: Mapping[str, str], image: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, PROJECT / "scripts" / "quickstart.py", "--image", image],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_a_tour_proves_its_download_repeats_leaves_nothing_behind_and_starts_afresh(
    tmp_path: Path, environment: Mapping[str, str]
) -> None:
    image = small_disk(tmp_path / "my disk.raw")
    first = tour(environment, image)
    assert first.returncode == 0, first.stderr
    assert "Equal:" in first.stdout
    assert first.stdout.count("Completed") == 2 * 6
    assert re.search(r"occupied\W+2.0 MiB\W+6.0 MiB", first.stdout)
    assert "imgrepl lab down --delete" in first.stdout

    second = tour(environment, image)
    assert second.returncode == 0, second.stderr
    tables = slice(second.stdout.index("where it stands"), second.stdout.index("Go on with"))
    assert second.stdout[tables] in first.stdout

    down: list[str | Path] = [IMGREPL, "lab", "down", "--delete", "--output", "json"]
    ended = json.loads(subprocess.check_output(down, env=environment, stderr=subprocess.PIPE))
    assert [server["region"] for server in ended] == ["eastus", "westeurope", "southeastasia"]
    assert not (tmp_path / "state" / "lab").exists()

    afresh = tour(environment, image)
    assert afresh.returncode == 0, afresh.stderr
    assert "Equal:" in afresh.stdout


def test_a_tour_touches_no_region_that_is_not_its_own(
    tmp_path: Path, environment: Mapping[str, str]
) -> None:
    mine = ["region", "add", "eastus", "--url", (tmp_path / "mine").as_uri()]
    subprocess.run([IMGREPL, *mine], env=environment, check=True, capture_output=True)
    refused = tour(environment, small_disk(tmp_path / "disk.raw"))
    assert refused.returncode == 4
    assert "your index has a region eastus" in refused.stdout
    assert not (tmp_path / "state" / "lab" / "lab.json").exists()
