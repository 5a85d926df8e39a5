"""Chunk ids and content ids."""

import pytest
from blake3 import blake3

from imgrepl.layout.content import ContentDigest, chunk_id
from imgrepl.model.ids import ChunkId, ContentId

A, B = ChunkId(b"a" * 32), ChunkId(b"b" * 32)


def content_id(size: int, *chunks: tuple[int, int, ChunkId]) -> ContentId:
    digest = ContentDigest()
    for chunk in chunks:
        digest.add(*chunk)
    return digest.finish(size)


def test_a_chunk_id_is_keyed() -> None:
    assert chunk_id(bytes(32), b"x") == blake3(b"x", key=bytes(32)).digest()
    assert chunk_id(bytes(32), b"x") != chunk_id(b"\1" * 32, b"x")
    assert chunk_id(bytes(32), memoryview(b"x")) == chunk_id(bytes(32), b"x")


def test_a_content_id_differs_with_size_place_length_and_chunk() -> None:
    ids = [
        content_id(1 << 20),
        content_id((1 << 20) + 512),
        content_id(1 << 20, (0, 4096, A)),
        content_id(1 << 20, (4096, 4096, A)),
        content_id(1 << 20, (0, 8192, A)),
        content_id(1 << 20, (0, 4096, B)),
        content_id(1 << 20, (0, 4096, A), (4096, 4096, B)),
        content_id(1 << 20, (0, 4096, A), (8192, 4096, B)),
    ]
    assert len(set(ids)) == len(ids)


def test_finishing_does_not_end_a_digest() -> None:
    digest = ContentDigest()
    digest.add(0, 4096, A)
    first = digest.finish(4096)
    assert digest.finish(4096) == first
    digest.add(4096, 4096, B)
    assert digest.finish(8192) == content_id(8192, (0, 4096, A), (4096, 4096, B))


@pytest.mark.parametrize(
    "second", [(0, 4096, B), (4095, 4096, B), (8192, 0, B), (8192, 1, B), (8193, 4096, B)]
)
def test_chunks_out_of_order_or_off_the_blocks_are_our_fault(
    second: tuple[int, int, ChunkId],
) -> None:
    digest = ContentDigest()
    digest.add(0, 8192, A)
    with pytest.raises(AssertionError):
        digest.add(*second)


def test_a_chunk_behind_the_disks_end_is_our_fault() -> None:
    with pytest.raises(AssertionError):
        content_id(4096, (4096, 4096, A))
    assert content_id(4097, (4096, 4096, A))
