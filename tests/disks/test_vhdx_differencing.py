"""Differencing VHDX: sector by sector against the plainest resolver there is."""

import random
import struct
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disks.memory import read_range
from disks.sources import MemorySource, assert_disk_is
from disks.vhdx_builder import (
    BAT_OFFSET,
    NOT_PRESENT,
    PARTLY,
    PAYLOAD_OFFSET,
    PRESENT,
    UNDEFINED,
    UNMAPPED,
    ZERO,
    Vhdx,
)
from images.seeds import MIB
from images.sparse import SparseBytes
from imgrepl.disks.detect import open_disk
from imgrepl.disks.disk import Disk
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.source import open_source
from imgrepl.disks.vhdx import open_vhdx
from imgrepl.errors import Invalid

PARENT_ID = UUID(int=0xABCDEF)
LOCATOR = {
    "parent_linkage": f"{{{PARENT_ID}}}",
    "relative_path": ".\\parent.vhdx",
    "absolute_win32_path": "C:\\images\\parent.vhdx",
}
PARENT_BLOCKS = {block: (PRESENT, bytes([0xA0 + block]) * MIB) for block in (0, 1, 3)}
PARENT = Vhdx(blocks=PARENT_BLOCKS, data_write_id=PARENT_ID)
PARENT_CONTENT = b"".join(
    PARENT_BLOCKS[block][1] if block in PARENT_BLOCKS else bytes(MIB) for block in range(4)
)


def opened(child: Vhdx, parent: Vhdx = PARENT) -> Disk:
    options = OpenOptions(parents=(MemorySource(parent.build(), "parent.vhdx"),))
    return open_vhdx(MemorySource(child.build(), "child.vhdx"), options)


def opened_from(folder: Path, images: Mapping[str, Vhdx]) -> Disk:
    """The first image, with all of them in one directory."""
    for name, image in images.items():
        image.build().write_to(folder / name)
    source = open_source(folder / next(iter(images)))
    try:
        return open_disk(source)
    except BaseException:
        source.close()
        raise


@pytest.mark.parametrize(
    ("state", "expected"),
    [(NOT_PRESENT, b"\xa1"), (UNDEFINED, b"\0"), (ZERO, b"\0"), (UNMAPPED, b"\0")],
)
def test_of_the_absent_states_only_not_present_asks_the_parent(state: int, expected: bytes) -> None:
    disk = opened(Vhdx(blocks={1: (state, b"")}, locator=LOCATOR))
    assert_disk_is(disk, PARENT_CONTENT[:MIB] + expected * MIB + PARENT_CONTENT[2 * MIB :])
    assert disk.subformat == "differencing"


def test_the_first_sector_is_the_lowest_bit_of_the_first_byte() -> None:
    blocks = {0: (PARTLY, b"c" * MIB)}
    disk = opened(Vhdx(blocks=blocks, bitmaps={0: b"\x01\x80"}, locator=LOCATOR))
    expected = b"c" * 512 + b"\xa0" * 512 * 14 + b"c" * 512 + b"\xa0" * 512
    assert read_range(disk, 0, 512 * 17) == expected


@settings(max_examples=40, deadline=None)
@given(
    states=st.lists(st.sampled_from([NOT_PRESENT, ZERO, PRESENT, PARTLY]), min_size=4, max_size=4),
    seed=st.integers(0, 1 << 32),
    sector_bytes=st.sampled_from([512, 4096]),
    spans=st.lists(st.tuples(st.integers(0, 4 * MIB), st.integers(0, 2 * MIB)), max_size=4),
)
def test_every_span_reads_like_sectors_taken_one_by_one(
    states: list[int], seed: int, sector_bytes: int, spans: list[tuple[int, int]]
) -> None:
    source = random.Random(seed)
    per_block = MIB // sector_bytes
    bitmap = source.randbytes(4 * per_block // 8)
    stored = {block: source.randbytes(MIB) for block in range(4)}
    child = Vhdx(
        sector_bytes=sector_bytes,
        blocks={block: (state, stored[block]) for block, state in enumerate(states)},
        bitmaps={0: bitmap},
        locator=LOCATOR,
    )
    expected = bytearray(PARENT_CONTENT)
    for sector in range(4 * per_block):
        block, start = sector // per_block, sector * sector_bytes
        here = bitmap[sector // 8] >> sector % 8 & 1
        if states[block] == PRESENT or (states[block] == PARTLY and here):
            own = stored[block][start % MIB : start % MIB + sector_bytes]
            expected[start : start + sector_bytes] = own
        elif states[block] == ZERO:
            expected[start : start + sector_bytes] = bytes(sector_bytes)
    disk = opened(child)
    assert_disk_is(disk, bytes(expected))
    for offset, length in spans:
        end = min(offset + length, 4 * MIB)
        assert read_range(disk, offset, end - offset) == expected[offset:end]


def test_each_chunk_has_a_bitmap_of_its_own() -> None:
    """With blocks of 256 MiB the second chunk begins with block 16."""
    block_bytes = 256 * MIB
    child = Vhdx(
        disk_bytes=18 * block_bytes,
        block_bytes=block_bytes,
        blocks={15: (PARTLY, b"a" * MIB), 16: (PARTLY, b"b" * MIB)},
        bitmaps={0: bytes(15 * 65536) + b"\x02", 1: b"\x05"},
        locator=LOCATOR,
    )
    disk = opened(child)
    expected = bytes(512) + b"a" * 512 + bytes(512)
    assert read_range(disk, 15 * block_bytes, 1536) == expected
    assert read_range(disk, 16 * block_bytes - 512, 2048) == bytes(512) + b"b" * 512 + bytes(
        512
    ) + (b"b" * 512)


def test_a_child_larger_than_its_parent_ends_in_zeros() -> None:
    child = Vhdx(disk_bytes=6 * MIB, blocks={5: (PRESENT, b"c" * MIB)}, locator=LOCATOR)
    assert_disk_is(opened(child), PARENT_CONTENT + bytes(MIB) + b"c" * MIB)


def test_a_child_smaller_than_its_parent_ends_where_it_ends() -> None:
    disk = opened(Vhdx(disk_bytes=MIB + 512, locator=LOCATOR))
    assert_disk_is(disk, PARENT_CONTENT[: MIB + 512])


def test_a_partly_present_block_without_bitmap_is_refused() -> None:
    with pytest.raises(Invalid, match="block 0 is partly present, but its chunk has no"):
        opened(Vhdx(blocks={0: (PARTLY, b"")}, locator=LOCATOR))


def test_a_bitmap_over_a_block_is_refused() -> None:
    child = Vhdx(blocks={0: (PARTLY, b"")}, bitmaps={0: b"\1"}, locator=LOCATOR)
    image = child.build()
    over = (BAT_OFFSET + 8 * child.ratio, struct.pack("<Q", PAYLOAD_OFFSET | PRESENT))
    with pytest.raises(Invalid, match="overlap"):
        open_vhdx(MemorySource(image.patched(over)), OpenOptions())


def test_a_bitmap_past_the_end_is_refused() -> None:
    child = Vhdx(blocks={0: (PARTLY, b"")}, bitmaps={0: b"\1"}, locator=LOCATOR).build()
    with pytest.raises(Invalid, match="sector bitmap takes"):
        open_vhdx(MemorySource(child.first(-4096)), OpenOptions())


def test_the_parent_is_found_by_name_beside_the_child(tmp_path: Path) -> None:
    middle_id = UUID(int=5)
    middle = Vhdx(blocks={1: (PRESENT, b"m" * MIB)}, locator=LOCATOR, data_write_id=middle_id)
    top = Vhdx(
        blocks={0: (PRESENT, b"t" * MIB)},
        locator={
            "parent_linkage": f"{{{middle_id}}}",
            "relative_path": "..\\elsewhere\\middle.avhdx",
        },
    )
    disk = opened_from(tmp_path, {"top.avhdx": top, "middle.avhdx": middle, "parent.vhdx": PARENT})
    names = [Path(source.name).name for source in disk.sources]
    assert names == ["top.avhdx", "middle.avhdx", "parent.vhdx"]
    assert_disk_is(disk, b"t" * MIB + b"m" * MIB + PARENT_CONTENT[2 * MIB :])
    disk.close()


def test_a_parent_with_another_write_id_is_refused(tmp_path: Path) -> None:
    images = {"child.vhdx": Vhdx(locator=LOCATOR), "parent.vhdx": Vhdx(data_write_id=UUID(int=4))}
    with pytest.raises(Invalid) as caught:
        opened_from(tmp_path, images)
    assert caught.value.code == "ParentMismatch"
    assert str(PARENT_ID) in caught.value.message


def test_a_parent_that_is_no_vhdx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "parent.vhdx").write_bytes(bytes(4096))
    with pytest.raises(Invalid) as caught:
        opened_from(tmp_path, {"child.vhdx": Vhdx(locator=LOCATOR)})
    assert caught.value.code == "ParentMismatch"


@pytest.mark.parametrize(
    "path",
    ["..\\parent.vhdx", "../parent.vhdx", "C:\\parent.vhdx", "\\\\host\\share\\parent.vhdx", ".."],
)
def test_a_stored_path_is_never_followed_out_of_the_directory(tmp_path: Path, path: str) -> None:
    PARENT.build().write_to(tmp_path / "parent.vhdx")
    (tmp_path / "inner").mkdir()
    locator = {**LOCATOR, "relative_path": path, "absolute_win32_path": path}
    with pytest.raises(Invalid) as caught:
        opened_from(tmp_path / "inner", {"child.vhdx": Vhdx(locator=locator)})
    assert caught.value.code == "ParentNotFound"


def test_an_image_that_is_its_own_parent_is_refused(tmp_path: Path) -> None:
    own = Vhdx(data_write_id=PARENT_ID, locator={**LOCATOR, "relative_path": ".\\child.vhdx"})
    with pytest.raises(Invalid) as caught:
        opened_from(tmp_path, {"child.vhdx": own})
    assert caught.value.code == "ParentCycle"


@pytest.mark.parametrize("linkage", [{}, {"parent_linkage": "{not a guid}"}])
def test_a_locator_without_a_valid_linkage_is_refused(linkage: Mapping[str, str]) -> None:
    with pytest.raises(Invalid, match="parent_linkage"):
        opened(Vhdx(locator={"relative_path": ".\\parent.vhdx", **linkage}))


def test_closing_the_child_closes_the_parent() -> None:
    parent = MemorySource(PARENT.build())
    child = MemorySource(Vhdx(locator=LOCATOR).build(), "child.vhdx")
    open_vhdx(child, OpenOptions(parents=(parent,))).close()
    assert (child.closed, parent.closed) == (True, True)


def test_a_locator_with_too_many_keys_is_refused() -> None:
    many = {f"key{number}": "value" for number in range(65)}
    with pytest.raises(Invalid, match="lists 65 keys"):
        opened(Vhdx(locator=many))


def test_text_outside_of_the_locator_is_refused() -> None:
    image = Vhdx(locator=LOCATOR).build()
    head = "parent_linkage".encode("utf-16-le")
    at = next(offset for offset, layer in image.layers if head in layer)
    table = next(layer for _, layer in image.layers if head in layer)
    first_entry = at + table.index(head) - 12 * len(LOCATOR)
    with pytest.raises(Invalid, match="parent locator: key at 4294967280"):
        open_vhdx(MemorySource(image.patched((first_entry, b"\xf0\xff\xff\xff"))), OpenOptions())


def test_reading_a_run_of_sectors_asks_for_it_once() -> None:
    child = Vhdx(blocks={0: (PARTLY, b"c" * MIB)}, bitmaps={0: b"\xff" * 256}, locator=LOCATOR)
    source = MemorySource(child.build(), "child.vhdx")
    other = MemorySource(SparseBytes.of(b""), "other.vhdx")
    parent = MemorySource(PARENT.build(), "parent.vhdx")
    disk = open_vhdx(source, OpenOptions(parents=(other, parent)))
    before = source.reads
    assert read_range(disk, 0, MIB) == b"c" * MIB
    assert source.reads == before + 2
