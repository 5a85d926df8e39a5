"""The images that other tests stand on are what they say they are."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from images import seeds
from images.hostile import hostile_images, write_hostile_images
from images.seed_vhdx import vhdx
from images.seed_vmdk import vmdk
from images.sparse import SparseBytes
from qemu import needs_qemu_img, qemu_img


def digests() -> list[str]:
    return [sha256(image.data.to_bytes()).hexdigest() for image in hostile_images()]


def test_hostile_names_are_distinct() -> None:
    names = [image.name for image in hostile_images()]
    assert len(names) == len(set(names)) == 117


def test_hostile_verdicts_are_98_to_reject_9_to_warn_8_good_and_2_bad_when_read() -> None:
    verdicts = Counter(str(image.verdict) for image in hostile_images())
    assert verdicts == {"reject": 98, "warn": 9, "ok": 8, "read-error": 2}


def test_hostile_images_are_the_same_bytes_in_every_run() -> None:
    assert digests() == digests()


def test_no_two_hostile_images_hold_the_same_bytes() -> None:
    assert len(set(digests())) == 117


def test_every_hostile_image_and_its_verdict_are_written(tmp_path: Path) -> None:
    write_hostile_images(tmp_path)
    listed = json.loads((tmp_path / "bad.json").read_text())
    images = {image.name: image for image in hostile_images()}
    assert {entry["file"]: entry["verdict"] for entry in listed} == {
        name: image.verdict for name, image in images.items()
    }
    for name in ("empty.vhd", "q-cut.qcow2", "m-extent-abs.vmdk"):
        assert (tmp_path / name).read_bytes() == images[name].data.to_bytes()


def test_the_hostile_script_runs_by_its_path(tmp_path: Path) -> None:
    script = Path(__file__).with_name("hostile.py")
    out = subprocess.check_output([sys.executable, script, tmp_path / "new"], text=True)
    assert out == "117 files\n"
    assert len(list((tmp_path / "new").iterdir())) == 118


@needs_qemu_img
@pytest.mark.parametrize(
    ("qemu_format", "seed"),
    [
        ("vpc", seeds.fixed_vhd),
        ("vpc", seeds.dynamic_vhd),
        ("qcow2", seeds.qcow2),
        ("vhdx", vhdx),
        ("vmdk", vmdk),
    ],
)
def test_the_unspoilt_seed_is_a_good_image_of_the_disk(
    qemu_format: str, seed: Callable[[], SparseBytes], tmp_path: Path
) -> None:
    image, disk = tmp_path / "seed.vmdk", tmp_path / "disk.raw"
    seed().write_to(image)
    seeds.seed_disk().write_to(disk)
    info = json.loads(qemu_img("info", "-f", qemu_format, "--output=json", image))
    assert info["virtual-size"] == seeds.DISK_BYTES
    qemu_img("compare", "-f", "raw", "-F", qemu_format, disk, image)
