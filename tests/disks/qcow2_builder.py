"""Makes qcow2 files field by field, valid or not, without the code that is tested."""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import zstandard

from images.sparse import SparseBytes

COPIED, COMPRESSED, ZERO = 1 << 63, 1 << 62, 1
DATA_FILE, COMPRESSION_TYPE, EXTENDED_L2 = 1 << 2, 1 << 3, 1 << 4
BACKING_FORMAT, DATA_FILE_NAME = 0xE2792ACA, 0x44415441

Subclusters = tuple[int, int]
"""Bits of the sub-clusters that are stored, and of those that are zero."""


@dataclass(frozen=True, kw_only=True)
class Qcow2:
    """`clusters` are stored as they stand, `packed` compressed, `raw_entries` put over all.

    The file: header, L1 table, L2 tables, clusters in the order given, compressed streams.
    """

    disk_bytes: int
    cluster_bits: int = 16
    version: int = 3
    features: int = 0
    zstd: bool = False
    clusters: Mapping[int, bytes] = field(default_factory=dict)
    packed: Mapping[int, bytes] = field(default_factory=dict)
    raw_entries: Mapping[int, int] = field(default_factory=dict)
    subclusters: Mapping[int, Subclusters] = field(default_factory=dict)
    backing: str | None = None
    extensions: Mapping[int, bytes] = field(default_factory=dict)
    data_file: bool = False

    @property
    def cluster_bytes(self) -> int:
        return 1 << self.cluster_bits

    @property
    def entry_bytes(self) -> int:
        return 16 if self.subclusters else 8

    @property
    def entries_per_table(self) -> int:
        return self.cluster_bytes // self.entry_bytes

    @property
    def table_count(self) -> int:
        return -(-self.disk_bytes // (self.cluster_bytes * self.entries_per_table))

    @property
    def l1_offset(self) -> int:
        return self.cluster_bytes

    def l2_offset(self, cluster: int) -> int:
        """Where the table stands that has the entry of `cluster`."""
        l1_clusters = -(-self.table_count * 8 // self.cluster_bytes)
        return (1 + l1_clusters + self.tables.index(self._table(cluster))) * self.cluster_bytes

    def entry_offset(self, cluster: int) -> int:
        inside = cluster % self.entries_per_table * self.entry_bytes
        return self.l2_offset(cluster) + inside

    @property
    def tables(self) -> list[int]:
        """The numbers of the tables that exist, in the order they stand in the file."""
        named = {*self.clusters, *self.packed, *self.raw_entries, *self.subclusters}
        return sorted({self._table(cluster) for cluster in named})

    def _table(self, cluster: int) -> int:
        return cluster // self.entries_per_table

    def data_offset(self, cluster: int) -> int:
        """Where a stored cluster lies; in a data file it lies where the guest sees it."""
        if self.data_file:
            return cluster * self.cluster_bytes
        l1_clusters = -(-self.table_count * 8 // self.cluster_bytes)
        first = 1 + l1_clusters + len(self.tables)
        return (first + [*self.clusters].index(cluster)) * self.cluster_bytes

    def build(self) -> SparseBytes:
        layers = [(0, self.header())]
        for number in self.tables:
            at = self.l1_offset + number * 8
            table = self.l2_offset(number * self.entries_per_table)
            layers.append((at, struct.pack(">Q", table | COPIED)))
        end = self._data_end()
        entries: dict[int, int] = {}
        for cluster, content in self.clusters.items():
            entries[cluster] = self.data_offset(cluster) | COPIED
            if not self.data_file:
                layers.append((self.data_offset(cluster), content))
        for cluster, content in self.packed.items():
            stream = compressed(content, zstd=self.zstd)
            layers.append((end, stream))
            entries[cluster] = compressed_entry(end, len(stream), self.cluster_bits)
            end += len(stream)
        entries.update(self.raw_entries)
        for cluster, entry in entries.items():
            layers.append((self.entry_offset(cluster), struct.pack(">Q", entry)))
        for cluster, (stored, zero) in self.subclusters.items():
            bits = struct.pack(">Q", zero << 32 | stored)
            layers.append((self.entry_offset(cluster) + 8, bits))
        return SparseBytes(end, tuple(layers))

    def _data_end(self) -> int:
        l1_clusters = -(-self.table_count * 8 // self.cluster_bytes)
        stored = 0 if self.data_file else len(self.clusters)
        return (1 + l1_clusters + len(self.tables) + stored) * self.cluster_bytes

    def header(self) -> bytes:
        features = self.features | (COMPRESSION_TYPE if self.zstd else 0)
        features |= DATA_FILE if self.data_file else 0
        features |= EXTENDED_L2 if self.subclusters else 0
        header_bytes = 112 if self.version == 3 else 72
        tail = b""
        for kind, content in self.extensions.items():
            padded = content.ljust(-(-len(content) // 8) * 8, b"\0")
            tail += struct.pack(">II", kind, len(content)) + padded
        tail += bytes(8)
        name = (self.backing or "").encode()
        name_offset = header_bytes + len(tail) if name else 0
        fixed = struct.pack(
            ">4sIQIIQIIQQIIQ",
            *(b"QFI\xfb", self.version, name_offset, len(name), self.cluster_bits),
            *(self.disk_bytes, 0, self.table_count, self.l1_offset, 0, 0, 0, 0),
        )
        if self.version == 3:
            fixed += struct.pack(">QQQIIB7x", features, 0, 0, 4, header_bytes, int(self.zstd))
        return fixed + tail + name


def compressed(content: bytes, *, zstd: bool) -> bytes:
    if zstd:
        return zstandard.ZstdCompressor().compress(content)
    deflate = zlib.compressobj(wbits=-12)
    return deflate.compress(content) + deflate.flush()


def compressed_entry(offset: int, length: int, cluster_bits: int) -> int:
    sectors = (offset % 512 + length - 1) // 512
    return COMPRESSED | sectors << (62 - (cluster_bits - 8)) | offset
