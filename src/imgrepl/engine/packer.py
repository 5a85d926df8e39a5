"""Stage 4, first half: frames become packs, in disk order whatever the thread count."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from imgrepl.engine.dedup import ChunkRef, OpenPack
from imgrepl.layout.content import Buffer
from imgrepl.layout.pack import HEADER_BYTES, FrameEntry, encode_header, finish_pack
from imgrepl.model.domain import DedupDomain
from imgrepl.model.ids import ChunkId, PackId

SLOTS_TARGET = 16384
"""A pack is closed at this many slots, so that its footer stays under 1 MiB."""


class PackBodies:
    """Memory for packs that is used again: asking for 16 MiB each time costs page faults and holes.

    There are as many as are filled or sent at once. Thread-safe.
    """

    def __init__(self) -> None:
        self._free: list[bytearray] = []

    def take(self) -> bytearray:
        """Memory of any length, full of what was there before."""
        try:
            return self._free.pop()
        except IndexError:
            return bytearray()

    def give_back(self, body: bytearray) -> None:
        """For another pack. Nobody may look at `body` any more."""
        self._free.append(body)


@dataclass(slots=True, kw_only=True)
class ClosedPack:
    """A pack without its footer: `encode` completes and names it, in whatever thread has time."""

    handle: OpenPack
    body: bytearray
    entries: list[FrameEntry]
    domain: DedupDomain
    bodies: PackBodies

    @property
    def chunk_ids(self) -> list[ChunkId]:
        """The chunks in slot order."""
        return [entry.chunk_id for entry in self.entries]

    def encode(self) -> tuple[PackId, bytearray]:
        """The pack's bytes and their SHA-256; fills in the handle, on which runs rely.

        To be called once: the bytes are handed over. Who is done with them gives them back to
        `bodies`, or lets them go.
        """
        body, self.body = self.body, bytearray()
        finish_pack(self.domain.domain_id, body, self.entries)
        pack_id = PackId(hashlib.sha256(body).hexdigest())
        self.handle.pack_bytes = len(body)
        self.handle.pack_id = pack_id
        return pack_id, body


class Packer:
    """Collects frames and hands a pack on when it reaches its target. Not thread-safe."""

    def __init__(
        self, domain: DedupDomain, bytes_target: int, hand_on: Callable[[ClosedPack], None]
    ) -> None:
        self._domain = domain
        self._bytes_target = bytes_target
        self._hand_on = hand_on
        self._bodies = PackBodies()
        self._start()

    def _start(self) -> None:
        self._handle = OpenPack()
        self._body, self._filled = self._bodies.take(), 0
        self._entries: list[FrameEntry] = []
        self._append(encode_header(self._domain.domain_id))

    def _append(self, piece: Buffer) -> None:
        """In place where the memory is long enough; else it grows."""
        end = self._filled + len(piece)
        if end <= len(self._body):
            with memoryview(self._body) as room:
                room[self._filled : end] = piece
        else:
            del self._body[self._filled :]
            self._body += piece
        self._filled = end

    def add(self, entry: FrameEntry, frame: Buffer, ref: ChunkRef) -> None:
        """Takes the next frame and tells `ref` where it is."""
        ref.pack, ref.slot = self._handle, len(self._entries)
        ref.stored_bytes = entry.stored_bytes
        self._append(frame)
        self._entries.append(entry)
        if self._filled - HEADER_BYTES >= self._bytes_target or len(self._entries) == SLOTS_TARGET:
            self.close()

    def close(self) -> None:
        """Hands on what there is, if anything."""
        if not self._entries:
            return
        del self._body[self._filled :]
        closed = ClosedPack(
            handle=self._handle,
            body=self._body,
            entries=self._entries,
            domain=self._domain,
            bodies=self._bodies,
        )
        self._entries = []  # nothing is left to hand on, whatever becomes of this pack
        self._hand_on(closed)  # before the next begins: it may have its memory
        self._start()
