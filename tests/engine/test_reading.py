"""A disk is read once, its holes never, and its cuts do not depend on the windows."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.pieces import PieceDisk, blocks, piece_disks
from imgrepl.chunking.cutter import Cutter
from imgrepl.engine.reading import WINDOWS_READ_AHEAD, CutWindow, allocated_bytes, cut_windows
from imgrepl.errors import Corrupt
from imgrepl.model.chunker import SEGMENT_BYTES, ChunkerParameters
from imgrepl.model.manifest import BLOCK_BYTES, padded_bytes

CUTTER = Cutter(ChunkerParameters())
WINDOWS = st.sampled_from([1 << shift for shift in range(12, 21)])

Chunks = list[tuple[int, bytes]]


def windows_of(disk: PieceDisk, window_bytes: int) -> list[CutWindow]:
    with ThreadPoolExecutor(2) as pool:
        return list(cut_windows(disk, CUTTER, window_bytes, pool))


def chunks_of(disk: PieceDisk, window_bytes: int) -> Chunks:
    found = []
    for window in windows_of(disk, window_bytes):
        assert len(window.data) <= window_bytes + CUTTER.bytes_max
        for start, end in window.chunks:
            found.append((window.disk_offset + start, bytes(window.data[start:end])))
    return found


def reference(disk: PieceDisk) -> Chunks:
    """The cuts of every segment, looked at as a whole."""
    padded = disk.content().ljust(padded_bytes(disk.size_bytes), b"\0")
    found = []
    for base in range(0, len(padded), SEGMENT_BYTES):
        segment = memoryview(padded)[base : base + SEGMENT_BYTES]
        cuts = CUTTER.cut(segment, final=True)
        found += [(base + start, bytes(segment[start:end])) for start, end in cuts.chunks]
    return found


@settings(deadline=None)
@given(piece_disks(), WINDOWS)
@example(PieceDisk(2 * BLOCK_BYTES, {BLOCK_BYTES - 512: b"x" * 1024}), 4096)
@example(PieceDisk(512, {0: b"x" * 512}), 4096)
@example(PieceDisk(BLOCK_BYTES, {}), 4096)
def test_the_cuts_are_those_of_the_whole_disk_whatever_the_window(
    disk: PieceDisk, window_bytes: int
) -> None:
    assert chunks_of(disk, window_bytes) == reference(disk)


@settings(deadline=None)
@given(piece_disks(), WINDOWS)
def test_every_byte_that_may_hold_data_is_read_once_and_no_hole_ever(
    disk: PieceDisk, window_bytes: int
) -> None:
    windows = windows_of(disk, window_bytes)
    assert disk.read_bytes == allocated_bytes(disk) == sum(w.read_bytes for w in windows)


@settings(deadline=None)
@given(piece_disks(), WINDOWS)
def test_occupied_bytes_count_the_blocks_that_are_not_zero(
    disk: PieceDisk, window_bytes: int
) -> None:
    padded = disk.content().ljust(padded_bytes(disk.size_bytes), b"\0")
    nonzero = sum(any(padded[at : at + BLOCK_BYTES]) for at in range(0, len(padded), BLOCK_BYTES))
    occupied = sum(w.occupied_bytes for w in windows_of(disk, window_bytes))
    assert occupied == nonzero * BLOCK_BYTES


def test_no_chunk_crosses_a_segment_and_segments_are_cut_alike_wherever_they_lie() -> None:
    data = random.Random(3).randbytes(300 * BLOCK_BYTES)
    start = SEGMENT_BYTES - 100 * BLOCK_BYTES
    across = PieceDisk(2 * SEGMENT_BYTES, {start: data})
    found = chunks_of(across, 1 << 20)
    assert b"".join(chunk for _, chunk in found) == data
    assert any(offset == SEGMENT_BYTES for offset, _ in found)
    behind = PieceDisk(SEGMENT_BYTES, {0: data[100 * BLOCK_BYTES :]})
    assert chunks_of(behind, 1 << 16) == [
        (offset - SEGMENT_BYTES, chunk) for offset, chunk in found if offset >= SEGMENT_BYTES
    ]


def test_a_chunk_is_carried_over_as_many_windows_as_it_needs() -> None:
    same = blocks([9] * 64)  # no block of it ends a chunk before the longest
    disk = PieceDisk(len(same), {0: same})
    assert [len(chunk) for _, chunk in chunks_of(disk, BLOCK_BYTES)] == [128 << 10, 128 << 10]


def test_nothing_is_carried_over_a_hole() -> None:
    same = blocks([9] * 4)
    disk = PieceDisk(16 << 20, {0: same, 8 << 20: same})
    assert chunks_of(disk, 1 << 14) == [(0, same), (8 << 20, same)]


def test_a_disk_that_is_a_hole_gives_no_window() -> None:
    assert windows_of(PieceDisk(1 << 40, {}), 4 << 20) == []


def test_windows_are_read_while_another_one_is_cut_and_never_too_far_ahead() -> None:
    disk = PieceDisk(64 << 20, {0: blocks(range(1, 17)) * 64})
    window_bytes = 64 << 10
    with ThreadPoolExecutor(1) as pool:
        windows = cut_windows(disk, CUTTER, window_bytes, pool)
        next(windows)
        pool.submit(threading.get_ident).result()  # what was asked for before is read by now
        ahead = WINDOWS_READ_AHEAD + 2  # the one given, the one behind it, and those ahead of both
        assert disk.read_bytes == ahead * window_bytes


def test_what_a_reader_raises_ahead_comes_when_its_window_is_due() -> None:
    class Damaged(PieceDisk):
        def read_into(self, offset: int, buffer: memoryview) -> None:
            if offset >= 1 << 20:
                raise Corrupt("the rest is unreadable")
            super().read_into(offset, buffer)

    disk = Damaged(2 << 20, {0: blocks(range(1, 513))})
    with ThreadPoolExecutor(2) as pool:
        windows = cut_windows(disk, CUTTER, 1 << 18, pool)
        assert [next(windows).read_bytes for _ in range(4)] == [1 << 18] * 4
        with pytest.raises(Corrupt, match="unreadable"):
            next(windows)
