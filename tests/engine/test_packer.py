"""What is in memory of a pack, and for how long."""

import tracemalloc

from imgrepl.engine.dedup import ChunkRef
from imgrepl.engine.packer import ClosedPack, Packer
from imgrepl.layout.content import chunk_id
from imgrepl.layout.frames import Codec
from imgrepl.layout.pack import FrameEntry, verify_pack
from imgrepl.model.domain import DEFAULT_DOMAIN

_FRAME_BYTES = 32 << 10
_PACK_BYTES = 4 << 20


def _closed_pack() -> ClosedPack:
    """One pack of frames that nobody else keeps, as a compressor gives them."""
    closed: list[ClosedPack] = []
    packer = Packer(DEFAULT_DOMAIN, _PACK_BYTES, closed.append)
    for number in range(_PACK_BYTES // _FRAME_BYTES):
        frame = number.to_bytes(4, "little") * (_FRAME_BYTES // 4)
        chunk = chunk_id(DEFAULT_DOMAIN.chunk_key, frame)
        packer.add(FrameEntry(chunk, len(frame), len(frame), Codec.RAW), frame, ChunkRef())
    (pack,) = closed
    return pack


def test_a_pack_is_in_memory_once_while_it_is_packed_and_named() -> None:
    tracemalloc.start()
    try:
        pack = _closed_pack()
        pack_id, body = pack.encode()
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert verify_pack(body, pack_id, DEFAULT_DOMAIN.chunk_key).slots == len(pack.entries)
    assert peak_bytes < 1.5 * _PACK_BYTES


def test_a_pack_that_was_handed_over_keeps_no_bytes() -> None:
    pack = _closed_pack()
    tracemalloc.start()
    try:
        pack.encode()  # what it gives is let go at once, while the pack itself is kept
        kept_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert not pack.body
    assert kept_bytes < _PACK_BYTES // 16
