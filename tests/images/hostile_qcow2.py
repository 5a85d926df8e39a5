"""qcow2 images with tables that point astray, features unknown, and backing files out of reach."""

import struct
from collections.abc import Iterator

from images.seeds import qcow2
from images.sparse import SparseBytes
from images.verdicts import HostileImage, ok, read_error, reject, warn

_VERSION, _BACKING_OFFSET, _BACKING_LENGTH, _CLUSTER_BITS, _SIZE = 4, 8, 16, 20, 24
_ENCRYPTION, _L1_ENTRIES, _L1_OFFSET, _INCOMPATIBLE = 32, 36, 40, 72
_OFFSET_MASK = 0x00FF_FFFF_FFFF_FE00
_COPIED, _COMPRESSED = 1 << 63, 1 << 62
_BACKINGS = (
    ("abs", "/etc/passwd", "absolute path"),
    ("dotdot", "../../../../etc/shadow", "climbs out of the folder"),
    ("self", "q-backing-self.qcow2", "its own backing file"),
    ("nbd", "nbd://127.0.0.1:10809/x", "network backing"),
    ("json", 'json:{"driver":"file","filename":"/etc/passwd"}', "json: pseudo protocol"),
    ("missing", "nothere.raw", "backing file missing"),
)


def hostile_qcow2s() -> Iterator[HostileImage]:
    """Every qcow2."""
    seed = qcow2()
    yield reject("q-short.qcow2", seed.first(60), "shorter than the header")
    yield reject("q-cut.qcow2", seed.first(-300_000), "clusters past the end")
    yield from _headers(seed)
    yield from _features(seed)
    yield from _tables(seed)
    yield from _backings(seed)


def _headers(seed: SparseBytes) -> Iterator[HostileImage]:
    for name, edit, why in (
        ("version-4", (_VERSION, _u32(4)), "version 4"),
        ("cluster-bits-8", (_CLUSTER_BITS, _u32(8)), "cluster of 256 bytes"),
        ("cluster-bits-40", (_CLUSTER_BITS, _u32(40)), "cluster of 1 TiB"),
        (
            "l1-huge",
            (_L1_ENTRIES, _u32(0x7FFFFFFF)),
            "L1 table of 16 GiB: no allocation before the check",
        ),
        ("l1-eof", (_L1_OFFSET, _u64(1 << 40)), "L1 table past the end"),
        ("l1-short", (_SIZE, _u64(1 << 45)), "disk of 32 TiB, L1 covers 512 MiB"),
        ("size-2e63", (_SIZE, _u64(2**63)), "size overflows"),
        ("encrypted", (_ENCRYPTION, _u32(1)), "encrypted"),
    ):
        yield reject(f"q-{name}.qcow2", seed.patched(edit), why)


def _features(seed: SparseBytes) -> Iterator[HostileImage]:
    def feature(bit: int) -> SparseBytes:
        return seed.patched((_INCOMPATIBLE, _u64(1 << bit)))

    yield reject("q-incompat-63.qcow2", feature(63), "unknown incompatible feature")
    yield ok(
        "q-dirty.qcow2",
        feature(0),
        "dirty bit: reference counts may be stale, the mapping is good",
    )
    yield warn("q-corrupt.qcow2", feature(1), "marked corrupt by its writer")
    yield reject("q-data-file.qcow2", feature(2), "external data file, none named")


def _tables(seed: SparseBytes) -> Iterator[HostileImage]:
    (l1,) = struct.unpack(">Q", seed.read(_L1_OFFSET, 8))
    l2 = struct.unpack(">Q", seed.read(l1, 8))[0] & _OFFSET_MASK

    def entry(table: int, value: int) -> SparseBytes:
        return seed.patched((table, _u64(value)))

    far = 1 << 45
    yield reject("q-l2-eof.qcow2", entry(l1, _COPIED | far), "L2 table past the end")
    yield warn("q-l2-is-header.qcow2", entry(l1, _COPIED), "L1 entry with offset 0: unallocated")
    yield reject(
        "q-l2-unaligned.qcow2", entry(l1, _COPIED | (l2 + 512)), "L2 table not on a cluster"
    )
    yield reject("q-data-eof.qcow2", entry(l2, _COPIED | far), "cluster past the end")
    yield read_error(
        "q-compressed-junk.qcow2",
        entry(l2, _COMPRESSED | 3 << 54 | l2),
        "compressed cluster holds no deflate stream",
    )
    yield read_error(
        "q-compressed-eof.qcow2",
        entry(l2, _COMPRESSED | 255 << 54 | (seed.length - 100)),
        "compressed cluster runs past the end",
    )


def _backings(seed: SparseBytes) -> Iterator[HostileImage]:
    for name, path, why in _BACKINGS:
        stored = path.encode()
        named = seed.patched(
            (_BACKING_OFFSET, _u64(1024)), (_BACKING_LENGTH, _u32(len(stored))), (1024, stored)
        )
        yield reject(f"q-backing-{name}.qcow2", named, why)
    endless = seed.patched((_BACKING_OFFSET, _u64(1024)), (_BACKING_LENGTH, _u32(0x7FFFFFFF)))
    yield reject("q-backing-len.qcow2", endless, "backing name of 2 GiB")


def _u32(value: int) -> bytes:
    return struct.pack(">I", value)


def _u64(value: int) -> bytes:
    return struct.pack(">Q", value)
