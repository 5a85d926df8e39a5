"""Reads qcow2, versions 2 and 3: compressed clusters, sub-clusters, backing and data files."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain

from imgrepl.disks.disk import ByteSource, Disk, Extent, Problem
from imgrepl.disks.faults import warning
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.qcow2_compressed import CompressedClusters
from imgrepl.disks.qcow2_entries import EntryDecoder
from imgrepl.disks.qcow2_header import Header, read_header
from imgrepl.disks.qcow2_map import ClusterMap
from imgrepl.disks.qcow2_named import open_backing, open_data_file
from imgrepl.disks.runs import (
    Kind,
    Run,
    fill_zeros,
    merged,
    parent_extents,
    read_zero_extended,
    stored_extents,
)


def open_qcow2(source: ByteSource, options: OpenOptions) -> Disk:
    """Opens a qcow2 image, all its tables checked.

    The disk owns `source` from then on; after an error it is still the caller's. Raises `Invalid`
    for everything that makes the image unreadable but compressed clusters, which are only looked
    into when they are read.
    """
    header = read_header(source)
    with ExitStack() as cleanup:
        data = open_data_file(source, header, options)
        if data is not source:
            cleanup.callback(data.close)
        has_backing = header.backing_name is not None
        decoder = EntryDecoder(source, data, header, has_backing=has_backing)
        clusters = ClusterMap(source, header, decoder)
        clusters.check(data)
        backing = open_backing(source, header, options)
        cleanup.pop_all()
    return Qcow2Disk(source, data, header, clusters, backing)


class Qcow2Disk:
    """An open qcow2 image; `data` is the file that its clusters lie in."""

    format = "qcow2"

    def __init__(
        self,
        source: ByteSource,
        data: ByteSource,
        header: Header,
        clusters: ClusterMap,
        backing: Disk | None,
    ) -> None:
        self._data = data
        self._clusters = clusters
        self._backing = backing
        self._compressed = CompressedClusters(source, header)
        self._cluster_bytes = header.cluster_bytes
        self.subformat = f"v{header.version}"
        self.size_bytes = header.disk_bytes
        own = (source,) if data is source else (source, data)
        self._own_sources = own
        self.sources: Sequence[ByteSource] = (*own, *(backing.sources if backing else ()))
        self.problems: Sequence[Problem] = (
            *_problems(source, header, clusters, backing),
            *(backing.problems if backing else ()),
        )

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        """What clusters or the backing file hold, less the holes of the file."""
        end = min(offset + length, self.size_bytes)
        runs = self._clusters.between(offset, end)
        return merged(chain.from_iterable(map(self._extents_of, runs)))

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills `buffer`: neighbouring clusters of the file with one read."""
        end = offset + buffer.nbytes
        assert 0 <= offset <= end <= self.size_bytes, "reads end with the disk"
        for run in self._clusters.between(offset, end):
            part = buffer[run.offset - offset :][: run.length]
            match run.kind:
                case Kind.DATA:
                    read_zero_extended(self._data, run.location, part)
                case Kind.COMPRESSED:
                    inside = run.offset % self._cluster_bytes
                    content = self._compressed.content(run.location)
                    part[:] = content[inside : inside + run.length]
                case Kind.PARENT if self._backing:
                    read_zero_extended(self._backing, run.offset, part)
                case _:
                    fill_zeros(part)

    def close(self) -> None:
        """Closes the file, its data file and its backing files."""
        for source in self._own_sources:
            source.close()
        if self._backing:
            self._backing.close()

    def _extents_of(self, run: Run) -> Iterator[Extent]:
        match run.kind:
            case Kind.DATA:
                return stored_extents(self._data, run)
            case Kind.COMPRESSED:
                return iter((Extent(run.offset, run.length),))
            case Kind.PARENT if self._backing:
                return parent_extents(self._backing, run.offset, run.length)
            case _:
                return iter(())


def _problems(
    source: ByteSource, header: Header, clusters: ClusterMap, backing: Disk | None
) -> Iterator[Problem]:
    if header.corrupt:
        yield warning(
            source,
            "ImageMarkedCorrupt",
            "the program that wrote it marked it as corrupt: its tables are consistent, its "
            "content may not be; see qemu-img check",
        )
    if clusters.l1_without_offset:
        yield warning(
            source,
            "Qcow2TableMissing",
            f"{clusters.l1_without_offset} entries of the L1 table are marked as used, but say "
            "nowhere; their part of the disk reads as never written",
        )
    if backing and not header.backing_format:
        yield warning(
            source,
            "BackingFormatGuessed",
            f"it does not state the format of its backing file; by content it is {backing.format}",
        )
