"""The cut points: what the rule says, whatever windows the disk is read in."""

from collections.abc import Iterator, Sequence

import pytest
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgrepl.chunking.cutter import Cutter
from imgrepl.errors import Invalid
from imgrepl.model.chunker import AVERAGE_BYTES_PROFILES, ChunkerParameters
from imgrepl.model.manifest import BLOCK_BYTES, padded_bytes

PARAMETERS = ChunkerParameters()
KINDS = 64
"""Block contents the strategies draw from; 0 is the zero block."""


def block(kind: int) -> bytes:
    return bytes(BLOCK_BYTES) if kind == 0 else kind.to_bytes(2, "big") * (BLOCK_BYTES // 2)


def disk_of(kinds: Sequence[int]) -> memoryview:
    return memoryview(b"".join(map(block, kinds)))


def reference_chunks(disk: memoryview, parameters: ChunkerParameters) -> Iterator[tuple[int, int]]:
    """The rule, read off the format page block by block, with nothing clever."""
    chunk_start: int | None = None
    for at in range(0, len(disk), BLOCK_BYTES):
        content = bytes(disk[at : at + BLOCK_BYTES])
        after = at + BLOCK_BYTES
        if content == bytes(BLOCK_BYTES):
            if chunk_start is not None:
                yield chunk_start, at
            chunk_start = None
            continue
        if chunk_start is None:
            chunk_start = at
        blocks = (after - chunk_start) // BLOCK_BYTES
        digest = int.from_bytes(xxhash.xxh3_64(content, seed=parameters.seed).digest(), "big")
        ends = blocks >= parameters.blocks_min and digest < parameters.threshold
        if ends or blocks == parameters.blocks_max:
            yield chunk_start, after
            chunk_start = None
    if chunk_start is not None:
        yield chunk_start, len(disk)


def cut_in_windows(
    disk: memoryview, cutter: Cutter, window_blocks: Sequence[int]
) -> tuple[list[tuple[int, int]], int]:
    """Streams `disk`; each window shows `window_blocks` more blocks (cycled) than is undecided."""
    chunks: list[tuple[int, int]] = []
    begin = shown = occupied = turn = 0
    while begin < len(disk):
        step = window_blocks[turn % len(window_blocks)] * BLOCK_BYTES
        turn += 1
        shown = min(shown + step, len(disk))
        cuts = cutter.cut(disk[begin:shown], final=shown == len(disk))
        assert shown - begin - cuts.consumed < PARAMETERS.bytes_max
        chunks += [(begin + start, begin + end) for start, end in cuts.chunks]
        occupied += cuts.occupied_bytes
        begin += cuts.consumed
    return chunks, occupied


# Long stretches of one kind reach the maximum, mixed ones the threshold, zeros the holes.
stretches = st.lists(
    st.tuples(st.integers(0, KINDS), st.integers(1, 70)) | st.tuples(st.just(0), st.just(1)),
    max_size=12,
)
disks = st.builds(
    lambda parts, tail: disk_of([kind for kind, times in parts for _ in range(times)] + tail),
    stretches,
    st.lists(st.integers(0, KINDS), max_size=80),
)


@given(disk=disks)
@settings(max_examples=150)
@example(disk=disk_of([]))
@example(disk=disk_of([0]))
@example(disk=disk_of([1]))
def test_cutting_agrees_with_the_rule_written_out_block_by_block(disk: memoryview) -> None:
    cuts = Cutter(PARAMETERS).cut(disk, final=True)
    assert cuts.chunks == list(reference_chunks(disk, PARAMETERS))
    assert cuts.consumed == len(disk)
    assert cuts.occupied_bytes == sum(end - start for start, end in cuts.chunks)


@given(disk=disks, windows=st.lists(st.integers(1, 90), min_size=1, max_size=6))
@settings(max_examples=150)
def test_any_windows_give_the_cuts_of_the_whole(disk: memoryview, windows: list[int]) -> None:
    cutter = Cutter(PARAMETERS)
    whole = cutter.cut(disk, final=True)
    assert cut_in_windows(disk, cutter, windows) == (whole.chunks, whole.occupied_bytes)


@pytest.mark.parametrize("average_bytes", AVERAGE_BYTES_PROFILES)
def test_every_profile_keeps_its_bounds_and_comes_near_its_average(average_bytes: int) -> None:
    parameters = ChunkerParameters(average_bytes=average_bytes)
    blocks = 2000
    disk = memoryview(b"".join((at + 1).to_bytes(8, "big") * 512 for at in range(blocks)))
    chunks = Cutter(parameters).cut(disk, final=True).chunks
    lengths = [end - start for start, end in chunks]
    assert chunks == list(reference_chunks(disk, parameters))
    assert max(lengths) <= parameters.bytes_max
    assert min(lengths[:-1]) >= average_bytes // 4
    assert 0.6 * average_bytes < sum(lengths) / len(lengths) < 1.8 * average_bytes


def test_a_block_that_changes_moves_no_cut_before_it_and_few_behind_it() -> None:
    kinds = [1 + (7 * at * at + at) % 60_000 for at in range(600)]
    changed = [*kinds[:300], 65_000, *kinds[301:]]
    cutter = Cutter(PARAMETERS)
    before = set(cutter.cut(disk_of(kinds), final=True).chunks)
    after = set(cutter.cut(disk_of(changed), final=True).chunks)
    moved = before ^ after
    assert all(end > 300 * BLOCK_BYTES for _, end in moved)
    assert len(moved) < 10


def test_a_single_set_bit_anywhere_makes_its_block_occupied() -> None:
    for at in (0, 7, 8, BLOCK_BYTES - 1):
        content = bytearray(3 * BLOCK_BYTES)
        content[BLOCK_BYTES + at] = 0x80
        cuts = Cutter(PARAMETERS).cut(memoryview(content), final=True)
        assert cuts.chunks == [(BLOCK_BYTES, 2 * BLOCK_BYTES)]


def test_a_window_of_zeros_is_consumed_though_more_may_follow() -> None:
    cuts = Cutter(PARAMETERS).cut(memoryview(bytes(5 * BLOCK_BYTES)), final=False)
    assert cuts == ([], 5 * BLOCK_BYTES, 0)


@pytest.mark.parametrize("average_bytes", [0, 4096, 32 << 10 | 1, 128 << 10, 1 << 30, -32768])
def test_an_average_without_a_profile_is_refused(average_bytes: int) -> None:
    with pytest.raises(Invalid, match="32 KiB, 64 KiB, 256 KiB") as raised:
        ChunkerParameters(average_bytes=average_bytes)
    assert raised.value.code == "InvalidChunkerParameters"


@pytest.mark.parametrize("seed", [-1, 1 << 64])
def test_a_seed_that_does_not_fit_64_bits_is_refused(seed: int) -> None:
    with pytest.raises(Invalid, match="64 bits"):
        ChunkerParameters(seed=seed)


def test_the_bounds_of_a_profile_follow_from_its_average() -> None:
    assert (PARAMETERS.blocks_min, PARAMETERS.blocks_max) == (2, 32)
    assert PARAMETERS.bytes_max == 128 << 10
    assert PARAMETERS.threshold == 1 << 61


@pytest.mark.parametrize(("size", "padded"), [(0, 0), (1, 4096), (4096, 4096), (4097, 8192)])
def test_a_short_last_block_counts_in_full(size: int, padded: int) -> None:
    assert padded_bytes(size) == padded
