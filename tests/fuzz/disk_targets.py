"""The readers of disk images, over small good images of every kind."""

import functools
import random
from collections.abc import Callable, Sequence

from disks.qcow2_builder import Qcow2
from disks.sources import MemorySource, poke
from disks.test_disks_mutated import BACKING, CHILD, LOG, PARENT, QCOW2S
from disks.vhd_builder import DIFFERENCING, Vhd, fixed_vhd, with_checksum
from disks.vhdx_builder import (
    BAT_OFFSET,
    ITEMS_OFFSET,
    LOG_OFFSET,
    METADATA_OFFSET,
    PRESENT,
    Vhdx,
)
from disks.vhdx_builder import ZERO as ZERO_BLOCK
from fuzz.edits import Area
from fuzz.store_targets import shown
from fuzz.target import Seed, Target
from images.seeds import KIB, MIB
from images.sparse import SparseBytes
from imgrepl.disks.crc32c import crc32c
from imgrepl.disks.detect import open_disk
from imgrepl.disks.disk import ByteSource, Disk
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.qcow2 import open_qcow2
from imgrepl.disks.vhd import open_vhd
from imgrepl.disks.vhdx import open_vhdx
from imgrepl.errors import Invalid

Open = Callable[[ByteSource, OpenOptions], Disk]
Parent = tuple[SparseBytes, str]
"""Content and name."""

_READING = {"ImageDamaged": "read, damaged", "ImageTruncated": "read, truncated"}
"""Codes that may come once an image was opened: content is only looked at when it is read."""


def read_image(open_image: Open, parents: Sequence[Parent], image: SparseBytes) -> str:
    """Opens an image and reads some of it. `MemorySource` fails on a read outside of the file."""
    options = OpenOptions(parents=tuple(MemorySource(*parent) for parent in parents))
    try:
        disk = open_image(MemorySource(image, "fuzzed"), options)
    except Invalid as fault:
        return shown(fault)
    try:
        poke(disk)
    except Invalid as fault:
        return _READING[shown(fault)]
    assert all(problem.message.isprintable() for problem in disk.problems)
    disk.close()
    return f"{disk.format} {disk.subformat}"


def _detected(source: ByteSource, options: OpenOptions) -> Disk:
    return open_disk(source, options)


BLOCK = 4096
VHD_PARENT = Vhd(
    size=8 * BLOCK,
    blocks={n: (b"\xff", bytes([n + 1]) * BLOCK) for n in (0, 1, 5)},
    identity=b"\2" * 16,
)
VHD_CHILD = Vhd(
    size=8 * BLOCK,
    kind=DIFFERENCING,
    blocks={0: (b"\xa5", b"c" * BLOCK), 3: (b"\x0f", b"d" * BLOCK)},
    parent_identity=b"\2" * 16,
    parent_name="parent.vhd",
    locators=[
        (b"W2ru", ".\\parent.vhd".encode("utf-16-le")),
        (b"W2ku", "C:\\images\\parent.vhd".encode("utf-16-le")),
    ],
)
FOOTER, VHD_HEADER = (-512, 90), (512, 96)
_LOCATORS = (512 + 576, 96)


def mended_vhd(image: SparseBytes) -> SparseBytes:
    """With the checksums of both footers and the dynamic header right."""
    for start, length, at in ((0, 512, 64), (image.length - 512, 512, 64), (512, 1024, 36)):
        if 0 <= start <= image.length - length:
            structure = image.read(start, length)
            if structure.startswith((b"conectix", b"cxsparse")):
                image = image.patched((start, with_checksum(structure, at)))
    return image


def _vhd(name: str, content: bytes, *areas: Area) -> Seed:
    return Seed(name=name, content=SparseBytes.of(content), areas=areas, mend=mended_vhd)


def _vhd_seeds() -> list[Seed]:
    table = (1536, 40)
    stored = (2048, 1024)
    return [
        _vhd("fixed", fixed_vhd(b"x" * 8 * BLOCK), FOOTER),
        _vhd("dynamic", VHD_PARENT.build(), FOOTER, (0, 90), VHD_HEADER, table, stored),
        _vhd(
            "differencing", VHD_CHILD.build(), FOOTER, (0, 90), VHD_HEADER, _LOCATORS, table, stored
        ),
    ]


def mended_vhdx(image: SparseBytes) -> SparseBytes:
    """With the checksums of headers, region tables and the first entry of the log right."""
    sections = [(64 * KIB, 4096), (128 * KIB, 4096), (192 * KIB, 65536), (256 * KIB, 65536)]
    for start, length in [*sections, (LOG_OFFSET, len(LOG))]:
        if start + length <= image.length:
            structure = image.read(start, length)
            blank = structure[:4] + bytes(4) + structure[8:]
            value = crc32c(blank)
            if value.to_bytes(4, "little") != structure[4:8]:
                image = image.patched((start + 4, value.to_bytes(4, "little")))
    return image


def _vhdx_seeds() -> list[Seed]:
    common = ((64 * KIB, 80), (128 * KIB, 80), (192 * KIB, 80), (METADATA_OFFSET, 224))
    areas = (*common, (ITEMS_OFFSET, 60), (BAT_OFFSET, 40))
    plain = Vhdx(blocks={0: (PRESENT, b"a" * MIB), 2: (ZERO_BLOCK, b"")})
    bitmap_entry = (BAT_OFFSET + 8 * CHILD.ratio, 8)
    of_child = (*areas, (ITEMS_OFFSET, 400), bitmap_entry, (LOG_OFFSET, 160), (LOG_OFFSET, 64))
    return [
        Seed(name="dynamic", content=plain.build(), areas=areas, mend=mended_vhdx),
        Seed(name="with log", content=CHILD.build(), areas=of_child, mend=mended_vhdx),
    ]


def _qcow2_seed(name: str, image: Qcow2) -> Seed:
    built = image.build()
    streams = (built.length - 4096, 4096) if image.packed else (image.l2_offset(0), 64)
    areas = ((0, 112), (0, 160), (image.l1_offset, 16), (image.l2_offset(0), 128), streams)
    return Seed(name=name, content=built, areas=areas)


def _raw_seeds() -> list[Seed]:
    noise = random.Random(5).randbytes(3000)
    return [Seed(name="raw", content=SparseBytes(1 << 16, ((0, noise), (40_000, noise))))]


def disk_targets() -> list[Target]:
    """Each reader by itself, and all of them behind detection by content."""
    vhd, vhdx = _vhd_seeds(), _vhdx_seeds()
    qcow2 = [_qcow2_seed(name, image) for name, image in QCOW2S.items()]
    vhd_parent = SparseBytes.of(VHD_PARENT.build()), "parent.vhd"
    vhdx_parent = PARENT, "parent.vhdx"
    base = SparseBytes.of(BACKING), "base.raw"

    def target(name: str, seeds: list[Seed], read: Open, *by: Parent, weight: int) -> Target:
        reading = functools.partial(read_image, read, by)
        return Target(name=name, seeds=seeds, read=reading, weight=weight)

    return [
        target("vhd", vhd, open_vhd, vhd_parent, weight=4),
        target("vhdx", vhdx, open_vhdx, vhdx_parent, weight=3),
        target("qcow2", qcow2, open_qcow2, base, weight=4),
        target("any image", [*_raw_seeds(), *vhd, *vhdx, *qcow2], _detected, weight=1),
    ]
