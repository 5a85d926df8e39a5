"""What a VHD reader gives, against one that is too simple to be wrong."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disks.memory import BytesSource, assert_extents_hold, read_all, read_range
from disks.naive_vhd import naive_content
from disks.vhd_builder import DIFFERENCING, DYNAMIC, Vhd, fixed_vhd, patched_footers
from imgrepl.disks.detect import open_disk
from imgrepl.disks.disk import Extent
from imgrepl.disks.inspect import inspect
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.source import open_source
from imgrepl.disks.vhd import open_vhd
from qemu import needs_qemu_img, qemu_img

PARENT_ID, CHILD_ID, GRANDCHILD_ID = b"p" * 16, b"c" * 16, b"g" * 16


@st.composite
def vhds(draw: st.DrawFn, kind: int, identity: bytes, parent: bytes = bytes(16)) -> Vhd:
    block_bytes = draw(st.sampled_from([512, 4096, 65536]))
    sectors = draw(st.integers(1, 5 * block_bytes // 512))
    vhd = Vhd(
        size=sectors * 512,
        block_bytes=block_bytes,
        kind=kind,
        identity=identity,
        parent_identity=parent,
        gap_sectors=draw(st.integers(0, 2)),
    )
    for block in draw(st.permutations(range(vhd.entries))):
        if draw(st.booleans()):
            vhd.blocks[block] = draw(stored_blocks(block_bytes))
    return vhd


@st.composite
def stored_blocks(draw: st.DrawFn, block_bytes: int) -> tuple[bytes, bytes]:
    """A bitmap, often with many short runs, and data with zero sectors among it."""
    seed = draw(st.integers(0, 255))
    bits = -(-block_bytes // 4096)
    bitmap = draw(
        st.one_of(
            st.binary(min_size=bits, max_size=bits),
            st.sampled_from([b"\xff" * bits, bytes(bits), b"\xaa" * bits, b"\x0f" * bits]),
        )
    )
    sectors = [
        bytes(512) if (seed + index) % 3 == 0 else bytes([1 + (seed * 7 + index) % 255]) * 512
        for index in range(block_bytes // 512)
    ]
    return bitmap, b"".join(sectors)


@given(vhds(DYNAMIC, PARENT_ID), st.data())
@settings(max_examples=60, deadline=None)
def test_a_dynamic_vhd_reads_as_stored_at_every_offset(vhd: Vhd, data: st.DataObject) -> None:
    image = vhd.build()
    expected = naive_content(image, {})
    disk = open_vhd(BytesSource(image), OpenOptions())
    assert (disk.format, disk.subformat, disk.size_bytes) == ("vhd", "dynamic", vhd.size)
    assert read_all(disk) == expected
    offset = data.draw(st.integers(0, vhd.size))
    length = data.draw(st.integers(0, vhd.size - offset))
    assert read_range(disk, offset, length) == expected[offset : offset + length]
    assert_extents_hold(disk, expected, offset, length)


@given(
    vhds(DYNAMIC, PARENT_ID),
    vhds(DIFFERENCING, CHILD_ID, PARENT_ID),
    vhds(DIFFERENCING, GRANDCHILD_ID, CHILD_ID),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_a_chain_of_differencing_vhds_reads_each_sector_from_the_file_that_has_it(
    parent: Vhd, child: Vhd, grandchild: Vhd, data: st.DataObject
) -> None:
    images = {vhd.identity: vhd.build() for vhd in (parent, child, grandchild)}
    image = images[GRANDCHILD_ID]
    expected = naive_content(image, images)
    others = tuple(BytesSource(images[i], i.decode()) for i in (PARENT_ID, CHILD_ID))
    disk = open_vhd(BytesSource(image, "grandchild"), OpenOptions(parents=others))
    assert [source.name[0] for source in disk.sources] == ["g", "c", "p"]
    assert read_all(disk) == expected
    offset = data.draw(st.integers(0, grandchild.size))
    length = data.draw(st.integers(0, grandchild.size - offset))
    assert read_range(disk, offset, length) == expected[offset : offset + length]
    assert_extents_hold(disk, expected, offset, length)
    disk.close()
    assert all(source.closed for source in others)


def test_a_zero_written_over_the_parents_data_stays_zero() -> None:
    parent = Vhd(size=4096, identity=PARENT_ID, blocks={0: (b"\xff", b"x" * 4096)})
    child = Vhd(
        size=4096,
        kind=DIFFERENCING,
        identity=CHILD_ID,
        parent_identity=PARENT_ID,
        blocks={0: (b"\x40", bytes(4096))},
    )
    options = OpenOptions(parents=(BytesSource(parent.build(), "p"),))
    disk = open_vhd(BytesSource(child.build()), options)
    assert read_all(disk) == b"x" * 512 + bytes(512) + b"x" * 3072


def test_what_a_larger_child_has_behind_its_parents_end_is_zeros() -> None:
    child = Vhd(size=3 * 4096, kind=DIFFERENCING, identity=CHILD_ID, parent_identity=PARENT_ID)
    parent = fixed_vhd(b"x" * 4608, identity=PARENT_ID)
    options = OpenOptions(parents=(BytesSource(parent, "p"),))
    disk = open_vhd(BytesSource(child.build()), options)
    assert read_all(disk) == (b"x" * 4608).ljust(3 * 4096, b"\0")
    assert list(disk.data_extents(0, 3 * 4096)) == [(0, 4608)]


def test_a_grown_vhd_is_as_large_as_its_current_size() -> None:
    image = patched_footers(Vhd(size=8192).build(), 40, (4096).to_bytes(8, "big"))
    assert open_vhd(BytesSource(image), OpenOptions()).size_bytes == 8192


def test_the_geometry_gives_the_size_where_that_is_asked_for() -> None:
    image = fixed_vhd(bytes(8192), geometry=(2, 2, 2), creator=b"vpc ")
    disk = open_vhd(BytesSource(image), OpenOptions(size_from_geometry=True))
    assert disk.size_bytes == 2 * 2 * 2 * 512
    assert [problem.rule for problem in disk.problems] == ["VhdDataBehindDisk"]


def test_a_footer_of_511_bytes_as_virtual_pc_wrote_it_is_read() -> None:
    image = fixed_vhd(b"x" * 8192)[:-1]
    disk = open_disk(BytesSource(image, "old.vhd"))
    assert read_all(disk) == b"x" * 8192


def test_holes_of_the_file_inside_a_block_are_no_extents(tmp_path: Path) -> None:
    size = 4 << 20
    head = Vhd(size=size, block_bytes=2 << 20, blocks={1: (b"\xff" * 512, bytes(2 << 20))}).build()
    path = tmp_path / "sparse.vhd"
    with path.open("wb") as file:
        file.write(head[:4096])
        file.seek(2048 + 512 + (1 << 20))
        file.write(b"x" * 4096)
        file.seek(len(head) - 512)
        file.write(head[-512:])
    disk = open_disk(open_source(path))
    extents = list(disk.data_extents(0, size))
    disk.close()
    assert sum(extent.length for extent in extents) <= 4 * 4096
    assert any(e.offset <= 3 << 20 < e.offset + e.length for e in extents)


def test_a_file_system_with_odd_extents_loses_nothing() -> None:
    image = Vhd(size=4096, identity=PARENT_ID, blocks={0: (b"\xff", b"x" * 4096)}).build()
    data_offset = len(image) - 512 - 4096
    odd = [Extent(0, data_offset + 700), Extent(data_offset + 1000, 2000), Extent(7900, 260)]
    child = Vhd(
        size=4096,
        kind=DIFFERENCING,
        identity=CHILD_ID,
        parent_identity=PARENT_ID,
        blocks={0: (b"\x01", bytes(4096))},
    )
    parent = BytesSource(image, "p", odd)
    disk = open_vhd(BytesSource(child.build()), OpenOptions(parents=(parent,)))
    assert list(disk.data_extents(0, 4096)) == [(0, 3072), (3584, 512)]
    assert list(disk.data_extents(3000, 10)) == [(3000, 10)]


def test_reading_asks_for_nothing_of_absent_blocks() -> None:
    source = BytesSource(Vhd(size=1 << 20, blocks={3: (b"\xff", b"x" * 4096)}).build())
    disk = open_vhd(source, OpenOptions())
    source.reads.clear()
    read_all(disk)
    assert [length for _offset, length in source.reads] == [4096]


@needs_qemu_img
@pytest.mark.parametrize("subformat", ["fixed", "dynamic"])
def test_what_qemu_wrote_is_read_back(tmp_path: Path, subformat: str) -> None:
    content = bytearray(9 << 20)
    for at in (0, 3 << 20, (5 << 20) + 4096, (9 << 20) - 512):
        content[at : at + 512] = b"qemu" * 128
    raw, vhd = tmp_path / "disk.raw", tmp_path / "disk.vhd"
    raw.write_bytes(content)
    options = ("-o", f"subformat={subformat},force_size=on")
    qemu_img("convert", "-f", "raw", "-O", "vpc", *options, raw, vhd)
    disk = open_disk(open_source(vhd))
    assert read_all(disk) == bytes(content)
    assert_extents_hold(disk, bytes(content), 0, len(content))
    disk.close()
    assert inspect(vhd).occupied_bytes == 4 * 4096
