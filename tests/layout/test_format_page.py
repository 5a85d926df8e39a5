"""`docs/format.md` and the program say the same: its examples are read out of the page."""

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from xxhash import xxh3_64_intdigest

from imgrepl.chunking.cutter import Cutter
from imgrepl.layout import keys
from imgrepl.layout.content import ContentDigest, chunk_id
from imgrepl.layout.frames import Codec, decode_plain
from imgrepl.layout.header import (
    Owner,
    RegionMark,
    StoreHeader,
    decode_header,
    decode_owner,
    decode_region_mark,
    encode_header,
    encode_owner,
    encode_region_mark,
)
from imgrepl.layout.manifest import decode_manifest, encode_manifest
from imgrepl.layout.moved import MovedRun, decode_moved, encode_moved
from imgrepl.layout.pack import (
    decode_footer,
    decode_frame,
    encode_pack,
    pack_id_of,
    verify_pack,
)
from imgrepl.layout.records import RecordKind, decode_record, encode_record
from imgrepl.layout.seals import decode_seal, encode_seal
from imgrepl.layout.varints import decode_varints, encode_varints, fold_sign, unfold_sign
from imgrepl.model.chunker import ChunkerParameters
from imgrepl.model.domain import DEFAULT_DOMAIN
from imgrepl.model.ids import ChunkId, ContentId, IndexId, PackId, StoreId
from imgrepl.model.manifest import Manifest, PackUse, Run
from imgrepl.model.proof import ProofLevel

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "format.md").read_text()


def example(name: str) -> dict[str, str]:
    """The fields of the page's example `name`; a line that is indented goes on with the last."""
    (block,) = re.findall(rf"^```vector {name}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    fields: dict[str, str] = {}
    field = ""
    for line in block.splitlines():
        if line.startswith("  "):
            separator = " " if fields[field].endswith(";") else ""
            fields[field] += separator + line.strip()
        else:
            field, _, value = line.partition(" =")
            fields[field] = value.strip()
    return fields


def octets(value: str) -> bytes:
    """Bytes as the page writes them: hex, or `61 x 4096`."""
    digits, _, times = value.partition(" x ")
    return bytes.fromhex(digits) * int(times or "1")


def numbers(value: str) -> list[int]:
    return list(map(int, value.split()))


def document(name: str) -> tuple[str, bytes]:
    fields = example(name)
    return fields["key"], fields["json"].encode() + b"\n"


def test_every_must_has_one_number_and_says_what_breaks() -> None:
    musts = re.findall(r"^- \*\*(F-\d+)\*\* (.*?)(?=^- |^#|^$)", PAGE, re.MULTILINE | re.DOTALL)
    labels = [label for label, _ in musts]
    assert len(labels) == len(set(labels)) > 40
    assert [label for label, text in musts if "Else" not in text] == []


def test_every_must_that_the_source_names_is_on_the_page() -> None:
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    named = {match for path in sources for match in re.findall(r"\bF-\d+\b", path.read_text())}
    assert named
    assert {name for name in named if f"**{name}**" not in PAGE} == set()


def test_every_kind_of_key_is_on_the_page() -> None:
    prefixes = [value for name, value in vars(keys).items() if name.endswith("_PREFIX")]
    assert len(prefixes) == 7
    for shape in (*prefixes, keys.STORE_KEY, keys.OWNER_KEY, keys.REGION_KEY):
        assert f"| `{shape}" in PAGE


def test_keys() -> None:
    fields = example("keys")
    pack = keys.parse_pack_key(fields["pack"])
    manifest = keys.parse_manifest_key(fields["manifest"])
    assert pack == (example("pack")["pack id"], 0)
    assert manifest == (example("content-id")["content id"], 3)
    export = keys.parse_export_key(fields["export"])
    assert export is not None
    assert keys.export_key(export) == fields["export"]
    assert export[:2] == (example("content-id")["content id"], 1_767_225_600)
    assert export[3:] == (example("pack")["pack id"], "qcow2")


def test_cuts() -> None:
    fields = example("cuts")
    zero = numbers(fields["zero blocks"])
    blocks = [
        bytes(4096) if at in zero else (at + 1).to_bytes(8, "little") * 512
        for at in range(int(fields["blocks"]))
    ]
    parameters = ChunkerParameters(
        average_bytes=int(fields["average bytes"]), seed=int(fields["seed"], 16)
    )
    assert parameters == ChunkerParameters()
    bounds = f"{parameters.blocks_min} {parameters.blocks_max} {parameters.threshold:016x}"
    assert bounds == fields["minimum maximum threshold"]
    assert f"{xxh3_64_intdigest(blocks[0], parameters.seed):016x}" == fields["hash of block 0"]
    cuts = Cutter(parameters).cut(memoryview(b"".join(blocks)), final=True)
    found = " ".join(f"{start // 4096}-{end // 4096}" for start, end in cuts.chunks)
    assert found == fields["chunks"]


@pytest.mark.parametrize("which", ["a", "b"])
def test_chunk_ids(which: str) -> None:
    fields = example("chunk-ids")
    key = octets(fields["chunk key"])
    assert (octets(fields["domain"]), key) == (DEFAULT_DOMAIN.domain_id, DEFAULT_DOMAIN.chunk_key)
    named = chunk_id(key, octets(fields[f"plain {which}"]))
    assert named.hex() == fields[f"id {which}"]


def test_content_id() -> None:
    fields = example("content-id")
    digest = ContentDigest()
    for chunk in fields["chunks"].split("; "):
        offset, length, name = chunk.split()
        digest.add(int(offset), int(length), ChunkId(bytes.fromhex(name)))
    assert digest.finish(int(fields["size"])) == fields["content id"]


def test_pack() -> None:
    fields, chunks = example("pack"), example("chunk-ids")
    frames = [octets(fields["frame 0"]), octets(fields["frame 1"])]
    pack = octets(fields["header"]) + b"".join(frames) + octets(fields["footer"])
    footer = decode_footer(octets(fields["footer"]), len(pack))
    entries = [footer.entry(slot) for slot in range(footer.slots)]
    assert footer.domain_id == DEFAULT_DOMAIN.domain_id
    assert [entry.chunk_id.hex() for entry in entries] == [chunks["id a"], chunks["id b"]]
    for slot, plain in enumerate((octets(chunks["plain a"]), octets(chunks["plain b"]))):
        key = DEFAULT_DOMAIN.chunk_key
        assert decode_frame(footer, slot, frames[slot], chunk_key=key) == plain
        assert decode_plain(entries[slot].codec, frames[slot], len(plain)) == plain
    assert pack_id_of(pack) == fields["pack id"]
    verify_pack(pack, PackId(fields["pack id"]), DEFAULT_DOMAIN.chunk_key)
    assert encode_pack(footer.domain_id, frames, entries) == pack


def test_varints() -> None:
    fields = example("varints")
    plain = np.array(numbers(fields["numbers"]), np.int64)
    encoded = octets(fields["encoded"])
    assert encode_varints(plain) == encoded
    assert decode_varints(memoryview(encoded), len(plain))[0].tolist() == plain.tolist()
    signed = np.array(numbers(fields["signed"]), np.int64)
    folded = np.array(numbers(fields["folded"]), np.int64)
    assert fold_sign(signed).tolist() == folded.tolist()
    assert unfold_sign(folded).tolist() == signed.tolist()


def test_manifest() -> None:
    fields = example("manifest")
    content_id = ContentId(example("content-id")["content id"])
    uses = [use.split() for use in fields["packs"].split("; ")]
    expected = Manifest(
        content_id=content_id,
        size_bytes=int(fields["size"]),
        occupied_bytes=int(fields["occupied"]),
        chunks=int(fields["chunks"]),
        packs=tuple(PackUse(PackId(name), int(size), int(used)) for name, size, used in uses),
        runs=tuple(Run(*numbers(run)) for run in fields["runs"].split("; ")),
    )
    encoded, body = octets(fields["manifest"]), octets(fields["body"])
    assert decode_manifest(encoded, content_id) == expected
    assert decode_plain(Codec.ZSTD, encoded[64:-32], len(body)) == body
    # what is compressed may differ from one release of zstd to the next, what it holds may not
    again = encode_manifest(expected)
    assert again[:64] == encoded[:64]
    assert decode_plain(Codec.ZSTD, again[64:-32], len(body)) == body


def test_region() -> None:
    key, data = document("region")
    mark = RegionMark(name="westeurope", portable=False)
    assert key == keys.REGION_KEY
    assert decode_region_mark(data) == mark
    assert encode_region_mark(mark) == data


def test_store() -> None:
    key, data = document("store")
    header = StoreHeader(
        store_id=StoreId("00112233445566778899aabbccddeeff"), domains=(DEFAULT_DOMAIN,)
    )
    assert key == keys.STORE_KEY
    assert decode_header(data) == header
    assert encode_header(header) == data


def test_owner() -> None:
    key, data = document("owner")
    owner = Owner(index_id=IndexId("ffeeddccbbaa99887766554433221100"), epoch=1)
    assert key == keys.OWNER_KEY
    assert decode_owner(data) == owner
    assert encode_owner(owner) == data


def test_seal() -> None:
    key, data = document("seal")
    seal = decode_seal(data)
    assert keys.parse_seal_key(key) == (seal.content_id, seal.revision)
    assert seal.proof.level == ProofLevel.FULL_READ
    assert seal.proof.at == datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    assert encode_seal(seal) == data


def test_every_level_of_proof_is_on_the_page() -> None:
    for level in ProofLevel:
        assert f"`{level.name.lower()}`" in PAGE


def test_moved() -> None:
    key, data = document("moved")
    old = PackId(example("pack")["pack id"])
    moved = decode_moved(data, old)
    assert keys.parse_moved_key(key) == (old, moved.revision)
    assert moved.runs == (MovedRun(1, 1, PackId("c0" * 32), 12),)
    assert encode_moved(moved) == data


def test_record() -> None:
    key, data = document("record")
    at = keys.parse_record_key(key)
    record = decode_record(data, at)
    assert record.kind == RecordKind.VERSION
    assert record.fields["names"] == ["5ub", "RG", "Golden", "Debian", "1.0.0"]
    assert encode_record(record) == data


def test_every_kind_of_record_is_on_the_page() -> None:
    for kind in RecordKind:
        assert f"`{kind}`" in PAGE
