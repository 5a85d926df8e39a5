"""Disks that fill up: in a region, and on the machine that downloads."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.command_line import VERSION, Cli, assert_nothing_left, assert_refused

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small tmpfs"),
    pytest.mark.skipif(shutil.which("mount") is None, reason="mount is not installed"),
]

SMALL, ENOUGH = "12m", "64m"
TWO = ("-l", "eastus", "--target-regions", "eastus", "westeurope")
Resize = Callable[[str], None]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB, where an image of 20 MiB does not fit."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"tmpfs cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def enlarge(folder: Path) -> None:
    subprocess.run(["mount", "-o", f"remount,size={ENOUGH}", folder], check=True)


def test_a_full_home_region_refuses_the_version_and_the_same_command_goes_on(
    cli: Cli, image: Path, small: Path, tmp_path: Path
) -> None:
    cli.add_region("eastus", url=(small / "place").as_uri())
    assert_refused(cli(*cli.create(image)), 7, "PlaceFull")
    assert_nothing_left(cli)
    assert_no_part(small)
    enlarge(small)
    done = cli.done(*cli.create(image))
    assert done["imgrepl"]["transfer"]["deduplicatedBytes"] > 0, "nothing was kept"
    assert cli.download("1.0.0", tmp_path / "out").read_bytes() == image.read_bytes()


def test_a_full_target_region_fails_alone_and_retry_completes_it(
    cli: Cli, image: Path, small: Path, tmp_path: Path
) -> None:
    cli.add_region("eastus")
    cli.add_region("westeurope", url=(small / "place").as_uri())
    ran = cli(*cli.create(image, *TWO))
    assert_refused(ran, 8, "PartiallyCompleted")
    assert any("PlaceFull" in line for line in ran.error["details"])
    assert_no_part(small)
    enlarge(small)
    cli.done("image-version", "retry", *VERSION)
    got = cli.download("1.0.0", tmp_path / "out", "--region", "westeurope")
    assert got.read_bytes() == image.read_bytes()


@pytest.mark.parametrize("disk_format", ["raw", "qcow2"])
def test_a_full_local_disk_leaves_no_file(
    one_region: Cli, image: Path, small: Path, disk_format: str
) -> None:
    one_region.done(*one_region.create(image))
    words = ("image-version", "download", *VERSION, "--format", disk_format)
    ran = one_region(*words, "--file", small / "disk")
    assert_refused(ran, 7, "LocalDiskFull")
    assert list(small.iterdir()) == []
    enlarge(small)
    one_region.done(*words, "--file", small / "disk")


def test_a_full_disk_under_the_index_is_told(one_region: Cli, image: Path, small: Path) -> None:
    """The index cannot grow: nothing is published, and nothing is lost when there is room again."""
    moved = small / "index.sqlite3"
    shutil.copy(one_region.index, moved)
    with (small / "filler").open("wb") as file:
        file.write(bytes(shutil.disk_usage(small).free - (64 << 10)))
    variables = {"IMGREPL_INDEX": f"sqlite:///{moved}"}
    ran = one_region(*one_region.create(image), **variables)
    assert ran.status == 7, ran.stderr
    assert ran.error["code"].startswith("Index"), ran.error
    (small / "filler").unlink()
    one_region.done(*one_region.create(image), **variables)


def assert_no_part(folder: Path) -> None:
    left = [path for path in folder.rglob("*") if path.is_file() and "part" in str(path)]
    assert left == []
