"""Synthetic disks and disks of files hold what their makers say, and `make.py` makes them."""

import json
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from images import make
from images.filesystem import change_some_files, make_disk
from images.synthetic import GRAIN_BYTES, generations, write_generations
from imgrepl.lab import gpt
from imgrepl.lab.ext4 import can_make_ext4, run_e2fs_tool
from qemu import needs_qemu_img, qemu_img

MIB = 1 << 20
SYNTHETIC_BYTES = 24 * MIB

needs_e2fsprogs = pytest.mark.skipif(
    not can_make_ext4(), reason="e2fsprogs is not installed (apt install e2fsprogs)"
)


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    write_generations(folder, SYNTHETIC_BYTES)
    return folder


def occupied_blocks(disk: bytes) -> set[int]:
    zeros = bytes(GRAIN_BYTES)
    return {at for at in range(0, len(disk), GRAIN_BYTES) if disk[at : at + GRAIN_BYTES] != zeros}


def test_the_manifest_says_of_every_block_whether_it_is_zero(synthetic: Path) -> None:
    manifest = json.loads((synthetic / "synthetic.json").read_text())
    assert list(manifest) == ["v1", "v2", "v3"]
    for name, entry in manifest.items():
        stated = {
            at
            for extent in entry["extents"]
            if extent["kind"] != "zero"
            for at in range(extent["offset"], extent["offset"] + extent["length"], GRAIN_BYTES)
        }
        assert stated == occupied_blocks((synthetic / f"{name}.raw").read_bytes())
        assert entry["occupied_bytes"] == len(stated) * GRAIN_BYTES


def test_each_generation_changes_a_little(synthetic: Path) -> None:
    disks = [(synthetic / f"v{number}.raw").read_bytes() for number in (1, 2, 3)]
    for before, after in pairwise(disks):
        changed = sum(
            before[at : at + GRAIN_BYTES] != after[at : at + GRAIN_BYTES]
            for at in range(0, SYNTHETIC_BYTES, GRAIN_BYTES)
        )
        assert 0 < changed * GRAIN_BYTES < SYNTHETIC_BYTES * 0.05


def test_synthetic_disks_follow_from_their_seed() -> None:
    assert list(generations(SYNTHETIC_BYTES)) == list(generations(SYNTHETIC_BYTES))
    assert list(generations(SYNTHETIC_BYTES)) != list(generations(SYNTHETIC_BYTES, seed=8))


def test_the_last_block_of_a_synthetic_disk_is_occupied(synthetic: Path) -> None:
    assert any((synthetic / "v1.raw").read_bytes()[-GRAIN_BYTES:])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(150):
        (folder / f"file-{number}").write_bytes(f"{number}\n".encode() * 2000)
    return folder


@needs_e2fsprogs
def test_files_changed_in_place_leave_the_other_blocks_alone(folder: Path, tmp_path: Path) -> None:
    before, after = tmp_path / "v1.raw", tmp_path / "v2.raw"
    make_disk(before, 32 * MIB, folder)
    names = change_some_files(before, after, 32 * MIB, folder, generation=2)
    assert names
    old, new = before.read_bytes(), after.read_bytes()
    run_e2fs_tool("e2fsck", "-fn", f"{after}?offset={gpt.PARTITION_OFFSET}")
    assert b"changed in generation 2" in new
    differing = sum(old[at : at + 4096] != new[at : at + 4096] for at in range(0, 32 * MIB, 4096))
    assert 0 < differing < 16 * len(names) + 32


@needs_qemu_img
@needs_e2fsprogs
def test_a_fixed_vhd_stays_one_when_its_files_change_in_place(folder: Path, tmp_path: Path) -> None:
    before, after = tmp_path / "v1.vhd", tmp_path / "v2.vhd"
    make_disk(before, 32 * MIB, folder)
    change_some_files(before, after, 32 * MIB, folder, generation=2)
    info = json.loads(qemu_img("info", "-f", "vpc", "--output=json", after))
    assert info["virtual-size"] == 32 * MIB


def test_make_makes_hostile_and_synthetic_images(tmp_path: Path) -> None:
    assert make.main(["--mode", "hostile", str(tmp_path / "h")]) == 0
    assert len(list((tmp_path / "h").iterdir())) == 118
    assert make.main(["--mode", "synthetic", "--size", "2M", str(tmp_path / "s")]) == 0
    assert {path.name for path in (tmp_path / "s").iterdir()} == {
        "v1.raw",
        "v2.raw",
        "v3.raw",
        "synthetic.json",
    }


@pytest.mark.parametrize("size", ["", "G", "0G", "12", "-1M", "1.5G"])
def test_make_refuses_what_is_no_size(size: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        make.main(["--mode", "synthetic", f"--size={size}", str(tmp_path)])


def test_debian_says_what_is_missing_and_ends_with_3(tmp_path: Path) -> None:
    script = Path(make.__file__).with_name("debian.sh")
    done = subprocess.run(
        ["/bin/bash", script, tmp_path / "out", str(MIB), tmp_path / "cache"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "missing:" in done.stderr
    assert "at least 3G" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
