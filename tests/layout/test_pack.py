"""Packs: what is written reads back, and nothing else is ever believed."""

import os
import struct
import tracemalloc

import pytest
import zstandard
from blake3 import blake3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgrepl.errors import Corrupt, ImgreplError, Invalid
from imgrepl.layout.content import Buffer, chunk_id
from imgrepl.layout.frames import Codec, decode_plain, encode_frame
from imgrepl.layout.pack import (
    HEADER_BYTES,
    SLOTS_MAX,
    TRAILER_BYTES,
    FrameEntry,
    decode_footer,
    decode_frame,
    encode_pack,
    footer_bytes,
    footer_length,
    pack_id_of,
    verify_pack,
)
from imgrepl.model.domain import DomainId

KEY = bytes(range(32))
DOMAIN = DomainId(bytes(range(16)))


def made_pack(chunks: list[bytes]) -> tuple[bytes, list[FrameEntry]]:
    frames: list[Buffer] = []
    entries = []
    for chunk in chunks:
        codec, frame = encode_frame(chunk, level=3)
        frames.append(frame)
        entries.append(FrameEntry(chunk_id(KEY, chunk), len(frame), len(chunk), codec))
    return encode_pack(DOMAIN, frames, entries), entries


def resealed(pack: bytes, slots: int, position: int, patch: bytes) -> bytes:
    """`pack` with `patch` at `position` of its footer and a digest that agrees with it."""
    body, footer = pack[: -footer_bytes(slots)], bytearray(pack[-footer_bytes(slots) :])
    footer[position : position + len(patch)] = patch
    footer[-40:-8] = blake3(bytes(footer[:-TRAILER_BYTES])).digest()
    return body + bytes(footer)


CHUNKS = [b"text " * 819 + b"!", os.urandom(8192), b"\x01" * 131072]
CHUNKS[0] = CHUNKS[0].ljust(4096, b".")
PACK, ENTRIES = made_pack(CHUNKS)
PACK_ID = pack_id_of(PACK)

chunk_lists = st.lists(
    st.builds(
        lambda seed, blocks, random: (
            blake3(seed).digest(4096 * blocks) if random else (seed + b"\x01") * (4096 * blocks)
        )[: 4096 * blocks],
        st.binary(min_size=1, max_size=8),
        st.integers(1, 32),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@given(chunk_lists)
@settings(max_examples=50)
def test_a_pack_gives_back_every_chunk_it_was_made_of(chunks: list[bytes]) -> None:
    pack, entries = made_pack(chunks)
    footer = verify_pack(pack, pack_id_of(pack), KEY)
    assert footer.domain_id == DOMAIN
    assert [footer.entry(slot) for slot in range(footer.slots)] == entries
    for slot, chunk in enumerate(chunks):
        start, length = int(footer.offsets[slot]), int(footer.stored_bytes[slot])
        frame = pack[start : start + length]
        assert decode_frame(footer, slot, frame, chunk_key=KEY) == chunk
        assert decode_frame(footer, slot, memoryview(frame), chunk_key=KEY) == chunk


def test_the_tail_alone_says_how_much_of_it_is_needed() -> None:
    needed = footer_length(PACK[-TRAILER_BYTES:])
    assert needed == footer_bytes(len(CHUNKS))
    assert decode_footer(PACK[-needed:], len(PACK)).slots == len(CHUNKS)
    assert decode_footer(PACK[-needed - 100 :], len(PACK)).slots == len(CHUNKS)
    with pytest.raises(Corrupt, match="only"):
        decode_footer(PACK[-needed + 1 :], len(PACK))


def test_a_chunk_that_does_not_shrink_is_stored_as_it_is() -> None:
    assert [entry.codec for entry in ENTRIES] == [Codec.ZSTD, Codec.RAW, Codec.ZSTD]


@given(st.integers(0, len(PACK) * 8 - 1))
@settings(max_examples=300)
def test_any_flipped_bit_is_found(bit: int) -> None:
    damaged = bytearray(PACK)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Corrupt):
        verify_pack(damaged, PACK_ID, KEY)


@given(st.integers(0, len(PACK) * 8 - 1))
@settings(max_examples=300)
@example((HEADER_BYTES + 4) * 8 + 4)  # a bit of a zstd frame that decoders are told to ignore
def test_without_a_name_to_compare_with_a_pack_is_refused_or_holds_what_it_held(bit: int) -> None:
    damaged = bytearray(PACK)
    damaged[bit // 8] ^= 1 << bit % 8
    try:
        footer = verify_pack(damaged, pack_id_of(damaged), KEY)
    except (Corrupt, Invalid):
        return
    assert [footer.entry(slot) for slot in range(footer.slots)] == ENTRIES


@given(st.integers(0, footer_bytes(len(CHUNKS)) * 8 - 1))
def test_any_flipped_bit_of_a_footer_is_found_from_the_tail_alone(bit: int) -> None:
    tail = bytearray(PACK[-footer_bytes(len(CHUNKS)) :])
    tail[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Corrupt):
        decode_footer(tail, len(PACK))


@given(st.integers(0, len(PACK) - 1))
def test_any_truncation_is_found(length: int) -> None:
    with pytest.raises(Corrupt):
        decode_footer(PACK[:length], length)


@pytest.mark.parametrize("pack_bytes", [0, len(PACK) - 1, len(PACK) + 1, 1 << 40])
def test_a_pack_of_another_length_than_its_frames_is_corrupt(pack_bytes: int) -> None:
    with pytest.raises(Corrupt, match="add up"):
        decode_footer(PACK, pack_bytes)


ENTRY = HEADER_BYTES
"""Position of the first slot's entry in the footer; the entry's fields follow its id."""


@pytest.mark.parametrize(
    ("position", "patch", "what"),
    [
        (ENTRY + 32, struct.pack("<I", 0), "codec"),
        (ENTRY + 32, struct.pack("<I", 4096), "codec"),
        (ENTRY + 36, struct.pack("<I", 0), "empty"),
        (ENTRY + 36, struct.pack("<I", 4097), "blocks"),
        (ENTRY + 36, struct.pack("<I", (1 << 20) + 4096), "too long"),
        (ENTRY + 36, struct.pack("<I", 0xFFFFF000), "too long"),
        (ENTRY + 40, bytes([Codec.RAW]), "codec"),
        (0, b"\x89IRmani\n", "header"),
        (footer_bytes(3) - TRAILER_BYTES, struct.pack("<I", 2), "slots"),
        (footer_bytes(3) - TRAILER_BYTES, struct.pack("<I", 0), "0 slots"),
        (footer_bytes(3) - TRAILER_BYTES, struct.pack("<I", SLOTS_MAX + 1), "slots"),
        (footer_bytes(3) - TRAILER_BYTES + 4, struct.pack("<I", 1 << 31), "footer of"),
        (footer_bytes(3) - TRAILER_BYTES + 4, struct.pack("<I", 10), "footer of"),
    ],
)
def test_a_footer_that_proves_itself_is_still_held_to_the_limits(
    position: int, patch: bytes, what: str
) -> None:
    with pytest.raises(Corrupt, match=what) as raised:
        decode_footer(resealed(PACK, 3, position, patch), len(PACK), pack_id=PACK_ID)
    assert raised.value.code == "PackCorrupt"
    assert raised.value.target == PACK_ID


@pytest.mark.parametrize(
    ("position", "patch"),
    [
        (8, struct.pack("<H", 2)),  # format
        (10, struct.pack("<H", 1)),  # flags
        (40, b"\x01"),  # reserved
        (ENTRY + 40, b"\x02"),  # codec
        (ENTRY + 41, b"\x01"),  # flags of a slot
        (ENTRY + 42, struct.pack("<H", 1)),  # key id
    ],
)
def test_what_a_later_release_wrote_is_refused_and_not_called_damaged(
    position: int, patch: bytes
) -> None:
    with pytest.raises(Invalid) as raised:
        decode_footer(resealed(PACK, 3, position, patch), len(PACK))
    assert raised.value.code == "FormatUnknown"
    assert raised.value.hint


def test_a_front_header_that_differs_from_the_footers_is_corrupt() -> None:
    damaged = bytearray(PACK)
    damaged[20] ^= 1
    with pytest.raises(Corrupt, match="header differs"):
        verify_pack(damaged, pack_id_of(damaged), KEY)


def test_frames_in_each_others_slots_are_corrupt() -> None:
    frames = [chunk * 4096 for chunk in (b"a", b"b")]
    entries = [FrameEntry(chunk_id(KEY, frame), 4096, 4096, Codec.RAW) for frame in frames]
    swapped = encode_pack(DOMAIN, frames[::-1], entries)
    with pytest.raises(Corrupt, match="slot 0") as raised:
        verify_pack(swapped, pack_id_of(swapped), KEY)
    assert raised.value.code == "FrameCorrupt"


def test_another_domains_key_opens_nothing() -> None:
    with pytest.raises(Corrupt, match="does not hold"):
        verify_pack(PACK, PACK_ID, bytes(32))


def bomb(claimed: int | None) -> bytes:
    if claimed is None:
        return zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 27))
    return zstandard.ZstdCompressor().compress(bytes(claimed))


@pytest.mark.parametrize("claimed", [None, 1 << 27, 4095, 0])
def test_a_frame_that_would_grow_beyond_what_is_stated_allocates_nothing(
    claimed: int | None,
) -> None:
    frame = bomb(claimed)
    tracemalloc.start()
    try:
        with pytest.raises(Corrupt, match="stated"):
            decode_plain(Codec.ZSTD, frame, 4096)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=200))
def test_garbage_in_a_frame_is_corrupt_and_nothing_else(garbage: bytes) -> None:
    for frame in (garbage, zstandard.compress(bytes(4096)) + garbage[:20] + b"x"):
        with pytest.raises(Corrupt):
            decode_plain(Codec.ZSTD, frame, 4096)


@given(st.binary(max_size=400), st.integers(0, 1 << 40))
def test_garbage_instead_of_a_footer_raises_an_error_of_ours(garbage: bytes, size: int) -> None:
    with pytest.raises(ImgreplError):
        decode_footer(garbage, size)
    with pytest.raises(ImgreplError):
        decode_footer(garbage + PACK[-TRAILER_BYTES:], size)
