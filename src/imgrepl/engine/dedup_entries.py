"""What the dedup cache holds of a chunk: its id, and where it is packed into one number."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imgrepl.model.ids import PackId

CHUNK_ID_BYTES = 32
ENTRY = np.dtype([("id", "<u8", 4), ("where", "<u8")])
"""Sorted by `id[0]` wherever order matters; ids are hashes, so that this is as good as all of it.

`where` is the pack's position in its file's pack table, the slot, and the frame's stored bytes.
"""

Entries = npt.NDArray[np.void]
Words = npt.NDArray[np.uint64]

_STORED_BITS, _SLOT_BITS = 22, 16
_PACK_SHIFT = _STORED_BITS + _SLOT_BITS
_REST_MASK = (1 << _PACK_SHIFT) - 1


class Slot(NamedTuple):
    """Where a chunk is: the pack, the slot in it, and the bytes its frame takes there."""

    pack_id: PackId
    slot: int
    stored_bytes: int


class PackChunks(NamedTuple):
    """The chunks of one pack in slot order: their ids back to back, and their stored bytes."""

    pack_id: bytes
    chunk_ids: bytes
    stored_bytes: npt.NDArray[np.uint32]


def entries_of(pack: int, chunks: PackChunks) -> Entries:
    """The entries of a pack that stands at `pack` of a pack table, in slot order."""
    total = len(chunks.stored_bytes)
    entries = np.zeros(total, ENTRY)
    entries["id"] = np.frombuffer(chunks.chunk_ids, "<u8").reshape(total, 4)
    slots = np.arange(total, dtype=np.uint64) << np.uint64(_STORED_BITS)
    entries["where"] = slots | chunks.stored_bytes | np.uint64(pack << _PACK_SHIFT)
    return entries


def packs_of(where: Words) -> npt.NDArray[np.int64]:
    """The packs' positions in the pack table."""
    return (where >> np.uint64(_PACK_SHIFT)).astype(np.int64)


def with_packs(where: Words, packs: npt.NDArray[np.int64]) -> Words:
    """`where`, with other positions in another pack table."""
    return (where & np.uint64(_REST_MASK)) | (packs.astype(np.uint64) << np.uint64(_PACK_SHIFT))


def columns_of(where: Words) -> tuple[list[int], list[int], list[int]]:
    """Positions in the pack table, slots and stored bytes."""
    slots = (where & np.uint64(_REST_MASK)) >> np.uint64(_STORED_BITS)
    stored = where & np.uint64((1 << _STORED_BITS) - 1)
    return packs_of(where).tolist(), slots.tolist(), stored.tolist()
