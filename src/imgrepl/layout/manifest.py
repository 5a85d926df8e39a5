"""Manifests: a disk as runs of slots, and the packs those runs name.

```
header    64 bytes: magic, format, flags, length of the body when decompressed, content id
body      zstd: five numbers, then the columns of the pack table, then those of the runs
digest    BLAKE3-256 of header and body
```

`docs/format.md` has every byte.
"""

from struct import Struct
from typing import NamedTuple

import numpy as np
import zstandard
from blake3 import blake3

from imgrepl.errors import Corrupt, Invalid
from imgrepl.layout.content import Buffer
from imgrepl.layout.frames import Codec, decode_plain
from imgrepl.layout.pack import PACK_BYTES_MAX, SLOTS_MAX
from imgrepl.layout.varints import Column, decode_varints, encode_varints, fold_sign, unfold_sign
from imgrepl.model.chunker import CHUNK_BYTES_MAX
from imgrepl.model.ids import ContentId, PackId
from imgrepl.model.manifest import BLOCK_BYTES, Manifest, PackUse, Run, padded_bytes

MANIFEST_FORMAT = 1
DISK_BYTES_MAX = 64 << 40
RUNS_MAX = 1 << 22
"""3.4 million are a terabyte scattered as badly as a patched system disk; 700 MiB in memory."""
PACKS_MAX = 1 << 20
MANIFEST_BYTES_MAX = 128 << 20

_MAGIC = b"\x89IRmani\n"
_HEADER = Struct("<8sHHI32s16x")  # magic, format, flags, body bytes, content id, reserved
_DIGEST_BYTES = 32
_ZSTD_LEVEL = 12
_CHUNK_BLOCKS_MAX = CHUNK_BYTES_MAX // BLOCK_BYTES


class _Body(NamedTuple):
    """A manifest as columns; what is on the disk is counted in blocks."""

    size_bytes: int
    occupied_bytes: int
    chunks: int
    pack_ids: bytes
    pack_bytes: Column
    used_bytes: Column
    offsets: Column
    lengths: Column
    packs: Column
    first_slots: Column
    slots: Column


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest's bytes, the same in every region."""
    body = _body_of(manifest)
    fault = _fault(body)
    assert fault is None, fault
    plain = _encode_body(body)
    content_id = bytes.fromhex(manifest.content_id)
    header = _HEADER.pack(_MAGIC, MANIFEST_FORMAT, 0, len(plain), content_id)
    described = header + zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(plain)
    encoded = described + blake3(described).digest()
    assert len(encoded) <= MANIFEST_BYTES_MAX, len(encoded)
    return encoded


def decode_manifest(data: Buffer, content_id: ContentId) -> Manifest:
    """The manifest of the disk `content_id`, with everything about it checked but the chunks.

    That the chunks are the content id's is proven by who reads them or their packs' footers.
    Raises `Corrupt` (`ManifestCorrupt`), or `Invalid` (`FormatUnknown`): a later release wrote it.
    """
    view = memoryview(data)
    if not _HEADER.size + _DIGEST_BYTES < len(view) <= MANIFEST_BYTES_MAX:
        raise _corrupt(f"it has {len(view)} bytes", content_id)
    described = view[:-_DIGEST_BYTES]
    if blake3(described).digest() != view[-_DIGEST_BYTES:]:
        raise _corrupt("it does not agree with its digest", content_id)
    plain_bytes = _read_header(described, content_id)
    plain = decode_plain(Codec.ZSTD, described[_HEADER.size :], plain_bytes)
    try:
        body = _decode_body(memoryview(plain))
    except Corrupt as error:
        raise _corrupt(error.message, content_id) from error
    fault = _fault(body)
    if fault:
        raise _corrupt(fault, content_id)
    return _manifest_of(body, content_id)


def _body_of(manifest: Manifest) -> _Body:
    runs = np.array(manifest.runs, np.int64).reshape(-1, len(Run._fields))
    offsets, lengths, packs, first_slots, slots = runs.T
    assert not ((offsets | lengths) % BLOCK_BYTES).any(), "runs are whole blocks"
    return _Body(
        size_bytes=manifest.size_bytes,
        occupied_bytes=manifest.occupied_bytes,
        chunks=manifest.chunks,
        pack_ids=b"".join([bytes.fromhex(use.pack_id) for use in manifest.packs]),
        pack_bytes=np.array([use.pack_bytes for use in manifest.packs], np.int64),
        used_bytes=np.array([use.used_bytes for use in manifest.packs], np.int64),
        offsets=offsets // BLOCK_BYTES,
        lengths=lengths // BLOCK_BYTES,
        packs=packs,
        first_slots=first_slots,
        slots=slots,
    )


def _manifest_of(body: _Body, content_id: ContentId) -> Manifest:
    ids = body.pack_ids.hex()
    names = [PackId(ids[at : at + 64]) for at in range(0, len(ids), 64)]
    uses = zip(names, body.pack_bytes.tolist(), body.used_bytes.tolist(), strict=True)
    runs = zip(
        (body.offsets * BLOCK_BYTES).tolist(),
        (body.lengths * BLOCK_BYTES).tolist(),
        body.packs.tolist(),
        body.first_slots.tolist(),
        body.slots.tolist(),
        strict=True,
    )
    return Manifest(
        content_id=content_id,
        size_bytes=body.size_bytes,
        occupied_bytes=body.occupied_bytes,
        chunks=body.chunks,
        packs=tuple(map(PackUse._make, uses)),
        runs=tuple(map(Run._make, runs)),
    )


def _encode_body(body: _Body) -> bytes:
    ends = np.concatenate(([0], (body.offsets + body.lengths)[:-1]))[: len(body.offsets)]
    counts = [body.size_bytes, body.occupied_bytes, body.chunks]
    counts += [len(body.pack_bytes), len(body.offsets)]
    columns = (
        body.pack_bytes,
        body.used_bytes,
        body.offsets - ends,
        body.lengths,
        fold_sign(np.diff(body.packs, prepend=np.int64(0))),
        fold_sign(_slot_steps(body.packs, body.first_slots, body.slots)),
        body.slots,
    )
    numbers = b"".join(map(encode_varints, columns))
    return encode_varints(np.array(counts, np.int64)) + body.pack_ids + numbers


def _decode_body(plain: memoryview) -> _Body:
    counts, at = decode_varints(plain, 5)
    size_bytes, occupied_bytes, chunks, packs_total, runs_total = counts.tolist()
    if size_bytes > DISK_BYTES_MAX or packs_total > PACKS_MAX or runs_total > RUNS_MAX:
        raise Corrupt(f"it claims {size_bytes} bytes, {packs_total} packs, {runs_total} runs")
    pack_ids = bytes(plain[at : at + 32 * packs_total])
    at += len(pack_ids)
    columns = []
    for count, largest in [(packs_total, PACK_BYTES_MAX)] * 2 + [(runs_total, 1 << 35)] * 5:
        column, taken = decode_varints(plain[at:], count)
        if count and int(column.max()) > largest:
            raise Corrupt(f"it has a number of {int(column.max())}")
        columns.append(column)
        at += taken
    if at != len(plain):
        raise Corrupt(f"it has {len(plain) - at} bytes too many")
    pack_bytes, used_bytes, gaps, lengths, pack_steps, slot_steps, slots = columns
    packs = np.cumsum(unfold_sign(pack_steps))
    return _Body(
        size_bytes=size_bytes,
        occupied_bytes=occupied_bytes,
        chunks=chunks,
        pack_ids=pack_ids,
        pack_bytes=pack_bytes,
        used_bytes=used_bytes,
        offsets=np.cumsum(gaps + lengths) - lengths,
        lengths=lengths,
        packs=packs,
        first_slots=_slots_of_steps(packs, unfold_sign(slot_steps), slots),
        slots=slots,
    )


def _slot_steps(packs: Column, first_slots: Column, slots: Column) -> Column:
    """How far each run begins behind the slot after the last run that names the same pack."""
    order = np.argsort(packs, kind="stable")
    ends = (first_slots + slots)[order]
    expected = np.concatenate(([0], ends[:-1]))[: len(order)]
    expected[_group_starts(packs[order])] = 0
    steps = np.empty_like(first_slots)
    steps[order] = first_slots[order] - expected
    return steps


def _slots_of_steps(packs: Column, steps: Column, slots: Column) -> Column:
    """The opposite of `_slot_steps`: sums of steps and slots within each pack."""
    order = np.argsort(packs, kind="stable")
    sums = np.cumsum(steps[order] + slots[order])
    before = sums - steps[order] - slots[order]
    starts = _group_starts(packs[order])
    sizes = np.diff(np.concatenate((starts, [len(order)])))
    first_slots = np.empty_like(steps)
    first_slots[order] = sums - slots[order] - np.repeat(before[starts], sizes)
    return first_slots


def _group_starts(packs: Column) -> Column:
    """Where a new pack begins in the sorted column `packs`."""
    differs = np.ones(len(packs), np.bool_)
    differs[1:] = packs[1:] != packs[:-1]
    return np.flatnonzero(differs)


def _fault(body: _Body) -> str | None:
    """What is wrong with a manifest, whoever made it."""
    return _fault_of_packs(body) or _fault_of_runs(body) or _fault_of_totals(body)


def _fault_of_packs(body: _Body) -> str | None:
    total = len(body.pack_bytes)
    ids = {body.pack_ids[32 * at : 32 * at + 32] for at in range(total)}
    if len(ids) != total or len(body.pack_ids) != 32 * total:
        return "its pack table is short or names a pack twice"
    if not ((body.used_bytes > 0) & (body.used_bytes <= body.pack_bytes)).all():
        return "it uses nothing of a pack, or more than there is"
    if (body.pack_bytes > PACK_BYTES_MAX).any():
        return f"it names a pack of more than {PACK_BYTES_MAX} bytes"
    if not _is_each_of(body.packs, total):
        return "its runs do not name exactly the packs of its table"
    return None


def _is_each_of(packs: Column, total: int) -> bool:
    """Whether every number below `total` occurs, and no other.

    `np.unique` would tell as well, and load `numpy.ma` for it: 40 ms of every short command.
    """
    if ((packs < 0) | (packs >= total)).any():
        return False
    named = np.zeros(total, np.bool_)
    named[packs] = True
    return bool(named.all())


def _fault_of_runs(body: _Body) -> str | None:
    slots, lengths, ends = body.slots, body.lengths, body.offsets + body.lengths
    if (body.offsets[:1] < 0).any() or (body.offsets[1:] < ends[:-1]).any():
        return "its runs are not in disk order, or overlap"
    if (ends > padded_bytes(body.size_bytes) // BLOCK_BYTES).any():
        return f"it has a run behind the disk's {body.size_bytes} bytes"
    if (slots < 1).any() or (lengths < slots).any() or (lengths > slots * _CHUNK_BLOCKS_MAX).any():
        return "it has a run whose slots cannot fill its length"
    if (body.first_slots < 0).any() or (body.first_slots + slots > SLOTS_MAX).any():
        return f"it names a slot outside of 0 to {SLOTS_MAX - 1}"
    return None


def _fault_of_totals(body: _Body) -> str | None:
    if not 0 <= body.size_bytes <= DISK_BYTES_MAX:
        return f"its disk has {body.size_bytes} bytes; {DISK_BYTES_MAX} are allowed"
    if len(body.offsets) > RUNS_MAX or len(body.pack_bytes) > PACKS_MAX:
        return f"it has more than {RUNS_MAX} runs or {PACKS_MAX} packs"
    if body.occupied_bytes != int(body.lengths.sum()) * BLOCK_BYTES:
        return f"its runs do not occupy the {body.occupied_bytes} bytes that it states"
    if body.chunks != int(body.slots.sum()):
        return f"its runs do not have the {body.chunks} chunks that it states"
    return None


def _read_header(described: memoryview, content_id: ContentId) -> int:
    """The body's decompressed length; the digest has proven that these bytes were written so."""
    magic, version, flags, plain_bytes, named = _HEADER.unpack_from(described)
    if magic != _MAGIC:
        raise _corrupt("it does not begin like a manifest", content_id)
    if version != MANIFEST_FORMAT or flags or any(described[_HEADER.size - 16 : _HEADER.size]):
        raise Invalid(
            f"manifest {content_id} has format {version} with flags {flags:#x}, which this release"
            " does not know",
            code="FormatUnknown",
            target=content_id,
            hint="use the release that wrote it, or a later one",
        )
    if named.hex() != content_id:
        raise _corrupt(f"it is the manifest of {named.hex()}", content_id)
    if plain_bytes > MANIFEST_BYTES_MAX:
        raise _corrupt(f"it claims a body of {plain_bytes} bytes", content_id)
    return int(plain_bytes)


def _corrupt(what: str, content_id: ContentId) -> Corrupt:
    return Corrupt(f"manifest {content_id}: {what}", code="ManifestCorrupt", target=content_id)
