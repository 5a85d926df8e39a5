"""Writes a small store as this release writes it: `python tests/compat/make_store.py FOLDER`.

Run once for a release that changes any byte, and kept under that format's number. What is there is
never written again: `test_compat.py` reads it for ever.
"""

import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from blake3 import blake3

from imgrepl.chunking.cutter import Cutter
from imgrepl.layout import keys
from imgrepl.layout.content import ContentDigest, chunk_id
from imgrepl.layout.frames import encode_frame
from imgrepl.layout.header import Owner, StoreHeader, encode_header, encode_owner
from imgrepl.layout.manifest import encode_manifest
from imgrepl.layout.moved import Moved, MovedRun, encode_moved
from imgrepl.layout.pack import FrameEntry, encode_pack, pack_id_of
from imgrepl.layout.records import Record, RecordKind, encode_record
from imgrepl.layout.seals import Seal, encode_seal
from imgrepl.model.domain import DEFAULT_DOMAIN
from imgrepl.model.ids import ContentId, IncarnationId, IndexId, PackId, StoreId
from imgrepl.model.manifest import BLOCK_BYTES, Manifest, PackUse, Run, padded_bytes
from imgrepl.model.proof import Proof, ProofLevel

DISK_BYTES = 61 * BLOCK_BYTES + 512
DOMAIN = DEFAULT_DOMAIN
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

Packed = tuple[bytes, list[FrameEntry]]


def disk() -> bytes:
    """Text, holes, bytes that do not compress, and a last block that is short."""
    text = b"".join(b"golden image, line %06d\n" % line for line in range(4000))
    noise = blake3(b"imgrepl compat").digest(3 * BLOCK_BYTES)
    body = text[: 20 * BLOCK_BYTES] + bytes(9 * BLOCK_BYTES) + noise + text[BLOCK_BYTES:]
    return body.ljust(DISK_BYTES - 100, b"\0")[: DISK_BYTES - 100] + b"z" * 100


def packed(chunks: list[bytes]) -> Packed:
    frames, entries = [], []
    for chunk in chunks:
        codec, frame = encode_frame(chunk, level=3)
        frames.append(bytes(frame))
        name = chunk_id(DOMAIN.chunk_key, chunk)
        entries.append(FrameEntry(name, len(frame), len(chunk), codec))
    return encode_pack(DOMAIN.domain_id, frames, entries), entries


def manifest_of(
    content_id: ContentId, cuts: list[tuple[int, int]], places: list[tuple[int, int]],
    packs: list[tuple[PackId, Packed]],
) -> Manifest:  # fmt: skip
    """A manifest in which chunk number i lies in (pack, slot) `places[i]`."""
    runs: list[Run] = []
    for (start, end), (pack, slot) in zip(cuts, places, strict=True):
        last = runs[-1] if runs else None
        if (
            last is not None
            and (last.pack, last.first_slot + last.slots) == (pack, slot)
            and last.disk_offset + last.length_bytes == start
        ):
            longer = last.length_bytes + end - start
            runs[-1] = last._replace(length_bytes=longer, slots=last.slots + 1)
        else:
            runs.append(Run(start, end - start, pack, slot, 1))
    uses = [
        PackUse(name, len(pack), sum(entry.stored_bytes for entry in entries))
        for name, (pack, entries) in packs
    ]
    return Manifest(
        content_id=content_id,
        size_bytes=DISK_BYTES,
        occupied_bytes=sum(end - start for start, end in cuts),
        chunks=len(cuts),
        packs=tuple(uses),
        runs=tuple(runs),
    )


def objects() -> dict[str, bytes]:
    """Every object of the store by its key. The second pack of the disk was moved to a third."""
    image = disk()
    padded = memoryview(image.ljust(padded_bytes(DISK_BYTES), b"\0"))
    cuts = Cutter(DOMAIN.chunker).cut(padded, final=True).chunks
    chunks = [bytes(padded[start:end]) for start, end in cuts]
    digest = ContentDigest()
    for (start, end), chunk in zip(cuts, chunks, strict=True):
        digest.add(start, end - start, chunk_id(DOMAIN.chunk_key, chunk))
    content_id = digest.finish(DISK_BYTES)
    half = len(chunks) // 2
    first, second = packed(chunks[:half]), packed(chunks[half:])
    third = packed([b"\x11" * BLOCK_BYTES, *chunks[half:]])
    first_id, second_id, third_id = (pack_id_of(pack) for pack, _ in (first, second, third))
    places = [(0, slot) for slot in range(half)]
    places += [(1, slot) for slot in range(len(chunks) - half)]
    manifest = manifest_of(content_id, cuts, places, [(first_id, first), (second_id, second)])
    moved = Moved(
        pack_id=second_id, revision=0, runs=(MovedRun(0, len(chunks) - half, third_id, 1),)
    )
    seal = Seal(content_id=content_id, revision=0, proof=Proof(ProofLevel.FULL_READ, AT))
    record = Record(
        kind=RecordKind.VERSION,
        path=("sub", "rg", "golden", "debian-12", "1.0.0"),
        incarnation=IncarnationId("0123456789abcdef" * 2),
        revision=1,
        deleted=False,
        fields={"names": ["Sub", "RG", "Golden", "Debian-12", "1.0.0"], "content": content_id},
    )
    header = StoreHeader(store_id=StoreId("00112233" * 4), domains=(DOMAIN,))
    return {
        keys.STORE_KEY: encode_header(header),
        keys.OWNER_KEY: encode_owner(Owner(index_id=IndexId("44556677" * 4), epoch=1)),
        keys.pack_key(first_id, 0): first[0],
        keys.pack_key(third_id, 2): third[0],
        keys.manifest_key(content_id, 1): encode_manifest(manifest),
        keys.moved_key(second_id, 0): encode_moved(moved),
        keys.seal_key(content_id, 0): encode_seal(seal),
        keys.record_key(record.path, record.incarnation, 1): encode_record(record),
        "disk.json": json.dumps(
            {
                "content_id": content_id,
                "size_bytes": DISK_BYTES,
                "sha256": hashlib.sha256(image).hexdigest(),
            }
        ).encode(),
    }


def main(folder: Path) -> None:
    for key, data in objects().items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
