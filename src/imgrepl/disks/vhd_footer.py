"""The footer of a VHD: its kind, its size and its identity.

Integers are big-endian. A fixed VHD has one footer, in its last 512 bytes; the other kinds keep a
copy of it in the first 512. Where only one of both is sound, that one counts.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from imgrepl.disks.disk import SECTOR_BYTES, ByteSource, Problem
from imgrepl.disks.faults import refusal, warning
from imgrepl.disks.fields import read_field
from imgrepl.disks.names import printable
from imgrepl.disks.options import OpenOptions
from imgrepl.errors import Invalid

FOOTER_BYTES = 512
COOKIE = b"conectix"
DYNAMIC_BYTES_MAX = 2040 << 30
"""The largest dynamic or differencing disk: 0xFF000000 sectors."""

_LAYOUT = struct.Struct(">8sIIQI4sI4sQQHBBII16sB")
_CHECKSUM_OFFSET = 64
_VERSION = 0x00010000
_GEOMETRY_SECTORS_MAX = 65535 * 16 * 255
_SIZED_BY_GEOMETRY = (b"vpc ", b"qemu")
_SIZE_BYTES_MAX = (1 << 63) - 512


class DiskType(IntEnum):
    """The kinds of VHD that can be read."""

    FIXED = 2
    DYNAMIC = 3
    DIFFERENCING = 4


@dataclass(frozen=True, kw_only=True)
class Footer:
    """What the footer of a VHD says; `offset` is where this copy stands in the file."""

    offset: int
    disk_type: DiskType
    header_offset: int
    creator: bytes
    current_bytes: int
    geometry_bytes: int
    unique_id: bytes
    saved_state: bool


class FoundFooter(NamedTuple):
    """The footer that counts, where the data must end, and what was odd about the copies."""

    footer: Footer
    data_end: int
    problems: tuple[Problem, ...]


class _Copy(NamedTuple):
    offset: int
    content: bytes

    @property
    def is_footer(self) -> bool:
        return self.content.startswith(COOKIE)

    @property
    def is_sound(self) -> bool:
        return self.is_footer and checksum_holds(self.content, _CHECKSUM_OFFSET)


def checksum_holds(structure: bytes, field_offset: int) -> bool:
    """Whether the 32-bit sum at `field_offset` is that of the structure around it."""
    stated = structure[field_offset : field_offset + 4]
    return (sum(structure) - sum(stated)) ^ 0xFFFFFFFF == int.from_bytes(stated, "big")


def read_footer(source: ByteSource, options: OpenOptions) -> FoundFooter:
    """The footer at the end, or its copy at the start where the end has none that is sound.

    Raises `Invalid`: `VhdFooterMissing`, `VhdChecksumWrong`, `VhdFootersDiffer`,
    `VhdFooterInvalid`.
    """
    tail = _tail_copy(source)
    head = _Copy(0, read_field(source, "the footer", 0, FOOTER_BYTES))
    chosen = _choose(source, tail, head, options)
    footer = _parse(source, chosen)
    if footer.disk_type == DiskType.FIXED:
        if chosen is head and tail.offset != 0:
            raise _missing(source, "a fixed VHD has its only footer in the last 512 bytes")
        return FoundFooter(footer, tail.offset, _checksum_problems(source, chosen))
    problems = [*_checksum_problems(source, chosen)]
    if chosen is tail and head.is_sound:
        _refuse_difference(source, footer, _parse(source, head))
    elif chosen is tail:
        message = "the copy of the footer at byte 0 is damaged; the one at the end is used"
        problems.append(warning(source, "VhdHeadFooterDamaged", message))
    else:
        message = "no sound footer in the last 512 bytes; its copy at byte 0 is used"
        problems.append(warning(source, "VhdTailFooterMissing", message))
    data_end = tail.offset if chosen is tail else source.size_bytes
    return FoundFooter(footer, data_end, tuple(problems))


def disk_size(
    source: ByteSource, footer: Footer, options: OpenOptions
) -> tuple[int, tuple[Problem, ...]]:
    """The guest-visible size, and a warning where other readers would take another one.

    Raises `Invalid` (`VhdFooterInvalid`).
    """
    if options.size_from_geometry:
        size_bytes, field, offset = footer.geometry_bytes, "geometry (CHS x 512)", 56
    else:
        size_bytes, field, offset = footer.current_bytes, "current size", 48
    limit = DYNAMIC_BYTES_MAX if footer.disk_type != DiskType.FIXED else _SIZE_BYTES_MAX
    if not 0 < size_bytes <= limit or size_bytes % SECTOR_BYTES:
        raise refusal(
            source,
            "VhdFooterInvalid",
            field,
            offset=footer.offset + offset,
            value=size_bytes,
            limit=f"a {footer.disk_type.name.lower()} VHD has a multiple of {SECTOR_BYTES} "
            f"from {SECTOR_BYTES} to {limit}",
        )
    largest = footer.geometry_bytes == _GEOMETRY_SECTORS_MAX * SECTOR_BYTES <= size_bytes
    disputed = (
        footer.creator in _SIZED_BY_GEOMETRY
        and footer.geometry_bytes not in {0, size_bytes}
        and not largest
        and not options.size_from_geometry
    )
    return size_bytes, (_size_dispute(source, footer),) if disputed else ()


def _tail_copy(source: ByteSource) -> _Copy:
    """The last 512 bytes, or the last 511 with a zero: Virtual PC before 2004 wrote such files."""
    if source.size_bytes < FOOTER_BYTES:
        raise _missing(source, f"the file holds {source.size_bytes} bytes, a footer {FOOTER_BYTES}")
    offset = source.size_bytes - FOOTER_BYTES
    content = read_field(source, "the footer", offset, FOOTER_BYTES)
    if content.startswith(COOKIE, 1):
        return _Copy(offset + 1, content[1:] + b"\0")
    return _Copy(offset, content)


def _choose(source: ByteSource, tail: _Copy, head: _Copy, options: OpenOptions) -> _Copy:
    copies = (tail, head)
    for copy in copies:
        if copy.is_sound:
            return copy
    for copy in copies:
        if copy.is_footer and options.ignore_checksum:
            return copy
        if copy.is_footer:
            raise checksum_refusal(source, "footer", copy.offset, copy.content, _CHECKSUM_OFFSET)
    raise _missing(source, "neither the last nor the first 512 bytes start with 'conectix'")


def checksum_refusal(
    source: ByteSource, name: str, offset: int, structure: bytes, field_offset: int
) -> Invalid:
    """Says that the sum at `field_offset` is not that of the `structure`, read from `offset`."""
    stated = structure[field_offset : field_offset + 4]
    return refusal(
        source,
        "VhdChecksumWrong",
        f"the {name}'s checksum",
        offset=offset + field_offset,
        value=f"0x{stated.hex()}",
        limit=f"its bytes give 0x{(sum(structure) - sum(stated)) ^ 0xFFFFFFFF:08x}",
        hint="fetch the image again; --ignore-checksum reads on at your own risk",
    )


def _checksum_problems(source: ByteSource, copy: _Copy) -> tuple[Problem, ...]:
    if copy.is_sound:
        return ()
    return (warning(source, "VhdChecksumWrong", "the footer's checksum is wrong and was ignored"),)


def _parse(source: ByteSource, copy: _Copy) -> Footer:
    fields = _LAYOUT.unpack_from(copy.content)
    version, disk_type = fields[2], fields[13]
    if version >> 16 != _VERSION >> 16:
        raise _invalid(source, copy, "version", 12, f"0x{version:08x}", "1.0 can be read")
    if disk_type not in tuple(DiskType):
        limit = "2 (fixed), 3 (dynamic) and 4 (differencing) can be read"
        raise _invalid(source, copy, "disk type", 60, disk_type, limit)
    cylinders, heads, sectors = fields[10:13]
    return Footer(
        offset=copy.offset,
        disk_type=DiskType(disk_type),
        header_offset=fields[3],
        creator=fields[5],
        current_bytes=fields[9],
        geometry_bytes=cylinders * heads * sectors * SECTOR_BYTES,
        unique_id=fields[15],
        saved_state=fields[16] != 0,
    )


def _refuse_difference(source: ByteSource, tail: Footer, head: Footer) -> None:
    for field in ("disk_type", "current_bytes", "unique_id", "header_offset"):
        at_tail, at_head = getattr(tail, field), getattr(head, field)
        if at_tail != at_head:
            shown = [v.hex() if isinstance(v, bytes) else v for v in (at_head, at_tail)]
            raise Invalid(
                f"{source.name}: both footers are sound but differ in {field.replace('_', ' ')}: "
                f"{shown[0]} at byte 0, {shown[1]} at byte {tail.offset}",
                code="VhdFootersDiffer",
                target=source.name,
                hint="the writer stopped half-way; repair the image where it was made",
            )


def _size_dispute(source: ByteSource, footer: Footer) -> Problem:
    return warning(
        source,
        "VhdSizeDisputed",
        f"creator {printable(footer.creator.decode('latin-1'))!r} sizes disks by geometry, "
        f"{footer.geometry_bytes} bytes; the current size, {footer.current_bytes} bytes, is "
        "used; --size-from=geometry takes the other",
    )


def _invalid(
    source: ByteSource, copy: _Copy, field: str, offset: int, value: object, limit: str
) -> Invalid:
    where = copy.offset + offset
    return refusal(source, "VhdFooterInvalid", field, offset=where, value=value, limit=limit)


def _missing(source: ByteSource, why: str) -> Invalid:
    return Invalid(
        f"{source.name}: no VHD footer: {why}",
        code="VhdFooterMissing",
        target=source.name,
        hint="the image is cut short or no VHD; fetch it again",
    )
