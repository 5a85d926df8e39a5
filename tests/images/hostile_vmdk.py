"""VMDKs whose descriptors reach for other files and whose tables cannot be."""

import struct
from collections.abc import Iterator

from images.seed_vmdk import vmdk
from images.sparse import SparseBytes
from images.verdicts import HostileImage, reject

_CAPACITY, _GRAIN_SECTORS, _TABLE_ENTRIES, _REDUNDANT_DIRECTORY, _DIRECTORY = 12, 20, 44, 48, 56
_NO_PARENT = "ffffffff"


def hostile_vmdks() -> Iterator[HostileImage]:
    """Every VMDK."""
    yield from _descriptors()
    yield from _sparse(vmdk())


def _descriptors() -> Iterator[HostileImage]:
    for name, extent, why in (
        ("abs", "/etc/passwd", "extent is an absolute path"),
        ("dotdot", "../../../../etc/shadow", "extent climbs out"),
        ("missing", "nothere-flat.vmdk", "extent missing"),
    ):
        yield reject(f"m-extent-{name}.vmdk", _descriptor(extent), why)
    child = _descriptor(
        "parent.vhd", parent_cid="12345678", hint='parentFileNameHint="../../etc/shadow"\n'
    )
    yield reject("m-parent-dotdot.vmdk", child, "parent climbs out")


def _descriptor(extent: str, parent_cid: str = _NO_PARENT, hint: str = "") -> SparseBytes:
    text = (
        f"# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID={parent_cid}\n"
        f'createType="monolithicFlat"\n{hint}RW 16384 FLAT "{extent}" 0\n'
    )
    return SparseBytes.of(text.encode())


def _sparse(seed: SparseBytes) -> Iterator[HostileImage]:
    far = _u64(1 << 40)
    for name, edits, why in (
        ("capacity-huge", [(_CAPACITY, _u64(2**62))], "capacity overflows"),
        ("grain-0", [(_GRAIN_SECTORS, _u64(0))], "grain size 0"),
        ("gtes-0", [(_TABLE_ENTRIES, _u32(0))], "no entries per grain table"),
        ("gtes-huge", [(_TABLE_ENTRIES, _u32(0x7FFFFFFF))], "grain table of 8 GiB"),
        (
            "gd-eof",
            [(_REDUNDANT_DIRECTORY, far), (_DIRECTORY, far)],
            "grain directory past the end",
        ),
    ):
        yield reject(f"m-{name}.vmdk", seed.patched(*edits), why)
    yield reject("m-cut.vmdk", seed.first(-200_000), "grains past the end")


def _u32(value: int) -> bytes:
    return struct.pack("<I", value)


def _u64(value: int) -> bytes:
    return struct.pack("<Q", value)
