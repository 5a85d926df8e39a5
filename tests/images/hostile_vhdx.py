"""VHDXs with damaged headers, tables that point astray, and sizes that cannot be."""

import struct
from collections.abc import Iterator

from images.seed_vhdx import BAT_OFFSET, METADATA_OFFSET, vhdx, with_crc32c
from images.seeds import KIB, MIB
from images.sparse import SparseBytes
from images.verdicts import HostileImage, ok, reject

_HEADERS = (64 * KIB, 128 * KIB)
_REGION_TABLES = (192 * KIB, 256 * KIB)
_LOG_GUID, _LOG_VERSION, _VERSION, _LOG_OFFSET = 48, 64, 66, 72
_SOME_GUID = b"\x77" * 16

Edit = tuple[int, bytes]


def hostile_vhdxs() -> Iterator[HostileImage]:
    """Every VHDX."""
    seed = vhdx()
    yield from _headers(seed)
    yield from _logs(seed)
    yield from _blocks(seed)
    yield from _metadata(seed)


def _headers(seed: SparseBytes) -> Iterator[HostileImage]:
    first, second = ((at + 200, b"x") for at in _HEADERS)
    yield reject("x-short.vhdx", seed.first(200_000), "cut in the header section")
    yield reject("x-cut.vhdx", seed.first(-MIB), "last block past the end")
    yield ok("x-header1-bad.vhdx", seed.patched(first), "one good header is enough")
    yield reject("x-headers-bad.vhdx", seed.patched(first, second), "both header checksums")
    yield reject("x-version-2.vhdx", _in_headers(seed, (_VERSION, b"\2\0")), "format version 2")
    first, second = ((at + 60_000, b"x") for at in _REGION_TABLES)
    yield reject("x-region-bad.vhdx", seed.patched(first, second), "region table checksum")
    yield ok(
        "x-region1-bad.vhdx",
        seed.patched(first),
        "second region table is good (qemu 7.2 reads only the first)",
    )
    yield reject(
        "x-region-count.vhdx", _in_regions(seed, (8, _u32(5000))), "more than 2047 regions"
    )
    unknown = b"\x99" * 16 + _u64(64 * MIB) + _u32(MIB) + _u32(1)
    yield reject(
        "x-region-unknown.vhdx",
        _in_regions(seed, (8, _u32(3)), (16 + 64, unknown)),
        "unknown required region",
    )


def _logs(seed: SparseBytes) -> Iterator[HostileImage]:
    log_is_set = (_LOG_GUID, _SOME_GUID)
    yield ok(
        "x-log-dirty-noentry.vhdx",
        _in_headers(seed, log_is_set),
        "log id set, no valid entry in the log: nothing to replay",
    )
    yield reject("x-log-version.vhdx", _in_headers(seed, (_LOG_VERSION, b"\1\0")), "log version 1")
    yield reject(
        "x-log-off-odd.vhdx",
        _in_headers(seed, log_is_set, (_LOG_OFFSET, _u64(12345))),
        "log offset no multiple of 1 MiB",
    )


def _blocks(seed: SparseBytes) -> Iterator[HostileImage]:
    (first,) = struct.unpack("<Q", seed.read(BAT_OFFSET, 8))
    for name, entry, value, why in (
        # the offset has 44 bits, in MiB
        ("eof", 0, (1 << 40) << 20 | 6, "payload past the end"),
        ("overlap", 1, first, "two entries name one block"),
        ("in-header", 0, 6, "payload at offset 0"),
        ("state-4", 0, first & ~7 | 4, "reserved block state"),
        ("partial", 0, first & ~7 | 7, "partly present block without a parent"),
    ):
        image = seed.patched((BAT_OFFSET + 8 * entry, _u64(value)))
        yield reject(f"x-bat-{name}.vhdx", image, why)


def _metadata(seed: SparseBytes) -> Iterator[HostileImage]:
    parameters, disk_size, sector_bytes = (METADATA_OFFSET + _item(seed, i) for i in range(3))
    disk_size_entry = METADATA_OFFSET + 32 + 32
    for name, edit, why in (
        ("block-0", (parameters, _u32(0)), "block size 0"),
        ("block-3m", (parameters, _u32(3 * MIB)), "block size no power of two"),
        ("size-65t", (disk_size, _u64(65 << 40)), "above 64 TiB"),
        ("size-2e64", (disk_size, _u64(2**64 - 512)), "size overflows"),
        ("sector-1", (sector_bytes, _u32(1)), "logical sector size 1"),
        ("has-parent", (parameters + 4, _u32(2)), "has-parent set, no locator"),
        (
            "meta-off",
            (disk_size_entry + 16, _u32(0xFFFFF000)),
            "metadata item outside its region",
        ),
    ):
        yield reject(f"x-{name}.vhdx", seed.patched(edit), why)


def _item(seed: SparseBytes, index: int) -> int:
    """Where in the metadata region the value of the table's entry `index` lies."""
    (offset,) = struct.unpack("<I", seed.read(METADATA_OFFSET + 32 + 32 * index + 16, 4))
    return int(offset)


def _in_headers(image: SparseBytes, *edits: Edit) -> SparseBytes:
    return _mended(image, _HEADERS, 4 * KIB, edits)


def _in_regions(image: SparseBytes, *edits: Edit) -> SparseBytes:
    return _mended(image, _REGION_TABLES, 64 * KIB, edits)


def _mended(
    image: SparseBytes, bases: tuple[int, int], length: int, edits: tuple[Edit, ...]
) -> SparseBytes:
    for base in bases:
        image = image.patched(*((base + offset, value) for offset, value in edits))
        image = image.patched((base, with_crc32c(image.read(base, length))))
    return image


def _u32(value: int) -> bytes:
    return struct.pack("<I", value)


def _u64(value: int) -> bytes:
    return struct.pack("<Q", value)
