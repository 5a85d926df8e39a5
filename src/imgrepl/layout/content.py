"""The names of content: what a chunk is called, and what a whole disk is called."""

from struct import Struct

from blake3 import blake3

from imgrepl.model.ids import ChunkId, ContentId
from imgrepl.model.manifest import BLOCK_BYTES

Buffer = bytes | bytearray | memoryview

_CHUNK_RECORD = Struct("<QQ32s")
_SIZE_RECORD = Struct("<Q")


def chunk_id(chunk_key: bytes, chunk: Buffer) -> ChunkId:
    """BLAKE3-256 of a chunk's plain bytes, keyed by its dedup domain (32 bytes)."""
    return ChunkId(blake3(chunk, key=chunk_key).digest())


class ContentDigest:
    """Computes a disk's content id from its chunks, which are added in disk order.

    The id is BLAKE3-256 over one record of 48 bytes for every chunk (offset and length as 64-bit
    little-endian numbers, chunk id) and the disk's size as the last 8 bytes. Two disks have one id
    exactly if they have one size and one content, and belong to one dedup domain.
    """

    def __init__(self) -> None:
        self._digest = blake3()
        self._end = 0

    def add(self, offset: int, length: int, chunk: ChunkId) -> None:
        """The chunk that lies at `offset`; both are bytes, whole blocks, behind what was added."""
        assert offset >= self._end, f"chunk at {offset} after one that ends at {self._end}"
        assert length > 0, length
        assert (offset | length) % BLOCK_BYTES == 0, (offset, length)
        self._digest.update(_CHUNK_RECORD.pack(offset, length, chunk))
        self._end = offset + length

    def finish(self, size_bytes: int) -> ContentId:
        """The id of a disk of `size_bytes` that holds the chunks added so far."""
        assert self._end < size_bytes + BLOCK_BYTES, (self._end, size_bytes)
        digest = self._digest.copy()
        digest.update(_SIZE_RECORD.pack(size_bytes))
        return ContentId(digest.hexdigest())
