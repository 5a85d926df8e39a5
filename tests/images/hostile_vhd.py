"""Fixed and dynamic VHDs that are damaged, lie about their size, or only look odd."""

import struct
from collections.abc import Iterator

from images import vhd_edits as vhd
from images.seeds import MIB, dynamic_vhd, fixed_vhd
from images.sparse import SparseBytes
from images.verdicts import HostileImage, ok, reject, warn
from images.vhd_edits import at_both, at_head, at_tail, in_header, u32, u64

_TABLE = 1536


def hostile_vhds() -> Iterator[HostileImage]:
    """Every VHD without a parent."""
    fixed, dynamic = fixed_vhd(), dynamic_vhd()
    yield from _fixed_cut(fixed)
    yield from _fixed_sizes(fixed)
    yield from _fixed_fields(fixed)
    yield from _dynamic_footers(dynamic)
    yield from _dynamic_headers(dynamic)
    yield from _dynamic_blocks(dynamic)


def _fixed_cut(fixed: SparseBytes) -> Iterator[HostileImage]:
    footer = SparseBytes.of(fixed.read(-512, 512))
    short = SparseBytes.of(fixed.read(-511, 511))
    yield reject("empty.vhd", SparseBytes(0), "zero length")
    yield reject("short-511.vhd", short, "shorter than a footer")
    yield reject("footer-only.vhd", footer, "fixed footer says 8 MiB, file holds no data")
    yield reject("fixed-no-footer.vhd", fixed.first(-512), "named .vhd, no footer (raw data)")
    yield reject("fixed-cut-footer.vhd", fixed.first(-100), "footer cut short")
    yield reject("fixed-bad-checksum.vhd", fixed.patched((-512 + 85, b"x")), "footer checksum")
    yield reject("fixed-size-zero.vhd", at_tail(footer, (vhd.SIZE, u64(0))), "virtual size 0")


def _fixed_sizes(fixed: SparseBytes) -> Iterator[HostileImage]:
    def sized(size_bytes: int, image: SparseBytes = fixed) -> SparseBytes:
        return at_tail(image, (vhd.SIZE, u64(size_bytes)))

    one_sector_less = fixed.first(8 * MIB - 512).then(fixed.read(-512, 512))
    yield reject("fixed-size-larger.vhd", sized(16 * MIB), "current size beyond the data")
    yield warn(
        "fixed-size-smaller.vhd",
        sized(4 * MIB),
        "data after the stated size; read the stated size",
    )
    yield reject("fixed-size-not-512.vhd", sized(8 * MIB - 100), "current size no multiple of 512")
    yield warn(
        "fixed-not-mib.vhd",
        sized(8 * MIB - 512, one_sector_less),
        "valid; not a multiple of 1 MiB, so not for Azure",
    )
    yield reject("fixed-size-2e64.vhd", sized(2**64 - 512), "size overflows signed 64 bits")


def _fixed_fields(fixed: SparseBytes) -> Iterator[HostileImage]:
    yield ok(
        "fixed-orig-size-differs.vhd",
        at_tail(fixed, (vhd.ORIGINAL_SIZE, u64(4 * MIB))),
        "original size is history; current size rules",
    )
    yield ok(
        "fixed-chs-zero.vhd",
        at_tail(fixed, (vhd.GEOMETRY, bytes(4))),
        "geometry 0: use current size",
    )
    yield warn(
        "fixed-creator-vpc.vhd",
        at_tail(fixed, (vhd.CREATOR, b"vpc ")),
        "creator says size = geometry",
    )
    yield reject("fixed-type-1.vhd", at_tail(fixed, (vhd.TYPE, u32(1))), "reserved disk type")
    yield reject(
        "fixed-version-2.vhd", at_tail(fixed, (vhd.VERSION, u32(0x20000))), "major version 2"
    )
    yield warn(
        "fixed-saved-state.vhd",
        at_tail(fixed, (vhd.SAVED_STATE, b"\1")),
        "VM saved state: file system may be inconsistent",
    )


def _dynamic_footers(dynamic: SparseBytes) -> Iterator[HostileImage]:
    yield warn(
        "dyn-cut-tail.vhd",
        dynamic.first(-512),
        "no footer at the end, copy at the start is good",
    )
    yield reject(
        "dyn-cut-block.vhd",
        dynamic.first(-512 - MIB),
        "last block runs past the end of the file",
    )
    yield warn(
        "dyn-bad-head.vhd",
        dynamic.patched((0, b"CONECTIX")),
        "copy at the start is damaged, footer at the end is good",
    )
    yield reject(
        "dyn-head-tail-differ.vhd",
        at_head(dynamic, (vhd.SIZE, u64(6 * MIB))),
        "both footers valid, sizes differ",
    )
    yield reject(
        "dyn-header-off-eof.vhd",
        at_both(dynamic, (vhd.DATA_OFFSET, u64(1 << 40))),
        "dynamic header past the end",
    )
    yield reject(
        "dyn-header-off-zero.vhd",
        at_both(dynamic, (vhd.DATA_OFFSET, u64(0))),
        "dynamic header is the footer itself",
    )
    yield reject(
        "dyn-type-diff-no-parent.vhd",
        at_both(dynamic, (vhd.TYPE, u32(4))),
        "differencing, no parent named",
    )


def _dynamic_headers(dynamic: SparseBytes) -> Iterator[HostileImage]:
    def header(field: int, value: bytes) -> SparseBytes:
        return in_header(dynamic, (field, value))

    above_limit = 2041 << 30
    too_large = at_both(dynamic, (vhd.SIZE, u64(above_limit)))
    too_large = in_header(too_large, (vhd.TABLE_ENTRIES, u32(above_limit // (2 * MIB))))
    for name, image, why in (
        ("header-bad-checksum", dynamic.patched((812, b"x")), "dynamic header checksum"),
        ("bat-off-eof", header(vhd.TABLE_OFFSET, u64(1 << 50)), "BAT past the end"),
        ("bat-off-2e63", header(vhd.TABLE_OFFSET, u64(2**63 - 4)), "BAT offset overflows"),
        ("bat-overlaps-header", header(vhd.TABLE_OFFSET, u64(512)), "BAT over the dynamic header"),
        (
            "entries-huge",
            header(vhd.TABLE_ENTRIES, u32(0xFFFFFFFF)),
            "16 GiB table from a small file: no allocation before the check",
        ),
        ("entries-few", header(vhd.TABLE_ENTRIES, u32(2)), "table covers less than the disk"),
        ("block-0", header(vhd.BLOCK_BYTES, u32(0)), "block size 0"),
        ("block-3m", header(vhd.BLOCK_BYTES, u32(3 * MIB)), "block size no power of two"),
        ("block-2g", header(vhd.BLOCK_BYTES, u32(1 << 31)), "block size 2 GiB"),
        ("2t", too_large, "above the 2040 GiB limit"),
    ):
        yield reject(f"dyn-{name}.vhd", image, why)


def _dynamic_blocks(dynamic: SparseBytes) -> Iterator[HostileImage]:
    (first,) = struct.unpack(">I", dynamic.read(_TABLE, 4))
    for name, sector, why in (
        ("entry-eof", 0x7FFFFFFF, "entry past the end"),
        ("entry-header", 1, "entry over the header"),
        ("overlap", first, "two entries name one block"),
        ("overlap-part", first + 8, "two blocks overlap in part"),
    ):
        yield reject(f"dyn-bat-{name}.vhd", dynamic.patched((_TABLE + 4, u32(sector))), why)
    yield warn(
        "dyn-bitmap-zero.vhd",
        dynamic.patched((first * 512, bytes(512))),
        "bitmap says never written, the stored bytes are not zero: readers disagree",
    )
