"""VHDX images without a parent and without a dirty log."""

import struct
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disks.memory import read_range
from disks.sources import MemorySource, assert_disk_is
from disks.vhdx_builder import (
    BAT_OFFSET,
    METADATA_OFFSET,
    NOT_PRESENT,
    PRESENT,
    UNDEFINED,
    UNMAPPED,
    ZERO,
    Vhdx,
    locator,
    metadata_table,
    place,
    regions,
)
from images.hostile_vhdx import hostile_vhdxs
from images.seed_vhdx import with_crc32c
from images.seeds import KIB, MIB, seed_disk
from images.sparse import SparseBytes
from images.verdicts import HostileImage, Verdict
from imgrepl.disks.disk import Disk, Severity
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.vhdx import open_vhdx
from imgrepl.errors import Invalid


def opened(data: SparseBytes | Vhdx) -> Disk:
    built = data.build() if isinstance(data, Vhdx) else data
    return open_vhdx(MemorySource(built, "disk.vhdx"), OpenOptions())


def refused(data: SparseBytes | Vhdx) -> Invalid:
    with pytest.raises(Invalid) as caught:
        opened(data)
    return caught.value


@pytest.mark.parametrize("image", [*hostile_vhdxs()], ids=lambda image: image.name)
def test_every_hostile_image_gets_its_verdict(image: HostileImage) -> None:
    if image.verdict == Verdict.REJECT:
        fault = refused(image.data)
        assert fault.code.isalnum()
        assert fault.code[0].isupper()
        assert fault.message.startswith("disk.vhdx: VHDX ")
        assert any(character.isdigit() for character in fault.message)
        return
    disk = opened(image.data)
    assert [problem.severity for problem in disk.problems] == (
        [Severity.WARNING] if image.verdict == Verdict.WARN else []
    )
    assert_disk_is(disk, seed_disk().to_bytes())


@pytest.mark.parametrize("state", [NOT_PRESENT, UNDEFINED, ZERO, UNMAPPED])
def test_blocks_in_every_absent_state_read_as_zeros(state: int) -> None:
    disk = opened(Vhdx(blocks={1: (PRESENT, b"x" * MIB), 2: (state, b"")}))
    assert_disk_is(disk, bytes(MIB) + b"x" * MIB + bytes(2 * MIB))
    assert list(disk.data_extents(0, 4 * MIB)) == [(MIB, MIB)]


@settings(max_examples=40, deadline=None)
@given(
    order=st.permutations(range(6)),
    spans=st.lists(st.tuples(st.integers(0, 6 * MIB), st.integers(0, 3 * MIB)), max_size=5),
)
def test_any_span_reads_what_the_blocks_hold_in_whatever_order_they_lie(
    order: list[int], spans: list[tuple[int, int]]
) -> None:
    contents = {block: bytes([block + 1]) * (block * 1000 + 4096) for block in order[:4]}
    disk = opened(
        Vhdx(disk_bytes=6 * MIB, blocks={block: (PRESENT, contents[block]) for block in contents})
    )
    whole = b"".join(contents.get(block, b"").ljust(MIB, b"\0") for block in range(6))
    assert_disk_is(disk, whole)
    for offset, length in spans:
        end = min(offset + length, 6 * MIB)
        assert read_range(disk, offset, end - offset) == whole[offset:end]


def test_blocks_side_by_side_are_read_at_once() -> None:
    data = Vhdx(blocks=dict.fromkeys(range(4), (PRESENT, b"x" * MIB))).build()
    source = MemorySource(data)
    disk = open_vhdx(source, OpenOptions())
    before = source.reads
    read_range(disk, 0, 4 * MIB)
    assert source.reads == before + 1


def test_holes_of_the_file_within_a_block_are_no_data() -> None:
    disk = opened(Vhdx(block_bytes=2 * MIB, blocks={0: (PRESENT, b"x" * 4096)}))
    assert list(disk.data_extents(0, 4 * MIB)) == [(0, 4096)]
    assert list(disk.data_extents(1000, 2000)) == [(1000, 2000)]


def test_sectors_of_4096_bytes_change_the_place_of_entries_only() -> None:
    disk = opened(Vhdx(sector_bytes=4096, blocks={3: (PRESENT, b"x" * MIB)}))
    assert_disk_is(disk, bytes(3 * MIB) + b"x" * MIB)


@pytest.mark.parametrize(("sector_bytes", "per_chunk"), [(512, 16), (4096, 128)])
def test_the_entry_of_each_chunks_bitmap_is_passed_over(sector_bytes: int, per_chunk: int) -> None:
    """With blocks of 256 MiB the seventeenth, or 129th, entry is that of a bitmap."""
    block_bytes = 256 * MIB
    built = Vhdx(
        disk_bytes=(per_chunk + 2) * block_bytes,
        block_bytes=block_bytes,
        sector_bytes=sector_bytes,
        blocks={per_chunk - 1: (PRESENT, b"before"), per_chunk: (PRESENT, b"behind")},
    )
    disk = opened(built)
    assert read_range(disk, per_chunk * block_bytes - 1, 8) == b"\0behind\0"
    assert read_range(disk, (per_chunk - 1) * block_bytes - 1, 8) == b"\0before\0"


def test_the_last_block_may_reach_past_the_disk() -> None:
    disk = opened(Vhdx(disk_bytes=MIB + 512, blocks={1: (PRESENT, b"x" * MIB)}))
    assert_disk_is(disk, bytes(MIB) + b"x" * 512)


def test_a_file_that_ends_with_the_disk_is_whole() -> None:
    built = Vhdx(disk_bytes=MIB + 512, blocks={1: (PRESENT, b"x" * 512)})
    cut = built.build().first(place(built, 1) + 512)
    assert_disk_is(opened(cut), bytes(MIB) + b"x" * 512)
    assert refused(cut.first(-1)).code == "ImageTruncated"


def test_the_subformat_says_whether_blocks_stay_allocated() -> None:
    assert opened(Vhdx()).subformat == "dynamic"
    assert opened(Vhdx(leave_allocated=True)).subformat == "fixed"


def test_the_header_with_the_higher_sequence_number_rules() -> None:
    image = Vhdx(blocks={0: (PRESENT, b"x")}).build()
    older, newer = Vhdx().header(8), with_version(Vhdx().header(9), 2)
    assert "version is 2" in refused(image.patched((64 * KIB, older), (128 * KIB, newer))).message
    assert "version is 2" in refused(image.patched((64 * KIB, newer), (128 * KIB, older))).message
    newest = Vhdx().header(10)
    opened(image.patched((64 * KIB, newest), (128 * KIB, newer)))


def with_version(header: bytes, version: int) -> bytes:
    return with_crc32c(header[:66] + struct.pack("<H", version) + header[68:])


def test_equal_sequence_numbers_are_fine_in_equal_headers_only() -> None:
    image = Vhdx().build()
    same = Vhdx().header(5)
    opened(image.patched((64 * KIB, same), (128 * KIB, same)))
    other = Vhdx(data_write_id=UUID(int=2)).header(5)
    fault = refused(image.patched((64 * KIB, same), (128 * KIB, other)))
    assert "sequence number 5" in fault.message


def test_region_tables_that_disagree_are_refused() -> None:
    free = regions((UUID(int=3), 64 * MIB, MIB, 0))
    grown = SparseBytes(65 * MIB, Vhdx().build().layers)
    assert "different regions" in refused(grown.patched((192 * KIB, free))).message
    opened(grown.patched((192 * KIB, free), (256 * KIB, free)))


@pytest.mark.parametrize(
    ("offset", "length", "fault"),
    [
        (METADATA_OFFSET, MIB, "overlap"),
        (64 * MIB + 512, MIB, "multiple of 1048576"),
        (64 * MIB, 0, "multiple of 1048576"),
        (1 << 62, MIB, "the file ends at"),
    ],
)
def test_regions_that_are_nowhere_or_over_one_another_are_refused(
    offset: int, length: int, fault: str
) -> None:
    table = regions((UUID(int=3), offset, length, 0))
    grown = SparseBytes(65 * MIB, Vhdx().build().layers)
    assert fault in refused(grown.patched((192 * KIB, table), (256 * KIB, table))).message


def test_an_item_that_is_required_and_unknown_is_refused() -> None:
    items = [(str(UUID(int=77)), b"12345678")]
    fault = refused(Vhdx().build().patched((METADATA_OFFSET, metadata_table(items))))
    assert fault.code == "ImageFeatureUnsupported"


@pytest.mark.parametrize("length", [0, 4, 16, 1 << 31])
def test_an_item_of_the_wrong_length_is_refused(length: int) -> None:
    entry = METADATA_OFFSET + 32
    image = Vhdx().build().patched((entry + 20, struct.pack("<I", length)))
    assert f"has {length} bytes, not 8" in refused(image).message


@pytest.mark.parametrize("offset", [0, 64 * KIB - 8, MIB - 7, 2**32 - 8])
def test_an_item_over_the_table_or_out_of_the_region_is_refused(offset: int) -> None:
    entry = METADATA_OFFSET + 32
    image = Vhdx().build().patched((entry + 16, struct.pack("<I", offset)))
    assert f"lies at {offset} with 8 bytes" in refused(image).message


@pytest.mark.parametrize("size", [0, 100, MIB + 256])
def test_a_disk_of_no_whole_sectors_is_refused(size: int) -> None:
    assert f"size is {size}" in refused(Vhdx(disk_bytes=size, blocks={})).message


def test_a_table_too_short_for_the_disk_is_refused() -> None:
    fault = refused(Vhdx(disk_bytes=200_000 * MIB))
    assert "has 1048576 bytes" in fault.message
    assert "need 1600384" in fault.message


@pytest.mark.parametrize(
    ("terabytes", "block_bytes", "code"),
    [
        (64, 16 * MIB, "ImageDamaged"),
        (64, 8 * MIB, "ImageLimitExceeded"),
        (4, MIB, "ImageDamaged"),
        (5, MIB, "ImageLimitExceeded"),
    ],
)
def test_a_table_is_refused_for_its_length_above_the_limit_only(
    terabytes: int, block_bytes: int, code: str
) -> None:
    """Below it, these images are refused because their table is too short."""
    assert refused(Vhdx(disk_bytes=terabytes << 40, block_bytes=block_bytes)).code == code


def test_reserved_bits_of_a_stored_block_are_refused() -> None:
    image = Vhdx(blocks={0: (PRESENT, b"x")}).build()
    assert refused(image.patched((BAT_OFFSET + 1, b"\1"))).code == "ImageDamaged"


def test_a_locator_is_not_even_looked_at_without_the_parent_bit() -> None:
    items = [*_plain_items(), ("a8d35f2d-b30b-454d-abf7-d3d84834ab0c", locator({"a": "b"})[:7])]
    opened(Vhdx().build().patched((METADATA_OFFSET, metadata_table(items))))


def _plain_items() -> list[tuple[str, bytes]]:
    return [
        ("caa16737-fa36-4d43-b3b6-33f0aa44e76b", struct.pack("<II", MIB, 0)),
        ("2fa54224-cd1b-4876-b211-5dbed83bf4b8", struct.pack("<Q", 4 * MIB)),
        ("8141bf1d-a96f-4709-ba47-f233a8faab5f", struct.pack("<I", 512)),
    ]


def test_closing_the_disk_closes_the_file() -> None:
    source = MemorySource(Vhdx().build())
    open_vhdx(source, OpenOptions()).close()
    assert source.closed


def test_a_refused_file_stays_the_callers() -> None:
    source = MemorySource(Vhdx(disk_bytes=0).build())
    with pytest.raises(Invalid):
        open_vhdx(source, OpenOptions())
    assert not source.closed
