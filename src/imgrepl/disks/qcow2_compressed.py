"""Compressed clusters of a qcow2 image."""

import zlib
from collections import OrderedDict
from threading import Lock

import zstandard

from imgrepl.disks.disk import ByteSource
from imgrepl.disks.fields import damaged, read_field
from imgrepl.disks.qcow2_entries import compressed_offset_bits
from imgrepl.disks.qcow2_header import Header

CACHED_BYTES_MAX = 8 * 1024 * 1024
"""Decompressed clusters that are kept, for reads that are smaller than a cluster."""

_SECTOR_BYTES = 512
_DEFLATE_WINDOW_BITS = -12
_ZSTD_WINDOW_BYTES_MAX = 1 << 27


class CompressedClusters:
    """Gives the content of compressed clusters by their entries. Thread-safe.

    Never more than one cluster comes out of one entry, whatever the stream would give.
    """

    def __init__(self, source: ByteSource, header: Header) -> None:
        self._source = source
        self._cluster_bytes = header.cluster_bytes
        self._offset_bits = compressed_offset_bits(header.cluster_bits)
        self._expand = _expand_zstd if header.zstd else _expand_deflate
        self._cached: OrderedDict[int, bytes] = OrderedDict()
        self._clusters_max = CACHED_BYTES_MAX // header.cluster_bytes
        self._lock = Lock()

    def content(self, entry: int) -> bytes:
        """The bytes of one cluster.

        Raises `Invalid` (`ImageDamaged`) when they do not come out of the stream.
        """
        with self._lock:
            found = self._cached.get(entry)
            if found is not None:
                self._cached.move_to_end(entry)
                return found
        content = self._decompressed(entry)
        with self._lock:
            self._cached[entry] = content
            while len(self._cached) > self._clusters_max:
                self._cached.popitem(last=False)
        return content

    def _decompressed(self, entry: int) -> bytes:
        offset = entry & ((1 << self._offset_bits) - 1)
        sectors = (entry >> self._offset_bits) + 1
        stated = sectors * _SECTOR_BYTES - offset % _SECTOR_BYTES
        # The last sector that is stated may be cut short by the end of the file.
        there = min(stated, self._source.size_bytes - offset)
        stream = read_field(self._source, "qcow2 compressed cluster", offset, there)
        try:
            content = self._expand(stream, self._cluster_bytes)
        except (zlib.error, zstandard.ZstdError) as fault:
            raise damaged(
                self._source, f"qcow2 compressed cluster at {offset} cannot be read: {fault}"
            ) from fault
        if len(content) != self._cluster_bytes:
            raise damaged(
                self._source,
                f"qcow2 compressed cluster at {offset} gives {len(content)} bytes out of {there}, "
                f"not {self._cluster_bytes}",
            )
        return content


def _expand_deflate(stream: bytes, length: int) -> bytes:
    return zlib.decompressobj(_DEFLATE_WINDOW_BITS).decompress(stream, length)


def _expand_zstd(stream: bytes, length: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES_MAX)
    content = bytearray(length)
    done = 0
    with decompressor.stream_reader(stream, read_across_frames=True) as reader:
        while done < length and (count := reader.readinto(memoryview(content)[done:])):
            done += count
    return bytes(content[:done])
