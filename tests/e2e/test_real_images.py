"""Real file systems: every format is the same disk, and what is changed is what is sent.

The Debian is made on first use and kept, see `journeys.disks`; so is a disk of this machine's own
files.
"""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from disks.vhd_builder import DIFFERENCING, Vhd
from e2e.command_line import DEFINITION, Cli
from imgrepl.disks.source import FileSource, open_source
from journeys.disks import change_disk, debian_images
from qemu import needs_qemu_img, qemu_img
from servers import PROJECT

CACHE = PROJECT / ".cache" / "images"
FILES_BYTES = 256 << 20
STEP_BYTES = 8 << 20
BLOCK_BYTES = 2 << 20


FORMATS = {
    "v1-fixed.vhd": ("-O", "vpc", "-o", "subformat=fixed,force_size=on"),
    "v1-dynamic.vhd": ("-O", "vpc", "-o", "subformat=dynamic,force_size=on"),
    "v1.vhdx": ("-O", "vhdx"),
    "v1.qcow2": ("-O", "qcow2"),
}
"""By the name of a file what `qemu-img convert` is told."""


@pytest.fixture(scope="module")
def debian_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Debian as a raw disk and in every format that qemu-img writes."""
    raw, folder = debian_images().raw("v1"), tmp_path_factory.mktemp("debian")
    for name, words in FORMATS.items():
        qemu_img("convert", "-f", "raw", *words, raw, folder / name)
    (folder / "v1.raw").symlink_to(raw)
    return folder


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
@needs_qemu_img
@pytest.mark.timeout(900)
def test_every_format_of_a_debian_is_the_same_content_and_sends_no_pack(
    one_region: Cli, debian_folder: Path
) -> None:
    publish(one_region, "1.0.0", debian_folder / "v1.raw")
    for number, name in enumerate(FORMATS, start=1):
        transfer = publish(one_region, f"1.0.{number}", debian_folder / name)
        assert (transfer["newBytes"], transfer["packsWritten"]) == (0, 0), name
        assert transfer["sentBytes"] < 64 << 10, name
    for one, two in pairwise(f"1.0.{number}" for number in range(len(FORMATS) + 1)):
        compared = one_region.done("image-version", "compare", *DEFINITION, one, two)
        assert compared["equal"], (one, two)


@pytest.mark.debian
@needs_qemu_img
@pytest.mark.timeout(900)
def test_a_differencing_debian_is_whole_with_its_parent(
    one_region: Cli, debian_folder: Path, tmp_path: Path
) -> None:
    parent = debian_folder / "v1-dynamic.vhd"
    changed = change_disk(debian_folder / "v1.raw", tmp_path / "changed.raw", seed=9)
    child = differencing(changed, debian_folder / "v1.raw", parent, tmp_path / "child.vhd")
    publish(one_region, "1.0.0", debian_folder / "v1.raw")
    transfer = publish(one_region, "1.0.1", child, "--parent", parent)
    assert 0 < transfer["newBytes"] < 8 << 20
    assert_same(one_region.download("1.0.1", tmp_path / "out"), changed)


def differencing(changed: Path, before: Path, parent: Path, child: Path) -> Path:
    """A VHD of the blocks in which a raw disk differs from what it was, over a parent of that."""
    one, two = open_source(changed), open_source(before)
    blocks = {}
    for number in range(-(-one.size_bytes // BLOCK_BYTES)):
        at = number * BLOCK_BYTES
        length = min(BLOCK_BYTES, one.size_bytes - at)
        if not any(one.data_extents(at, length)):
            continue
        data = bytes(read(one, at, length))
        if data != read(two, at, length):
            blocks[number] = (b"\xff" * (BLOCK_BYTES // 4096), data.ljust(BLOCK_BYTES, b"\0"))
    one.close()
    two.close()
    with parent.open("rb") as file:
        file.seek(-512 + 68, os.SEEK_END)
        parent_identity = file.read(16)
    vhd = Vhd(
        size=changed.stat().st_size,
        block_bytes=BLOCK_BYTES,
        kind=DIFFERENCING,
        identity=b"\x02" * 16,
        parent_identity=parent_identity,
        blocks=blocks,
    )
    child.write_bytes(vhd.build())
    return child


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
