"""The metadata region of a VHDX: sizes, sectors and the parent."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from imgrepl.disks.disk import ByteSource
from imgrepl.disks.fields import damaged, over_limit, read_field, unsupported
from imgrepl.disks.vhdx_header import MIB, Region

_TABLE_BYTES = 64 * 1024
_TABLE = struct.Struct("<8sHH20s")
_ENTRY = struct.Struct("<16sIIII")
_ENTRIES_MAX = 2047
_ITEM_BYTES_MAX = MIB
_USER_ITEM = 1
_REQUIRED_ITEM = 4

_FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
_DISK_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
_LOGICAL_SECTOR = UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
_PHYSICAL_SECTOR = UUID("cda348c7-445d-4471-9cc9-e9885251c556")
_DISK_ID = UUID("beca12ab-b2e6-4523-93ef-c309e000c746")
_PARENT_LOCATOR = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
_ITEM_BYTES = {
    _FILE_PARAMETERS: 8,
    _DISK_SIZE: 8,
    _LOGICAL_SECTOR: 4,
    _PHYSICAL_SECTOR: 4,
    _DISK_ID: 16,
}

_LOCATOR = struct.Struct("<16sHH")
_LOCATOR_ENTRY = struct.Struct("<IIHH")
_LOCATOR_KEYS_MAX = 64
_LOCATOR_TYPE = UUID("b04aefb7-d19e-4a81-b789-25b8e9445913")

_LEAVE_ALLOCATED = 1
_HAS_PARENT = 2
_DISK_BYTES_MAX = 64 << 40
_BLOCK_BYTES_MIN, _BLOCK_BYTES_MAX = MIB, 256 * MIB


class _Item(NamedTuple):
    offset: int
    length: int


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What the items say. `parent_locator` is empty unless `has_parent`."""

    disk_bytes: int
    block_bytes: int
    logical_sector_bytes: int
    fixed: bool
    has_parent: bool
    parent_locator: Mapping[str, str] = field(default_factory=dict)


def read_metadata(source: ByteSource, region: Region) -> Metadata:
    """The metadata in `region`, every value within the limits of the format.

    Raises `Invalid` (`ImageDamaged`, `ImageFeatureUnsupported`, `ImageLimitExceeded`).
    """
    items = _listed_items(source, region)
    block_bytes, flags = _numbers(source, items, _FILE_PARAMETERS, "file parameters", "<II")
    (disk_bytes,) = _numbers(source, items, _DISK_SIZE, "virtual disk size", "<Q")
    (sector_bytes,) = _numbers(source, items, _LOGICAL_SECTOR, "logical sector size", "<I")
    _check_sizes(source, block_bytes, disk_bytes, sector_bytes)
    has_parent = bool(flags & _HAS_PARENT)
    return Metadata(
        disk_bytes=disk_bytes,
        block_bytes=block_bytes,
        logical_sector_bytes=sector_bytes,
        fixed=bool(flags & _LEAVE_ALLOCATED),
        has_parent=has_parent,
        parent_locator=_read_locator(source, items) if has_parent else {},
    )


def _listed_items(source: ByteSource, region: Region) -> dict[UUID, _Item]:
    table = read_field(source, "VHDX metadata table", region.offset, _TABLE_BYTES)
    mark, _, count, _ = _TABLE.unpack_from(table)
    if mark != b"metadata":
        raise damaged(source, f"VHDX metadata table at {region.offset} begins with {mark!r}")
    if count > _ENTRIES_MAX:
        raise damaged(source, f"VHDX metadata table lists {count} items, limit {_ENTRIES_MAX}")
    items: dict[UUID, _Item] = {}
    for number in range(count):
        raw_id, offset, length, flags, _ = _ENTRY.unpack_from(
            table, _TABLE.size + number * _ENTRY.size
        )
        item_id = UUID(bytes_le=raw_id)
        if flags & _USER_ITEM or (item_id not in _ITEM_BYTES and item_id != _PARENT_LOCATOR):
            if flags & _REQUIRED_ITEM:
                raise unsupported(source, f"VHDX metadata item {item_id} is required, not known")
            continue
        if item_id in items:
            raise damaged(source, f"VHDX metadata item {item_id} is listed twice")
        _check_item(source, region, item_id, offset, length)
        items[item_id] = _Item(region.offset + offset, length)
    return items


def _check_item(
    source: ByteSource, region: Region, item_id: UUID, offset: int, length: int
) -> None:
    wanted = _ITEM_BYTES.get(item_id, length)
    if length != wanted or length > _ITEM_BYTES_MAX:
        raise damaged(
            source,
            f"VHDX metadata item {item_id} has {length} bytes, "
            f"not {wanted if length != wanted else f'at most {_ITEM_BYTES_MAX}'}",
        )
    if offset < _TABLE_BYTES or offset + length > region.length:
        raise damaged(
            source,
            f"VHDX metadata item {item_id} lies at {offset} with {length} bytes, outside of "
            f"[{_TABLE_BYTES}, {region.length}) of its region",
        )


def _numbers(
    source: ByteSource, items: Mapping[UUID, _Item], item_id: UUID, name: str, layout: str
) -> tuple[int, ...]:
    item = items.get(item_id)
    if item is None:
        raise damaged(source, f"VHDX metadata lacks the {name} ({item_id})")
    return struct.unpack(layout, read_field(source, f"VHDX {name}", *item))


def _check_sizes(source: ByteSource, block_bytes: int, disk_bytes: int, sector_bytes: int) -> None:
    power_of_two = block_bytes & (block_bytes - 1) == 0
    if not power_of_two or not _BLOCK_BYTES_MIN <= block_bytes <= _BLOCK_BYTES_MAX:
        raise damaged(
            source,
            f"VHDX block size is {block_bytes}, not a power of two from {_BLOCK_BYTES_MIN} "
            f"to {_BLOCK_BYTES_MAX}",
        )
    if sector_bytes not in {512, 4096}:
        raise damaged(source, f"VHDX logical sector size is {sector_bytes}, not 512 or 4096")
    if disk_bytes > _DISK_BYTES_MAX:
        raise over_limit(
            source, f"VHDX virtual disk size is {disk_bytes}, the limit is {_DISK_BYTES_MAX}"
        )
    if disk_bytes == 0 or disk_bytes % sector_bytes:
        raise damaged(
            source,
            f"VHDX virtual disk size is {disk_bytes}, not a positive multiple of its sector size "
            f"{sector_bytes}",
        )


def _read_locator(source: ByteSource, items: Mapping[UUID, _Item]) -> dict[str, str]:
    item = items.get(_PARENT_LOCATOR)
    if item is None:
        raise damaged(
            source,
            f"VHDX file parameters have the flag {_HAS_PARENT}, a parent, but there is no parent "
            f"locator ({_PARENT_LOCATOR})",
        )
    content = read_field(source, "VHDX parent locator", *item)
    if len(content) < _LOCATOR.size:
        raise damaged(source, f"VHDX parent locator has {len(content)} bytes, not {_LOCATOR.size}")
    raw_type, _, count = _LOCATOR.unpack_from(content)
    if UUID(bytes_le=raw_type) != _LOCATOR_TYPE:
        raise unsupported(
            source, f"VHDX parent locator has type {UUID(bytes_le=raw_type)}, not {_LOCATOR_TYPE}"
        )
    if count > _LOCATOR_KEYS_MAX or _LOCATOR.size + count * _LOCATOR_ENTRY.size > len(content):
        raise damaged(
            source,
            f"VHDX parent locator of {len(content)} bytes lists {count} keys, the limit is "
            f"{_LOCATOR_KEYS_MAX}",
        )
    pairs: dict[str, str] = {}
    for number in range(count):
        key_offset, value_offset, key_bytes, value_bytes = _LOCATOR_ENTRY.unpack_from(
            content, _LOCATOR.size + number * _LOCATOR_ENTRY.size
        )
        key = _text(source, content, "key", key_offset, key_bytes)
        if key in pairs:
            raise damaged(source, f"VHDX parent locator has the key {key!r} twice")
        pairs[key] = _text(source, content, f"value of {key!r}", value_offset, value_bytes)
    return pairs


def _text(source: ByteSource, content: bytes, what: str, offset: int, length: int) -> str:
    if offset + length > len(content) or length == 0:
        raise damaged(
            source,
            f"VHDX parent locator: {what} at {offset} has {length} bytes, the locator has "
            f"{len(content)}",
        )
    try:
        return content[offset : offset + length].decode("utf-16-le")
    except UnicodeDecodeError as fault:
        raise damaged(source, f"VHDX parent locator: {what} at {offset} is no UTF-16") from fault
