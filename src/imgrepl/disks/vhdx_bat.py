"""The block allocation table of a VHDX, checked and turned into runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imgrepl.disks.disk import ByteSource
from imgrepl.disks.fields import damaged, over_limit, past_the_end, read_field
from imgrepl.disks.runs import Kind, RunMap
from imgrepl.disks.vhdx_header import MIB, Region
from imgrepl.disks.vhdx_metadata import Metadata

BAT_BYTES_MAX = 128 * MIB
"""Largest table that is read. Enough for 16 TiB in blocks of 1 MiB, 64 TiB in those of 4 MiB.

At worst, when no block lies beside the next, the runs take twice this and opening five times.
"""

BITMAP_BYTES = MIB

_WINDOW_ENTRIES = MIB // 8
_BITMAP_BITS = 1 << 23
_STATE_MASK = 7
_RESERVED_MASK = (MIB - 1) & ~_STATE_MASK
_PRESENT, _PARTLY_PRESENT = 6, 7
_RESERVED_STATES = (4, 5)
_NOWHERE = -1

_Int64 = NDArray[np.int64]
_Uint8 = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """Where blocks lie; `bitmap_offsets` has one entry for each chunk of a child, -1 for none."""

    runs: RunMap
    bitmap_offsets: _Int64
    blocks_per_chunk: int


def read_allocation(
    source: ByteSource, metadata: Metadata, bat: Region, taken: Sequence[Region]
) -> Allocation:
    """All blocks of the disk; `taken` are the other structures of the file.

    Raises `Invalid`: `ImageDamaged` for reserved states, blocks over one another or over a
    structure; `ImageTruncated` for those past the end; `ImageLimitExceeded`.
    """
    table = _Table(source, metadata, bat)
    table.check_length()
    parts = list(table.windows())
    kinds = np.concatenate([kinds for kinds, _, _ in parts])
    offsets = np.concatenate([offsets for _, offsets, _ in parts])
    bitmaps = np.concatenate([bitmaps for _, _, bitmaps in parts])
    del parts
    _check_bitmaps(source, table, kinds, bitmaps)
    _check_places(source, metadata, kinds, offsets, bitmaps, (bat, *taken))
    runs = RunMap.of_units(0, metadata.disk_bytes, metadata.block_bytes, kinds, offsets)
    return Allocation(runs=runs, bitmap_offsets=bitmaps, blocks_per_chunk=table.blocks_per_chunk)


class _Table:
    """The layout of the table: after each chunk's blocks stands the entry of its bitmap."""

    def __init__(self, source: ByteSource, metadata: Metadata, bat: Region) -> None:
        self._source = source
        self._metadata = metadata
        self._bat = bat
        self.blocks_per_chunk = _BITMAP_BITS * metadata.logical_sector_bytes // metadata.block_bytes
        blocks = -(-metadata.disk_bytes // metadata.block_bytes)
        if metadata.has_parent:
            chunks = -(-blocks // self.blocks_per_chunk)
            self._entries = chunks * (self.blocks_per_chunk + 1)
        else:
            self._entries = blocks + (blocks - 1) // self.blocks_per_chunk
        self._blocks = blocks

    def check_length(self) -> None:
        """Raises `Invalid` unless the region holds all entries, and not too many to read."""
        needed = self._entries * 8
        if needed > self._bat.length:
            raise damaged(
                self._source,
                f"VHDX block allocation table has {self._bat.length} bytes, "
                f"{self._entries} entries need {needed}",
            )
        if needed > BAT_BYTES_MAX:
            raise over_limit(
                self._source,
                f"VHDX block allocation table needs {needed} bytes, limit {BAT_BYTES_MAX}",
                "convert it to larger blocks: qemu-img convert -O vhdx -o block_size=32M",
            )

    def windows(self) -> Iterator[tuple[_Uint8, _Int64, _Int64]]:
        """Kinds and offsets of payload blocks, and offsets of bitmaps, in order."""
        stride = self.blocks_per_chunk + 1
        seen = 0
        for first in range(0, self._entries, _WINDOW_ENTRIES):
            count = min(_WINDOW_ENTRIES, self._entries - first)
            raw = read_field(
                self._source,
                "VHDX block allocation table",
                self._bat.offset + first * 8,
                count * 8,
            )
            entries = np.frombuffer(raw, dtype="<u8")
            is_bitmap = np.arange(first, first + count) % stride == self.blocks_per_chunk
            blocks = entries[~is_bitmap][: self._blocks - seen]
            kinds, offsets = self._payload(blocks, seen)
            seen += blocks.size
            yield kinds, offsets, self._bitmaps(entries[is_bitmap])

    def _payload(self, entries: NDArray[np.uint64], first: int) -> tuple[_Uint8, _Int64]:
        states = (entries & np.uint64(_STATE_MASK)).astype(np.uint8)
        stored = states >= _PRESENT
        wrong = np.isin(states, _RESERVED_STATES)
        wrong |= stored & ((entries & np.uint64(_RESERVED_MASK)) != 0)
        if not self._metadata.has_parent:
            wrong |= states == _PARTLY_PRESENT
        if wrong.any():
            number = int(np.flatnonzero(wrong)[0])
            raise damaged(
                self._source,
                f"VHDX block {first + number} has the entry {int(entries[number]):#x}: state "
                f"{int(states[number])} with these bits is not allowed here",
            )
        kinds = np.full(states.size, Kind.ZERO, dtype=np.uint8)
        if self._metadata.has_parent:
            kinds[states == 0] = Kind.PARENT
        kinds[states == _PRESENT] = Kind.DATA
        kinds[states == _PARTLY_PRESENT] = Kind.PARTIAL
        return kinds, np.where(stored, self._offsets(entries), 0)

    def _bitmaps(self, entries: NDArray[np.uint64]) -> _Int64:
        if not self._metadata.has_parent:
            return np.empty(0, dtype=np.int64)
        states = entries & np.uint64(_STATE_MASK)
        wrong = (states != 0) & (states != _PRESENT)
        if wrong.any():
            entry = int(entries[np.flatnonzero(wrong)[0]])
            raise damaged(
                self._source, f"VHDX sector bitmap entry is {entry:#x}: its state is not 0 or 6"
            )
        return np.where(states == _PRESENT, self._offsets(entries), _NOWHERE)

    def _offsets(self, entries: NDArray[np.uint64]) -> _Int64:
        """Byte offsets; those above 2^62 become 2^62, which is past every end too."""
        mebibytes = (entries >> np.uint64(20)).astype(np.int64)
        return np.minimum(mebibytes, 1 << 42) * MIB


def _check_bitmaps(source: ByteSource, table: _Table, kinds: _Uint8, bitmaps: _Int64) -> None:
    partial = np.flatnonzero(kinds == Kind.PARTIAL)
    lacking = partial[bitmaps[partial // table.blocks_per_chunk] == _NOWHERE]
    if lacking.size:
        raise damaged(
            source,
            f"VHDX block {int(lacking[0])} is partly present, but its chunk has no sector bitmap",
        )


def _check_places(
    source: ByteSource,
    metadata: Metadata,
    kinds: _Uint8,
    offsets: _Int64,
    bitmaps: _Int64,
    regions: Sequence[Region],
) -> None:
    """Raises `Invalid` unless all blocks, bitmaps and regions lie in the file and apart."""
    blocks = np.flatnonzero((kinds == Kind.DATA) | (kinds == Kind.PARTIAL))
    lengths = np.minimum(metadata.block_bytes, metadata.disk_bytes - blocks * metadata.block_bytes)
    ends = offsets[blocks] + lengths
    if blocks.size and int(ends.max()) > source.size_bytes:
        worst = int(ends.argmax())
        number = int(blocks[worst])
        raise past_the_end(
            source, f"VHDX block {number}", int(offsets[number]), int(lengths[worst])
        )
    held = bitmaps[bitmaps != _NOWHERE]
    if held.size and int(held.max()) + BITMAP_BYTES > source.size_bytes:
        raise past_the_end(source, "VHDX sector bitmap", int(held.max()), BITMAP_BYTES)
    fixed = np.array([(region.offset, region.offset + region.length) for region in regions])
    starts = np.concatenate([fixed[:, 0], held, offsets[blocks]])
    ends = np.concatenate([fixed[:, 1], held + BITMAP_BYTES, ends])
    order = np.argsort(starts, kind="stable")
    overlapping = np.flatnonzero(ends[order[:-1]] > starts[order[1:]])
    if not overlapping.size:
        return

    def named(place: int) -> str:
        if place < len(regions):
            what = regions[place].name
        elif place < len(regions) + held.size:
            what = "a sector bitmap"
        else:
            what = f"block {int(blocks[place - len(regions) - held.size])}"
        return f"{what} at [{int(starts[place])}, {int(ends[place])})"

    first, second = (int(order[overlapping[0] + step]) for step in (0, 1))
    raise damaged(source, f"VHDX {named(first)} and {named(second)} overlap")
