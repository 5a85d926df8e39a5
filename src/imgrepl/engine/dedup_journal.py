"""The journal of one process: packs it added and packs it forgot, in order.

A record is a header (kind, number of items), the items, and an XXH3-64 of both. A record is one
write, so that it outlives a process that is killed; what a crash tore off is found by its checksum
and dropped with all that follows it.
"""

import os
from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

import numpy as np
from xxhash import xxh3_64_digest

from imgrepl.engine.dedup_entries import CHUNK_ID_BYTES, PackChunks
from imgrepl.engine.dedup_folder import OpenFile

JOURNAL_BYTES_MAX = 64 << 20
"""No more of a journal is read: its writer makes it a run long before that."""

_MAGIC = b"\x89IRjrn1\n"
_HEADER = Struct("<II")
_CHECKSUM_BYTES = 8
_ADD, _FORGET = 1, 2
_PACK_ID_BYTES = 32


class JournalContent(NamedTuple):
    """What a journal says in the end; packs in the order in which they were added."""

    added: dict[bytes, PackChunks]
    forgotten: frozenset[bytes]


class Journal:
    """A journal that is being written. Not thread-safe."""

    def __init__(self, opened: OpenFile) -> None:
        self.file = opened.file
        self._descriptor = opened.descriptor
        _write(self._descriptor, _MAGIC)

    def add(self, chunks: PackChunks) -> None:
        """Appends a pack; outlives this process as soon as it returns."""
        total = len(chunks.stored_bytes)
        stored = chunks.stored_bytes.astype("<u4").tobytes()
        self._append(_ADD, total, chunks.pack_id + chunks.chunk_ids + stored)

    def forget(self, pack_ids: Iterable[bytes]) -> None:
        """Appends that packs are gone, from this journal and from whatever is older."""
        ids = sorted(pack_ids)
        self._append(_FORGET, len(ids), b"".join(ids))

    def content(self) -> JournalContent:
        """All that was appended."""
        return read_journal(self._descriptor)

    def close(self) -> None:
        """Gives up the lock: who opens the folder next takes the journal over."""
        os.close(self._descriptor)

    def _append(self, kind: int, total: int, items: bytes) -> None:
        record = _HEADER.pack(kind, total) + items
        _write(self._descriptor, record + xxh3_64_digest(record))


def read_journal(descriptor: int) -> JournalContent:
    """What an open journal says, up to the first record that is not whole."""
    data = memoryview(_read(descriptor))
    added: dict[bytes, PackChunks] = {}
    forgotten: set[bytes] = set()
    at = len(_MAGIC)
    while data[: len(_MAGIC)] == _MAGIC and at + _HEADER.size <= len(data):
        kind, total = _HEADER.unpack_from(data, at)
        end = at + _HEADER.size + _items_bytes(kind, total)
        if xxh3_64_digest(data[at:end]) != data[end : end + _CHECKSUM_BYTES]:
            break
        _apply(kind, total, bytes(data[at + _HEADER.size : end]), added, forgotten)
        at = end + _CHECKSUM_BYTES
    return JournalContent(added, frozenset(forgotten))


def _apply(
    kind: int, total: int, items: bytes, added: dict[bytes, PackChunks], forgotten: set[bytes]
) -> None:
    if kind == _FORGET:
        ids = [items[at : at + _PACK_ID_BYTES] for at in range(0, len(items), _PACK_ID_BYTES)]
        forgotten.update(ids)
        for pack_id in ids:
            added.pop(pack_id, None)
        return
    pack_id, ids_end = items[:_PACK_ID_BYTES], _PACK_ID_BYTES + CHUNK_ID_BYTES * total
    stored = np.frombuffer(items, np.dtype("<u4"), total, ids_end)
    added.pop(pack_id, None)  # what is added again is the newest again
    added[pack_id] = PackChunks(pack_id, items[_PACK_ID_BYTES:ids_end], stored)
    forgotten.discard(pack_id)


def _items_bytes(kind: int, total: int) -> int:
    """Length of a record's items; one of no known kind is longer than any journal."""
    if kind == _ADD:
        return _PACK_ID_BYTES + (CHUNK_ID_BYTES + 4) * total
    return _PACK_ID_BYTES * total if kind == _FORGET else JOURNAL_BYTES_MAX


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _read(descriptor: int) -> bytes:
    size = min(os.fstat(descriptor).st_size, JOURNAL_BYTES_MAX)
    parts, at = [], 0
    while at < size:
        part = os.pread(descriptor, size - at, at)
        if not part:
            break
        parts.append(part)
        at += len(part)
    return b"".join(parts)
