"""The fixed parts of a VHD file: footer, dynamic header, geometry, checksum."""

import struct
from typing import NamedTuple

SECTOR_BYTES = 512
FOOTER_BYTES = 512
DYNAMIC_HEADER_BYTES = 1024
FIXED, DYNAMIC = 2, 3
DYNAMIC_DISK_BYTES_MAX = 2040 << 30

_VHD_EPOCH_SECONDS = 946_684_800  # 2000-01-01 UTC; VHD counts from there, in 32 bits
_ALL_ONES = 2**64 - 1
_FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427x")
_HEADER = struct.Struct(">8sQQIIII16sII512s192s256x")
_FOOTER_CHECKSUM_AT, _HEADER_CHECKSUM_AT = 64, 36


class Geometry(NamedTuple):
    """Cylinders, heads, sectors per track: kept for the BIOS, rounded down, never the size."""

    cylinders: int
    heads: int
    sectors_per_track: int


def geometry(size_bytes: int) -> Geometry:
    """The geometry that the VHD specification computes for a disk of this size."""
    sectors = min(size_bytes // SECTOR_BYTES, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        return Geometry(sectors // 255 // 16, 16, 255)
    tracks = sectors // 17
    heads, per_track = max(4, (tracks + 1023) // 1024), 17
    if tracks >= heads * 1024 or heads > 16:
        heads, per_track = 16, 31
        tracks = sectors // per_track
    if tracks >= heads * 1024:
        heads, per_track = 16, 63
        tracks = sectors // per_track
    return Geometry(tracks // heads, heads, per_track)


def checksum(structure: bytes) -> int:
    """One's complement of the sum of all bytes; the checksum field itself must be zero."""
    return ~sum(structure) & 0xFFFF_FFFF


def footer(disk_type: int, size_bytes: int, *, identity: bytes, created_seconds: int) -> bytes:
    """512 bytes; a dynamic disk's also stands at the start of the file.

    Creator `win `: qemu before 10 sizes a disk by its geometry for every creator that it does not
    know, and the geometry describes less than the disk.
    """
    cylinders, heads, per_track = geometry(size_bytes)
    stamp = min(max(created_seconds - _VHD_EPOCH_SECONDS, 0), 2**32 - 1)
    blank = _FOOTER.pack(
        b"conectix",
        2,  # the reserved feature bit, always set
        0x0001_0000,
        _ALL_ONES if disk_type == FIXED else FOOTER_BYTES,
        stamp,
        b"win ",
        0x000A_0000,
        b"Wi2k",
        size_bytes,
        size_bytes,
        cylinders,
        heads,
        per_track,
        disk_type,
        0,
        identity,
        0,
    )
    return _with_checksum(blank, _FOOTER_CHECKSUM_AT)


def dynamic_header(*, table_offset: int, table_entries: int, block_bytes: int) -> bytes:
    """1,024 bytes: where the block allocation table lies and how it is cut. No parent."""
    blank = _HEADER.pack(
        b"cxsparse",
        _ALL_ONES,
        table_offset,
        0x0001_0000,
        table_entries,
        block_bytes,
        0,
        bytes(16),
        0,
        0,
        b"",
        b"",
    )
    return _with_checksum(blank, _HEADER_CHECKSUM_AT)


def _with_checksum(blank: bytes, at: int) -> bytes:
    return blank[:at] + struct.pack(">I", checksum(blank)) + blank[at + 4 :]
