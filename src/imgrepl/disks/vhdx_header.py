"""The first mebibyte of a VHDX: file identifier, two headers, two region tables."""

import struct
from dataclasses import dataclass
from uuid import UUID

from imgrepl.disks.crc32c import crc32c
from imgrepl.disks.disk import ByteSource
from imgrepl.disks.fields import damaged, past_the_end, read_field, unsupported

MIB = 1024 * 1024
HEADER_SECTION_BYTES = MIB

_IDENTIFIER = b"vhdxfile"
_HEADER_OFFSETS = (64 * 1024, 128 * 1024)
_HEADER_BYTES = 4096
_HEADER = struct.Struct("<4sIQ16s16s16sHHIQ")
_REGION_TABLE_OFFSETS = (192 * 1024, 256 * 1024)
_REGION_TABLE_BYTES = 64 * 1024
_REGION_TABLE = struct.Struct("<4sIII")
_REGION_ENTRY = struct.Struct("<16sQII")
_REGIONS_MAX = 2047

_BAT_REGION = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
_METADATA_REGION = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the current of the two headers says."""

    sequence: int
    data_write_id: UUID
    log_id: UUID | None
    """None when nothing is to be replayed."""
    log_offset: int
    log_bytes: int


@dataclass(frozen=True, kw_only=True)
class Region:
    """A part of the file that belongs to one structure."""

    name: str
    offset: int
    length: int


@dataclass(frozen=True, kw_only=True)
class Regions:
    """Where the two structures lie that every VHDX has; `others` are not needed for reading."""

    bat: Region
    metadata: Region
    others: tuple[Region, ...]


def read_header(source: ByteSource) -> Header:
    """The valid header with the higher sequence number.

    Raises `Invalid` (`ImageTruncated`, `ImageDamaged`, `ImageFeatureUnsupported`).
    """
    if source.size_bytes < HEADER_SECTION_BYTES:
        raise past_the_end(source, "VHDX header section", 0, HEADER_SECTION_BYTES)
    identifier = read_field(source, "VHDX file identifier", 0, len(_IDENTIFIER))
    if identifier != _IDENTIFIER:
        raise damaged(source, f"VHDX file identifier at 0 is {identifier!r}, not {_IDENTIFIER!r}")
    current = _current_header(source)
    _, _, sequence, _, data_write, log, log_version, version, length, offset = _HEADER.unpack_from(
        current
    )
    if version != 1:
        raise unsupported(source, f"VHDX header version is {version}, only 1 is known")
    if log_version != 0:
        raise unsupported(source, f"VHDX log version is {log_version}, only 0 is known")
    header = Header(
        sequence=sequence,
        data_write_id=UUID(bytes_le=data_write),
        log_id=UUID(bytes_le=log) if any(log) else None,
        log_offset=offset,
        log_bytes=length,
    )
    if header.log_id or length:
        _check_region(source, log_region(header))
    return header


def log_region(header: Header) -> Region:
    """The log as a region of the file."""
    return Region(name="log", offset=header.log_offset, length=header.log_bytes)


def read_regions(source: ByteSource) -> Regions:
    """The regions that the first valid region table lists; two valid ones must agree.

    Raises `Invalid` (`ImageDamaged`, `ImageTruncated`, `ImageFeatureUnsupported`).
    """
    tables = [
        table
        for offset in _REGION_TABLE_OFFSETS
        if (table := _checked(source, "region table", offset, _REGION_TABLE_BYTES, b"regi"))
    ]
    if not tables:
        raise damaged(
            source,
            f"VHDX region tables at {_REGION_TABLE_OFFSETS[0]} and {_REGION_TABLE_OFFSETS[1]} "
            "both lack their mark or have a wrong checksum",
        )
    listed = [_listed_regions(source, table) for table in tables]
    if listed[0] != listed[-1]:
        raise damaged(source, "VHDX region tables are both valid, but list different regions")
    regions = listed[0]
    for region_id, name in (
        (_BAT_REGION, "block allocation table"),
        (_METADATA_REGION, "metadata"),
    ):
        if region_id not in regions:
            raise damaged(source, f"VHDX region table lists no {name} region")
    return Regions(
        bat=regions.pop(_BAT_REGION),
        metadata=regions.pop(_METADATA_REGION),
        others=tuple(regions.values()),
    )


def _current_header(source: ByteSource) -> bytes:
    headers = [
        header
        for offset in _HEADER_OFFSETS
        if (header := _checked(source, "header", offset, _HEADER_BYTES, b"head"))
    ]
    if not headers:
        raise damaged(
            source,
            f"VHDX headers at {_HEADER_OFFSETS[0]} and {_HEADER_OFFSETS[1]} both lack their mark "
            "or have a wrong checksum",
        )
    if _sequence(headers[0]) == _sequence(headers[-1]) and headers[0] != headers[-1]:
        raise damaged(
            source,
            f"VHDX headers both have sequence number {_sequence(headers[0])}, but differ",
        )
    return max(headers, key=_sequence)


def _sequence(header: bytes) -> int:
    return int.from_bytes(header[8:16], "little")


def _checked(source: ByteSource, name: str, offset: int, length: int, mark: bytes) -> bytes | None:
    """The structure at `offset`, or None when its mark or checksum is wrong."""
    content = read_field(source, f"VHDX {name}", offset, length)
    stored = int.from_bytes(content[4:8], "little")
    if content[:4] != mark or crc32c(content[:4] + bytes(4) + content[8:]) != stored:
        return None
    return content


def _listed_regions(source: ByteSource, table: bytes) -> dict[UUID, Region]:
    count = _REGION_TABLE.unpack_from(table)[2]
    if count > _REGIONS_MAX:
        raise damaged(
            source, f"VHDX region table lists {count} regions, the limit is {_REGIONS_MAX}"
        )
    regions: dict[UUID, Region] = {}
    for number in range(count):
        raw_id, offset, length, flags = _REGION_ENTRY.unpack_from(
            table, _REGION_TABLE.size + number * _REGION_ENTRY.size
        )
        region_id = UUID(bytes_le=raw_id)
        if region_id in regions:
            raise damaged(source, f"VHDX region {region_id} is listed twice")
        if flags & 1 and region_id not in {_BAT_REGION, _METADATA_REGION}:
            raise unsupported(source, f"VHDX region {region_id} is required, but not known")
        regions[region_id] = Region(name=f"region {region_id}", offset=offset, length=length)
        _check_region(source, regions[region_id])
    return regions


def _check_region(source: ByteSource, region: Region) -> None:
    for field, value in (("offset", region.offset), ("length", region.length)):
        if value % MIB or value < MIB:
            raise damaged(
                source,
                f"VHDX {region.name}: {field} is {value}, not a positive multiple of {MIB}",
            )
    if region.offset + region.length > source.size_bytes:
        raise past_the_end(source, f"VHDX {region.name}", region.offset, region.length)
