"""Small objects in JSON: they read back, prove themselves, and have one spelling each."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from imgrepl.errors import Corrupt, ImgreplError, Invalid
from imgrepl.layout.documents import DOCUMENT_BYTES_MAX, decode_document, encode_document
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
from imgrepl.layout.keys import RecordKey
from imgrepl.layout.moved import Moved, MovedRun, decode_moved, encode_moved
from imgrepl.layout.records import Record, RecordKind, decode_record, encode_record
from imgrepl.layout.seals import Seal, decode_seal, encode_seal
from imgrepl.model.chunker import AVERAGE_BYTES_PROFILES, ChunkerParameters
from imgrepl.model.domain import DEFAULT_DOMAIN, DedupDomain, DomainId
from imgrepl.model.ids import ContentId, IncarnationId, IndexId, PackId, StoreId
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.slots import SlotRange

PACK, OTHER, THIRD = (PackId(digit * 64) for digit in "abc")
HEADER = StoreHeader(store_id=StoreId("5" * 32), domains=(DEFAULT_DOMAIN,))
REGION = RegionMark(name="eastus-2")
OWNER = Owner(index_id=IndexId("6" * 32), epoch=3)
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SEAL = Seal(content_id=ContentId("7" * 64), revision=2, proof=Proof(ProofLevel.FULL_READ, AT))
RECORD = Record(
    kind=RecordKind.VERSION,
    path=("sub", "group", "gallery", "debian", "1.0.0"),
    incarnation=IncarnationId("8" * 32),
    revision=4,
    deleted=False,
    fields={"names": ["Sub", "Grüße"], "size_bytes": 1 << 62, "tags": {}, "end": None},
)
MOVED = Moved(
    pack_id=PACK,
    revision=1,
    runs=(MovedRun(0, 10, OTHER, 5), MovedRun(10, 1, THIRD, 0), MovedRun(20, 3, OTHER, 30)),
)


def decode_moved_of_pack(data: bytes) -> Moved:
    return decode_moved(data, PACK)


KINDS: list[tuple[bytes, Callable[[bytes], object], object]] = [
    (encode_header(HEADER), decode_header, HEADER),
    (encode_owner(OWNER), decode_owner, OWNER),
    (encode_seal(SEAL), decode_seal, SEAL),
    (encode_record(RECORD), decode_record, RECORD),
    (encode_moved(MOVED), decode_moved_of_pack, MOVED),
    (encode_region_mark(REGION), decode_region_mark, REGION),
]
each_kind = pytest.mark.parametrize(
    ("encoded", "decode", "value"),
    KINDS,
    ids=["store", "owner", "seal", "record", "moved", "region"],
)


@each_kind
def test_a_document_reads_back(
    encoded: bytes, decode: Callable[[bytes], object], value: object
) -> None:
    assert decode(encoded) == value
    assert encoded.isascii()
    assert encoded.endswith(b"}\n")
    assert encoded.count(b"\n") == 1


@each_kind
def test_any_flipped_bit_is_found(
    encoded: bytes, decode: Callable[[bytes], object], value: object
) -> None:
    for bit in range(len(encoded) * 8):
        damaged = bytearray(encoded)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Corrupt) as raised:
            decode(bytes(damaged))
        assert raised.value.code == "DocumentCorrupt", value


@each_kind
def test_any_truncation_is_found(
    encoded: bytes, decode: Callable[[bytes], object], value: object
) -> None:
    for length in range(len(encoded)):
        with pytest.raises(Corrupt):
            decode(encoded[:length])
    assert decode(encoded) == value


@each_kind
def test_a_document_of_another_kind_or_format_is_told_apart(
    encoded: bytes, decode: Callable[[bytes], object], value: object
) -> None:
    document = json.loads(encoded)
    other = "seal" if document["kind"] == "owner" else "owner"
    with pytest.raises(Corrupt, match=f"it is a {other}"):
        decode(sealed({**document, "kind": other}))
    with pytest.raises(Invalid) as raised:
        decode(sealed({**document, "format": 2}))
    assert raised.value.code == "FormatUnknown", value


def sealed(document: Mapping[str, Any]) -> bytes:
    """What somebody would write who knows how digests are made."""
    inner = {key: value for key, value in document.items() if key != "blake3"}
    digest = blake3(canonical(inner)).hexdigest()
    return canonical({**inner, "blake3": digest}) + b"\n"


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def with_field(encoded: bytes, **changes: object) -> bytes:
    document = json.loads(encoded)
    body = {**document["body"], **changes}
    dropped = {key: value for key, value in body.items() if value is not ...}
    return sealed({**document, "body": dropped})


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"epoch": "3"}, 1),
        ({"epoch": True}, 1),
        ({"epoch": ...}, 1),
        ({"more": 1}, 1),
        ({"indexId": None}, 0),
        ({"domains": None}, 0),
        ({"domains": [1]}, 0),
        ({"storeId": "../../etc"}, 0),
        ({"storeId": "A" * 32}, 0),
        ({"indexId": "0" * 31}, 1),
        ({"epoch": 0}, 1),
        ({"epoch": 1 << 15 | 1}, 1),
        ({"epoch": 1 << 70}, 1),
        ({"contentId": "../../store.json"}, 2),
        ({"revision": -1}, 2),
        ({"revision": 1 << 31}, 2),
        ({"at": "2026-01-02T03:04:05"}, 2),
        ({"at": "0001-01-01T00:00:00+14:00"}, 2),
        ({"incarnation": "../x"}, 3),
        ({"path": ["a", "b"]}, 3),
        ({"path": ["a", "..", "c"]}, 3),
        ({"path": ["a", "b/c", "d"]}, 3),
        ({"revision": True}, 4),
        ({"revision": "1"}, 4),
        ({"packs": ["../x", OTHER]}, 4),
        ({"runs": [[0, 1 << 70, 0, 0]]}, 4),
        ({"name": "East US"}, 5),
        ({"name": "../x"}, 5),
        ({"name": None}, 5),
        ({"portable": 1}, 5),
        ({"revision": "2"}, 2),
        ({"at": "yesterday"}, 2),
        ({"at": "2026-01-02T03:04:05Z"}, 2),
        ({"contentId": ...}, 2),
        ({"path": "abc"}, 3),
        ({"path": [1, 2, 3]}, 3),
        ({"path": ["A", "b", "c"]}, 3),
        ({"deleted": 0}, 3),
        ({"fields": []}, 3),
        ({"fields": None}, 3),
        ({"runs": [[0, 1, 0]]}, 4),
        ({"runs": [[0, 1, 2, 0]]}, 4),
        ({"runs": [[0, 1, -1, 0]]}, 4),
        ({"runs": [["0", 1, 0, 0]]}, 4),
        ({"runs": [[0, 0, 0, 0]]}, 4),
        ({"runs": [[0, 2, 0, 0], [1, 1, 0, 5]]}, 4),
        ({"runs": [[0, 1, 0, 65536]]}, 4),
        ({"runs": [[65536, 1, 0, 0]]}, 4),
        ({"runs": [[-1, 1, 0, 0]]}, 4),
        ({"runs": []}, 4),
        ({"packs": [PACK, OTHER]}, 4),
        ({"packs": [THIRD, OTHER]}, 4),
        ({"packId": OTHER}, 4),
    ],
)
def test_a_document_that_proves_itself_is_still_held_to_its_fields(
    changes: dict[str, object], kind: int
) -> None:
    encoded, decode, _ = KINDS[kind]
    with pytest.raises(Corrupt) as raised:
        decode(with_field(encoded, **changes))
    assert raised.value.code == "DocumentCorrupt"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({"proof": "notarized"}, 2), ({"kind": "auditTrail"}, 3)],
)
def test_a_word_of_a_later_release_is_refused_and_not_called_damaged(
    changes: dict[str, object], kind: int
) -> None:
    encoded, decode, _ = KINDS[kind]
    with pytest.raises(Invalid) as raised:
        decode(with_field(encoded, **changes))
    assert raised.value.code == "FormatUnknown"


@pytest.mark.parametrize("average", ["\ud800", True, None, "32768"])
def test_chunker_parameters_of_another_type_are_corrupt(average: object) -> None:
    domains = json.loads(encode_header(HEADER))["body"]["domains"]
    domains[0]["averageBytes"] = average
    with pytest.raises(Corrupt) as raised:
        decode_header(with_field(encode_header(HEADER), domains=domains))
    assert raised.value.message.isprintable()


@pytest.mark.parametrize("depth", [40, 400, 950, 990, 10_000])
def test_a_document_that_is_nested_too_deep_is_corrupt(depth: int) -> None:
    document = encode_record(RECORD).replace(b'"tags":{}', b'"tags":' + b"[" * depth + b"]" * depth)
    inner = b"{" + document[document.index(b'"body"') :].rstrip()
    encoded = b'{"blake3":"' + blake3(inner).hexdigest().encode() + b'",' + inner[1:] + b"\n"
    with pytest.raises(Corrupt, match=r"nested|no JSON"):
        decode_record(encoded)


@each_kind
def test_what_somebody_else_wrote_is_shown_short_and_printable(
    encoded: bytes, decode: Callable[[bytes], object], value: object
) -> None:
    document = json.loads(encoded)
    for name in document["body"].keys() - {"fields"}:
        for hostile in ("\x1b[2J" * 5000, ["\ud800"] * 5000, {"\0": "x" * 100_000}):
            with pytest.raises((Corrupt, Invalid)) as raised:
                decode(with_field(encoded, **{name: hostile}))
            assert raised.value.message.isprintable(), value
            assert len(raised.value.message) < 1000


def test_hashes_of_a_later_release_are_refused() -> None:
    domains = json.loads(encode_header(HEADER))["body"]["domains"]
    domains[0]["hashes"]["chunkId"] = "blake4"
    with pytest.raises(Invalid) as raised:
        decode_header(with_field(encode_header(HEADER), domains=domains))
    assert raised.value.code == "FormatUnknown"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null\n",
        b"[]\n",
        b"{}\n",
        b"\xff\n",
        b"[" * 100_000,
        b"9" * 10_000,
        canonical({"blake3": "", "body": {}, "format": 1, "kind": "owner"}),
    ],
)
def test_what_is_no_document_is_corrupt(data: bytes) -> None:
    for _, decode, _ in KINDS:
        with pytest.raises(Corrupt):
            decode(data)


@pytest.mark.parametrize("value", ["1.5", "NaN", "Infinity", "1e3"])
def test_numbers_with_more_than_one_spelling_are_refused(value: str) -> None:
    encoded = encode_document("owner", {"epoch": 1}).replace(
        b'"epoch":1', f'"epoch":{value}'.encode()
    )
    with pytest.raises(Corrupt, match="whole number"):
        decode_document("owner", encoded)
    with pytest.raises(Corrupt):
        encode_document("owner", {"epoch": float(value)})


def test_a_fraction_of_thousands_of_digits_is_shown_short() -> None:
    encoded = encode_document("owner", {"epoch": 1}).replace(b":1", b":" + b"9" * 4000 + b".5")
    with pytest.raises(Corrupt, match="whole number") as refused:
        decode_document("owner", encoded)
    assert len(refused.value.message) < 400


def test_the_same_value_with_other_spaces_or_twice_a_key_is_refused() -> None:
    encoded = encode_owner(OWNER)
    for other in (
        encoded.replace(b'"epoch":3', b'"epoch": 3'),
        encoded.replace(b'"epoch":3', b'"epoch":3,"epoch":3'),
        encoded + b"\n",
        encoded[:-1],
    ):
        with pytest.raises(Corrupt, match="the way documents are"):
            decode_owner(other)


def test_a_document_that_is_too_large_is_neither_written_nor_read() -> None:
    with pytest.raises(Invalid) as raised:
        encode_document("record", {"text": "x" * DOCUMENT_BYTES_MAX})
    assert raised.value.code == "DocumentTooLarge"
    with pytest.raises(Corrupt, match="the limit is"):
        decode_document("record", b" " * (DOCUMENT_BYTES_MAX + 1))


def test_a_record_proves_that_it_lies_where_it_belongs() -> None:
    encoded = encode_record(RECORD)
    at = RecordKey(RECORD.path, RECORD.incarnation, RECORD.revision)
    assert decode_record(encoded, at) == RECORD
    for other in (
        at._replace(revision=5),
        at._replace(path=(*RECORD.path[:4], "1.0.1")),
        at._replace(incarnation=IncarnationId("9" * 32)),
    ):
        with pytest.raises(Corrupt, match="does not belong under records/"):
            decode_record(encoded, other)


@pytest.mark.parametrize("slots", [1, 2, 3, 11, 12])
def test_moved_leads_from_every_old_slot_to_its_new_one(slots: int) -> None:
    wanted: dict[int, tuple[PackId, int]] = {slot: (OTHER, 5 + slot) for slot in range(10)}
    wanted[10] = (THIRD, 0)
    wanted |= {20 + slot: (OTHER, 30 + slot) for slot in range(3)}
    for first in range(30):
        runs = MOVED.locate(SlotRange(first, slots))
        if not all(slot in wanted for slot in range(first, first + slots)):
            assert runs is None
            continue
        assert runs is not None
        found = {
            run.first_slot + slot: (run.pack_id, run.target_slot + slot)
            for run in runs
            for slot in range(run.slots)
        }
        assert found == {slot: wanted[slot] for slot in range(first, first + slots)}


text = st.text(max_size=10)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(text, json_values, max_size=5))
def test_any_fields_of_a_record_read_back(fields: dict[str, Any]) -> None:
    record = Record(
        kind=RecordKind.GALLERY,
        path=("s", "g", "x"),
        incarnation=IncarnationId("1" * 32),
        revision=0,
        deleted=True,
        fields=fields,
    )
    assert decode_record(encode_record(record)) == record


@given(
    st.sampled_from(ProofLevel),
    st.datetimes(timezones=st.just(UTC)),
    st.integers(0, (1 << 31) - 1),
)
def test_any_seal_reads_back(level: ProofLevel, at: datetime, revision: int) -> None:
    seal = Seal(content_id=ContentId("1" * 64), revision=revision, proof=Proof(level, at))
    assert decode_seal(encode_seal(seal)) == seal


@given(
    st.sampled_from(AVERAGE_BYTES_PROFILES),
    st.integers(0, (1 << 64) - 1),
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=32, max_size=32),
)
def test_any_store_header_reads_back(average: int, seed: int, name: bytes, key: bytes) -> None:
    chunker = ChunkerParameters(average_bytes=average, seed=seed)
    domain = DedupDomain(domain_id=DomainId(name), chunk_key=key, chunker=chunker)
    header = StoreHeader(store_id=StoreId("0" * 32), domains=(domain,))
    assert decode_header(encode_header(header)) == header


@given(st.binary(max_size=200))
def test_garbage_raises_an_error_of_ours(garbage: bytes) -> None:
    for _, decode, _ in KINDS:
        with pytest.raises(ImgreplError):
            decode(garbage)


def test_times_are_kept_to_the_microsecond() -> None:
    at = AT + timedelta(microseconds=123_456)
    seal = Seal(content_id=SEAL.content_id, revision=1, proof=Proof(ProofLevel.LISTED, at))
    assert decode_seal(encode_seal(seal)).proof.at == at
