"""What is wrong with a VHD is said: field, place, value and limit. Nothing else is raised."""

import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from disks.memory import BytesSource, read_all
from disks.naive_vhd import naive_content
from disks.vhd_builder import (
    DIFFERENCING,
    TABLE_OFFSET,
    Vhd,
    fixed_vhd,
    patched,
    patched_footers,
    patched_header,
)
from imgrepl.disks.disk import Severity
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.vhd import open_vhd
from imgrepl.errors import Invalid

FULL = (b"\xff", b"x" * 4096)
PARENT = Vhd(size=16384, identity=b"p" * 16, blocks={0: FULL, 2: FULL}).build()
DYNAMIC = Vhd(size=16384, blocks={1: FULL, 0: (b"\x81", b"y" * 4096)}, gap_sectors=1).build()
CHILD = Vhd(
    size=16384,
    kind=DIFFERENCING,
    identity=b"c" * 16,
    parent_identity=b"p" * 16,
    locators=[(b"W2ru", ".\\p.vhd".encode("utf-16-le"))],
    blocks={1: (b"\x55", b"c" * 4096), 0: (b"\x0f", b"d" * 4096)},
).build()


def opened(image: bytes, *, ignore_checksum: bool = False) -> tuple[bytes, list[str]]:
    parents = (BytesSource(PARENT, "parent"),)
    options = OpenOptions(parents=parents, ignore_checksum=ignore_checksum)
    disk = open_vhd(BytesSource(image, "image"), options)
    return read_all(disk), [problem.rule for problem in disk.problems]


@pytest.mark.parametrize(
    ("image", "code", "words"),
    [
        (patched_footers(DYNAMIC, 12, b"\0\2\0\0"), "VhdFooterInvalid", ("version", "0x00020000")),
        (patched_footers(DYNAMIC, 60, b"\0\0\0\x05"), "VhdFooterInvalid", ("disk type", "5")),
        (patched_footers(DYNAMIC, 48, bytes(8)), "VhdFooterInvalid", ("current size", "is 0")),
        (patched_footers(DYNAMIC, 16, b"\xff" * 8), "VhdFooterInvalid", ("header's offset",)),
        (patched_header(DYNAMIC, 24, b"\0\2\0\0"), "VhdHeaderInvalid", ("version", "byte 536")),
        (patched_header(DYNAMIC, 32, b"\0\0\0\x03"), "VhdHeaderInvalid", ("block size", "is 3")),
        (patched_header(DYNAMIC, 16, bytes(8)), "VhdTableInvalid", ("table's offset", "is 0")),
        (patched_header(DYNAMIC, 28, b"\0\0\0\1"), "VhdTableInvalid", ("byte 540 is 1", "need 4")),
        (patched(DYNAMIC, TABLE_OFFSET, b"\0\0\0\0"), "VhdBlockInvalid", ("block 0", "sector 0")),
        (patched(DYNAMIC, 600, b"x"), "VhdChecksumWrong", ("dynamic header", "byte 548")),
        (patched(fixed_vhd(bytes(512)), 600, b"x"), "VhdChecksumWrong", ("footer", "byte 576")),
        (fixed_vhd(bytes(1024))[512:], "ImageTruncated", ("1024 bytes", "holds 512")),
    ],
)
def test_a_refusal_names_the_field_its_place_and_its_value(
    image: bytes, code: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(Invalid) as caught:
        opened(image)
    assert caught.value.code == code
    assert caught.value.target == "image"
    assert all(word in caught.value.message for word in words), caught.value.message


def test_a_wrong_checksum_is_ignored_only_when_asked_and_never_without_a_word() -> None:
    broken = patched(patched(DYNAMIC, 600, b"x"), len(DYNAMIC) - 1, b"x")
    broken = patched(broken, 511, b"x")
    content, rules = opened(broken, ignore_checksum=True)
    assert content == naive_content(DYNAMIC, {})
    assert rules.count("VhdChecksumWrong") == 2


def test_a_block_over_a_parent_locator_is_refused() -> None:
    locator_sector = (TABLE_OFFSET + 512) // 512
    image = patched(CHILD, TABLE_OFFSET + 8, locator_sector.to_bytes(4, "big"))
    image = patched(image, TABLE_OFFSET, b"\xff" * 8)
    with pytest.raises(Invalid, match="overlaps a parent locator"):
        opened(image)


@pytest.mark.parametrize(
    ("offset", "value", "field"),
    [
        (48, (4096).to_bytes(8, "big"), "current bytes: 4096 at byte 0"),
        (60, b"\0\0\0\4", "disk type"),
        (68, b"other identifier", "unique id"),
        (16, (1024).to_bytes(8, "big"), "header offset"),
    ],
)
def test_two_sound_footers_that_differ_are_refused(offset: int, value: bytes, field: str) -> None:
    changed = patched_footers(DYNAMIC, offset, value)
    with pytest.raises(Invalid, match=field) as caught:
        opened(changed[:512] + DYNAMIC[512:])
    assert caught.value.code == "VhdFootersDiffer"


def test_a_block_must_end_before_the_footer_to_the_byte() -> None:
    last = (len(DYNAMIC) - 512 - 4608) // 512
    fits = patched(DYNAMIC, TABLE_OFFSET, last.to_bytes(4, "big"))
    assert opened(fits)[0][4096:] == naive_content(fits, {})[4096:]
    with pytest.raises(Invalid, match="must end before"):
        opened(patched(DYNAMIC, TABLE_OFFSET, (last + 1).to_bytes(4, "big")))


def test_a_table_over_a_locator_is_refused() -> None:
    with pytest.raises(Invalid, match="overlaps the block allocation table"):
        opened(patched_header(CHILD, 28, (130).to_bytes(4, "big")))


@pytest.mark.parametrize("offset", [len(CHILD) - 512 - 10, 1 << 40, (1 << 64) - 1])
def test_a_locator_outside_the_file_is_refused(offset: int) -> None:
    with pytest.raises(Invalid, match=f"bytes at byte {offset}") as caught:
        opened(patched_header(CHILD, 576 + 16, offset.to_bytes(8, "big")))
    assert caught.value.code == "VhdLocatorInvalid"


def test_the_largest_geometry_disputes_no_disk_that_is_larger() -> None:
    image = Vhd(size=128 << 30, block_bytes=2 << 20).build()
    image = patched_footers(image, 28, b"vpc ")
    image = patched_footers(image, 56, b"\xff\xff\x10\xff")
    assert open_vhd(BytesSource(image), OpenOptions()).problems == ()


def test_blocks_that_touch_but_do_not_overlap_are_read() -> None:
    vhd = Vhd(size=16384, blocks=dict.fromkeys((2, 0, 3, 1), FULL))
    assert opened(vhd.build())[0] == b"x" * 16384


def test_a_table_that_no_file_holds_is_refused_without_memory_for_it() -> None:
    image = patched_header(DYNAMIC, 28, b"\xff\xff\xff\xff")
    tracemalloc.start()
    with pytest.raises(Invalid, match="4294967295 entries"):
        opened(image)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_a_table_larger_than_the_limit_is_refused_even_where_the_file_holds_it() -> None:
    size = 2040 << 30

    class Huge(BytesSource):
        """The start of a file of 2^40 bytes; the rest is a hole."""

        def read_into(self, offset: int, buffer: memoryview) -> None:
            buffer[:] = self.content[offset : offset + buffer.nbytes].ljust(buffer.nbytes, b"\0")

    image = patched_footers(Vhd(size=512).build(), 48, size.to_bytes(8, "big"))
    image = patched_header(image, 28, b"\xff\xff\xff\xff")
    image = patched_header(image, 32, (512).to_bytes(4, "big"))
    source = Huge(image, "huge")
    source.size_bytes = 1 << 40
    with pytest.raises(Invalid, match="is the most that is read"):
        open_vhd(source, OpenOptions())


def test_a_bitmap_that_denies_stored_data_is_a_warning_and_the_data_is_read() -> None:
    image = Vhd(size=8192, blocks={0: (b"\xff", b"x" * 4096), 1: (b"\xfe", b"y" * 4096)}).build()
    content, rules = opened(image)
    assert content == b"x" * 4096 + b"y" * 4096
    assert rules == ["VhdBitmapDoubtful"]


def test_a_bitmap_that_denies_zeros_is_no_warning() -> None:
    image = Vhd(size=4096, blocks={0: (b"\xfe", b"x" * 3584 + bytes(512))}).build()
    assert opened(image)[1] == []


def test_the_bitmap_sample_reads_a_bounded_number_of_blocks() -> None:
    vhd = Vhd(size=2000 * 512, block_bytes=512)
    vhd.blocks = dict.fromkeys(range(2000), (b"\x00", bytes(512)))
    source = BytesSource(vhd.build())
    open_vhd(source, OpenOptions())
    assert len(source.reads) < 2 * 256 + 16


@pytest.mark.parametrize(
    ("creator", "geometry", "disputed"),
    [
        (b"vpc ", (1, 1, 1), True),
        (b"qemu", (1, 1, 1), True),
        (b"win ", (1, 1, 1), False),
        (b"vpc ", (1, 1, 16), False),
        (b"vpc ", (0, 0, 0), False),
        (b"vpc ", (65535, 16, 255), True),
    ],
)
def test_a_size_that_other_readers_take_from_the_geometry_is_a_warning(
    creator: bytes, geometry: tuple[int, int, int], disputed: bool
) -> None:
    image = fixed_vhd(bytes(8192), creator=creator, geometry=geometry)
    disk = open_vhd(BytesSource(image), OpenOptions())
    assert [problem.rule for problem in disk.problems] == ["VhdSizeDisputed"] * disputed
    assert all(problem.severity is Severity.WARNING for problem in disk.problems)
    assert disk.size_bytes == 8192


IMAGES = st.sampled_from([DYNAMIC, CHILD, fixed_vhd(b"z" * 4096)])
INTERESTING = st.sampled_from([0, 1, 2, 4, 511, 512, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, ~0])


@given(IMAGES, st.integers(0, 1 << 16))
@example(fixed_vhd(b"z" * 4096), 4096 + 511)
@example(DYNAMIC, len(DYNAMIC) - 1)
@settings(max_examples=100, deadline=None)
def test_a_truncated_image_is_refused_or_read_right(image: bytes, length: int) -> None:
    _refused_or_right(image[: min(length, len(image))])


@given(
    IMAGES,
    st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=8)), min_size=1),
)
@settings(max_examples=150, deadline=None)
def test_an_image_with_any_bytes_changed_is_refused_or_read_as_it_stands(
    image: bytes, edits: list[tuple[int, bytes]]
) -> None:
    for at, value in edits:
        image = patched(image, at % len(image), value)[: len(image)]
    _refused_or_right(image)


@given(
    st.sampled_from([DYNAMIC, CHILD]),
    st.sampled_from([patched_footers, patched_header]),
    st.integers(0, 255),
    INTERESTING,
)
@example(CHILD, patched_header, 576 // 4, 0x4D616358)
@settings(max_examples=300, deadline=None)
def test_a_structure_with_any_field_changed_and_its_checksum_mended_is_refused_or_read(
    image: bytes, edit: object, word: int, value: int
) -> None:
    assert callable(edit)
    at = 4 * (word % 128 if edit is patched_footers else word)
    if at in {36, 64} and edit is not patched_header:
        return
    _refused_or_right(edit(image, at, (value & 0xFFFFFFFF).to_bytes(4, "big")))


@given(st.sampled_from([DYNAMIC, CHILD]), st.integers(0, 3), st.integers(0, 40))
@settings(max_examples=100, deadline=None)
def test_a_table_entry_that_points_anywhere_is_refused_or_read(
    image: bytes, block: int, sector: int
) -> None:
    at = TABLE_OFFSET + 4 * block
    _refused_or_right(patched(image, at, sector.to_bytes(4, "big")))


def _refused_or_right(image: bytes) -> None:
    """Reading gives `Invalid`, or what the naive reader gives."""
    try:
        content, _rules = opened(image)
    except Invalid:
        return
    assert content == naive_content(image, {b"p" * 16: PARENT})
