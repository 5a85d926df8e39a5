"""Where the clusters of a qcow2 image are: two levels of tables, read in bounded windows."""

from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from imgrepl.disks.disk import ByteSource
from imgrepl.disks.fields import damaged, over_limit, past_the_end, read_field
from imgrepl.disks.qcow2_entries import OFFSET_MASK, Clusters, EntryDecoder
from imgrepl.disks.qcow2_header import SUBCLUSTERS, Header
from imgrepl.disks.runs import Run, RunMap

WINDOW_CLUSTERS = 8192
"""Entries that are decoded at once: a whole table of clusters of 64 KiB, 512 MiB of disk."""

CACHED_RUNS_MAX = 1 << 20
"""Runs of decoded windows that are kept: at most 18 MB, and the window in use."""

HOST_CLUSTERS_MAX = 1 << 30
"""Largest file that is read, in clusters: 64 TiB at 64 KiB. Opening keeps a bit for each."""

_L1_RESERVED = 0x7F00_0000_0000_01FF


class ClusterMap:
    """The runs of the disk. Thread-safe."""

    def __init__(self, source: ByteSource, header: Header, decoder: EntryDecoder) -> None:
        self._source = source
        self._absent = decoder.absent
        self._header = header
        self._decoder = decoder
        self._l1, self.l1_without_offset = _read_l1(source, header)
        self._used = np.flatnonzero(self._l1)
        self._table_bytes = header.clusters_per_l2 * header.cluster_bytes
        self._window_bytes = WINDOW_CLUSTERS * header.cluster_bytes
        self._units = SUBCLUSTERS if header.extended_l2 else 1
        self._cached: OrderedDict[int, RunMap] = OrderedDict()
        self._cached_runs = 0
        self._lock = Lock()

    def check(self, data: ByteSource) -> None:
        """Decodes every table once; raises `Invalid` where two of them claim one cluster.

        `data` is the file that the clusters lie in.
        """
        header = self._header
        own = _Claims(self._source, header.cluster_bytes)
        l1_end = header.l1_offset + header.l1_entries * 8
        own.claim("header", np.zeros(1, dtype=np.int64))
        own.claim("L1 table", np.arange(header.l1_offset, l1_end, header.cluster_bytes))
        own.claim("L2 table", self._l1[self._used])
        theirs = own if data is self._source else _Claims(data, header.cluster_bytes)
        offset = 0
        while (offset := self._next_table(offset)) < header.disk_bytes:
            window = offset // self._window_bytes
            theirs.claim("data", self._load(window).host_offsets)
            offset = (window + 1) * self._window_bytes

    def between(self, offset: int, end: int) -> Iterator[Run]:
        """The runs of `[offset, end)`."""
        while offset < end:
            stop = min(self._next_table(offset), end)
            if stop > offset:
                yield Run(offset, stop - offset, self._absent, 0)
            else:
                window = offset // self._window_bytes
                stop = min((window + 1) * self._window_bytes, end)
                yield from self._window(window).between(offset, stop)
            offset = stop

    def _next_table(self, offset: int) -> int:
        """The first guest offset from `offset` on that a second-level table covers."""
        number = int(np.searchsorted(self._used, offset // self._table_bytes))
        if number == self._used.size:
            return self._header.disk_bytes
        return max(int(self._used[number]) * self._table_bytes, offset)

    def _window(self, window: int) -> RunMap:
        with self._lock:
            found = self._cached.get(window)
            if found is not None:
                self._cached.move_to_end(window)
                return found
        clusters = self._load(window)
        start = window * self._window_bytes
        runs = RunMap.of_units(
            start,
            min(start + self._window_bytes, self._header.disk_bytes),
            self._header.cluster_bytes // self._units,
            clusters.kinds,
            clusters.locations,
            units_per_cluster=self._units,
        )
        self._keep(window, runs)
        return runs

    def _keep(self, window: int, runs: RunMap) -> None:
        with self._lock:
            if window in self._cached:
                return
            self._cached[window] = runs
            self._cached_runs += len(runs)
            while self._cached_runs > CACHED_RUNS_MAX and len(self._cached) > 1:
                _, dropped = self._cached.popitem(last=False)
                self._cached_runs -= len(dropped)

    def _load(self, window: int) -> Clusters:
        """Reads the parts of second-level tables that make up a window."""
        header = self._header
        first = window * WINDOW_CLUSTERS
        count = min(WINDOW_CLUSTERS, -(-header.disk_bytes >> header.cluster_bits) - first)
        raw = bytearray(count * header.l2_entry_bytes)
        view = memoryview(raw)
        done = 0
        while done < count:
            table, inside = divmod(first + done, header.clusters_per_l2)
            part = min(header.clusters_per_l2 - inside, count - done)
            if self._l1[table]:
                self._source.read_into(
                    int(self._l1[table]) + inside * header.l2_entry_bytes,
                    view[done * header.l2_entry_bytes :][: part * header.l2_entry_bytes],
                )
            done += part
        words = np.frombuffer(raw, dtype=">u8").astype(np.uint64).reshape(count, -1)
        return self._decoder.decode(words[:, 0], words[:, -1], first)


def _read_l1(source: ByteSource, header: Header) -> tuple[NDArray[np.int64], int]:
    """Offsets of the second-level tables, 0 for none; how many entries have bits but no offset."""
    raw = read_field(source, "qcow2 L1 table", header.l1_offset, header.l1_entries * 8)
    entries = np.frombuffer(raw, dtype=">u8").astype(np.uint64)
    offsets = (entries & np.uint64(OFFSET_MASK)).astype(np.int64)
    reserved = (entries & np.uint64(_L1_RESERVED)) != 0
    wrong = np.flatnonzero(reserved | (offsets % header.cluster_bytes != 0))
    if wrong.size:
        raise damaged(
            source,
            f"qcow2 L1 entry {int(wrong[0])} is {int(entries[wrong[0]]):#x}: reserved bits set, "
            f"or no multiple of the cluster size {header.cluster_bytes}",
        )
    past = offsets + header.cluster_bytes > source.size_bytes
    lost = np.flatnonzero((offsets != 0) & past)
    if lost.size:
        raise past_the_end(
            source,
            f"qcow2 L2 table {int(lost[0])}",
            int(offsets[lost[0]]),
            header.cluster_bytes,
        )
    return offsets, int(np.count_nonzero((entries != 0) & (offsets == 0)))


class _Claims:
    """A bit for each cluster of a file: whether something lies there already."""

    def __init__(self, file: ByteSource, cluster_bytes: int) -> None:
        clusters = -(-file.size_bytes // cluster_bytes)
        if clusters > HOST_CLUSTERS_MAX:
            raise over_limit(
                file,
                f"the file has {clusters} clusters of {cluster_bytes} bytes, "
                f"limit {HOST_CLUSTERS_MAX}",
                "convert it to larger clusters: qemu-img convert -O qcow2 -o cluster_size=2M",
            )
        self._file = file
        self._cluster_bytes = cluster_bytes
        self._bits = np.zeros(clusters // 8 + 1, dtype=np.uint8)

    def claim(self, what: str, offsets: NDArray[np.int64]) -> None:
        """Takes the clusters at `offsets`, which lie in the file.

        Raises `Invalid` (`ImageDamaged`) when one of them is taken, or listed twice.
        """
        clusters = np.sort(offsets // self._cluster_bytes)
        octets = clusters >> 3
        bits = np.left_shift(1, clusters & 7).astype(np.uint8)
        taken = (self._bits[octets] & bits) != 0
        taken[1:] |= clusters[1:] == clusters[:-1]
        if taken.any():
            offset = int(clusters[taken][0]) * self._cluster_bytes
            raise damaged(
                self._file,
                f"qcow2 {what} lies in the cluster at {offset}, where something else lies too",
            )
        np.bitwise_or.at(self._bits, octets, bits)
