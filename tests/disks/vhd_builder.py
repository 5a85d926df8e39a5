"""Builds VHDs field by field, so that a test can put anything anywhere."""

import struct
from dataclasses import dataclass, field

SECTOR = 512
ABSENT = 0xFFFFFFFF
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
HEADER_OFFSET = 512
TABLE_OFFSET = 1536


def with_checksum(structure: bytes, at: int) -> bytes:
    blank = structure[:at] + bytes(4) + structure[at + 4 :]
    return blank[:at] + struct.pack(">I", ~sum(blank) & 0xFFFFFFFF) + blank[at + 4 :]


def footer(
    size: int,
    kind: int,
    *,
    identity: bytes = b"\x01" * 16,
    creator: bytes = b"win ",
    geometry: tuple[int, int, int] = (0, 0, 0),
    saved: int = 0,
    header_offset: int | None = None,
) -> bytes:
    if header_offset is None:
        header_offset = (1 << 64) - 1 if kind == FIXED else HEADER_OFFSET
    packed = struct.pack(
        ">8sIIQI4sI4sQQHBBII16sB427x",
        b"conectix",
        2,
        0x10000,
        header_offset,
        0,
        creator,
        0xA0000,
        b"Wi2k",
        size,
        size,
        *geometry,
        kind,
        0,
        identity,
        saved,
    )
    return with_checksum(packed, 64)


def fixed_vhd(content: bytes, **fields: object) -> bytes:
    return content + footer(len(content), FIXED, **fields)  # type: ignore[arg-type]


@dataclass
class Vhd:
    """A dynamic or differencing VHD to be.

    `blocks`: number → (bitmap, data), stored in this order. `locators`: (platform, bytes).
    """

    size: int
    block_bytes: int = 4096
    kind: int = DYNAMIC
    blocks: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    identity: bytes = b"\x01" * 16
    parent_identity: bytes = bytes(16)
    parent_name: str = ""
    locators: list[tuple[bytes, bytes]] = field(default_factory=list)
    gap_sectors: int = 0

    @property
    def entries(self) -> int:
        return -(-self.size // self.block_bytes)

    @property
    def bitmap_bytes(self) -> int:
        return -(-self.block_bytes // 4096 // SECTOR) * SECTOR or SECTOR

    def build(self) -> bytes:
        at = TABLE_OFFSET + -(-4 * self.entries // SECTOR) * SECTOR
        described, stored = b"", b""
        for platform, content in self.locators:
            described += struct.pack(">4sIIIQ", platform, SECTOR, len(content), 0, at)
            stored += content.ljust(SECTOR, b"\0")
            at += SECTOR
        table = [ABSENT] * self.entries
        for block, (bitmap, data) in self.blocks.items():
            assert len(data) == self.block_bytes
            stored += bytes(self.gap_sectors * SECTOR)
            table[block] = at // SECTOR + self.gap_sectors
            stored += bitmap.ljust(self.bitmap_bytes, b"\0") + data
            at += (self.gap_sectors * SECTOR) + self.bitmap_bytes + self.block_bytes
        foot = footer(self.size, self.kind, identity=self.identity)
        packed = struct.pack(f">{self.entries}I", *table)
        padded = packed.ljust(-(-len(packed) // SECTOR) * SECTOR, b"\xff")
        return foot + self._header(described) + padded + stored + foot

    def _header(self, described: bytes) -> bytes:
        packed = struct.pack(
            ">8sQQIIII16sII512s",
            b"cxsparse",
            (1 << 64) - 1,
            TABLE_OFFSET,
            0x10000,
            self.entries,
            self.block_bytes,
            0,
            self.parent_identity,
            0,
            0,
            self.parent_name.encode("utf-16-be"),
        )
        return with_checksum((packed + described).ljust(1024, b"\0"), 36)


def patched(image: bytes, offset: int, value: bytes) -> bytes:
    return image[:offset] + value + image[offset + len(value) :]


def patched_header(image: bytes, offset: int, value: bytes) -> bytes:
    """Changes the dynamic header and mends its checksum."""
    start, stop = HEADER_OFFSET, HEADER_OFFSET + 1024
    header = with_checksum(patched(image[start:stop], offset, value), 36)
    return image[:start] + header + image[stop:]


def patched_footers(image: bytes, offset: int, value: bytes) -> bytes:
    """Changes every copy of the footer and mends their checksums."""
    for start in {0, len(image) - SECTOR}:
        copy = image[start : start + SECTOR]
        if copy.startswith(b"conectix"):
            copy = with_checksum(patched(copy, offset, value), 64)
            image = image[:start] + copy + image[start + SECTOR :]
    return image
