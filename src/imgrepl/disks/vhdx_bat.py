"""The block allocation table of a VHDX, checked and turned into runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from imgrepl.disks.disk import ByteSource
from imgrepl.disks.fields import damaged, over_limit, past_the_end, read_field
from imgrepl.disks.runs import Kind, RunMap
from imgrepl.disks.vhdx_header import MIB, Region
from imgrepl.disks.vhdx_metadata import Metadata

BAT_BYTES_MAX = 33 * MIB
"""Largest table that is read: 4 TiB in blocks of 1 MiB, 64 TiB in those of 16 MiB.

At worst, when no block lies beside the next, the runs take twice this, and opening four times.
"""

BITMAP_BYTES = MIB

_WINDOW_ENTRIES = MIB // 8
_BITMAP_BITS = 1 << 23
_STATE_MASK = 7
_RESERVED_MASK = (MIB - 1) & ~_STATE_MASK
_PRESENT, _PARTLY_PRESENT = 6, 7
_RESERVED_STATES = (4, 5)
_NOWHERE = -1

_Words = NDArray[np.uint64]
_Int64 = NDArray[np.int64]
_Uint8 = NDArray[np.uint8]
_Flags = NDArray[np.bool_]


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
    kinds, offsets, bitmaps = table.read()
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
        self._blocks = -(-metadata.disk_bytes // metadata.block_bytes)
        chunks = -(-self._blocks // self.blocks_per_chunk)
        self._chunks = chunks if metadata.has_parent else 0
        if metadata.has_parent:
            self._entries = chunks * (self.blocks_per_chunk + 1)
        else:
            self._entries = self._blocks + chunks - 1

    def check_length(self) -> None:
        """Raises `Invalid` unless the region holds all entries, and not too many to read."""
        needed = self._entries * 8
        if needed > BAT_BYTES_MAX:
            raise over_limit(
                self._source,
                f"VHDX block allocation table needs {needed} bytes, limit {BAT_BYTES_MAX}",
                "convert it to larger blocks: qemu-img convert -O vhdx -o block_size=32M",
            )
        if needed > self._bat.length:
            raise damaged(
                self._source,
                f"VHDX block allocation table has {self._bat.length} bytes, "
                f"{self._entries} entries need {needed}",
            )

    def read(self) -> tuple[_Uint8, _Int64, _Int64]:
        """Kinds and offsets of payload blocks, and offsets of bitmaps."""
        kinds = np.empty(self._blocks, dtype=np.uint8)
        offsets = np.empty(self._blocks, dtype=np.int64)
        bitmaps = np.empty(self._chunks, dtype=np.int64)
        block = chunk = 0
        for payload, bitmap in self._windows():
            part = slice(block, min(block + payload.size, self._blocks))
            kinds[part], offsets[part] = self._payload(payload[: part.stop - block], block)
            block = part.stop
            if self._metadata.has_parent:
                bitmaps[chunk : chunk + bitmap.size] = self._bitmaps(bitmap)
                chunk += bitmap.size
        return kinds, offsets, bitmaps

    def _windows(self) -> Iterator[tuple[_Words, _Words]]:
        """The entries of payload blocks and those of bitmaps, part by part."""
        stride = self.blocks_per_chunk + 1
        for first in range(0, self._entries, _WINDOW_ENTRIES):
            count = min(_WINDOW_ENTRIES, self._entries - first)
            raw = read_field(
                self._source,
                "VHDX block allocation table",
                self._bat.offset + first * 8,
                count * 8,
            )
            entries = np.frombuffer(raw, dtype="<u8").astype(np.uint64)
            is_bitmap = np.arange(first, first + count) % stride == self.blocks_per_chunk
            yield entries[~is_bitmap], entries[is_bitmap]

    def _payload(self, entries: _Words, first: int) -> tuple[_Uint8, _Int64]:
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

    def _bitmaps(self, entries: _Words) -> _Int64:
        states = entries & np.uint64(_STATE_MASK)
        wrong = (states != 0) & (states != _PRESENT)
        if wrong.any():
            entry = int(entries[np.flatnonzero(wrong)[0]])
            raise damaged(
                self._source, f"VHDX sector bitmap entry is {entry:#x}: its state is not 0 or 6"
            )
        return np.where(states == _PRESENT, self._offsets(entries), _NOWHERE)

    def _offsets(self, entries: _Words) -> _Int64:
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
    stored = (kinds == Kind.DATA) | (kinds == Kind.PARTIAL)
    _check_ends(source, metadata, stored, offsets, bitmaps)
    starts = np.sort(offsets[stored])
    close = np.flatnonzero(np.diff(starts) < metadata.block_bytes)
    if close.size:
        first, second = starts[close[0]], starts[close[0] + 1]
        numbers = np.flatnonzero(stored & ((offsets == first) | (offsets == second)))[:2]
        raise damaged(
            source,
            f"VHDX blocks {int(numbers[0])} and {int(numbers[1])}, of {metadata.block_bytes} bytes "
            f"at {int(offsets[numbers[0]])} and {int(offsets[numbers[1]])}, overlap",
        )
    others = [
        *regions,
        *(
            Region(name=f"sector bitmap {chunk}", offset=int(bitmaps[chunk]), length=BITMAP_BYTES)
            for chunk in np.flatnonzero(bitmaps != _NOWHERE)
        ),
    ]
    _check_apart(source, others)
    for other in others:
        after = int(np.searchsorted(starts, other.offset - metadata.block_bytes, side="right"))
        if after < starts.size and starts[after] < other.offset + other.length:
            number = int(np.flatnonzero(stored & (offsets == starts[after]))[0])
            raise damaged(
                source,
                f"VHDX block {number} at {int(starts[after])} and {other.name} at {other.offset} "
                "overlap",
            )


def _check_ends(
    source: ByteSource, metadata: Metadata, stored: _Flags, offsets: _Int64, bitmaps: _Int64
) -> None:
    """Of the last block only what the disk needs has to be in the file."""
    last = offsets.size - 1
    last_bytes = metadata.disk_bytes - last * metadata.block_bytes
    lost = stored & (offsets > source.size_bytes - metadata.block_bytes)
    lost[last] = stored[last] and int(offsets[last]) + last_bytes > source.size_bytes
    if lost.any():
        number = int(np.flatnonzero(lost)[0])
        needed = last_bytes if number == last else metadata.block_bytes
        raise past_the_end(source, f"VHDX block {number}", int(offsets[number]), needed)
    if bitmaps.size and int(bitmaps.max()) + BITMAP_BYTES > source.size_bytes:
        raise past_the_end(source, "VHDX sector bitmap", int(bitmaps.max()), BITMAP_BYTES)


def _check_apart(source: ByteSource, regions: Sequence[Region]) -> None:
    for first, second in pairwise(sorted(regions, key=lambda region: region.offset)):
        if first.offset + first.length > second.offset:
            raise damaged(
                source,
                f"VHDX {first.name} at [{first.offset}, {first.offset + first.length}) and "
                f"{second.name} at {second.offset} overlap",
            )
