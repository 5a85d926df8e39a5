"""VHD images (version 1): fixed, dynamic and differencing."""

from collections.abc import Iterator, Sequence

import numpy as np

from imgrepl.disks.disk import SECTOR_BYTES, ByteSource, Disk, Extent, Problem
from imgrepl.disks.faults import warning
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.runs import fill_zeros, merged, read_zero_extended
from imgrepl.disks.vhd_bitmap import Mask, doubtful_blocks, runs, sectors_here
from imgrepl.disks.vhd_dynamic import BlockMap, Span, read_block_map, read_header
from imgrepl.disks.vhd_footer import DiskType, Footer, disk_size, read_footer
from imgrepl.disks.vhd_parents import locator_structures, open_vhd_parent, read_locators
from imgrepl.errors import Invalid

_RUNS_READ_SINGLY_MAX = 32
"""Above it, child and parent are both read whole and merged by sector: fewer system calls."""


def open_vhd(source: ByteSource, options: OpenOptions) -> Disk:
    """Opens a VHD of any kind, with its parents; the disk owns `source` from then on.

    Raises `Invalid` for everything that does not follow the format, before any table is read that
    the file cannot hold.
    """
    footer, data_end, found = read_footer(source, options)
    size_bytes, disputed = disk_size(source, footer, options)
    problems = (*found, *disputed, *_saved_state(source, footer))
    if footer.disk_type == DiskType.FIXED:
        problems = (*problems, *_check_fixed(source, footer, size_bytes, data_end))
        return FixedVhd(source, size_bytes, problems)
    header = read_header(source, footer, data_end, options)
    problems = (*problems, *header.problems)
    if footer.disk_type == DiskType.DYNAMIC:
        blocks = read_block_map(source, header, size_bytes, data_end, header.structures)
        problems = (*problems, *doubtful_blocks(source, blocks))
        return DynamicVhd(source, size_bytes, blocks, problems)
    locators = read_locators(source, header, data_end)
    structures = (*header.structures, *locator_structures(locators))
    blocks = read_block_map(source, header, size_bytes, data_end, structures)
    parent = open_vhd_parent(source, header, locators, options)
    return DifferencingVhd(source, size_bytes, blocks, parent, problems)


class FixedVhd:
    """The disk from byte 0 of the file, then the footer."""

    format = "vhd"
    subformat = "fixed"

    def __init__(self, source: ByteSource, size_bytes: int, problems: Sequence[Problem]) -> None:
        self._source = source
        self.size_bytes = size_bytes
        self.problems = problems
        self.sources: Sequence[ByteSource] = (source,)

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        """What the file system does not know to be a hole."""
        return self._source.data_extents(offset, min(length, self.size_bytes - offset))

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills `buffer` from `offset`."""
        assert 0 <= offset <= self.size_bytes - buffer.nbytes, "reads end with the disk"
        self._source.read_into(offset, buffer)

    def close(self) -> None:
        """Closes the file."""
        self._source.close()


class DynamicVhd:
    """Blocks that are stored anywhere in the file; absent ones are zeros."""

    format = "vhd"
    subformat = "dynamic"

    def __init__(
        self, source: ByteSource, size_bytes: int, blocks: BlockMap, problems: Sequence[Problem]
    ) -> None:
        self._source = source
        self._blocks = blocks
        self.size_bytes = size_bytes
        self.problems = problems
        self.sources: Sequence[ByteSource] = (source,)

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        """Present blocks, less what the file system knows to be holes."""
        return merged(self._stored_extents(offset, min(length, self.size_bytes - offset)))

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills `buffer` from `offset`; sector bitmaps are ignored, as every reader does."""
        assert 0 <= offset <= self.size_bytes - buffer.nbytes, "reads end with the disk"
        for span in self._blocks.spans(offset, buffer.nbytes):
            part = buffer[span.offset - offset : span.offset - offset + span.length]
            if span.file_offset is None:
                fill_zeros(part)
            else:
                self._source.read_into(span.file_offset, part)

    def close(self) -> None:
        """Closes the file."""
        self._source.close()

    def _stored_extents(self, offset: int, length: int) -> Iterator[Extent]:
        for span in self._blocks.spans(offset, length):
            if span.file_offset is None:
                continue
            for start, count in self._source.data_extents(span.file_offset, span.length):
                yield Extent(span.offset + start - span.file_offset, count)


class DifferencingVhd:
    """The sectors that were written since the parent was left alone; the rest is the parent's."""

    format = "vhd"
    subformat = "differencing"

    def __init__(
        self,
        source: ByteSource,
        size_bytes: int,
        blocks: BlockMap,
        parent: Disk,
        problems: Sequence[Problem],
    ) -> None:
        self._source = source
        self._blocks = blocks
        self._parent = parent
        self.size_bytes = size_bytes
        self.problems = (*problems, *parent.problems)
        self.sources: Sequence[ByteSource] = (source, *parent.sources)

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        """Data of this file where its bitmaps say so, the parent's elsewhere, by sector."""
        return merged(self._extents(offset, min(length, self.size_bytes - offset)))

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills `buffer` from `offset`, each sector from the file that has it."""
        assert 0 <= offset <= self.size_bytes - buffer.nbytes, "reads end with the disk"
        lead, stop = offset % SECTOR_BYTES, offset + buffer.nbytes
        if lead or stop % SECTOR_BYTES:
            whole = memoryview(bytearray(-(-(lead + buffer.nbytes) // SECTOR_BYTES) * SECTOR_BYTES))
            self._read_sectors(offset - lead, whole)
            buffer[:] = whole[lead : lead + buffer.nbytes]
        else:
            self._read_sectors(offset, buffer)

    def close(self) -> None:
        """Closes this file and its parents."""
        self._source.close()
        self._parent.close()

    def _read_sectors(self, offset: int, buffer: memoryview) -> None:
        for span in self._blocks.spans(offset, buffer.nbytes):
            part = buffer[span.offset - offset : span.offset - offset + span.length]
            if span.file_offset is None:
                read_zero_extended(self._parent, span.offset, part)
            else:
                self._read_block(span, span.file_offset, part)

    def _read_block(self, span: Span, file_offset: int, part: memoryview) -> None:
        mask = self._mask(span)
        pieces = runs(mask)
        if len(pieces) > _RUNS_READ_SINGLY_MAX:
            self._read_merged(span, file_offset, part, mask)
            return
        for first, stop, here in pieces:
            at = first * SECTOR_BYTES
            piece = part[at : stop * SECTOR_BYTES]
            if here:
                self._source.read_into(file_offset + at, piece)
            else:
                read_zero_extended(self._parent, span.offset + at, piece)

    def _read_merged(self, span: Span, file_offset: int, part: memoryview, mask: Mask) -> None:
        own = memoryview(bytearray(span.length))
        self._source.read_into(file_offset, own)
        read_zero_extended(self._parent, span.offset, part)
        sector = np.dtype((np.void, SECTOR_BYTES))
        np.frombuffer(part, dtype=sector)[mask] = np.frombuffer(own, dtype=sector)[mask]

    def _extents(self, offset: int, length: int) -> Iterator[Extent]:
        for span in self._blocks.spans(offset, length):
            if span.file_offset is None:
                yield from _extents_within(self._parent, span.offset, span.length)
            else:
                yield from self._block_extents(span, span.file_offset)

    def _block_extents(self, span: Span, file_offset: int) -> Iterator[Extent]:
        lead = span.offset % SECTOR_BYTES
        start, count = span.offset - lead, -(-(lead + span.length) // SECTOR_BYTES)
        here = self._mask(span)
        own = self._source.data_extents(file_offset - lead, count * SECTOR_BYTES)
        parents = _extents_within(self._parent, start, count * SECTOR_BYTES)
        data = np.where(
            here, _covered(own, file_offset - lead, count), _covered(parents, start, count)
        )
        stop = span.offset + span.length
        for first, behind, holds_data in runs(data):
            if holds_data:
                at = max(start + first * SECTOR_BYTES, span.offset)
                yield Extent(at, min(start + behind * SECTOR_BYTES, stop) - at)

    def _mask(self, span: Span) -> Mask:
        """Which sectors that the span touches are in this file."""
        in_block = span.offset - span.block * self._blocks.block_bytes
        first = in_block // SECTOR_BYTES
        count = -(-(in_block + span.length) // SECTOR_BYTES) - first
        return sectors_here(self._source, self._blocks, span.block, first, count)


def _extents_within(disk: Disk, offset: int, length: int) -> Iterator[Extent]:
    there = min(disk.size_bytes - offset, length)
    return disk.data_extents(offset, there) if there > 0 else iter(())


def _covered(extents: Iterator[Extent], start: int, count: int) -> Mask:
    """Which of `count` sectors from byte `start` any of the extents touches."""
    mask = np.zeros(count, dtype=np.bool_)
    for offset, length in extents:
        first = (offset - start) // SECTOR_BYTES
        mask[first : -(-(offset - start + length) // SECTOR_BYTES)] = True
    return mask


def _check_fixed(
    source: ByteSource, footer: Footer, size_bytes: int, data_end: int
) -> tuple[Problem, ...]:
    if size_bytes > data_end:
        raise Invalid(
            f"{source.name}: the footer at byte {footer.offset} states a disk of {size_bytes} "
            f"bytes; the file holds {data_end} before it",
            code="ImageTruncated",
            target=source.name,
            hint="--size-from=geometry fits the file"
            if footer.geometry_bytes == data_end
            else "fetch the image again",
        )
    if size_bytes == data_end:
        return ()
    message = f"{data_end - size_bytes} bytes follow the stated size, {size_bytes}; not read"
    return (warning(source, "VhdDataBehindDisk", message),)


def _saved_state(source: ByteSource, footer: Footer) -> tuple[Problem, ...]:
    if not footer.saved_state:
        return ()
    message = "the footer marks a saved state: the file system in it may be inconsistent"
    return (warning(source, "VhdSavedState", message),)
