"""A GUID partition table with one partition: what makes a file a disk."""

import struct
import uuid
import zlib

SECTOR_BYTES = 512
PARTITION_OFFSET = 1 << 20  # the usual alignment; room for the table as well
TAIL_BYTES = 1 << 20  # the second copy of the table, rounded up

_LINUX_DATA = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
_ENTRY_COUNT, _ENTRY_BYTES = 128, 128
_ENTRIES_SECTORS = _ENTRY_COUNT * _ENTRY_BYTES // SECTOR_BYTES
_COPY_BYTES = 20480  # boot record, header and entries, rounded up to blocks of 4,096
_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")


def partition_bytes(size_bytes: int) -> int:
    """The length of the partition on a disk of `size_bytes`; it starts at `PARTITION_OFFSET`."""
    return size_bytes - PARTITION_OFFSET - TAIL_BYTES


def partition_table(
    size_bytes: int, *, disk_id: uuid.UUID, partition_id: uuid.UUID
) -> list[tuple[int, bytes]]:
    """The (offset, bytes) to write on a disk of `size_bytes`, a multiple of 1 MiB.

    Offsets and lengths are multiples of 4,096.
    """
    sectors = size_bytes // SECTOR_BYTES
    last = sectors - 1
    entries = _entries(size_bytes, partition_id)
    first = _header(1, last, 2, sectors, disk_id, entries)
    second = _header(last, 1, last - _ENTRIES_SECTORS, sectors, disk_id, entries)
    return [
        (0, (_protective_record(sectors) + first + entries).ljust(_COPY_BYTES, b"\0")),
        (size_bytes - _COPY_BYTES, (entries + second).rjust(_COPY_BYTES, b"\0")),
    ]


def _entries(size_bytes: int, partition_id: uuid.UUID) -> bytes:
    first = PARTITION_OFFSET // SECTOR_BYTES
    last = first + partition_bytes(size_bytes) // SECTOR_BYTES - 1
    name = "files".encode("utf-16-le")
    entry = struct.pack(
        "<16s16sQQQ72s", _LINUX_DATA.bytes_le, partition_id.bytes_le, first, last, 0, name
    )
    return entry.ljust(_ENTRY_COUNT * _ENTRY_BYTES, b"\0")


def _header(
    own: int, other: int, entries_sector: int, sectors: int, disk_id: uuid.UUID, entries: bytes
) -> bytes:
    usable_first = 2 + _ENTRIES_SECTORS
    usable_last = sectors - usable_first
    fields = (own, other, usable_first, usable_last, disk_id.bytes_le, entries_sector)
    tail = (_ENTRY_COUNT, _ENTRY_BYTES, zlib.crc32(entries))
    blank = _HEADER.pack(b"EFI PART", 0x10000, _HEADER.size, 0, 0, *fields, *tail)
    signed = blank[:16] + struct.pack("<I", zlib.crc32(blank)) + blank[20:]
    return signed.ljust(SECTOR_BYTES, b"\0")


def _protective_record(sectors: int) -> bytes:
    """A boot record that tells older tools that the disk is taken."""
    entry = struct.pack(
        "<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, min(sectors - 1, 2**32 - 1)
    )
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"
