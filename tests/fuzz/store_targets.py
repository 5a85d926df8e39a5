"""The readers of what lies in a place: packs, manifests, documents and keys."""

import hashlib
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zstandard
from blake3 import blake3
from xxhash import xxh3_64_digest

from fuzz.target import Seed, Target
from images.sparse import SparseBytes
from imgrepl.engine.damage import examine
from imgrepl.engine.dedup_journal import read_journal
from imgrepl.engine.region_records import resource_of
from imgrepl.errors import Corrupt, ImgreplError, Invalid
from imgrepl.layout import keys
from imgrepl.layout.content import chunk_id
from imgrepl.layout.frames import Codec, decode_plain, encode_frame
from imgrepl.layout.header import (
    RegionMark,
    decode_header,
    decode_owner,
    decode_region_mark,
    encode_region_mark,
)
from imgrepl.layout.manifest import decode_manifest, encode_manifest
from imgrepl.layout.moved import decode_moved
from imgrepl.layout.pack import TRAILER_BYTES, FrameEntry, encode_pack, verify_pack
from imgrepl.layout.records import decode_record
from imgrepl.layout.seals import decode_seal
from imgrepl.model.domain import DEFAULT_DOMAIN
from imgrepl.model.ids import ContentId, PackId
from layout.test_manifest import SMALL, manifest_of

TEXT_CHARS_MAX = 2000
REGION = encode_region_mark(RegionMark(name="eastus"))
KEY = DEFAULT_DOMAIN.chunk_key
"""Of what the seeds' chunks are named by."""


def typed(read: Callable[[bytes], object], image: SparseBytes) -> str:
    """What became of it; an error must be ours, with a message that can be shown."""
    try:
        read(image.to_bytes())
    except (Corrupt, Invalid) as error:
        return shown(error)
    return "read"


def shown(error: ImgreplError) -> str:
    """The code of an error whose text can be shown to a person."""
    assert error.code.isalnum(), error.code
    assert error.message.isprintable(), ascii(error.message)
    assert len(error.message) < TEXT_CHARS_MAX, len(error.message)
    return error.code


def _bytes_of(read: Callable[[bytes], object]) -> Callable[[SparseBytes], str]:
    return lambda image: typed(read, image)


def _seed(name: str, content: bytes, mend: Callable[[bytes], bytes] | None = None) -> Seed:
    if mend is None:
        return Seed(name=name, content=SparseBytes.of(content))
    return Seed(
        name=name,
        content=SparseBytes.of(content),
        mend=lambda image: SparseBytes.of(mend(image.to_bytes())),
    )


def _pack() -> bytes:
    chunks = [b"text " * 1638 + b"..", bytes(range(256)) * 16, b"\1" * 65536]
    frames, entries = [], []
    for chunk in chunks:
        codec, frame = encode_frame(chunk, level=3)
        frames.append(bytes(frame))
        entries.append(FrameEntry(chunk_id(KEY, chunk), len(frame), len(chunk), codec))
    return encode_pack(DEFAULT_DOMAIN.domain_id, frames, entries)


def mended_pack(pack: bytes) -> bytes:
    """With the digest of the footer right, whatever the footer says."""
    if len(pack) < TRAILER_BYTES:
        return pack
    (length,) = struct.unpack_from("<I", pack, len(pack) - TRAILER_BYTES + 4)
    if not TRAILER_BYTES < length <= len(pack):
        return pack
    digest = blake3(pack[len(pack) - length : -TRAILER_BYTES]).digest()
    return pack[:-40] + digest + pack[-8:]


def read_pack(pack: bytes) -> None:
    """Proves all of it, as under the name that its bytes have, and looks what is damaged in it."""
    name = PackId(hashlib.sha256(pack).hexdigest())
    examine(pack, name, KEY)
    verify_pack(pack, name, KEY)


def read_frame(data: bytes) -> None:
    """A frame as a footer describes it: codec, plain length, frame."""
    plain_bytes = int.from_bytes(data[1:4], "little") % (1 << 20)
    plain = decode_plain(Codec(data[0] & 1 if data else 0), data[4:], plain_bytes)
    assert len(plain) == plain_bytes


def _frame(plain: bytes, codec: Codec) -> bytes:
    stored = zstandard.ZstdCompressor().compress(plain) if codec else plain
    return bytes([codec]) + len(plain).to_bytes(3, "little") + stored


def mended_manifest(plain: bytes) -> bytes:
    """A manifest with `plain` as its body and everything around it right."""
    header = struct.pack("<8sHHI32s16x", b"\x89IRmani\n", 1, 0, len(plain), b"\x5a" * 32)
    described = header + zstandard.ZstdCompressor(level=1).compress(plain)
    return described + blake3(described).digest()


def read_manifest(data: bytes) -> None:
    """What was decoded is within what a manifest may say."""
    manifest = decode_manifest(data, ContentId("5a" * 32))
    at = 0
    for run in manifest.runs:
        assert run.disk_offset >= at
        assert 0 <= run.pack < len(manifest.packs)
        at = run.disk_offset + run.length_bytes
    assert at <= manifest.size_bytes + 4095


def mended_document(data: bytes) -> bytes:
    """A document in canonical form with its digest, if it is JSON at all."""
    try:
        document: Any = json.loads(data)
        inner = {key: value for key, value in document.items() if key != "blake3"}
        digest = blake3(_canonical(inner)).hexdigest()
        return _canonical({**inner, "blake3": digest}) + b"\n"
    except (AttributeError, RecursionError, ValueError):
        return data


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def read_record(data: bytes) -> object:
    """A record and what it is of; what it names can be made a key."""
    record = decode_record(data)
    resource = resource_of(record)
    for content_id in getattr(resource, "content_ids", ()):
        keys.manifest_key(content_id, 0)
    return resource


def read_key(data: bytes) -> None:
    """A key is read as what makes it again, or as none of ours; it stays in its place."""
    key = data.decode(errors="surrogateescape")
    for parse, make in (
        (keys.parse_pack_key, keys.pack_key),
        (keys.parse_manifest_key, keys.manifest_key),
        (keys.parse_moved_key, keys.moved_key),
        (keys.parse_seal_key, keys.seal_key),
        (keys.parse_record_key, keys.record_key),
    ):
        found = parse(key)
        if found is not None:
            assert make(*found) == key
            assert not {"", ".", ".."} & set(key.split("/"))
    feature = keys.parse_feature_key(key)
    assert feature is None or keys.feature_key(feature) == key


def read_journal_file(data: bytes) -> None:
    """The dedup cache's journal, which a crash may have left in any state."""
    descriptor = os.memfd_create("journal")
    try:
        os.write(descriptor, data)
        read_journal(descriptor)
    finally:
        os.close(descriptor)


STORED = Path(__file__).parents[1] / "compat"
RECORDS = "indexes/0004/eastus/r0/records"


def stored(folder: str, pattern: str) -> list[bytes]:
    """Objects as releases wrote them."""
    found = sorted(path for path in (STORED / folder).rglob(pattern) if path.is_file())
    assert found, pattern
    return [path.read_bytes() for path in found]


def _documents(name: str, contents: list[bytes]) -> list[Seed]:
    return [_seed(f"{name} {n}", content, mended_document) for n, content in enumerate(contents)]


def _manifests() -> list[Seed]:
    wide = manifest_of([(n % 3, 1 + n % 5, n % 4, 7 * n) for n in range(40)])
    whole = [encode_manifest(one) for one in (SMALL, wide)]
    bodies = [zstandard.ZstdDecompressor().decompress(one[64:-32]) for one in whole]
    return [
        *(_seed(f"body {n}", body, mended_manifest) for n, body in enumerate(bodies)),
        _seed("file", whole[0], lambda data: data[:-32] + blake3(data[:-32]).digest()),
    ]


def _pack_seeds() -> list[Seed]:
    pack = _pack()
    footer = int.from_bytes(pack[-44:-40], "little")
    areas = ((0, 64), (-footer, footer), (-footer + 64, 132), (-48, 16))
    mended = _seed("pack", pack, mended_pack)
    return [Seed(name="pack", content=mended.content, areas=areas, mend=mended.mend)]


def _journals() -> list[Seed]:
    record = struct.pack("<II", 1, 2) + bytes(32) + b"c" * 64 + struct.pack("<II", 5, 6)
    forget = struct.pack("<II", 2, 1) + bytes(32)
    journal = b"\x89IRjrn1\n" + record + xxh3_64_digest(record)
    return [_seed("journal", journal + forget + xxh3_64_digest(forget))]


def _keys() -> list[Seed]:
    folder = STORED / "format1"
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return [_seed(name, name.encode()) for name in [*sorted(names), "features/a-1"]]


def store_targets() -> list[Target]:
    """Each kind of object, read as from a bucket that somebody else may write to."""
    records = _documents("record", stored(RECORDS, "*.json"))
    moved = stored("format1/moved", "*")
    owner = PackId(json.loads(moved[0])["body"]["packId"])
    frames = [_seed(c.name, _frame(b"frame " * 700, c)) for c in Codec]

    def target(
        name: str, seeds: list[Seed], read: Callable[[bytes], object], weight: int = 1
    ) -> Target:
        return Target(name=name, seeds=seeds, read=_bytes_of(read), weight=weight)

    return [
        target("pack", _pack_seeds(), read_pack, weight=4),
        target("frame", frames, read_frame, weight=2),
        target("manifest", _manifests(), read_manifest, weight=4),
        target("store.json", _documents("store", stored("format1", "store.json")), decode_header),
        target("owner.json", _documents("owner", stored("format1", "owner.json")), decode_owner),
        target("seal", _documents("seal", stored("format1/seals", "*")), decode_seal),
        target("moved", _documents("moved", moved), lambda data: decode_moved(data, owner)),
        target("record", records, read_record, weight=4),
        target("region.json", _documents("region", [REGION]), decode_region_mark),
        target("key", _keys(), read_key),
        target("journal", _journals(), read_journal_file),
    ]
