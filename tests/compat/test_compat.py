"""Bytes that a release wrote are readable for ever.

Each folder here is a place as the first release with that format wrote it, and `disk.json`, which
says what the disk in it is. A change that breaks one of these tests breaks every store there is.
"""

import hashlib
import json
from pathlib import Path

import pytest

from imgrepl.layout import keys
from imgrepl.layout.content import ContentDigest
from imgrepl.layout.header import decode_header, decode_owner
from imgrepl.layout.manifest import decode_manifest
from imgrepl.layout.moved import Moved, decode_moved
from imgrepl.layout.pack import PackFooter, decode_frame, verify_pack
from imgrepl.layout.records import decode_record
from imgrepl.layout.seals import decode_seal
from imgrepl.model.ids import ContentId, PackId
from imgrepl.model.manifest import padded_bytes
from imgrepl.model.slots import SlotRange

FOLDERS = sorted(path for path in Path(__file__).parent.iterdir() if path.name.startswith("format"))


@pytest.fixture(params=FOLDERS, ids=[folder.name for folder in FOLDERS])
def place(request: pytest.FixtureRequest) -> dict[str, bytes]:
    folder = Path(request.param)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def chunk_key(place: dict[str, bytes]) -> bytes:
    return decode_header(place[keys.STORE_KEY]).domains[0].chunk_key


def packs_of(place: dict[str, bytes]) -> dict[PackId, tuple[PackFooter, bytes]]:
    found = {}
    for key, data in place.items():
        named = keys.parse_pack_key(key)
        if named is not None:
            found[named.pack_id] = verify_pack(data, named.pack_id, chunk_key(place)), data
    return found


def moves_of(place: dict[str, bytes]) -> dict[PackId, Moved]:
    named = [(keys.parse_moved_key(key), data) for key, data in place.items()]
    return {key.pack_id: decode_moved(data, key.pack_id) for key, data in named if key}


def restored(place: dict[str, bytes]) -> tuple[bytes, ContentId]:
    """The disk, and the content id of what was found in the packs."""
    ((key, data),) = [
        (parsed, data)
        for name, data in place.items()
        if (parsed := keys.parse_manifest_key(name)) is not None
    ]
    manifest = decode_manifest(data, key.content_id)
    packs, moves, digest = packs_of(place), moves_of(place), ContentDigest()
    disk = bytearray(padded_bytes(manifest.size_bytes))
    for run in manifest.runs:
        at = run.disk_offset
        for slot in range(run.first_slot, run.first_slot + run.slots):
            pack_id, slot_here = manifest.packs[run.pack].pack_id, slot
            if pack_id not in packs:
                ((_, _, pack_id, slot_here),) = moves[pack_id].locate(SlotRange(slot, 1)) or []
            footer, pack = packs[pack_id]
            start = int(footer.offsets[slot_here])
            frame = pack[start : start + int(footer.stored_bytes[slot_here])]
            chunk = decode_frame(footer, slot_here, frame, chunk_key=chunk_key(place))
            digest.add(at, len(chunk), footer.chunk_id(slot_here))
            disk[at : at + len(chunk)] = chunk
            at += len(chunk)
        assert at == run.disk_offset + run.length_bytes
    return bytes(disk[: manifest.size_bytes]), digest.finish(manifest.size_bytes)


def test_there_is_a_store_of_every_format() -> None:
    assert [folder.name for folder in FOLDERS] == ["format1"]


def test_the_disk_is_restored_to_the_last_byte(place: dict[str, bytes]) -> None:
    expected = json.loads(place["disk.json"])
    disk, content_id = restored(place)
    assert len(disk) == expected["size_bytes"]
    assert hashlib.sha256(disk).hexdigest() == expected["sha256"]
    assert content_id == expected["content_id"]


def test_every_object_is_of_a_kind_that_is_read(place: dict[str, bytes]) -> None:
    read = {"disk.json"}
    for key, data in place.items():
        if key == keys.STORE_KEY:
            read.add(key)
            assert decode_header(data).store_id == "00112233" * 4
        elif key == keys.OWNER_KEY:
            read.add(key)
            assert decode_owner(data).epoch == 1
        elif seal_key := keys.parse_seal_key(key):
            read.add(key)
            seal = decode_seal(data)
            assert (seal.content_id, seal.revision) == seal_key
        elif record_key := keys.parse_record_key(key):
            read.add(key)
            assert decode_record(data, record_key).fields["names"][2] == "Golden"
        elif keys.parse_pack_key(key) or keys.parse_moved_key(key) or keys.parse_manifest_key(key):
            read.add(key)  # the disk is made of these
    assert read == place.keys()
