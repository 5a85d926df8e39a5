"""A dirty log is replayed in memory, or the image is refused; the file is never written."""

import struct
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disks.memory import read_all
from disks.sources import MemorySource, assert_disk_is
from disks.vhdx_builder import (
    BAT_OFFSET,
    LOG_BYTES,
    LOG_OFFSET,
    METADATA_OFFSET,
    PAYLOAD_OFFSET,
    PRESENT,
    LogEntry,
    Vhdx,
    in_ring,
    regions,
)
from images.seed_vhdx import with_crc32c
from images.seeds import KIB, MIB
from images.sparse import SparseBytes
from imgrepl.disks import vhdx_log
from imgrepl.disks.detect import open_disk
from imgrepl.disks.disk import Disk
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.source import open_source
from imgrepl.disks.vhdx import open_vhdx
from imgrepl.disks.vhdx_overlay import PatchedSource, Write
from imgrepl.errors import Invalid
from qemu import needs_qemu_img, qemu_img

BLOCK = b"old" * (MIB // 3) + b"\0"
PAGE = bytes(range(256)) * 16

Writes = list[tuple[int, bytes | int]]


def logged(*entries: bytes, start: int = 0) -> SparseBytes:
    """One stored block of 1 MiB and a log of these entries."""
    return Vhdx(blocks={0: (PRESENT, BLOCK)}, log=in_ring(entries, start)).build()


def opened(image: SparseBytes) -> Disk:
    return open_vhdx(MemorySource(image, "disk.vhdx"), OpenOptions())


def refused(image: SparseBytes) -> Invalid:
    with pytest.raises(Invalid) as caught:
        opened(image)
    return caught.value


def with_block_0(content: bytes) -> bytes:
    return content + bytes(3 * MIB)


def test_a_logged_page_is_read_instead_of_what_is_in_the_file() -> None:
    entry = LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET + 8192, PAGE)])
    expected = with_block_0(BLOCK[:8192] + PAGE + BLOCK[12288:])
    assert_disk_is(opened(logged(entry.build())), expected)


def test_a_replayed_log_is_told_of_and_an_empty_sequence_is_not() -> None:
    written = LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET, PAGE)]).build()
    assert [problem.rule for problem in opened(logged(written)).problems] == ["VhdxLogReplayed"]
    assert opened(logged(LogEntry(sequence=5).build())).problems == ()


def test_a_logged_table_moves_a_block() -> None:
    table = struct.pack("<4Q", 0, 0, PAYLOAD_OFFSET | PRESENT, 0).ljust(4096, b"\0")
    entry = LogEntry(sequence=5, writes=[(BAT_OFFSET, table)])
    assert_disk_is(opened(logged(entry.build())), bytes(2 * MIB) + BLOCK + bytes(MIB))


def test_a_logged_range_of_zeros_is_read_as_zeros_and_is_a_hole() -> None:
    entry = LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET + 4096, 512 * KIB)])
    disk = opened(logged(entry.build()))
    end = 4096 + 512 * KIB
    assert_disk_is(disk, with_block_0(BLOCK[:4096] + bytes(512 * KIB) + BLOCK[end:]))
    assert list(disk.data_extents(0, 4 * MIB)) == [(0, 4096), (end, MIB - end)]


def test_later_entries_win_over_earlier_ones() -> None:
    entries = [
        LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET, b"1" * 4096), (PAYLOAD_OFFSET, 8192)]),
        LogEntry(sequence=6, writes=[(PAYLOAD_OFFSET + 4096, PAGE)]),
    ]
    image = logged(*(entry.build() for entry in entries))
    assert_disk_is(opened(image), with_block_0(bytes(4096) + PAGE + BLOCK[8192:]))


def test_a_sequence_may_start_anywhere_and_wrap_around_the_end_of_the_log() -> None:
    start = LOG_BYTES - 4096
    entries = [
        LogEntry(sequence=8, writes=[(PAYLOAD_OFFSET, b"8" * 4096)], tail=start).build(),
        LogEntry(sequence=9, writes=[(PAYLOAD_OFFSET + 4096, PAGE)], tail=start).build(),
    ]
    image = logged(*entries, start=start)
    assert_disk_is(opened(image), with_block_0(b"8" * 4096 + PAGE + BLOCK[8192:]))


def test_entries_before_the_tail_of_the_newest_are_not_replayed() -> None:
    entries = [
        LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET, PAGE)]).build(),
        LogEntry(sequence=6, writes=[(PAYLOAD_OFFSET + 4096, PAGE)], tail=8192).build(),
    ]
    expected = with_block_0(BLOCK[:4096] + PAGE + BLOCK[8192:])
    assert_disk_is(opened(logged(*entries)), expected)


def test_a_torn_newest_entry_ends_the_sequence_before_it() -> None:
    good = LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET, PAGE)]).build()
    torn = LogEntry(sequence=6, writes=[(PAYLOAD_OFFSET, b"6" * 4096)]).build()[:-1] + b"x"
    assert_disk_is(opened(logged(good, torn)), with_block_0(PAGE + BLOCK[4096:]))


def test_an_entry_that_newer_ones_partly_overwrote_is_none() -> None:
    old = LogEntry(sequence=1, writes=[(PAYLOAD_OFFSET, b"1" * 4096)] * 3).build()
    new = LogEntry(sequence=9, writes=[(PAYLOAD_OFFSET, PAGE)], tail=4096).build()
    image = logged(old[:4096], new)
    assert_disk_is(opened(image), with_block_0(PAGE + BLOCK[4096:]))


def test_of_two_whole_sequences_the_one_that_ends_later_is_replayed() -> None:
    old = LogEntry(sequence=1, writes=[(PAYLOAD_OFFSET, b"1" * 4096)]).build()
    new = LogEntry(sequence=9, writes=[(PAYLOAD_OFFSET, PAGE)], tail=len(old)).build()
    assert_disk_is(opened(logged(old, new)), with_block_0(PAGE + BLOCK[4096:]))
    new = LogEntry(sequence=9, writes=[(PAYLOAD_OFFSET, PAGE)]).build()
    old = LogEntry(sequence=1, writes=[(PAYLOAD_OFFSET, b"1" * 4096)], tail=len(new)).build()
    assert_disk_is(opened(logged(new, old)), with_block_0(PAGE + BLOCK[4096:]))


def test_an_entry_of_another_log_is_none() -> None:
    entry = LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET, PAGE)], log_id=UUID(int=3))
    assert_disk_is(opened(logged(entry.build())), with_block_0(BLOCK))


def test_entries_of_which_no_whole_sequence_is_left_are_refused() -> None:
    lost_tail = LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET, PAGE)], tail=65536)
    assert "no whole sequence" in refused(logged(lost_tail.build())).message


def test_descriptors_fill_several_sectors() -> None:
    writes = [(PAYLOAD_OFFSET + 4096 * page, bytes([page]) * 4096) for page in range(200)]
    disk = opened(logged(LogEntry(sequence=5, writes=writes).build()))
    pages = b"".join(content for _, content in writes)
    assert_disk_is(disk, with_block_0(pages + BLOCK[len(pages) :]))


def test_the_file_grows_to_what_the_log_says() -> None:
    table = struct.pack("<2Q", PAYLOAD_OFFSET | PRESENT, (PAYLOAD_OFFSET + MIB) | PRESENT)
    writes = [(BAT_OFFSET, table.ljust(4096, b"\0")), (PAYLOAD_OFFSET + MIB, PAGE)]
    entry = LogEntry(sequence=5, writes=writes, last=PAYLOAD_OFFSET + 2 * MIB)
    disk = opened(logged(entry.build()))
    assert_disk_is(disk, (BLOCK + PAGE).ljust(4 * MIB, b"\0"))
    assert list(disk.data_extents(0, 4 * MIB)) == [(0, MIB + 4096)]


def test_a_log_may_change_the_region_tables() -> None:
    table = regions()
    moved = table[:16] + table[16:].replace(struct.pack("<Q", BAT_OFFSET), bytes(8))
    image = logged(LogEntry(sequence=5, writes=[(192 * KIB, table[:4096])]).build())
    damaged = image.patched((192 * KIB, moved[:4096]), (256 * KIB, bytes(64)))
    assert_disk_is(opened(damaged), with_block_0(BLOCK))


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (LogEntry(sequence=5, writes=[(64 * KIB, PAGE)]), "to the headers"),
        (LogEntry(sequence=5, writes=[(0, 4096)]), "to the headers"),
        (LogEntry(sequence=5, writes=[(LOG_OFFSET, PAGE)]), "to the log itself"),
        (LogEntry(sequence=5, writes=[(512 * KIB, 512 * KIB + 4096)]), "to the log itself"),
        (LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET + MIB, PAGE)]), "past the end"),
        (LogEntry(sequence=5, writes=[(1 << 62, PAGE)]), "past the end"),
        (LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET, (1 << 64) - 4096)]), "past the end"),
        (LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET, 100)]), "zeroes 100 bytes"),
        (LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET, 0)]), "zeroes 0 bytes"),
        (LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET + 512, PAGE)]), "descriptor 0"),
        (LogEntry(sequence=5, descriptor_count=2**32 - 1), "4294967295 writes"),
        (LogEntry(sequence=5, descriptor_count=127), "127 descriptors"),
        (
            LogEntry(sequence=5, writes=[(METADATA_OFFSET, 4096)], descriptor_count=2),
            "descriptor 1",
        ),
        (
            LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET, PAGE)], descriptor_sequence=4),
            "mark, offset",
        ),
        (LogEntry(sequence=5, flushed=PAYLOAD_OFFSET + MIB + 1), "knows to be durable"),
        (LogEntry(sequence=5, last=1 << 60), "limit"),
    ],
)
def test_a_log_that_leads_astray_is_refused(entry: LogEntry, fault: str) -> None:
    assert fault in refused(logged(entry.build())).message


def test_a_data_sector_of_another_entry_is_refused() -> None:
    entry = LogEntry(sequence=5, writes=[(PAYLOAD_OFFSET, PAGE)])
    stale = LogEntry(sequence=4, writes=[(PAYLOAD_OFFSET, PAGE)], descriptor_sequence=5)
    head = bytearray(stale.build())
    head[16:24] = struct.pack("<Q", 5)
    head[4:8] = bytes(4)
    assert "torn" in refused(logged(with_crc32c(bytes(head)))).message
    assert_disk_is(opened(logged(entry.build())), with_block_0(PAGE + BLOCK[4096:]))


def test_a_log_above_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vhdx_log, "LOG_BYTES_MAX", MIB - 1)
    fault = refused(logged(LogEntry(sequence=5).build()))
    assert fault.code == "ImageLimitExceeded"
    assert fault.hint


def test_a_log_full_of_headers_costs_one_pass_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sector begins an entry that says it is as long as the log."""
    summed: list[int] = []
    monkeypatch.setattr(vhdx_log, "crc32c", lambda content: summed.append(len(content)))
    lengths = (LOG_BYTES, LOG_BYTES // 2, 8192, 4096)
    heads = [LogEntry(sequence=5).build() for _ in lengths]
    sectors = [
        head[:8] + struct.pack("<I", length) + head[12:]
        for head, length in zip(heads, lengths, strict=True)
    ]
    image = Vhdx(log=b"".join(sectors) * (LOG_BYTES // 4096 // 4)).build()
    assert_disk_is(opened(image), bytes(4 * MIB))
    assert 0 < sum(summed) <= LOG_BYTES


@settings(max_examples=200, deadline=None)
@given(
    writes=st.lists(st.tuples(st.integers(0, 15), st.integers(1, 8), st.booleans()), max_size=12),
    offset=st.integers(0, 20 * 4096),
    length=st.integers(0, 20 * 4096),
)
def test_patches_read_like_the_same_writes_to_a_file(
    writes: Sequence[tuple[int, int, bool]], offset: int, length: int
) -> None:
    base = bytes([0xAA]) * (10 * 4096)
    plain = bytearray(base.ljust(24 * 4096, b"\0"))
    patches = []
    for number, (page, pages, zero) in enumerate(writes):
        start, end = page * 4096, (page + (pages if zero else 1)) * 4096
        content = None if zero else bytes([number + 1]) * 4096
        plain[start:end] = content or bytes(end - start)
        patches.append(Write(start, end, content))
    source = PatchedSource(MemorySource(base), patches, len(plain))
    offset, end = min(offset, len(plain)), min(offset + length, len(plain))
    buffer = bytearray(end - offset)
    source.read_into(offset, memoryview(buffer))
    assert buffer == plain[offset:end]
    covered = bytearray(len(plain))
    for start, size in source.data_extents(0, len(plain)):
        covered[start : start + size] = plain[start : start + size]
    assert covered == plain


@needs_qemu_img
@pytest.mark.parametrize("start", [0, 65536])
def test_qemu_replays_a_sequence_to_the_same_disk(tmp_path: Path, start: int) -> None:
    table = struct.pack("<3Q", 0, (PAYLOAD_OFFSET + MIB) | PRESENT, PAYLOAD_OFFSET | PRESENT)
    # qemu lets a file grow only when the size is no multiple of 1 MiB, and then to the next one
    last = PAYLOAD_OFFSET + 2 * MIB - 4096
    moved: Writes = [(BAT_OFFSET, table.ljust(4096, b"\0"))]
    changed: Writes = [(PAYLOAD_OFFSET + 4096, 16384), (PAYLOAD_OFFSET + 8192, PAGE)]
    entries = [
        LogEntry(sequence=3, writes=moved, tail=start, last=last).build(),
        LogEntry(sequence=4, writes=changed, tail=start, last=last).build(),
    ]
    content = replayed_by_us_and_qemu(tmp_path, logged(*entries, start=start))
    assert content[: 2 * MIB] == bytes(2 * MIB)
    assert content[2 * MIB :][: 4 * 4096] == BLOCK[:4096] + bytes(4096) + PAGE + bytes(4096)


@needs_qemu_img
def test_qemu_replays_an_entry_that_wraps_around_to_the_same_disk(tmp_path: Path) -> None:
    start = LOG_BYTES - 4096
    writes: Writes = [(PAYLOAD_OFFSET + 4096, PAGE), (PAYLOAD_OFFSET + 8192, 4096)]
    entry = LogEntry(sequence=3, writes=writes, tail=start).build()
    content = replayed_by_us_and_qemu(tmp_path, logged(entry, start=start))
    assert content[: 3 * 4096] == BLOCK[:4096] + PAGE + bytes(4096)


def replayed_by_us_and_qemu(folder: Path, image: SparseBytes) -> bytes:
    path = folder / "dirty.vhdx"
    image.write_to(path)
    before = path.read_bytes()
    disk = open_disk(open_source(path))
    content = read_all(disk)
    disk.close()
    assert path.read_bytes() == before
    qemu_img("check", "-q", "-r", "all", "-f", "vhdx", path)
    qemu_img("convert", "-f", "vhdx", "-O", "raw", path, folder / "replayed.raw")
    assert content == (folder / "replayed.raw").read_bytes()
    return content
