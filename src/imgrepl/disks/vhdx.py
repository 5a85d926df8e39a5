"""Reads VHDX: fixed, dynamic and differencing, with a dirty log replayed in memory."""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from imgrepl.disks.disk import ByteSource, Disk, Extent, Problem
from imgrepl.disks.faults import warning
from imgrepl.disks.fields import read_field
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.runs import (
    Kind,
    Run,
    RunMap,
    fill_zeros,
    merged,
    parent_extents,
    read_zero_extended,
    stored_extents,
)
from imgrepl.disks.vhdx_bat import Allocation, read_allocation
from imgrepl.disks.vhdx_header import (
    HEADER_SECTION_BYTES,
    Region,
    log_region,
    read_header,
    read_regions,
)
from imgrepl.disks.vhdx_log import replay_log
from imgrepl.disks.vhdx_metadata import Metadata, read_metadata
from imgrepl.disks.vhdx_parent import open_vhdx_parent


def open_vhdx(source: ByteSource, options: OpenOptions) -> Disk:
    """Opens a VHDX, everything but the content of its blocks checked.

    The disk owns `source` from then on; after an error it is still the caller's. Raises `Invalid`
    for everything that makes the image unreadable.
    """
    header = read_header(source)
    image = replay_log(source, header)
    regions = read_regions(image)
    metadata = read_metadata(image, regions.metadata)
    taken = [
        Region(name="header section", offset=0, length=HEADER_SECTION_BYTES),
        log_region(header),
        regions.metadata,
        *regions.others,
    ]
    allocation = read_allocation(image, metadata, regions.bat, [at for at in taken if at.length])
    parent = None
    if metadata.has_parent:
        parent = open_vhdx_parent(source, metadata.parent_locator, options)
    return VhdxDisk(source, image, metadata, allocation, parent)


class VhdxDisk:
    """An open VHDX. `image` is `source` with its log replayed."""

    format = "vhdx"

    def __init__(
        self,
        source: ByteSource,
        image: ByteSource,
        metadata: Metadata,
        allocation: Allocation,
        parent: Disk | None,
    ) -> None:
        self._image = image
        self._source = source
        self._allocation = allocation
        self._parent = parent
        self._sector_bytes = metadata.logical_sector_bytes
        self._chunk_bytes = allocation.blocks_per_chunk * metadata.block_bytes
        self.size_bytes = metadata.disk_bytes
        self.subformat = _subformat(metadata)
        self.sources: Sequence[ByteSource] = (source, *(parent.sources if parent else ()))
        self.problems: Sequence[Problem] = (
            *_problems(source, image),
            *(parent.problems if parent else ()),
        )

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        """What blocks or the parent hold, less the holes of the file."""
        runs = self._runs(offset, min(offset + length, self.size_bytes))
        return merged(chain.from_iterable(map(self._extents_of, runs)))

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills `buffer`: neighbouring blocks of the file with one read."""
        end = offset + buffer.nbytes
        assert 0 <= offset <= end <= self.size_bytes, "reads end with the disk"
        for run in self._runs(offset, end):
            part = buffer[run.offset - offset :][: run.length]
            if run.kind == Kind.DATA:
                self._image.read_into(run.location, part)
            elif run.kind == Kind.PARENT and self._parent:
                read_zero_extended(self._parent, run.offset, part)
            else:
                fill_zeros(part)

    def close(self) -> None:
        """Closes the file and those of the parents."""
        self._source.close()
        if self._parent:
            self._parent.close()

    def _extents_of(self, run: Run) -> Iterator[Extent]:
        if run.kind == Kind.DATA:
            return stored_extents(self._image, run)
        if run.kind == Kind.PARENT and self._parent:
            return parent_extents(self._parent, run.offset, run.length)
        return iter(())

    def _runs(self, offset: int, end: int) -> Iterator[Run]:
        """Runs of `DATA`, `PARENT` and `ZERO`."""
        if offset >= end:
            return
        for run in self._allocation.runs.between(offset, end):
            if run.kind == Kind.PARTIAL:
                yield from self._sector_runs(run)
            else:
                yield run

    def _sector_runs(self, run: Run) -> Iterator[Run]:
        """A run of partly present blocks, sector by sector as its chunks' bitmaps say."""
        end = run.offset + run.length
        for chunk in range(run.offset // self._chunk_bytes, -(-end // self._chunk_bytes)):
            start = max(run.offset, chunk * self._chunk_bytes)
            stop = min(end, (chunk + 1) * self._chunk_bytes)
            yield from self._sectors(chunk, start, stop, run.location + start - run.offset)

    def _sectors(self, chunk: int, start: int, stop: int, location: int) -> Iterator[Run]:
        skipped = start % self._sector_bytes
        first = (start - chunk * self._chunk_bytes) // self._sector_bytes
        count = -(-(stop - start + skipped) // self._sector_bytes)
        raw = read_field(
            self._image,
            "VHDX sector bitmap",
            int(self._allocation.bitmap_offsets[chunk]) + first // 8,
            -(-(first % 8 + count) // 8),
        )
        bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8), bitorder="little")
        bits = bits[first % 8 :][:count]
        sectors = RunMap.of_units(
            start - skipped,
            stop,
            self._sector_bytes,
            np.where(bits, Kind.DATA, Kind.PARENT).astype(np.uint8),
            np.arange(count, dtype=np.int64) * self._sector_bytes + (location - skipped),
        )
        return sectors.between(start, stop)


def _subformat(metadata: Metadata) -> str:
    if metadata.has_parent:
        return "differencing"
    return "fixed" if metadata.fixed else "dynamic"


def _problems(source: ByteSource, image: ByteSource) -> Iterator[Problem]:
    if image is not source:
        yield warning(
            source,
            "VhdxLogReplayed",
            "it was not closed by its last writer: it is read as if its log had been replayed, "
            "and what the guest had not written by then is missing",
        )
