"""qcow2 version 3: clusters of 64 KiB in order of arrival, found through two tables."""

import struct
import sys
from array import array
from threading import Lock

from imgrepl.disks.writers.part_file import PartFile

CLUSTER_BYTES = 1 << 16
_CLUSTERS_PER_L2 = CLUSTER_BYTES // 8
_REFCOUNTS_PER_BLOCK = CLUSTER_BYTES // 2
_COPIED = 1 << 63  # exactly one reference, so a writer may write in place
_L1_CLUSTER = 1  # right behind the header

_HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII8x")
_HEADER_BYTES = 104  # the 8 bytes behind it end the list of header extensions


class Qcow2Writer:
    """Writes a qcow2 image: uncompressed, no backing file, every cluster referenced once.

    A cluster, and a second-level table for 512 MiB of disk, take room when the first byte for them
    arrives. Until the end the tables are kept in memory: at most 4 bytes per cluster, 64 MiB for
    each TiB that holds data.
    """

    def __init__(self, part: PartFile, size_bytes: int) -> None:
        self._part = part
        self._size_bytes = size_bytes
        self._l2_count = -(-size_bytes // (CLUSTER_BYTES * _CLUSTERS_PER_L2))
        self._tables: dict[int, _Table] = {}
        self._cluster_count = _L1_CLUSTER + _clusters(8 * self._l2_count)
        self._lock = Lock()

    def write(self, offset: int, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            cluster, inside = divmod(offset, CLUSTER_BYTES)
            wanted = _clusters(inside + len(view))
            host, consecutive = self._host_clusters(cluster, wanted)
            piece = view[: consecutive * CLUSTER_BYTES - inside]
            self._part.write(host * CLUSTER_BYTES + inside, piece)
            offset += len(piece)
            view = view[len(piece) :]

    def finish(self) -> None:
        for table in self._tables.values():
            self._part.write(table.own_cluster * CLUSTER_BYTES, table.encoded())
        self._part.write(_L1_CLUSTER * CLUSTER_BYTES, self._l1())
        table_cluster, table_clusters = self._write_refcounts()
        self._part.set_length(self._cluster_count * CLUSTER_BYTES)
        self._part.write(0, self._header(table_cluster, table_clusters))
        self._part.publish()

    def abort(self) -> None:
        self._part.discard()

    def _host_clusters(self, cluster: int, wanted: int) -> tuple[int, int]:
        """The file's cluster for `cluster`, and how many of the `wanted` follow it in a row."""
        l2_index, entry = divmod(cluster, _CLUSTERS_PER_L2)
        wanted = min(wanted, _CLUSTERS_PER_L2 - entry)
        with self._lock:
            table = self._tables.get(l2_index)
            if table is None:
                table = self._tables[l2_index] = _Table(self._take_cluster())
            hosts = table.hosts
            first = hosts[entry] = hosts[entry] or self._take_cluster()
            for step in range(1, wanted):
                host = hosts[entry + step] = hosts[entry + step] or self._take_cluster()
                if host != first + step:
                    return first, step
        return first, wanted

    def _take_cluster(self) -> int:
        self._cluster_count += 1
        return self._cluster_count - 1

    def _l1(self) -> bytes:
        own = (self._tables.get(index) for index in range(self._l2_count))
        return _big_endian(
            array(
                "Q", (table.own_cluster * CLUSTER_BYTES | _COPIED if table else 0 for table in own)
            )
        )

    def _write_refcounts(self) -> tuple[int, int]:
        """Counts every cluster, its own included; gives the refcount table's place and length."""
        blocks, table_clusters = _refcount_clusters(self._cluster_count)
        table_cluster = self._cluster_count
        first_block = table_cluster + table_clusters
        self._cluster_count = first_block + blocks
        offsets = (cluster * CLUSTER_BYTES for cluster in range(first_block, self._cluster_count))
        self._part.write(table_cluster * CLUSTER_BYTES, _big_endian(array("Q", offsets)))
        for block in range(blocks):
            counted = min(self._cluster_count - block * _REFCOUNTS_PER_BLOCK, _REFCOUNTS_PER_BLOCK)
            self._part.write((first_block + block) * CLUSTER_BYTES, b"\x00\x01" * counted)
        return table_cluster, table_clusters

    def _header(self, refcount_table_cluster: int, refcount_table_clusters: int) -> bytes:
        return _HEADER.pack(
            b"QFI\xfb",
            3,
            0,  # no backing file
            0,
            CLUSTER_BYTES.bit_length() - 1,
            self._size_bytes,
            0,  # not encrypted
            self._l2_count,
            _L1_CLUSTER * CLUSTER_BYTES,
            refcount_table_cluster * CLUSTER_BYTES,
            refcount_table_clusters,
            0,  # no snapshots
            0,
            0,  # no features of any kind
            0,
            0,
            4,  # refcounts of 16 bits
            _HEADER_BYTES,
        )


class _Table:
    """A second-level table: the file's cluster for each of 8,192 of the disk's, 0 for none."""

    def __init__(self, own_cluster: int) -> None:
        self.own_cluster = own_cluster
        self.hosts = array("I", bytes(4 * _CLUSTERS_PER_L2))

    def encoded(self) -> bytes:
        entries = (host * CLUSTER_BYTES | _COPIED if host else 0 for host in self.hosts)
        return _big_endian(array("Q", entries))


def file_bytes_max(size_bytes: int) -> int:
    """The length of the file when every cluster of the disk was written."""
    data = _clusters(size_bytes)
    l2_count = -(-data // _CLUSTERS_PER_L2)
    used = _L1_CLUSTER + _clusters(8 * l2_count) + l2_count + data
    return (used + sum(_refcount_clusters(used))) * CLUSTER_BYTES


def _refcount_clusters(used: int) -> tuple[int, int]:
    """Refcount blocks and clusters of the refcount table for `used` clusters and themselves."""
    blocks = table_clusters = 0
    while blocks * _REFCOUNTS_PER_BLOCK < used + blocks + table_clusters:
        blocks += 1
        table_clusters = _clusters(8 * blocks)
    return blocks, table_clusters


def _clusters(length: int) -> int:
    return -(-length // CLUSTER_BYTES)


def _big_endian(words: "array[int]") -> bytes:
    if sys.byteorder == "little":
        words.byteswap()
    return words.tobytes()
