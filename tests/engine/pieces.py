"""A disk made of pieces in memory, the disks that hypothesis thinks up, and a sink for packs."""

import random
import threading
from collections.abc import Iterator, Mapping, Sequence

from hypothesis import strategies as st

from imgrepl.disks.disk import ByteSource, Extent, Problem
from imgrepl.engine.dedup_cache import DedupCache
from imgrepl.engine.packer import ClosedPack
from imgrepl.layout.pack import PackFooter, decode_frame, verify_pack
from imgrepl.model.domain import DEFAULT_DOMAIN
from imgrepl.model.ids import PackId
from imgrepl.model.manifest import BLOCK_BYTES, Manifest


class PieceDisk:
    """`pieces` are its extents by offset; all else is a hole, and reading one fails the test."""

    format = subformat = "raw"
    problems: Sequence[Problem] = ()

    def __init__(
        self,
        size_bytes: int,
        pieces: Mapping[int, bytes],
        sources: Sequence[ByteSource] = (),
    ) -> None:
        self.size_bytes = size_bytes
        self.pieces = dict(sorted(pieces.items()))
        self.sources = sources
        self.read_bytes = 0
        self._lock = threading.Lock()

    def data_extents(self, offset: int, length: int) -> Iterator[Extent]:
        for at, data in self.pieces.items():
            start, stop = max(at, offset), min(at + len(data), offset + length)
            if start < stop:
                yield Extent(start, stop - start)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        at = max((at for at in self.pieces if at <= offset), default=-1)
        assert at >= 0, f"a hole at {offset} was read"
        start, stop = offset - at, offset - at + buffer.nbytes
        assert stop <= len(self.pieces[at]), f"the hole behind {at} was read"
        buffer[:] = self.pieces[at][start:stop]
        with self._lock:
            self.read_bytes += buffer.nbytes

    def close(self) -> None:
        pass

    def content(self) -> bytes:
        """What the guest sees."""
        whole = bytearray(self.size_bytes)
        for at, data in self.pieces.items():
            whole[at : at + len(data)] = data
        return bytes(whole)


def blocks(numbers: Sequence[int]) -> bytes:
    """A block for each number: zeros for 0, and always the same for the same number."""
    made = [bytes(BLOCK_BYTES) if n == 0 else random.Random(n).randbytes(64) * 64 for n in numbers]
    return b"".join(made)


@st.composite
def piece_disks(draw: st.DrawFn, blocks_max: int = 160) -> PieceDisk:
    """Disks of zeros, repetitions and holes; pieces start and end on blocks, but for the last."""
    pieces, offset = {}, 0
    for _ in range(draw(st.integers(0, 4))):
        offset += BLOCK_BYTES * draw(st.integers(0, 40))
        few = st.lists(st.sampled_from([0, 1, 2, 3]), min_size=1, max_size=10)
        many = st.builds(
            lambda first, count: list(range(first, first + count)),
            st.integers(1, 500),
            st.integers(1, blocks_max),
        )
        data = blocks(draw(st.one_of(few, many)))
        if data and offset not in pieces:
            pieces[offset] = data
            offset += len(data)
    short = 512 * draw(st.integers(0, 7))
    size = max(offset + BLOCK_BYTES * draw(st.integers(0, 3)), BLOCK_BYTES)
    if short and size > offset:
        size -= short
    elif short and pieces:
        last = max(pieces)
        pieces[last] = pieces[last][:-short]
        size -= short
    return PieceDisk(size, pieces)


class PackShelf:
    """A `PackSink` that keeps packs; `patience` says how many are under way before one is done.

    What is done is in `cache`, as the deduplicator expects.
    """

    def __init__(self, patience: int = 0) -> None:
        self.cache: DedupCache | None = None
        self.packs: dict[PackId, bytes | bytearray] = {}
        self.order: list[PackId] = []
        self._patience = patience
        self._under_way: list[ClosedPack] = []

    def submit(self, pack: ClosedPack) -> None:
        pack_id, body = pack.encode()
        assert pack_id not in self.packs, "a pack was made twice"
        self.packs[pack_id] = body
        self.order.append(pack_id)
        self._under_way.append(pack)

    def finished(self) -> list[ClosedPack]:
        done = self._under_way[: max(0, len(self._under_way) - self._patience)]
        self._under_way = self._under_way[len(done) :]
        for pack in done:
            assert self.cache is not None
            assert pack.handle.pack_id is not None
            self.cache.add_pack(pack.handle.pack_id, pack.entries)
        return done

    def drain(self) -> None:
        self._patience = 0

    def footer(self, pack_id: PackId) -> PackFooter:
        return verify_pack(self.packs[pack_id], pack_id, DEFAULT_DOMAIN.chunk_key)

    def restore(self, manifest: Manifest) -> bytes:
        """The disk that a manifest describes, out of these packs."""
        whole = bytearray(-(-manifest.size_bytes // BLOCK_BYTES) * BLOCK_BYTES)
        footers = [self.footer(use.pack_id) for use in manifest.packs]
        for run in manifest.runs:
            footer, body = footers[run.pack], self.packs[manifest.packs[run.pack].pack_id]
            at = run.disk_offset
            for slot in range(run.first_slot, run.first_slot + run.slots):
                start = int(footer.offsets[slot])
                frame = memoryview(body)[start : start + int(footer.stored_bytes[slot])]
                chunk = decode_frame(footer, slot, frame, chunk_key=DEFAULT_DOMAIN.chunk_key)
                whole[at : at + len(chunk)] = chunk
                at += len(chunk)
            assert at == run.disk_offset + run.length_bytes
        assert not any(whole[manifest.size_bytes :])
        return bytes(whole[: manifest.size_bytes])
