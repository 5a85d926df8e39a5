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


@dataclass(slots=True, kw_only=True)
class ClosedPack:
    """A pack without its footer: `encode` completes and names it, in whatever thread has time."""

    handle: OpenPack
    body: bytearray
    entries: list[FrameEntry]
    domain: DedupDomain

    @property
    def chunk_ids(self) -> list[ChunkId]:
        """The chunks in slot order."""
        return [entry.chunk_id for entry in self.entries]

    def encode(self) -> tuple[PackId, bytearray]:
        """The pack's bytes and their SHA-256; fills in the handle, on which runs rely.

        To be called once: the bytes are handed over, and gone when their taker is done with them.
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
        self._start()

    def _start(self) -> None:
        self._handle = OpenPack()
        self._body = bytearray(encode_header(self._domain.domain_id))
        self._entries: list[FrameEntry] = []

    def add(self, entry: FrameEntry, frame: Buffer, ref: ChunkRef) -> None:
        """Takes the next frame and tells `ref` where it is."""
        ref.pack, ref.slot = self._handle, len(self._entries)
        ref.stored_bytes = entry.stored_bytes
        self._body += frame
        self._entries.append(entry)
        if (
            len(self._body) - HEADER_BYTES >= self._bytes_target
            or len(self._entries) == SLOTS_TARGET
        ):
            self.close()

    def close(self) -> None:
        """Hands on what there is, if anything."""
        if not self._entries:
            return
        closed = ClosedPack(
            handle=self._handle, body=self._body, entries=self._entries, domain=self._domain
        )
        self._start()
        self._hand_on(closed)
