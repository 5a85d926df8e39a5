"""Manifests: runs read back, damage is found, and what proves itself is still checked."""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zstandard
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from imgrepl.errors import Corrupt, ImgreplError, Invalid
from imgrepl.layout.manifest import decode_manifest, encode_manifest
from imgrepl.layout.varints import decode_varints, encode_varints, fold_sign, unfold_sign
from imgrepl.model.ids import ContentId, PackId
from imgrepl.model.manifest import Manifest, PackUse, Run

CONTENT_ID = ContentId("5a" * 32)


def pack_use(number: int, pack_bytes: int = 1 << 24, used_bytes: int = 1 << 20) -> PackUse:
    return PackUse(PackId(f"{number:064x}"), pack_bytes, used_bytes)


def manifest_of(
    runs: list[tuple[int, int, int, int]], tail_bytes: int = 0, **changes: Any
) -> Manifest:
    """From (gap blocks, length blocks, pack, first slot); a run has a slot for every 2 blocks."""
    table: dict[int, int] = {}
    made, at, chunks = [], 0, 0
    for gap, length, pack, first_slot in runs:
        slots = -(-length // 2)
        at += gap
        position = table.setdefault(pack, len(table))
        made.append(Run(at * 4096, length * 4096, position, first_slot, slots))
        at += length
        chunks += slots
    manifest = Manifest(
        content_id=CONTENT_ID,
        size_bytes=at * 4096 + tail_bytes,
        occupied_bytes=sum(run.length_bytes for run in made),
        chunks=chunks,
        packs=tuple(map(pack_use, table)),
        runs=tuple(made),
    )
    return replace(manifest, **changes)


runs_strategy = st.lists(
    st.tuples(
        st.integers(0, 1 << 20), st.integers(1, 600), st.integers(0, 9), st.integers(0, 65_000)
    ),
    max_size=60,
)


@given(runs_strategy, st.integers(0, 1 << 30))
@settings(max_examples=150)
def test_a_manifest_reads_back_as_it_was_written(
    runs: list[tuple[int, int, int, int]], tail_bytes: int
) -> None:
    manifest = manifest_of(runs, tail_bytes)
    assert decode_manifest(encode_manifest(manifest), CONTENT_ID) == manifest


SMALL = manifest_of([(0, 5, 0, 0), (3, 7, 1, 100), (0, 1, 0, 3)], 4096)
ENCODED = encode_manifest(SMALL)


@given(st.integers(0, len(ENCODED) * 8 - 1))
@settings(max_examples=300)
def test_any_flipped_bit_is_found(bit: int) -> None:
    damaged = bytearray(ENCODED)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Corrupt):
        decode_manifest(damaged, CONTENT_ID)


@given(st.integers(0, len(ENCODED) - 1))
def test_any_truncation_is_found(length: int) -> None:
    with pytest.raises(Corrupt):
        decode_manifest(ENCODED[:length], CONTENT_ID)


def test_a_manifest_under_another_disks_name_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="it is the manifest of 5a5a") as raised:
        decode_manifest(ENCODED, ContentId("5b" * 32))
    assert raised.value.code == "ManifestCorrupt"


def resealed(encoded: bytes) -> bytes:
    return encoded[:-32] + blake3(encoded[:-32]).digest()


@pytest.mark.parametrize(("position", "value"), [(8, 2), (10, 1), (50, 1), (63, 1)])
def test_what_a_later_release_wrote_is_refused_and_not_called_damaged(
    position: int, value: int
) -> None:
    later = bytearray(ENCODED)
    later[position] = value
    with pytest.raises(Invalid) as raised:
        decode_manifest(resealed(bytes(later)), CONTENT_ID)
    assert raised.value.code == "FormatUnknown"


FAULTS: dict[str, Manifest] = {
    "overlap": replace(SMALL, runs=(SMALL.runs[0], SMALL.runs[0]._replace(pack=1))),
    "disk order": replace(SMALL, runs=SMALL.runs[::-1]),
    "behind the disk": replace(SMALL, size_bytes=4096 * 15),
    "cannot fill": replace(SMALL, runs=(SMALL.runs[0]._replace(slots=6), *SMALL.runs[1:])),
    "outside of 0": replace(
        SMALL, runs=(SMALL.runs[0]._replace(first_slot=65_534), *SMALL.runs[1:])
    ),
    "exactly the packs": replace(SMALL, packs=(*SMALL.packs, pack_use(7))),
    "twice": replace(SMALL, packs=(SMALL.packs[0], SMALL.packs[0])),
    "uses nothing": replace(SMALL, packs=(SMALL.packs[0], pack_use(1, used_bytes=0))),
    "more than there is": replace(SMALL, packs=(SMALL.packs[0], pack_use(1, 4096, 4097))),
    "do not occupy": replace(SMALL, occupied_bytes=SMALL.occupied_bytes + 4096),
    "do not have": replace(SMALL, chunks=SMALL.chunks - 1),
    "are allowed": replace(SMALL, size_bytes=(64 << 40) + 512),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_manifest_that_makes_no_sense_is_never_written(what: str) -> None:
    with pytest.raises(AssertionError, match=what):
        encode_manifest(FAULTS[what])


def encoded_by_hand(counts: list[int], ids: bytes, columns: list[list[int]]) -> bytes:
    body = encode_varints(np.array(counts, np.int64)) + ids
    body += b"".join(encode_varints(np.array(column, np.int64)) for column in columns)
    header = ENCODED[:12] + len(body).to_bytes(4, "little") + ENCODED[16:64]
    return resealed(header + zstandard.compress(body) + bytes(32))


GOOD_COLUMNS = [[1 << 24], [4096], [0], [2], [0], [0], [1]]


def test_a_manifest_made_by_hand_from_the_description_reads() -> None:
    encoded = encoded_by_hand([8192, 8192, 1, 1, 1], bytes(32), GOOD_COLUMNS)
    manifest = decode_manifest(encoded, CONTENT_ID)
    assert manifest.runs == (Run(0, 8192, 0, 0, 1),)


@pytest.mark.parametrize(
    ("counts", "ids", "columns"),
    [
        ([8192, 8192, 1, 1, 1], bytes(8), GOOD_COLUMNS),
        ([8192, 8192, 1, 2, 1], bytes(64), GOOD_COLUMNS),
        ([8192, 8192, 1, 1 << 40, 1], bytes(32), GOOD_COLUMNS),
        ([8192, 8192, 1, 1, 1 << 40], bytes(32), GOOD_COLUMNS),
        ([1 << 62, 8192, 1, 1, 1], bytes(32), GOOD_COLUMNS),
        ([8192, 8192, 1, 1, 1], bytes(32), [*GOOD_COLUMNS, [0]]),
        ([8192, 8192, 1, 1, 1], bytes(32), GOOD_COLUMNS[:-1]),
        ([8192, 8192, 1, 1, 1], bytes(32), [*GOOD_COLUMNS[:2], [1 << 62], *GOOD_COLUMNS[3:]]),
        ([8192, 8192, 1, 1, 1], bytes(32), [*GOOD_COLUMNS[:4], [1], *GOOD_COLUMNS[5:]]),
        ([8192, 8192, 1, 1, 1], bytes(32), [*GOOD_COLUMNS[:4], [2], *GOOD_COLUMNS[5:]]),
        ([8192, 8192, 1, 1, 1], bytes(32), [*GOOD_COLUMNS[:5], [1], *GOOD_COLUMNS[6:]]),
        ([8192, 8192, 1, 1, 1], bytes(32), [[1 << 27], *GOOD_COLUMNS[1:]]),
        ([8192, 4096, 1, 1, 1], bytes(32), GOOD_COLUMNS),
    ],
)
def test_a_body_that_proves_itself_is_still_held_to_the_rules(
    counts: list[int], ids: bytes, columns: list[list[int]]
) -> None:
    with pytest.raises(Corrupt) as raised:
        decode_manifest(encoded_by_hand(counts, ids, columns), CONTENT_ID)
    assert raised.value.code == "ManifestCorrupt"
    assert raised.value.target == CONTENT_ID


def test_a_body_that_claims_a_gigabyte_is_corrupt() -> None:
    claimed = ENCODED[:12] + (1 << 30).to_bytes(4, "little") + ENCODED[16:]
    with pytest.raises(Corrupt, match="body of"):
        decode_manifest(resealed(claimed), CONTENT_ID)


@given(st.binary(max_size=300))
def test_garbage_raises_an_error_of_ours(garbage: bytes) -> None:
    with pytest.raises(ImgreplError):
        decode_manifest(garbage, CONTENT_ID)
    header = ENCODED[:12] + len(garbage).to_bytes(4, "little") + ENCODED[16:64]
    with pytest.raises(ImgreplError):
        decode_manifest(resealed(header + zstandard.compress(garbage) + bytes(32)), CONTENT_ID)


def test_a_scattered_disk_takes_few_bytes_a_run() -> None:
    dice = random.Random(7)
    runs = [
        (dice.choice([0, 0, 0, 3, 900]), dice.randrange(1, 60), dice.randrange(18), at * 3 % 60_000)
        for at in range(2529)
    ]
    assert len(encode_manifest(manifest_of(runs))) < 2529 * 7


def test_a_disk_without_content_is_a_hundred_bytes() -> None:
    empty = manifest_of([], 1 << 40)
    encoded = encode_manifest(empty)
    assert decode_manifest(encoded, CONTENT_ID) == empty
    assert len(encoded) < 150


def reference_varint(number: int) -> bytes:
    octets = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        octets.append(low | (0x80 if number else 0))
        if not number:
            return bytes(octets)


@given(st.lists(st.integers(0, (1 << 63) - 1) | st.integers(0, 300)), st.binary(max_size=5))
def test_varints_agree_with_their_definition(numbers: list[int], behind: bytes) -> None:
    encoded = encode_varints(np.array(numbers, np.int64))
    assert encoded == b"".join(map(reference_varint, numbers))
    decoded, taken = decode_varints(memoryview(encoded + behind), len(numbers))
    assert (decoded.tolist(), taken) == (numbers, len(encoded))


@given(st.lists(st.integers(-(1 << 62), (1 << 62) - 1)))
def test_folding_a_sign_and_unfolding_it_changes_nothing(numbers: list[int]) -> None:
    folded = fold_sign(np.array(numbers, np.int64))
    assert not (folded < 0).any()
    assert unfold_sign(folded).tolist() == numbers


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x01\x80", b"\x80" * 9 + b"\x01\x01"])
def test_numbers_that_do_not_end_are_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        decode_varints(memoryview(data), 2)
