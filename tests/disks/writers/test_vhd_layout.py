"""The geometry in a VHD's footer."""

import struct
from pathlib import Path

import pytest

from imgrepl.disks.writers.vhd_layout import geometry
from qemu import needs_qemu_img, qemu_img

MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [
        (512, (0, 4, 17)),
        (8 * MIB, (240, 4, 17)),
        (100 * MIB, (1003, 12, 17)),
        (512 * MIB, (1040, 16, 63)),
        (8 * GIB, (16644, 16, 63)),
        (65535 * 16 * 63 * 512 - 512, (65534, 16, 63)),
        (65535 * 16 * 63 * 512, (16191, 16, 255)),
        (127 * GIB, (65278, 16, 255)),
        (128 * GIB, (65535, 16, 255)),
        (2040 * GIB, (65535, 16, 255)),
    ],
)
def test_geometry_describes_at_most_the_disk(
    size_bytes: int, expected: tuple[int, int, int]
) -> None:
    assert geometry(size_bytes) == expected
    cylinders, heads, sectors = expected
    assert cylinders * heads * sectors * 512 <= size_bytes


@needs_qemu_img
@pytest.mark.parametrize("size", ["1M", "33M", "100M", "511M", "2G", "31G", "33G", "127G", "200G"])
def test_geometry_is_the_one_that_qemu_img_computes(size: str, tmp_path: Path) -> None:
    image = tmp_path / "disk.vhd"
    qemu_img("create", "-q", "-f", "vpc", "-o", "subformat=dynamic", image, size)
    footer = image.read_bytes()[:512]
    (size_bytes,) = struct.unpack(">Q", footer[48:56])  # rounded up to a geometry
    assert geometry(size_bytes) == struct.unpack(">HBB", footer[56:60])
