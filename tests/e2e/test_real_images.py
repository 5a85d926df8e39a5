"""Real file systems: what a next version costs, and that every format is the same disk.

Debian images are looked for in IMGREPL_TEST_IMAGES and in .cache/images/debian (`make images
IMAGES=debian`); a disk of this machine's own files is made where it is missing.
"""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from e2e.command_line import DEFINITION, Cli
from imgrepl.disks.source import FileSource, open_source
from servers import PROJECT

CACHE = PROJECT / ".cache" / "images"
FILES_BYTES = 256 << 20
MEGABYTE = 1_000_000
STEP_BYTES = 8 << 20


def debian_folder() -> Path:
    for folder in (os.environ.get("IMGREPL_TEST_IMAGES", ""), str(CACHE / "debian")):
        if folder and (Path(folder) / "v3-fixed.vhd").exists():
            return Path(folder)
    pytest.skip(
        "no Debian images in IMGREPL_TEST_IMAGES or .cache/images/debian: see `make images`"
    )


@pytest.fixture(scope="session")
def files_folder() -> Path:
    """Two generations of a disk of this machine's files, made once."""
    folder = CACHE / "files-256M"
    if not (folder / "v2-rebuilt.vhd").exists():
        make = [sys.executable, PROJECT / "tests" / "images" / "make.py"]
        words = ["--mode", "files", "--size", "256M", folder]
        subprocess.run([*map(str, make), *map(str, words)], check=True)
    return folder


def publish(cli: Cli, version: str, disk: Path, *words: object) -> dict[str, int]:
    """What it moved."""
    base = ("image-version", "create", *DEFINITION, "-e", version, "--os-disk", disk)
    made = cli.done(*base, "--create-parents", *words)
    transfer: dict[str, int] = made["imgrepl"]["transfer"]
    return transfer


@pytest.mark.debian
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("generations", "megabytes_max"),
    [(("v1", "v2", "v3"), 36), (("v1", "v2r", "v3r"), 38)],
    ids=["in place", "rebuilt"],
)
def test_the_third_debian_sends_only_what_is_new(
    one_region: Cli, tmp_path: Path, generations: tuple[str, ...], megabytes_max: int
) -> None:
    folder = debian_folder()
    for number, name in enumerate(generations):
        transfer = publish(one_region, f"1.0.{number}", folder / f"{name}-fixed.vhd")
    assert transfer["sentBytes"] <= megabytes_max * MEGABYTE
    assert transfer["puts"] <= 12
    got = one_region.download("latest", tmp_path / "out")
    assert_same(got, folder / f"{generations[-1]}.raw")


@pytest.mark.debian
@pytest.mark.timeout(900)
def test_every_format_of_a_debian_is_the_same_content_and_sends_no_pack(one_region: Cli) -> None:
    folder = debian_folder()
    publish(one_region, "1.0.0", folder / "v1-fixed.vhd")
    files = ["v1-dynamic.vhd", "v1.vhdx", "v1.qcow2", "v1.raw"]
    for number, name in enumerate(files, start=1):
        transfer = publish(one_region, f"1.0.{number}", folder / name)
        assert (transfer["newBytes"], transfer["packsWritten"]) == (0, 0), name
        assert transfer["sentBytes"] < 64 << 10, name
    for one, two in pairwise(f"1.0.{number}" for number in range(len(files) + 1)):
        compared = one_region.done("image-version", "compare", *DEFINITION, one, two)
        assert compared["equal"], (one, two)


@pytest.mark.debian
@pytest.mark.timeout(900)
def test_a_differencing_debian_is_whole_with_its_parent(one_region: Cli, tmp_path: Path) -> None:
    folder = debian_folder()
    if not (folder / "v2-diff.vhd").exists():
        pytest.skip("there is no differencing image among them")
    publish(one_region, "1.0.0", folder / "v2-diff.vhd", "--parent", folder / "v1-dynamic.vhd")
    assert_same(one_region.download("1.0.0", tmp_path / "out"), folder / "v2.raw")


def test_a_disk_of_real_files_sends_what_changed_and_comes_back_the_same(
    one_region: Cli, files_folder: Path, tmp_path: Path
) -> None:
    first = publish(one_region, "1.0.0", files_folder / "v1.vhd")
    rebuilt = publish(one_region, "1.0.1", files_folder / "v2-rebuilt.vhd")
    assert rebuilt["sentBytes"] < first["sentBytes"] / 2
    assert_same(one_region.download("1.0.0", tmp_path / "1"), files_folder / "v1.vhd")
    assert_same(one_region.download("1.0.1", tmp_path / "2"), files_folder / "v2-rebuilt.vhd")
    if (files_folder / "v2-patched.vhd").exists():
        patched = publish(one_region, "1.0.2", files_folder / "v2-patched.vhd")
        assert patched["sentBytes"] < first["sentBytes"] / 2


def assert_same(got: Path, wanted: Path) -> None:
    """The same bytes up to the length of `got`: a fixed VHD has a footer behind its disk."""
    one, two = open_source(got), open_source(wanted)
    try:
        assert one.size_bytes in (two.size_bytes, two.size_bytes - 512)
        for source in (one, two):
            for offset, length in source.data_extents(0, one.size_bytes):
                for at in range(offset, offset + length, STEP_BYTES):
                    step = min(STEP_BYTES, offset + length - at)
                    assert read(one, at, step) == read(two, at, step), f"other bytes at {at}"
    finally:
        one.close()
        two.close()


def read(source: FileSource, offset: int, length: int) -> bytearray:
    buffer = bytearray(length)
    source.read_into(offset, memoryview(buffer))
    return buffer
