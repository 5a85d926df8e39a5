"""Turns entries of second-level tables into what each cluster or sub-cluster is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgrepl.disks.disk import ByteSource
from imgrepl.disks.fields import damaged, past_the_end
from imgrepl.disks.qcow2_header import SUBCLUSTERS, Header
from imgrepl.disks.runs import Kind

OFFSET_MASK = 0x00FF_FFFF_FFFF_FE00
COPIED = 1 << 63

_COMPRESSED = 1 << 62
_COMPRESSED_MASK = _COMPRESSED - 1
_ZERO = 1
_RESERVED = 0x3F00_0000_0000_01FE
_RESERVED_EXTENDED = _RESERVED | _ZERO

_Words = NDArray[np.uint64]
_Flags = NDArray[np.bool_]


class Clusters(NamedTuple):
    """One kind and location for each cluster, or for each of its 32 sub-clusters."""

    kinds: NDArray[np.uint8]
    locations: NDArray[np.int64]
    host_offsets: NDArray[np.int64]
    """Of the clusters of which something is read as it stands."""


class EntryDecoder:
    """Decodes and checks entries; `data` is the file that the clusters lie in.

    `absent` is what a cluster is that has no entry.
    """

    def __init__(
        self, source: ByteSource, data: ByteSource, header: Header, *, has_backing: bool
    ) -> None:
        self._source = source
        self._data = data
        self._header = header
        self.absent = Kind.PARENT if has_backing else Kind.ZERO

    def decode(self, entries: _Words, bitmaps: _Words, first_cluster: int) -> Clusters:
        """What the clusters from `first_cluster` on are; `bitmaps` only count when extended.

        Raises `Invalid` (`ImageDamaged`, `ImageTruncated`).
        """
        compressed = (entries & np.uint64(_COMPRESSED)) != 0
        offsets = (entries & np.uint64(OFFSET_MASK)).astype(np.int64)
        allocated = offsets != 0
        if self._header.has_data_file:
            allocated |= (entries & np.uint64(COPIED)) != 0
        allocated &= ~compressed
        self._check_bits(entries, compressed, first_cluster)
        self._check_alignment(entries, allocated, offsets, first_cluster)
        words = (entries & np.uint64(_COMPRESSED_MASK)).astype(np.int64)
        locations = np.where(compressed, words, np.where(allocated, offsets, 0))
        if self._header.extended_l2:
            self._check_bitmaps(bitmaps, allocated, compressed, first_cluster)
            kinds, locations = self._subclusters(bitmaps, compressed, locations)
            read = (kinds.reshape(-1, SUBCLUSTERS) == Kind.DATA).any(axis=1)
        else:
            kinds = self._kinds(entries, allocated, compressed)
            read = kinds == Kind.DATA
        self._check_places(read, offsets, self._data, first_cluster)
        self._check_places(compressed, self._compressed_offsets(words), self._source, first_cluster)
        return Clusters(kinds, locations, offsets[read])

    def _kinds(self, entries: _Words, allocated: _Flags, compressed: _Flags) -> NDArray[np.uint8]:
        kinds = np.full(entries.size, self.absent, dtype=np.uint8)
        kinds[allocated] = Kind.DATA
        kinds[(entries & np.uint64(_ZERO)) != 0] = Kind.ZERO
        kinds[compressed] = Kind.COMPRESSED
        return kinds

    def _subclusters(
        self, bitmaps: _Words, compressed: _Flags, locations: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        octets = bitmaps.astype("<u8").view(np.uint8).reshape(-1, 8)
        bits = np.unpackbits(octets, axis=1, bitorder="little").astype(np.bool_)
        kinds = np.full((bitmaps.size, SUBCLUSTERS), self.absent, dtype=np.uint8)
        kinds[bits[:, :SUBCLUSTERS]] = Kind.DATA
        kinds[bits[:, SUBCLUSTERS:]] = Kind.ZERO
        kinds[compressed] = Kind.COMPRESSED
        inside = np.arange(SUBCLUSTERS) * (self._header.cluster_bytes // SUBCLUSTERS)
        spread: NDArray[np.int64] = locations[:, None] + np.outer(~compressed, inside)
        return kinds.reshape(-1), spread.reshape(-1)

    def _compressed_offsets(self, words: NDArray[np.int64]) -> NDArray[np.int64]:
        return words & ((1 << compressed_offset_bits(self._header.cluster_bits)) - 1)

    def _check_bits(self, entries: _Words, compressed: _Flags, first: int) -> None:
        reserved = _RESERVED_EXTENDED if self._header.extended_l2 else _RESERVED
        self._refuse(
            ~compressed & ((entries & np.uint64(reserved)) != 0),
            entries,
            first,
            "reserved bits set",
        )
        if self._header.version == 2:
            zero = ~compressed & ((entries & np.uint64(_ZERO)) != 0)
            self._refuse(zero, entries, first, "a zero flag, which version 2 does not know")
        if self._header.has_data_file:
            self._refuse(compressed, entries, first, "compressed data beside an external data file")

    def _check_alignment(
        self, entries: _Words, allocated: _Flags, offsets: NDArray[np.int64], first: int
    ) -> None:
        unaligned = allocated & (offsets % self._header.cluster_bytes != 0)
        self._refuse(unaligned, entries, first, "an offset that is no multiple of the cluster size")

    def _check_bitmaps(
        self, bitmaps: _Words, allocated: _Flags, compressed: _Flags, first: int
    ) -> None:
        stored = bitmaps & np.uint64(0xFFFF_FFFF)
        zero = bitmaps >> np.uint64(32)
        wrong = ((stored & zero) != 0) | ((stored != 0) & ~allocated)
        self._refuse(
            wrong & ~compressed, bitmaps, first, "sub-clusters both stored and zero, or nowhere"
        )

    def _check_places(
        self, chosen: _Flags, offsets: NDArray[np.int64], file: ByteSource, first: int
    ) -> None:
        lost = np.flatnonzero(chosen & (offsets >= file.size_bytes))
        if lost.size:
            raise past_the_end(
                file,
                f"qcow2 cluster {first + int(lost[0])}",
                int(offsets[lost[0]]),
                self._header.cluster_bytes,
            )

    def _refuse(self, wrong: _Flags, words: _Words, first: int, what: str) -> None:
        if wrong.any():
            number = int(np.flatnonzero(wrong)[0])
            raise damaged(
                self._source,
                f"qcow2 entry of cluster {first + number} is {int(words[number]):#x}: {what}",
            )


def compressed_offset_bits(cluster_bits: int) -> int:
    """How many bits of a compressed cluster's entry are its offset; the rest are sectors."""
    return 62 - (cluster_bits - 8)
