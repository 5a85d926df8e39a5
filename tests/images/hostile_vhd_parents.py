"""Differencing VHDs whose parents are missing, wrong, circular or somewhere they must not be."""

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from images.seeds import DISK_BYTES, MIB, dynamic_vhd
from images.sparse import SparseBytes
from images.verdicts import HostileImage, ok, reject
from images.vhd_edits import checksum, u32

_NOBODY = b"\x11" * 16
_ESCAPES = (
    ("dotdot", "shadow", "..\\..\\..\\..\\..\\etc\\shadow", "climbs out of the folder"),
    ("dotdot-slash", "shadow", "../../../../etc/shadow", "climbs out, forward slashes"),
    ("absolute", "/etc/passwd", "/etc/passwd", "absolute path"),
    ("unc", "x.vhd", "\\\\10.0.0.1\\share\\x.vhd", "network path"),
    ("device", "sda", "\\\\.\\PhysicalDrive0", "device path"),
    ("nul", "p\0.vhd", ".\\par\0ent.vhd", "NUL in the name"),
)


@dataclass(frozen=True, kw_only=True)
class Child:
    """A differencing VHD that holds no block of its own; `locator` is a relative path."""

    identity: bytes
    parent_identity: bytes = _NOBODY
    parent_name: str
    locator: bytes
    locator_length: int | None = None

    def encoded(self) -> SparseBytes:
        footer = _footer(self.identity)
        table = b"\xff" * 512
        stored = self.locator[:512].ljust(512, b"\0")
        return SparseBytes.of(footer + self._header() + table + stored + footer)

    def _header(self) -> bytes:
        length = len(self.locator) if self.locator_length is None else self.locator_length
        blank = struct.pack(
            ">8sQQIIII16sII512s",
            b"cxsparse",
            2**64 - 1,
            1536,
            0x10000,
            DISK_BYTES // (2 * MIB),
            2 * MIB,
            0,
            self.parent_identity,
            0,
            0,
            self.parent_name.encode("utf-16-be"),
        )
        blank += struct.pack(">4sIIIQ", b"W2ru", 512, length, 0, 2048)
        blank = blank.ljust(1024, b"\0")
        return blank[:36] + u32(checksum(blank)) + blank[40:]


def hostile_children() -> Iterator[HostileImage]:
    """Every differencing VHD, and the one good parent."""
    parent = dynamic_vhd()
    parent_identity = parent.read(68, 16)
    yield ok("parent.vhd", parent, "a good parent")
    yield ok(
        "diff-good.vhd",
        _child("diff-good.vhd", "parent.vhd", parent_identity=parent_identity),
        "all blocks come from parent.vhd",
    )
    yield reject(
        "diff-wrong-id.vhd",
        _child("diff-wrong-id.vhd", "parent.vhd"),
        "parent has another identifier",
    )
    yield reject("diff-missing.vhd", _child("diff-missing.vhd", "nothere.vhd"), "parent missing")
    yield from _circles()
    yield from _escapes()
    yield from _broken_locators(parent_identity)


def _circles() -> Iterator[HostileImage]:
    a, b = _identity("a"), _identity("b")
    for own, name, other, parent, why in (
        (a, "diff-self.vhd", a, "diff-self.vhd", "its own parent"),
        (a, "diff-cycle-a.vhd", b, "diff-cycle-b.vhd", "a -> b -> a"),
        (b, "diff-cycle-b.vhd", a, "diff-cycle-a.vhd", "b -> a -> b"),
    ):
        child = Child(
            identity=own, parent_identity=other, parent_name=parent, locator=_beside(parent)
        )
        yield reject(name, child.encoded(), why)


def _escapes() -> Iterator[HostileImage]:
    for name, parent_name, locator, why in _ESCAPES:
        file_name = f"diff-{name}.vhd"
        child = Child(
            identity=_identity(file_name),
            parent_name=parent_name,
            locator=locator.encode("utf-16-le"),
        )
        yield reject(file_name, child.encoded(), why)


def _broken_locators(parent_identity: bytes) -> Iterator[HostileImage]:
    surrogate = Child(
        identity=_identity("diff-surrogate.vhd"),
        parent_name="x.vhd",
        locator=b".\0\\\0\x00\xd8.\0v\0",
    )
    yield reject("diff-surrogate.vhd", surrogate.encoded(), "lone surrogate in the name")
    for name, length, why in (
        ("diff-locator-huge.vhd", 0xFFFFFFFE, "locator length 4 GiB"),
        ("diff-locator-odd.vhd", 25, "odd UTF-16 length"),
    ):
        child = Child(
            identity=_identity(name),
            parent_identity=parent_identity,
            parent_name="parent.vhd",
            locator=_beside("parent.vhd"),
            locator_length=length,
        )
        yield reject(name, child.encoded(), why)


def _child(name: str, parent: str, parent_identity: bytes = _NOBODY) -> SparseBytes:
    return Child(
        identity=_identity(name),
        parent_identity=parent_identity,
        parent_name=parent,
        locator=_beside(parent),
    ).encoded()


def _beside(name: str) -> bytes:
    return f".\\{name}".encode("utf-16-le")


def _identity(name: str) -> bytes:
    return uuid.uuid5(uuid.NAMESPACE_URL, name).bytes


def _footer(identity: bytes) -> bytes:
    """Differencing, 8 MiB, geometry as qemu computes it for that size."""
    fields = (b"conectix", 2, 0x10000, 512, 1, b"win ", 0x000A0000, b"Wi2k", DISK_BYTES, DISK_BYTES)
    blank = struct.pack(">8sIIQI4sI4sQQHBBII16s428x", *fields, 240, 4, 17, 4, 0, identity)
    return blank[:64] + u32(checksum(blank)) + blank[68:]
