"""The header and the block allocation table (BAT) of a dynamic or differencing VHD.

The table is checked as a whole when it is read: every block lies inside the file, and over no
other block and no other structure.
"""

import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imgrepl.disks.disk import SECTOR_BYTES, ByteSource, Problem
from imgrepl.disks.faults import refusal, warning
from imgrepl.disks.fields import read_field
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.vhd_footer import FOOTER_BYTES, Footer, checksum_holds, checksum_refusal
from imgrepl.errors import Invalid

HEADER_BYTES = 1024
BLOCK_BYTES_MAX = 256 << 20
TABLE_BYTES_MAX = 32 << 20
"""8 Mi blocks: 2 TiB of 256 KiB. Larger tables would only serve to exhaust memory."""

_LAYOUT = struct.Struct(">8sQQIIII16sII512s")
_CHECKSUM_OFFSET = 36
_VERSION = 0x00010000
_ABSENT = 0xFFFFFFFF


class Structure(NamedTuple):
    """Something in the file that no other thing may lie over: `[start, stop)` in bytes."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class DynamicHeader:
    """What the header says; `raw` is all of it, for the parent locators."""

    offset: int
    table_offset: int
    table_entries: int
    block_bytes: int
    parent_id: bytes
    raw: bytes
    problems: tuple[Problem, ...]

    @property
    def structures(self) -> tuple[Structure, ...]:
        """The footer's copy, the header and the table."""
        table_stop = self.table_offset + 4 * self.table_entries
        return (
            Structure("the footer's copy", 0, FOOTER_BYTES),
            Structure("the dynamic header", self.offset, self.offset + HEADER_BYTES),
            Structure("the block allocation table", self.table_offset, table_stop),
        )


class Span(NamedTuple):
    """A range of the disk inside one present block, or over any number of absent ones.

    `file_offset` is where its first byte is stored, None where it is absent; `block` is the
    present block's number.
    """

    offset: int
    length: int
    file_offset: int | None
    block: int


@dataclass(frozen=True, kw_only=True)
class BlockMap:
    """Where each block of a disk is stored. `table` holds sector numbers."""

    block_bytes: int
    table: npt.NDArray[np.uint32]

    @property
    def bitmap_bytes(self) -> int:
        """Length of the sector bitmap before each block's data: whole sectors."""
        return -(-self.block_bytes // (8 * SECTOR_BYTES * SECTOR_BYTES)) * SECTOR_BYTES

    def bitmap_offset(self, block: int) -> int:
        """Where the bitmap of a present block starts in the file."""
        return int(self.table[block]) * SECTOR_BYTES

    def present_blocks(self) -> npt.NDArray[np.intp]:
        """The numbers of all blocks that are stored, in order."""
        return np.flatnonzero(self.table != _ABSENT)

    def spans(self, offset: int, length: int) -> Iterator[Span]:
        """Cuts `[offset, offset + length)`; neighbouring absent blocks come as one span."""
        size, stop = self.block_bytes, offset + length
        first, behind = offset // size, -(-stop // size)
        window = self.table[first:behind]
        present = [0] if behind - first == 1 else np.flatnonzero(window != _ABSENT).tolist()
        for index in present:
            start = max((first + index) * size, offset)
            if offset < start:
                yield Span(offset, start - offset, None, -1)
            offset = min((first + index + 1) * size, stop)
            yield self._span(first + index, start, offset)
        if offset < stop:
            yield Span(offset, stop - offset, None, -1)

    def _span(self, block: int, start: int, stop: int) -> Span:
        sector = int(self.table[block])
        if sector == _ABSENT:
            return Span(start, stop - start, None, -1)
        data_offset = sector * SECTOR_BYTES + self.bitmap_bytes
        return Span(start, stop - start, data_offset + start - block * self.block_bytes, block)


def read_header(
    source: ByteSource, footer: Footer, data_end: int, options: OpenOptions
) -> DynamicHeader:
    """Reads and checks the header, and that the table lies inside the file.

    Raises `Invalid`: `VhdHeaderInvalid`, `VhdChecksumWrong`.
    """
    offset = footer.header_offset
    if not FOOTER_BYTES <= offset <= data_end - HEADER_BYTES:
        raise refusal(
            source,
            "VhdFooterInvalid",
            "the dynamic header's offset",
            offset=footer.offset + 16,
            value=offset,
            limit=f"the header must lie between bytes {FOOTER_BYTES} and {data_end}",
        )
    raw = read_field(source, "the dynamic header", offset, HEADER_BYTES)
    sound = checksum_holds(raw, _CHECKSUM_OFFSET)
    if not raw.startswith(b"cxsparse"):
        limit = "b'cxsparse' is expected"
        raise _invalid(source, offset, "the dynamic header's cookie", 0, raw[:8], limit)
    if not sound and not options.ignore_checksum:
        raise checksum_refusal(source, "dynamic header", offset, raw, _CHECKSUM_OFFSET)
    fields = _LAYOUT.unpack_from(raw)
    ignored = warning(source, "VhdChecksumWrong", "the header's checksum is wrong and was ignored")
    header = DynamicHeader(
        offset=offset,
        table_offset=fields[2],
        table_entries=fields[4],
        block_bytes=fields[5],
        parent_id=fields[7],
        raw=raw,
        problems=() if sound else (ignored,),
    )
    _check_fields(source, header, fields[3], data_end)
    return header


def read_block_map(
    source: ByteSource,
    header: DynamicHeader,
    size_bytes: int,
    data_end: int,
    structures: Sequence[Structure],
) -> BlockMap:
    """Reads the entries that cover `size_bytes`, and proves that no two things overlap.

    `structures` is all that lies in the file beside the blocks. Raises `Invalid`:
    `VhdTableInvalid`, `VhdBlockInvalid`.
    """
    needed = -(-size_bytes // header.block_bytes)
    if needed > header.table_entries or 4 * needed > TABLE_BYTES_MAX:
        limit = (
            f"{size_bytes} bytes in blocks of {header.block_bytes} need {needed}, and "
            f"{TABLE_BYTES_MAX // 4} is the most that is read"
        )
        name, value = "the number of table entries", header.table_entries
        raise _invalid(source, header.offset, name, 28, value, limit, "VhdTableInvalid")
    _refuse_structures_overlap(source, structures)
    raw = read_field(source, "the block allocation table", header.table_offset, 4 * needed)
    stored = np.frombuffer(raw, dtype=">u4")
    blocks = BlockMap(block_bytes=header.block_bytes, table=stored.astype(np.uint32))
    _check_blocks(source, header, blocks, data_end, structures)
    return blocks


def _check_fields(source: ByteSource, header: DynamicHeader, version: int, data_end: int) -> None:
    size = header.block_bytes
    if version >> 16 != _VERSION >> 16:
        limit, value = "1.0 can be read", f"0x{version:08x}"
        raise _invalid(source, header.offset, "the header's version", 24, value, limit)
    if not SECTOR_BYTES <= size <= BLOCK_BYTES_MAX or size & (size - 1):
        limit = f"a power of two from {SECTOR_BYTES} to {BLOCK_BYTES_MAX} can be read"
        raise _invalid(source, header.offset, "block size", 32, size, limit)
    stop = header.table_offset + 4 * header.table_entries
    if header.table_offset < FOOTER_BYTES or stop > data_end:
        value = f"{header.table_offset}, and the table has {header.table_entries} entries"
        limit = f"the table must lie between bytes {FOOTER_BYTES} and {data_end}"
        name = "the block allocation table's offset"
        raise _invalid(source, header.offset, name, 16, value, limit, "VhdTableInvalid")


def _check_blocks(
    source: ByteSource,
    header: DynamicHeader,
    blocks: BlockMap,
    data_end: int,
    structures: Sequence[Structure],
) -> None:
    present = blocks.present_blocks()
    order = present[np.argsort(blocks.table[present], kind="stable")]
    starts = blocks.table[order].astype(np.int64) * SECTOR_BYTES
    stored_bytes = blocks.bitmap_bytes + blocks.block_bytes

    def refused(position: int, limit: str) -> Invalid:
        block = int(order[position])
        return refusal(
            source,
            "VhdBlockInvalid",
            f"the table's entry for block {block}",
            offset=header.table_offset + 4 * block,
            value=f"sector {blocks.table[block]}",
            limit=f"a block takes {stored_bytes} bytes and {limit}",
        )

    if starts.size and int(starts[-1]) + stored_bytes > data_end:
        raise refused(-1, f"must end before byte {data_end}")
    for structure in structures:
        before = int(np.searchsorted(starts, structure.stop)) - 1
        if before >= 0 and int(starts[before]) + stored_bytes > structure.start:
            raise refused(before, f"this one overlaps {structure.name}")
    close = np.flatnonzero(np.diff(starts) < stored_bytes)
    if close.size:
        other = int(order[int(close[0])])
        raise refused(int(close[0]) + 1, f"this one overlaps block {other}")


def _refuse_structures_overlap(source: ByteSource, structures: Sequence[Structure]) -> None:
    in_order = sorted(structures, key=lambda structure: structure.start)
    for left, right in itertools.pairwise(in_order):
        if left.stop > right.start:
            raise Invalid(
                f"{source.name}: {right.name} (bytes {right.start} to {right.stop}) overlaps "
                f"{left.name} (bytes {left.start} to {left.stop})",
                code="VhdHeaderInvalid",
                target=source.name,
            )


def _invalid(
    source: ByteSource,
    header_offset: int,
    field: str,
    offset: int,
    value: object,
    limit: str,
    code: str = "VhdHeaderInvalid",
) -> Invalid:
    where = header_offset + offset
    return refusal(source, code, field, offset=where, value=value, limit=limit)
