"""What is written is what is read: by plain readers of our own and by qemu-img."""

import json
import random
import struct
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from disks.writers.opening import IDENTITY, Contents
from disks.writers.plain_readers import READERS
from imgrepl.disks.writers import qcow2
from imgrepl.disks.writers.writer import FORMATS, file_bytes_max
from qemu import needs_qemu_img, qemu_img

MIB, GIB = 1 << 20, 1 << 30
QEMU_FORMATS = {"raw": "raw", "vhd": "vpc", "vhd-dynamic": "vpc", "qcow2": "qcow2"}

every_format = pytest.mark.parametrize("image_format", FORMATS)


@st.composite
def all_contents(draw: st.DrawFn) -> Contents:
    """Up to 5 MiB, cut into ranges of whole blocks, some of them written, in any order."""
    size_bytes = 512 * draw(st.integers(1, 5 * MIB // 512))
    cuts = draw(st.sets(st.integers(0, (size_bytes - 1) // 4096), max_size=12))
    edges = [*(4096 * block for block in sorted({0, *cuts})), size_bytes]
    ranges = draw(st.permutations(list(pairwise(edges))))
    written = draw(st.integers(0, len(ranges)))
    return Contents.random(size_bytes, ranges[:written], seed=draw(st.integers(0, 2**32)))


def scattered(size_bytes: int, pieces: int, seed: int) -> Contents:
    """Ranges of up to 1.5 MiB all over the disk, the last block among them, shuffled."""
    source = random.Random(seed)
    blocks = -(-size_bytes // 4096)
    starts = sorted({blocks - 1, *(source.randrange(blocks) for _ in range(pieces))})
    ranges = []
    for start, following in zip(starts, [*starts[1:], blocks], strict=True):
        end = min(following, start + source.randrange(1, 400)) * 4096
        ranges.append((start * 4096, min(end, size_bytes)))
    source.shuffle(ranges)
    return Contents.random(size_bytes, ranges, seed)


@every_format
@settings(max_examples=25, deadline=None)
@given(contents=all_contents())
@example(contents=Contents(512, []))
@example(contents=Contents.random(512, [(0, 512)], seed=1))
@example(contents=Contents.random(4 * MIB + 512, [(4 * MIB, 4 * MIB + 512)], seed=2))
def test_any_pieces_in_any_order_from_three_threads_read_back(
    image_format: str, contents: Contents
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "disk")
        contents.write_to(path, image_format)
        assert READERS[image_format](path.read_bytes()) == contents.disk()


@needs_qemu_img
@every_format
@pytest.mark.parametrize("size_bytes", [8 * MIB, GIB + 7 * 512, 3 * GIB])
def test_qemu_img_finds_the_same_disk(image_format: str, size_bytes: int, tmp_path: Path) -> None:
    contents = scattered(size_bytes, pieces=40, seed=size_bytes)
    contents.write_to(tmp_path / "disk", image_format, threads=4)
    expected = contents.raw_file(tmp_path / "expected")
    qemu_format = QEMU_FORMATS[image_format]
    info = json.loads(qemu_img("info", "-f", qemu_format, "--output=json", tmp_path / "disk"))
    assert info["virtual-size"] == size_bytes
    qemu_img("compare", "-f", "raw", "-F", qemu_format, expected, tmp_path / "disk")


@needs_qemu_img
@pytest.mark.parametrize("size_bytes", [512, 600 * MIB, 5 * GIB + 512])
def test_qemu_img_check_finds_no_fault_and_no_leak_in_a_qcow2(
    size_bytes: int, tmp_path: Path
) -> None:
    scattered(size_bytes, pieces=30, seed=size_bytes).write_to(tmp_path / "disk", "qcow2")
    report = json.loads(qemu_img("check", "-f", "qcow2", "--output=json", tmp_path / "disk"))
    assert report["check-errors"] == 0
    assert report.get("leaks", 0) == report.get("corruptions", 0) == 0


@every_format
def test_a_disk_of_zeros_takes_hardly_any_room(image_format: str, tmp_path: Path) -> None:
    contents = Contents.random(GIB, [(512 * MIB, 512 * MIB + 4096)], seed=5)
    contents.write_to(tmp_path / "disk", image_format)
    assert (tmp_path / "disk").stat().st_blocks * 512 < MIB


@every_format
def test_the_file_is_no_longer_than_announced_when_all_is_written(
    image_format: str, tmp_path: Path
) -> None:
    size_bytes = 5 * MIB + 512
    Contents.random(size_bytes, [(0, size_bytes)], seed=6).write_to(tmp_path / "disk", image_format)
    assert (tmp_path / "disk").stat().st_size <= file_bytes_max(image_format, size_bytes)


def test_zero_blocks_inside_a_dynamic_block_stay_holes(tmp_path: Path) -> None:
    ranges = [(at, at + 4096) for at in range(0, 2 * MIB, 256 * 1024)]
    Contents.random(2 * MIB, ranges, seed=7).write_to(tmp_path / "disk", "vhd-dynamic")
    file = (tmp_path / "disk").read_bytes()
    (bitmap_sector,) = struct.unpack(">I", file[1536:1540])
    assert (bitmap_sector + 1) * 512 % 4096 == 0
    assert (tmp_path / "disk").stat().st_blocks * 512 <= (len(ranges) + 4) * 4096


def test_a_fixed_vhd_carries_the_identity_and_time_it_was_given(tmp_path: Path) -> None:
    Contents(MIB, []).write_to(tmp_path / "disk", "vhd")
    footer = (tmp_path / "disk").read_bytes()[-512:]
    assert footer[68:84] == IDENTITY
    assert struct.unpack(">I", footer[24:28]) == (1_700_000_000 - 946_684_800,)


@given(used=st.integers(1, 2**31))
@example(used=32768 - 2)
@example(used=32768 - 1)
def test_refcount_blocks_count_themselves_and_their_table(used: int) -> None:
    blocks, table_clusters = qcow2._refcount_clusters(used)
    assert blocks * 32768 >= used + blocks + table_clusters
    assert (blocks - 1) * 32768 < used + blocks - 1 + -(-(blocks - 1) * 8 // 65536)
    assert table_clusters * 8192 >= blocks > (table_clusters - 1) * 8192
