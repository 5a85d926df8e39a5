"""Packs: immutable objects of about 16 MiB that hold frames, and in their footer the chunk ids.

```
header    64 bytes
frames    back to back, in slot order
footer    the header again, an entry of 44 bytes for every slot, a trailer of 48 bytes
```

The tail of a pack alone says what is in it and proves that. Numbers are little-endian.
`docs/format.md` has every byte.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from imgrepl.errors import Corrupt, Invalid
from imgrepl.layout.content import Buffer, chunk_id
from imgrepl.layout.frames import Codec, decode_plain
from imgrepl.model.chunker import CHUNK_BYTES_MAX
from imgrepl.model.domain import DomainId
from imgrepl.model.ids import ChunkId, PackId
from imgrepl.model.manifest import BLOCK_BYTES

PACK_FORMAT = 1
PACK_BYTES_TARGET = 16 << 20
PACK_BYTES_MAX = 64 << 20
SLOTS_MAX = 1 << 16
TAIL_BYTES_GUESS = 96 << 10
"""A read of this many bytes from the end has the whole footer of most packs (2,229 slots)."""

_MAGIC = b"\x89IRpack\n"
_END_MAGIC = b"\nkcapRI\x89"
_HEADER = Struct("<8sHHI16s32x")  # magic, format, flags, header bytes, dedup domain, reserved
_ENTRY = Struct("<32sIIBBH")
_TRAILER = Struct("<II32s8s")  # slots, footer bytes, BLAKE3-256 of the footer before it, magic
_ENTRY_COLUMNS = np.dtype(
    [
        ("chunk_id", "u1", 32),
        ("stored", "<u4"),
        ("plain", "<u4"),
        ("codec", "u1"),
        ("flags", "u1"),
        ("key_id", "<u2"),
    ]
)
assert _ENTRY_COLUMNS.itemsize == _ENTRY.size

HEADER_BYTES = _HEADER.size
TRAILER_BYTES = _TRAILER.size

_Column = npt.NDArray[np.int64]


class FrameEntry(NamedTuple):
    """What the footer says of one slot. In format 1 `flags` and `key_id` are 0."""

    chunk_id: ChunkId
    stored_bytes: int
    plain_bytes: int
    codec: Codec
    flags: int = 0
    key_id: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class PackFooter:
    """What lies where in a pack, as columns that are indexed by slot.

    `chunk_ids` are 32 bytes each, back to back; `offsets` count from the pack's first byte;
    `digest` is the footer's own, by which it is told from any other pack's.
    """

    domain_id: DomainId
    pack_id: PackId | None
    pack_bytes: int
    chunk_ids: bytes
    offsets: _Column
    stored_bytes: _Column
    plain_bytes: _Column
    codecs: npt.NDArray[np.uint8]
    digest: bytes

    @property
    def slots(self) -> int:
        """Number of chunks."""
        return len(self.codecs)

    def chunk_id(self, slot: int) -> ChunkId:
        """The id of the chunk in `slot`."""
        return ChunkId(self.chunk_ids[32 * slot : 32 * slot + 32])

    def entry(self, slot: int) -> FrameEntry:
        """All that the footer says of `slot`: copying a frame verbatim needs it."""
        return FrameEntry(
            self.chunk_id(slot),
            int(self.stored_bytes[slot]),
            int(self.plain_bytes[slot]),
            Codec(int(self.codecs[slot])),
        )


def pack_id_of(pack: Buffer) -> PackId:
    """The name of a pack: the SHA-256 of its bytes."""
    return PackId(hashlib.sha256(pack).hexdigest())


def footer_bytes(slots: int) -> int:
    """Length of the footer of a pack with `slots` frames."""
    return HEADER_BYTES + slots * _ENTRY.size + TRAILER_BYTES


def encode_pack(
    domain_id: DomainId, frames: Sequence[Buffer], entries: Sequence[FrameEntry]
) -> bytes:
    """The bytes of a pack that holds `frames`, which `entries` describe, in slot order."""
    assert [len(frame) for frame in frames] == [entry.stored_bytes for entry in entries]
    body = bytearray(encode_header(domain_id))
    for frame in frames:
        body += frame
    return bytes(finish_pack(domain_id, body, entries))


def encode_header(domain_id: DomainId) -> bytes:
    """What a pack begins with, and its footer too."""
    return _HEADER.pack(_MAGIC, PACK_FORMAT, 0, HEADER_BYTES, domain_id)


def finish_pack(domain_id: DomainId, body: bytearray, entries: Sequence[FrameEntry]) -> bytearray:
    """Puts the footer behind a header and its frames; gives `body`, which is a pack now."""
    assert 1 <= len(entries) <= SLOTS_MAX, len(entries)
    described = encode_header(domain_id) + b"".join([_ENTRY.pack(*entry) for entry in entries])
    length = footer_bytes(len(entries))
    trailer = _TRAILER.pack(len(entries), length, blake3(described).digest(), _END_MAGIC)
    footer = described + trailer
    body += footer
    assert decode_footer(footer, len(body)).slots == len(entries)
    return body


def footer_length(tail: Buffer) -> int:
    """How many bytes from a pack's end hold its footer; `tail` is the last 48 bytes or more.

    When that is more than `tail` has, read again. Raises `Corrupt` (`PackCorrupt`) when this is
    not the end of a pack.
    """
    return _read_trailer(tail, None)[1]


def footer_digest(tail: Buffer) -> bytes:
    """The digest that the footer at the end of `tail` states. Raises `Corrupt` (`PackCorrupt`)."""
    return bytes(_read_trailer(tail, None)[2])


def decode_footer(tail: Buffer, pack_bytes: int, *, pack_id: PackId | None = None) -> PackFooter:
    """The footer of a pack of `pack_bytes`, from its last bytes: `footer_length` or more of them.

    Proves the footer's digest and that the frames fill the pack exactly; `pack_id` is for messages.
    Raises `Corrupt` (`PackCorrupt`), or `Invalid` (`FormatUnknown`) if a later release wrote it.
    """
    slots, length, digest = _read_trailer(tail, pack_id)
    if length > len(tail):
        raise _corrupt(f"its footer has {length} bytes, only {len(tail)} were read", pack_id)
    described = memoryview(tail)[len(tail) - length : len(tail) - TRAILER_BYTES]
    if blake3(described).digest() != digest:
        raise _corrupt("its footer does not agree with the footer's digest", pack_id)
    domain_id = _read_header(described, pack_id)
    if length != footer_bytes(slots):
        raise _corrupt(f"its footer has {length} bytes for {slots} slots", pack_id)
    columns = np.frombuffer(described, _ENTRY_COLUMNS, slots, HEADER_BYTES)
    stored = columns["stored"].astype(np.int64)
    _check_entries(columns, pack_id)
    if HEADER_BYTES + int(stored.sum()) + length != pack_bytes or pack_bytes > PACK_BYTES_MAX:
        raise _corrupt(f"its frames and footer do not add up to its {pack_bytes} bytes", pack_id)
    return PackFooter(
        domain_id=domain_id,
        pack_id=pack_id,
        pack_bytes=pack_bytes,
        chunk_ids=columns["chunk_id"].tobytes(),
        offsets=HEADER_BYTES + np.cumsum(stored) - stored,
        stored_bytes=stored,
        plain_bytes=columns["plain"].astype(np.int64),
        codecs=columns["codec"].copy(),
        digest=bytes(digest),
    )


def decode_frame(footer: PackFooter, slot: int, frame: Buffer, *, chunk_key: bytes) -> bytes:
    """The chunk in `slot`, proven by its id. Raises `Corrupt` (`FrameCorrupt`).

    `frame` is the slot's stored bytes; no more is allocated than the footer states.
    """
    chunk = decode_plain(Codec(int(footer.codecs[slot])), frame, int(footer.plain_bytes[slot]))
    named = footer.chunk_id(slot)
    if chunk_id(chunk_key, chunk) != named:
        raise Corrupt(
            f"slot {slot} of pack {footer.pack_id} does not hold chunk {named.hex()}",
            code="FrameCorrupt",
            target=footer.pack_id,
        )
    return chunk


def verify_pack(pack: Buffer, pack_id: PackId, chunk_key: bytes) -> PackFooter:
    """Proves everything about a pack: its name, its footer, and every chunk in it, decoded.

    Raises `Corrupt` with the first thing that is wrong.
    """
    if pack_id_of(pack) != pack_id:
        raise _corrupt("its bytes do not have the SHA-256 that it is named by", pack_id)
    view = memoryview(pack)
    footer = decode_footer(view, len(view), pack_id=pack_id)
    if view[:HEADER_BYTES] != view[-footer_bytes(footer.slots) :][:HEADER_BYTES]:
        raise _corrupt("its header differs from the one in its footer", pack_id)
    ends = (footer.offsets + footer.stored_bytes).tolist()
    for slot, (start, end) in enumerate(zip(footer.offsets.tolist(), ends, strict=True)):
        decode_frame(footer, slot, view[start:end], chunk_key=chunk_key)
    return footer


def _read_trailer(tail: Buffer, pack_id: PackId | None) -> tuple[int, int, bytes]:
    """Slots, length of the footer and its digest."""
    if len(tail) < TRAILER_BYTES:
        raise _corrupt(f"it ends after {len(tail)} bytes", pack_id)
    slots, length, digest, magic = _TRAILER.unpack_from(tail, len(tail) - TRAILER_BYTES)
    if magic != _END_MAGIC:
        raise _corrupt("it does not end like a pack", pack_id)
    if not 1 <= slots <= SLOTS_MAX or not footer_bytes(0) <= length <= PACK_BYTES_MAX:
        raise _corrupt(f"it claims {slots} slots and a footer of {length} bytes", pack_id)
    return slots, length, digest


def _read_header(header: memoryview, pack_id: PackId | None) -> DomainId:
    """The dedup domain; the digest has proven that these are the bytes which were written."""
    magic, version, flags, header_length, domain_id = _HEADER.unpack_from(header)
    if magic != _MAGIC:
        raise _corrupt("its footer does not begin with a pack's header", pack_id)
    reserved = bytes(header[HEADER_BYTES - 32 : HEADER_BYTES])
    if (version, flags, header_length) != (PACK_FORMAT, 0, HEADER_BYTES) or any(reserved):
        raise _unknown_format(f"format {version} with flags {flags:#x}", pack_id)
    return DomainId(domain_id)


def _check_entries(columns: npt.NDArray[np.void], pack_id: PackId | None) -> None:
    stored, plain, codec = columns["stored"], columns["plain"], columns["codec"]
    if columns["flags"].any() or columns["key_id"].any() or codec.max() > max(Codec):
        raise _unknown_format("slots with flags, keys or codecs of their own", pack_id)
    if plain.min() == 0 or plain.max() > CHUNK_BYTES_MAX or (plain % BLOCK_BYTES).any():
        raise _corrupt("it claims chunks that are empty, too long or no whole blocks", pack_id)
    right_length = np.where(codec == Codec.RAW, stored == plain, (stored > 0) & (stored < plain))
    if not right_length.all():
        raise _corrupt("it claims frames of a length that their codec cannot give", pack_id)


def _corrupt(what: str, pack_id: PackId | None) -> Corrupt:
    return Corrupt(f"pack {pack_id or ''}: {what}", code="PackCorrupt", target=pack_id)


def _unknown_format(what: str, pack_id: PackId | None) -> Invalid:
    return Invalid(
        f"pack {pack_id or ''} has {what}, which this release does not know",
        code="FormatUnknown",
        target=pack_id,
        hint="use the release that wrote it, or a later one",
    )
