"""The header of a qcow2 image, and the header extensions that matter to a reader."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from imgrepl.disks.disk import SECTOR_BYTES, ByteSource
from imgrepl.disks.fields import damaged, over_limit, past_the_end, read_field, unsupported
from imgrepl.errors import Invalid

L1_BYTES_MAX = 32 * 1024 * 1024
"""Largest first-level table that is read: 2 PiB in clusters of 64 KiB. The same as qemu's."""

SUBCLUSTERS = 32

_MAGIC = b"QFI\xfb"
_VERSION_2 = struct.Struct(">4sIQIIQIIQ")
_VERSION_2_BYTES = 72
_VERSION_3 = struct.Struct(">QQQII")
_VERSION_3_BYTES = 104
_COMPRESSION_OFFSET = 104
_CLUSTER_BITS_MIN, _CLUSTER_BITS_MAX = 9, 21
_CLUSTER_BITS_MIN_EXTENDED = 14
_DISK_BYTES_MAX = 1 << 62
_BACKING_NAME_BYTES_MAX = 1023

_DIRTY, _CORRUPT, _DATA_FILE, _COMPRESSION, _EXTENDED_L2 = (1 << bit for bit in range(5))
_KNOWN_FEATURES = _DIRTY | _CORRUPT | _DATA_FILE | _COMPRESSION | _EXTENDED_L2
_DEFLATE, _ZSTD = 0, 1

_EXTENSION = struct.Struct(">II")
_END_OF_EXTENSIONS = 0
_BACKING_FORMAT = 0xE2792ACA
_DATA_FILE_NAME = 0x44415441


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the image says of itself. Names are as stored, and not to be trusted."""

    version: int
    cluster_bits: int
    disk_bytes: int
    l1_offset: int
    l1_entries: int
    """How many entries the disk needs; the table may be longer."""
    corrupt: bool = False
    zstd: bool = False
    extended_l2: bool = False
    backing_name: str | None = None
    backing_format: str | None = None
    has_data_file: bool = False
    data_file_name: str | None = None

    @property
    def cluster_bytes(self) -> int:
        """The unit of allocation."""
        return 1 << self.cluster_bits

    @property
    def l2_entry_bytes(self) -> int:
        """16 with extended entries, else 8."""
        return 16 if self.extended_l2 else 8

    @property
    def clusters_per_l2(self) -> int:
        """Entries of a second-level table, which fills one cluster."""
        return self.cluster_bytes // self.l2_entry_bytes


def read_header(source: ByteSource) -> Header:
    """The header, every value within the limits of the format.

    Raises `Invalid` (`ImageTruncated`, `ImageDamaged`, `ImageEncrypted`, `ImageLimitExceeded`,
    `ImageFeatureUnsupported`).
    """
    raw = read_field(source, "qcow2 header", 0, _VERSION_2_BYTES)
    magic, version, backing_offset, backing_length, cluster_bits, disk_bytes, crypt, l1, at = (
        _VERSION_2.unpack_from(raw)
    )
    if magic != _MAGIC:
        raise damaged(source, f"qcow2 magic at 0 is {magic!r}, not {_MAGIC!r}")
    if version not in {2, 3}:
        raise unsupported(source, f"qcow2 version is {version}, 2 and 3 can be read")
    if not _CLUSTER_BITS_MIN <= cluster_bits <= _CLUSTER_BITS_MAX:
        raise damaged(
            source,
            f"qcow2 cluster_bits at 20 is {cluster_bits}, not {_CLUSTER_BITS_MIN} to "
            f"{_CLUSTER_BITS_MAX}",
        )
    if crypt:
        raise Invalid(
            f"{source.name}: qcow2 is encrypted, method {crypt}",
            code="ImageEncrypted",
            target=source.name,
            hint="decrypt it with qemu-img convert, which asks for the secret",
        )
    features, header_bytes = _features(source, version, cluster_bits)
    extensions = dict(_extensions(source, header_bytes, backing_offset or 1 << cluster_bits))
    header = Header(
        version=version,
        cluster_bits=cluster_bits,
        disk_bytes=disk_bytes,
        l1_offset=at,
        l1_entries=_l1_entries_needed(disk_bytes, cluster_bits, bool(features & _EXTENDED_L2)),
        corrupt=bool(features & _CORRUPT),
        zstd=_is_zstd(source, features, header_bytes),
        extended_l2=bool(features & _EXTENDED_L2),
        backing_name=_backing_name(source, backing_offset, backing_length),
        backing_format=_text(extensions.get(_BACKING_FORMAT)),
        has_data_file=bool(features & _DATA_FILE),
        data_file_name=_text(extensions.get(_DATA_FILE_NAME)),
    )
    _check_sizes(source, header, l1)
    return header


def _l1_entries_needed(disk_bytes: int, cluster_bits: int, extended_l2: bool) -> int:
    table_bits = cluster_bits - (4 if extended_l2 else 3)
    return -(-disk_bytes >> cluster_bits + table_bits)


def _features(source: ByteSource, version: int, cluster_bits: int) -> tuple[int, int]:
    """Incompatible features and header length; a version 2 has neither field."""
    if version == 2:
        return 0, _VERSION_2_BYTES
    raw = read_field(
        source, "qcow2 version 3 header", _VERSION_2_BYTES, _VERSION_3_BYTES - _VERSION_2_BYTES
    )
    features, _, _, _, header_bytes = _VERSION_3.unpack(raw)
    unknown = features & ~_KNOWN_FEATURES
    if unknown:
        raise unsupported(
            source,
            f"qcow2 incompatible features at 72 are {features:#x}; {unknown:#x} is not known",
            "convert it with the qemu that wrote it: qemu-img convert -O qcow2",
        )
    if header_bytes % 8 or not _VERSION_3_BYTES <= header_bytes <= 1 << cluster_bits:
        raise damaged(
            source,
            f"qcow2 header length at 100 is {header_bytes}, not a multiple of 8 from "
            f"{_VERSION_3_BYTES} to the cluster size {1 << cluster_bits}",
        )
    if features & _EXTENDED_L2 and cluster_bits < _CLUSTER_BITS_MIN_EXTENDED:
        raise damaged(
            source,
            f"qcow2 cluster_bits at 20 is {cluster_bits}; with extended entries it is at least "
            f"{_CLUSTER_BITS_MIN_EXTENDED}",
        )
    return features, header_bytes


def _is_zstd(source: ByteSource, features: int, header_bytes: int) -> bool:
    kind = _DEFLATE
    if header_bytes > _COMPRESSION_OFFSET:
        kind = read_field(source, "qcow2 compression type", _COMPRESSION_OFFSET, 1)[0]
    if kind not in {_DEFLATE, _ZSTD} or bool(kind) != bool(features & _COMPRESSION):
        raise unsupported(
            source,
            f"qcow2 compression type at {_COMPRESSION_OFFSET} is {kind} with incompatible "
            f"features {features:#x}; deflate is 0 without bit 3, zstd is 1 with it",
        )
    return kind == _ZSTD


def _extensions(source: ByteSource, offset: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Types and contents, from the end of the header to the backing file's name or cluster end."""
    end = min(end, 1 << _CLUSTER_BITS_MAX, source.size_bytes)
    while offset + _EXTENSION.size <= end:
        kind, length = _EXTENSION.unpack(
            read_field(source, "qcow2 header extension", offset, _EXTENSION.size)
        )
        offset += _EXTENSION.size
        if kind == _END_OF_EXTENSIONS:
            return
        if length > end - offset:
            raise damaged(
                source,
                f"qcow2 header extension {kind:#x} at {offset} has {length} bytes, "
                f"{end - offset} are left for it",
            )
        if kind in {_BACKING_FORMAT, _DATA_FILE_NAME}:
            yield kind, read_field(source, "qcow2 header extension", offset, length)
        offset += -(-length // 8) * 8


def _backing_name(source: ByteSource, offset: int, length: int) -> str | None:
    if offset == 0 or length == 0:
        return None
    if length > _BACKING_NAME_BYTES_MAX:
        raise damaged(
            source,
            f"qcow2 backing file name at 16 has {length} bytes, limit {_BACKING_NAME_BYTES_MAX}",
        )
    return _text(read_field(source, "qcow2 backing file name", offset, length))


def _text(raw: bytes | None) -> str | None:
    return raw.decode(errors="surrogateescape") if raw else None


def _check_sizes(source: ByteSource, header: Header, l1_entries: int) -> None:
    size = header.disk_bytes
    if size > _DISK_BYTES_MAX:
        raise over_limit(source, f"qcow2 size at 24 is {size}, the limit is {_DISK_BYTES_MAX}")
    if size == 0 or size % SECTOR_BYTES:
        raise damaged(source, f"qcow2 size at 24 is {size}, not a multiple of {SECTOR_BYTES}")
    if l1_entries * 8 > L1_BYTES_MAX:
        raise over_limit(
            source,
            f"qcow2 L1 table at {header.l1_offset} has {l1_entries * 8} bytes, "
            f"limit {L1_BYTES_MAX}",
        )
    if header.l1_entries > l1_entries:
        raise damaged(
            source,
            f"qcow2 L1 table has {l1_entries} entries, a disk of {size} bytes needs "
            f"{header.l1_entries}",
        )
    if header.l1_offset == 0 or header.l1_offset % header.cluster_bytes:
        raise damaged(
            source,
            f"qcow2 L1 table offset at 40 is {header.l1_offset}, not a positive multiple of the "
            f"cluster size {header.cluster_bytes}",
        )
    if header.l1_offset + l1_entries * 8 > source.size_bytes:
        raise past_the_end(source, "qcow2 L1 table", header.l1_offset, l1_entries * 8)
