"""Whatever is written over an image, a reader gives bytes or refuses it.

Never another exception, never a read outside of the file (`MemorySource` fails the test), never
without an end.
"""

import random
import struct
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disks.memory import read_all
from disks.qcow2_builder import BACKING_FORMAT, ZERO, Qcow2
from disks.sources import MemorySource, assert_disk_is, poke
from disks.vhdx_builder import (
    BAT_OFFSET,
    ITEMS_OFFSET,
    LOG_OFFSET,
    METADATA_OFFSET,
    PARTLY,
    PAYLOAD_OFFSET,
    PRESENT,
    LogEntry,
    Vhdx,
    in_ring,
)
from disks.vhdx_builder import (
    ZERO as ZERO_BLOCK,
)
from images.seed_vhdx import with_crc32c
from images.seeds import KIB, MIB
from images.sparse import SparseBytes
from imgrepl.disks.disk import ByteSource, Disk
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.qcow2 import open_qcow2
from imgrepl.disks.vhdx import open_vhdx
from imgrepl.errors import Invalid

Open = Callable[[ByteSource, OpenOptions], Disk]
Edit = tuple[int, int, bytes]
"""Which area, where in it from 0 to 1023, what."""

CLUSTER = 65536
_EDGES = sorted(
    {
        value & (2**64 - 1)
        for power in (0, 3, 9, 12, 16, 20, 21, 31, 32, 40, 48, 55, 62, 63, 64)
        for value in (2**power - 1, 2**power, 2**power + 1)
    }
)
_VALUES = st.one_of(
    st.sampled_from(_EDGES).map(lambda value: struct.pack("<Q", value)),
    st.sampled_from(_EDGES).map(lambda value: struct.pack(">Q", value)),
    st.sampled_from(_EDGES).map(lambda value: struct.pack("<I", value & 0xFFFFFFFF)),
    st.sampled_from(_EDGES).map(lambda value: struct.pack(">I", value & 0xFFFFFFFF)),
    st.binary(min_size=1, max_size=12),
)
_EDITS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 1023), _VALUES), max_size=4)
_LENGTHS = st.one_of(st.none(), st.floats(0, 1.5))


def reads_or_refuses(open_image: Open, image: SparseBytes, *parents: MemorySource) -> None:
    options, opened = OpenOptions(parents=parents), list[Disk]()
    source = MemorySource(image, "mutated")
    refusal = refusal_of(lambda: opened.append(open_image(source, options)))
    for disk in opened:
        fault = refusal_of(lambda: poke(disk))  # noqa: B023
        assert fault is None or fault.code in {"ImageDamaged", "ImageTruncated"}
        disk.close()
    if refusal:
        assert refusal.code.isalnum()
        assert refusal.message.isprintable()


def refusal_of(action: Callable[[], None]) -> Invalid | None:
    try:
        action()
    except Invalid as fault:
        return fault
    return None


def resized(image: SparseBytes, share: float | None) -> SparseBytes:
    length = image.length if share is None else int(image.length * share)
    return SparseBytes(length, image.layers)


PARENT_ID = UUID(int=3)
PARENT = Vhdx(blocks={1: (PRESENT, b"p" * MIB)}, data_write_id=PARENT_ID).build()
LOG = LogEntry(
    sequence=5,
    writes=[(PAYLOAD_OFFSET + 8192, b"l" * 4096), (PAYLOAD_OFFSET + 65536, 65536)],
).build()
CHILD = Vhdx(
    blocks={0: (PRESENT, b"c" * MIB), 1: (PARTLY, b"d" * MIB), 2: (ZERO_BLOCK, b"")},
    bitmaps={0: random.Random(1).randbytes(1024)},
    locator={"parent_linkage": f"{{{PARENT_ID}}}", "relative_path": ".\\parent.vhdx"},
    log=in_ring([LOG]),
)


def vhdx_with(edits: list[Edit]) -> SparseBytes:
    """Checksums are made right again, so that what they guard is reached."""
    image = CHILD.build()
    bitmap_entry = BAT_OFFSET + 8 * CHILD.ratio
    areas = [
        (128 * KIB, 80, 4096),
        (192 * KIB, 80, 65536),
        (METADATA_OFFSET, 224, 0),
        (ITEMS_OFFSET, 400, 0),
        (BAT_OFFSET, 32, 0),
        (bitmap_entry, 8, 0),
        (LOG_OFFSET, 128, len(LOG)),
        (LOG_OFFSET + 4096, 16, 0),
    ]
    for number, at, value in edits:
        start, length, checked = areas[number]
        image = image.patched((start + at % length, value))
        if checked:
            image = image.patched((start, with_crc32c(image.read(start, checked))))
    return image


def test_the_vhdx_that_is_mutated_is_a_good_one() -> None:
    parent = MemorySource(PARENT, "parent.vhdx")
    disk = open_vhdx(MemorySource(CHILD.build()), OpenOptions(parents=(parent,)))
    content = read_all(disk)
    assert (content[8192:8193], content[65536:65537], content[:1]) == (b"l", b"\0", b"c")
    assert {b"d", b"p"} == {content[at : at + 1] for at in range(MIB, 2 * MIB, 512)}


@settings(max_examples=250, deadline=20_000)
@given(edits=_EDITS, share=_LENGTHS)
def test_a_mutated_vhdx_is_read_or_refused(edits: list[Edit], share: float | None) -> None:
    parent = MemorySource(PARENT, "parent.vhdx")
    reads_or_refuses(open_vhdx, resized(vhdx_with(edits), share), parent)


BACKING = random.Random(2).randbytes(3 * CLUSTER)
_CONTENT = {n: random.Random(n).randbytes(CLUSTER // 2).ljust(CLUSTER, b"\0") for n in range(8)}
QCOW2S = {
    "plain": Qcow2(
        disk_bytes=20 * CLUSTER,
        clusters={n: _CONTENT[n] for n in (0, 1, 5)},
        packed={n: _CONTENT[n] for n in (2, 6)},
        raw_entries={3: ZERO},
        backing="base.raw",
        extensions={BACKING_FORMAT: b"raw"},
    ),
    "zstd": Qcow2(disk_bytes=8 * CLUSTER, zstd=True, packed=_CONTENT),
    "subclusters": Qcow2(
        disk_bytes=8 * CLUSTER,
        clusters={0: _CONTENT[0], 1: _CONTENT[1]},
        packed={2: _CONTENT[2]},
        subclusters={0: (0xF0F0, 0x0F0F), 1: (0xFFFF, 0xFFFF0000), 4: (0, 7)},
        backing="base.raw",
        extensions={BACKING_FORMAT: b"raw"},
    ),
    "small clusters": Qcow2(
        disk_bytes=300 * 512,
        cluster_bits=9,
        clusters=dict.fromkeys(range(0, 300, 7), b"s" * 512),
        packed=dict.fromkeys(range(1, 300, 70), b"t" * 512),
    ),
    "version 2": Qcow2(disk_bytes=4 * CLUSTER, version=2, clusters=_CONTENT | {}),
}


def qcow2_with(image: Qcow2, edits: list[Edit]) -> SparseBytes:
    built = image.build()
    streams_at = built.length - 4096 if image.packed else image.l2_offset(0)
    areas = [
        (0, 112),
        (0, 200),
        (image.l1_offset, 16),
        (image.l2_offset(0), 16),
        (image.l2_offset(0), 128),
        (image.l2_offset(0), 128),
        (streams_at, 1024),
        (streams_at, 1024),
    ]
    for number, at, value in edits:
        start, length = areas[number]
        built = built.patched((start + at % length, value[: built.length - start - at % length]))
    return built


def test_the_qcow2s_that_are_mutated_are_good_ones() -> None:
    for image in QCOW2S.values():
        base = MemorySource(BACKING, "base.raw")
        disk = open_qcow2(MemorySource(image.build()), OpenOptions(parents=(base,)))
        assert_disk_is(disk, read_all(disk))
        assert any(read_all(disk))


@pytest.mark.parametrize("kind", QCOW2S)
@settings(max_examples=150, deadline=20_000)
@given(edits=_EDITS, share=_LENGTHS)
def test_a_mutated_qcow2_is_read_or_refused(
    kind: str, edits: list[Edit], share: float | None
) -> None:
    base = MemorySource(BACKING, "base.raw")
    image = resized(qcow2_with(QCOW2S[kind], edits), share)
    reads_or_refuses(open_qcow2, image, base)
