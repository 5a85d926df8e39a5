"""What the README shows is what happens."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from disks.vhd_builder import fixed_vhd

README = Path(__file__).parents[2] / "README.md"
DISK = random.Random(11).randbytes(1 << 20) + bytes(3 << 20)
DEMO = "/tmp/imgrepl-demo"


def blocks(language: str) -> list[str]:
    text = README.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a new user stands, with a disk."""
    (tmp_path / "disk.vhd").write_bytes(fixed_vhd(DISK))
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("IMGREPL_")}
    homes = {f"XDG_{name}_HOME": str(folder / name) for name in ("DATA", "STATE", "CACHE")}
    return kept | homes | {"HOME": str(folder)}


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_block_publishes_and_downloads(folder: Path) -> None:
    (script,) = blocks("python")
    assert DEMO in script

    said = run(folder, "-c", script.replace(DEMO, str(folder / "demo")))

    assert re.fullmatch(r"\d+ bytes sent, 3 replicas\n", said)
    assert (folder / "copy.raw").read_bytes() == DISK


def shape(page: str) -> list[str]:
    """A page without what differs from run to run: names of fields, titles, headings."""
    lines = [line for line in page.splitlines() if not set(line) <= set("─ ")]
    names = [re.match(r"[A-Z][A-Za-z ]*?(?=  |$)", line) for line in lines]
    return [found[0].strip() for found in names if found is not None]


def test_the_first_minute_answers_as_the_readme_shows(folder: Path) -> None:
    commands = next(block for block in blocks("console") if "lab up" in block)
    create = next(line for line in commands.splitlines() if "image-version create" in line)
    words = create.removeprefix("$ imgrepl ").split()
    servers, version = blocks("text")[:2]
    run(folder, "-m", "imgrepl", "region", "add", "eastus", "--url", f"file://{folder}/eastus")

    shown = run(folder, "-m", "imgrepl", *words, "-o", "table")

    assert shape(shown) == shape(version)
    assert {"Version", "Replicas", "Disks", "Transfer"} <= set(shape(version))
    assert max(map(len, (servers + version).splitlines())) <= 100


def test_no_marker_waits_for_output() -> None:
    assert "<!-- output:" not in README.read_text(encoding="utf-8")
