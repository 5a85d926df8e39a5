"""qemu as a second opinion on VHDX and qcow2: what it writes reads as it reads it."""

import json
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from disks.sources import assert_disk_is
from imgrepl.disks.detect import open_disk
from imgrepl.disks.disk import Disk
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.source import open_source
from qemu import needs_qemu_img, qemu_img

MIB = 1 << 20

pytestmark = [
    needs_qemu_img,
    pytest.mark.skipif(
        shutil.which("qemu-io") is None, reason="qemu-io is not installed (apt install qemu-utils)"
    ),
]


@pytest.fixture
def disk_raw(tmp_path: Path) -> Path:
    """12 MiB and a half: zeros, text that compresses, noise, and odd borders between them."""
    path = tmp_path / "disk.raw"
    content = bytearray(12 * MIB + 512 * 1024)
    noise = random.Random(5).randbytes(2 * MIB)
    content[MIB + 4096 : MIB + 4096 + 700_000] = b"some text. " * 63_636 + b"1234"
    content[5 * MIB - 512 : 7 * MIB - 512] = noise
    content[-1024:] = noise[:1024]
    path.write_bytes(content)
    return path


def qemu_io(image: Path, image_format: str, commands: Sequence[str]) -> None:
    arguments = [argument for command in commands for argument in ("-c", command)]
    done = subprocess.run(
        ["qemu-io", "-f", image_format, *arguments, str(image)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout


def as_qemu_reads(image: Path, image_format: str) -> bytes:
    out = image.with_suffix(".out")
    qemu_img("convert", "-f", image_format, "-O", "raw", image, out)
    return out.read_bytes()


def opened(image: Path, *parents: Path) -> Disk:
    return open_disk(open_source(image), OpenOptions(parents=parents))


def assert_reads_as_in_qemu(image: Path, image_format: str, *parents: Path) -> None:
    disk = opened(image, *parents)
    assert_disk_is(disk, as_qemu_reads(image, image_format))
    disk.close()


@pytest.mark.parametrize(
    "options",
    [
        "subformat=dynamic",
        "subformat=fixed",
        "block_size=1M",
        "block_size=2M,block_state_zero=off",
        "block_size=256M",
        "log_size=4M",
    ],
)
def test_vhdx_of_qemu(tmp_path: Path, disk_raw: Path, options: str) -> None:
    image = tmp_path / "disk.vhdx"
    qemu_img("convert", "-f", "raw", "-O", "vhdx", "-o", options, disk_raw, image)
    assert_reads_as_in_qemu(image, "vhdx")


def test_vhdx_that_qemu_wrote_to_in_many_places(tmp_path: Path) -> None:
    image = tmp_path / "disk.vhdx"
    qemu_img("create", "-q", "-f", "vhdx", "-o", "block_size=1M", image, "64M")
    places = random.Random(2).sample(range(0, 64 * MIB, 65536), 40)
    qemu_io(image, "vhdx", [f"write -P {n + 1} {at} 100000" for n, at in enumerate(places[:20])])
    qemu_io(image, "vhdx", [f"write -P {n + 100} {at} 512" for n, at in enumerate(places[20:])])
    assert_reads_as_in_qemu(image, "vhdx")


@pytest.mark.parametrize(
    "options",
    [
        "compat=0.10",
        "cluster_size=512",
        "cluster_size=4096,lazy_refcounts=on",
        "cluster_size=2M",
        "refcount_bits=1",
        "preallocation=metadata",
        "preallocation=falloc",
        "extended_l2=on",
        "extended_l2=on,cluster_size=16k",
        "extended_l2=on,cluster_size=2M,preallocation=metadata",
    ],
)
def test_qcow2_of_qemu(tmp_path: Path, disk_raw: Path, options: str) -> None:
    image = tmp_path / "disk.qcow2"
    qemu_img("convert", "-f", "raw", "-O", "qcow2", "-o", options, disk_raw, image)
    assert_reads_as_in_qemu(image, "qcow2")


@pytest.mark.parametrize("compression", ["zlib", "zstd"])
@pytest.mark.parametrize("cluster_size", ["512", "64k", "2M"])
def test_compressed_qcow2_of_qemu(
    tmp_path: Path, disk_raw: Path, compression: str, cluster_size: str
) -> None:
    image = tmp_path / "disk.qcow2"
    options = f"compression_type={compression},cluster_size={cluster_size}"
    try:
        qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", "-o", options, disk_raw, image)
    except AssertionError as fault:
        if "compression" in str(fault):
            pytest.skip(f"this qemu-img was built without {compression}")
        raise
    assert_reads_as_in_qemu(image, "qcow2")


CHANGES = [
    "write -P 1 0 3000000",
    "write -z 65536 65536",
    "write -z -u 1000000 200000",
    "write -c -P 2 4194304 65536",
    "discard 262144 131072",
    "write -P 3 9999872 1024",
    "write -P 4 70000128 512",
    "discard 69206016 2097152",
    "write -z 8388608 4096",
    "write -P 5 8396800 2048",
]


@pytest.mark.parametrize(
    "options",
    ["cluster_size=64k", "cluster_size=64k,extended_l2=on", "cluster_size=64k,compat=0.10"],
)
def test_qcow2_with_odd_clusters(tmp_path: Path, options: str) -> None:
    image = tmp_path / "disk.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-o", options, image, "80M")
    qemu_io(image, "qcow2", CHANGES)
    assert_reads_as_in_qemu(image, "qcow2")


@pytest.mark.parametrize("extended", ["off", "on"])
def test_qcow2_over_a_shorter_backing_file(tmp_path: Path, disk_raw: Path, extended: str) -> None:
    image, middle = tmp_path / "disk.qcow2", tmp_path / "middle.qcow2"
    options = f"extended_l2={extended},backing_fmt="
    qemu_img("create", "-q", "-f", "qcow2", "-b", disk_raw, "-o", options + "raw", middle, "20M")
    qemu_io(middle, "qcow2", CHANGES[:3])
    qemu_img("create", "-q", "-f", "qcow2", "-b", middle, "-o", options + "qcow2", image, "80M")
    qemu_io(image, "qcow2", CHANGES[2:])
    assert_reads_as_in_qemu(image, "qcow2", disk_raw, middle)


@pytest.mark.parametrize("raw", ["on", "off"])
def test_qcow2_with_an_external_data_file(tmp_path: Path, raw: str) -> None:
    image, data = tmp_path / "disk.qcow2", tmp_path / "disk.data"
    options = f"data_file={data},data_file_raw={raw}"
    qemu_img("create", "-q", "-f", "qcow2", "-o", options, image, "80M")
    qemu_io(image, "qcow2", [change for change in CHANGES if " -c " not in change])
    assert_reads_as_in_qemu(image, "qcow2", data)


def test_qcow2_with_internal_snapshots_is_its_current_state(tmp_path: Path) -> None:
    image = tmp_path / "disk.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", image, "80M")
    qemu_io(image, "qcow2", CHANGES[:3])
    qemu_img("snapshot", "-c", "before", image)
    qemu_io(image, "qcow2", CHANGES[3:])
    assert_reads_as_in_qemu(image, "qcow2")


def test_the_extents_of_a_qcow2_are_those_of_qemus_map_less_the_files_holes(
    tmp_path: Path, disk_raw: Path
) -> None:
    image = tmp_path / "disk.qcow2"
    qemu_img("convert", "-f", "raw", "-O", "qcow2", disk_raw, image)
    mapped = json.loads(qemu_img("map", "--output=json", "-f", "qcow2", image))
    theirs = [(part["start"], part["start"] + part["length"]) for part in mapped if part["data"]]
    disk = opened(image)
    ours = [(start, start + length) for start, length in disk.data_extents(0, disk.size_bytes)]
    disk.close()
    assert len(ours) == len(theirs) > 2
    for (start, end), (low, high) in zip(ours, theirs, strict=True):
        assert low <= start < low + 65536
        assert high - 65536 < end <= high
