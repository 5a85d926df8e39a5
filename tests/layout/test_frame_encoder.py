"""What does not compress costs little, and nothing that does is stored plain for long."""

import random

from imgrepl.layout.frames import DENSE_CHUNKS, Codec, FrameEncoder, decode_plain, encode_frame
from imgrepl.model.manifest import BLOCK_BYTES

CHUNK_BYTES = 8 * BLOCK_BYTES
TEXT = b"golden images " * (CHUNK_BYTES // 14 + 1)


def dense_chunks(count: int, seed: int = 7) -> list[bytes]:
    dice = random.Random(seed)
    return [dice.randbytes(CHUNK_BYTES) for _ in range(count)]


def shorter_but_for_its_middle() -> bytes:
    """Text around a middle block of noise."""
    middle = CHUNK_BYTES // 2
    noise = dense_chunks(1, seed=8)[0][:BLOCK_BYTES]
    return TEXT[:middle] + noise + TEXT[middle + BLOCK_BYTES : CHUNK_BYTES]


def test_every_frame_gives_its_chunk_back_whatever_came_before() -> None:
    encoder = FrameEncoder()
    for chunk in [*dense_chunks(2 * DENSE_CHUNKS), TEXT[:CHUNK_BYTES], *dense_chunks(3)]:
        codec, frame = encoder.encode(chunk, level=3)
        assert decode_plain(codec, frame, len(chunk)) == chunk


def test_a_few_dense_chunks_do_not_keep_the_next_one_from_being_compressed() -> None:
    encoder = FrameEncoder()
    for chunk in dense_chunks(DENSE_CHUNKS - 1):
        assert encoder.encode(chunk, level=3)[0] is Codec.RAW
    mixed = shorter_but_for_its_middle()
    assert encoder.encode(mixed, level=3) == encode_frame(mixed, level=3)


def test_after_many_dense_chunks_a_dense_middle_block_speaks_for_its_chunk() -> None:
    encoder = FrameEncoder()
    for chunk in dense_chunks(DENSE_CHUNKS):
        encoder.encode(chunk, level=3)
    mixed = shorter_but_for_its_middle()
    assert encode_frame(mixed, level=3)[0] is Codec.ZSTD
    assert encoder.encode(mixed, level=3) == (Codec.RAW, mixed)


def test_the_first_chunk_that_compresses_ends_the_doubt() -> None:
    encoder = FrameEncoder()
    for chunk in dense_chunks(2 * DENSE_CHUNKS):
        encoder.encode(chunk, level=3)
    assert encoder.encode(TEXT[:CHUNK_BYTES], level=3)[0] is Codec.ZSTD
    mixed = shorter_but_for_its_middle()
    assert encoder.encode(mixed, level=3)[0] is Codec.ZSTD
