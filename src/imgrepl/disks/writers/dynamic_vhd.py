"""Dynamic VHD: blocks of 2 MiB in order of arrival, found through a table."""

import sys
from array import array
from threading import Lock

from imgrepl.disks.writers import vhd_layout
from imgrepl.disks.writers.part_file import PartFile

BLOCK_BYTES = 2 << 20
_BITMAP_BYTES = BLOCK_BYTES // 4096  # a bit per sector, one sector in all
_FULL_BITMAP = b"\xff" * _BITMAP_BYTES
_TABLE_OFFSET = vhd_layout.FOOTER_BYTES + vhd_layout.DYNAMIC_HEADER_BYTES
_ABSENT = 0xFFFF_FFFF
_ALIGNMENT = 4096


class DynamicVhdWriter:
    """Writes a dynamic VHD.

    A block takes room when its first byte arrives. Its bitmap says that all of it was written, as
    what never was reads as zeros anyway. A block's data, not its bitmap, starts at a multiple of
    4,096 in the file, as Windows lays them out: guest blocks and file system blocks coincide, so
    zero blocks stay holes.
    """

    def __init__(
        self, part: PartFile, size_bytes: int, *, identity: bytes, created_seconds: int
    ) -> None:
        self._part = part
        self._footer = vhd_layout.footer(
            vhd_layout.DYNAMIC, size_bytes, identity=identity, created_seconds=created_seconds
        )
        block_count = -(-size_bytes // BLOCK_BYTES)
        self._bitmap_sectors = array("I", [_ABSENT]) * block_count
        self._end = _round_up(_TABLE_OFFSET + 4 * block_count, vhd_layout.SECTOR_BYTES)
        self._lock = Lock()

    def write(self, offset: int, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            block, inside = divmod(offset, BLOCK_BYTES)
            piece = view[: BLOCK_BYTES - inside]
            self._part.write(self._data_offset(block) + inside, piece)
            offset += len(piece)
            view = view[len(piece) :]

    def finish(self) -> None:
        header = vhd_layout.dynamic_header(
            table_offset=_TABLE_OFFSET,
            table_entries=len(self._bitmap_sectors),
            block_bytes=BLOCK_BYTES,
        )
        self._part.set_length(self._end)  # the last block is stored whole
        self._part.write(0, self._footer + header + self._table())
        self._part.write(self._end, self._footer)
        self._part.publish()

    def abort(self) -> None:
        self._part.discard()

    def _data_offset(self, block: int) -> int:
        with self._lock:
            sector = self._bitmap_sectors[block]
            if sector == _ABSENT:
                sector = self._bitmap_sectors[block] = self._allocate()
        return sector * vhd_layout.SECTOR_BYTES + _BITMAP_BYTES

    def _allocate(self) -> int:
        """Room for a bitmap and a block at the end of the file; the bitmap's sector number."""
        data_offset = _round_up(self._end + _BITMAP_BYTES, _ALIGNMENT)
        self._part.write(data_offset - _BITMAP_BYTES, _FULL_BITMAP)
        self._end = data_offset + BLOCK_BYTES
        return (data_offset - _BITMAP_BYTES) // vhd_layout.SECTOR_BYTES

    def _table(self) -> bytes:
        table = array("I", self._bitmap_sectors)
        if sys.byteorder == "little":
            table.byteswap()
        padded = _round_up(4 * len(table), vhd_layout.SECTOR_BYTES)
        return table.tobytes().ljust(padded, b"\xff")


def file_bytes_max(size_bytes: int) -> int:
    """The length of the file when every block of the disk was written."""
    block_count = -(-size_bytes // BLOCK_BYTES)
    return _TABLE_OFFSET + 4 * block_count + block_count * (BLOCK_BYTES + _ALIGNMENT) + 1024


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
