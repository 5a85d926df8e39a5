"""The smallest good VHDX of the seed disk, and the checksum its structures carry."""

import struct
import uuid
from typing import Final

from images.seeds import DISK_BYTES, KIB, MIB, seed_disk
from images.sparse import SparseBytes

BAT_GUID: Final = uuid.UUID("2dc27766-f623-4200-9d64-115e9bfd4a08").bytes_le
METADATA_GUID: Final = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
BAT_OFFSET: Final = 2 * MIB
METADATA_OFFSET: Final = 3 * MIB


def vhdx() -> SparseBytes:
    """Dynamic, blocks of 1 MiB: log at 1 MiB, BAT at 2, metadata at 3, payload from 4."""
    disk = seed_disk()
    present = [index for index in range(8) if any(disk.read(index * MIB, MIB))]
    bat = [0] * 8
    for place, index in enumerate(present):
        bat[index] = (4 + place) << 20 | 6
    pieces = [
        (0, b"vhdxfile" + "imgrepl tests".encode("utf-16-le")),
        (64 * KIB, _header(sequence=1)),
        (128 * KIB, _header(sequence=2)),
        (192 * KIB, _regions()),
        (256 * KIB, _regions()),
        (BAT_OFFSET, struct.pack("<8Q", *bat)),
        (METADATA_OFFSET, _metadata()),
    ]
    for place, index in enumerate(present):
        pieces.append(((4 + place) * MIB, disk.read(index * MIB, MIB)))
    return SparseBytes((4 + len(present)) * MIB, tuple(pieces))


def _header(sequence: int) -> bytes:
    file_write, data_write = (
        uuid.uuid5(uuid.NAMESPACE_URL, f"imgrepl-seed:{kind}").bytes_le for kind in ("file", "data")
    )
    fields = (b"head", 0, sequence, file_write, data_write, bytes(16), 0, 1, MIB, MIB)
    return with_crc32c(struct.pack("<4sIQ16s16s16sHHIQ", *fields).ljust(4 * KIB, b"\0"))


def _regions() -> bytes:
    table = struct.pack("<4sIII", b"regi", 0, 2, 0)
    table += struct.pack("<16sQII", BAT_GUID, BAT_OFFSET, MIB, 1)
    table += struct.pack("<16sQII", METADATA_GUID, METADATA_OFFSET, MIB, 1)
    return with_crc32c(table.ljust(64 * KIB, b"\0"))


def _metadata() -> bytes:
    is_virtual_disk, is_required = 2, 4
    disk_id = uuid.uuid5(uuid.NAMESPACE_URL, "imgrepl-seed:disk").bytes_le
    items = [
        ("caa16737-fa36-4d43-b3b6-33f0aa44e76b", struct.pack("<II", MIB, 0), is_required),
        ("2fa54224-cd1b-4876-b211-5dbed83bf4b8", struct.pack("<Q", DISK_BYTES), 6),
        ("8141bf1d-a96f-4709-ba47-f233a8faab5f", struct.pack("<I", 512), 6),
        ("cda348c7-445d-4471-9cc9-e9885251c556", struct.pack("<I", 4096), 6),
        ("beca12ab-b2e6-4523-93ef-c309e000c746", disk_id, is_virtual_disk | is_required),
    ]
    table = struct.pack("<8sHH20x", b"metadata", 0, len(items))
    values = b""
    for guid, value, flags in items:
        entry = (uuid.UUID(guid).bytes_le, 64 * KIB + len(values), len(value), flags)
        table += struct.pack("<16sIII4x", *entry)
        values += value
    return table.ljust(64 * KIB, b"\0") + values


def with_crc32c(structure: bytes) -> bytes:
    """A VHDX structure with its checksum, bytes 4 to 7, set right."""
    blank = structure[:4] + bytes(4) + structure[8:]
    return blank[:4] + struct.pack("<I", crc32c(blank)) + blank[8:]


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), byte by byte: slow and plain, to check faster ones against."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC32C_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def _crc32c_entry(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value


_CRC32C_TABLE = tuple(_crc32c_entry(value) for value in range(256))
