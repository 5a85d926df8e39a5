"""What comes from somebody else's bucket is what its names say, or it does not come."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from actions.peer_worlds import acquaint
from actions.test_copying import recut
from engine.world import World, open_world
from imgrepl.actions import portable, verifying
from imgrepl.actions.portable import Carriage, ImportGallery
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.errors import Corrupt, NotFound
from imgrepl.layout import keys
from imgrepl.layout.manifest import decode_manifest, encode_manifest
from imgrepl.layout.pack import FrameEntry, decode_footer, encode_pack, pack_id_of
from imgrepl.model.ids import ContentId
from imgrepl.model.manifest import Manifest, PackUse
from imgrepl.model.peer import PeerBucket
from imgrepl.model.region import Endpoint
from layout.test_documents import sealed

REGION = Endpoint(url="s3://eastus", endpoint_url="http://eastus.example")
GOOD, EVIL = "debian", "evil"


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[World]:
    """A gallery of somebody else: a disk that all the world knows, and another of its size."""
    with open_world(tmp_path / "theirs") as world:
        world.publish("1.0.0", disk=GOOD, regions=["eastus"])
        world.publish("1.0.1", disk=EVIL, regions=["eastus"])
        yield world


@pytest.fixture
def ours(theirs: World, tmp_path: Path) -> Iterator[World]:
    """Another index, which brings it in."""
    with open_world(
        tmp_path / "ours", buckets=theirs.buckets, region_names=("northeurope",)
    ) as world:
        world._disks.update(theirs._disks)
        acquaint(world)
        yield world


def manifest_of(world: World, name: str) -> tuple[str, Manifest]:
    """A version's manifest, and where it lies."""
    (content_id,) = world.view(name).version.content_ids
    (key,) = [key for key in world.keys("manifests/") if content_id in key]
    return key, decode_manifest(world.store().inner.get(key), ContentId(content_id))


def put_another_disk_under_its_name(world: World) -> None:
    """The manifest of the good disk leads to the evil one's packs, and all digests are right."""
    key, good = manifest_of(world, "1.0.0")
    _key, evil = manifest_of(world, "1.0.1")
    world.store().inner.put(key, encode_manifest(replace(evil, content_id=good.content_id)))


def let_a_pack_lie_of_its_chunks(world: World) -> None:
    """Two frames of a pack are swapped, their ids are not; its name is that of its bytes."""
    key, good = manifest_of(world, "1.0.0")
    store = world.store().inner
    use = good.packs[0]
    lying = _with_frames_swapped(store.get(keys.pack_key(use.pack_id, 0)))
    name = pack_id_of(lying)
    store.put(keys.pack_key(name, 0), lying)
    packs = (PackUse(name, len(lying), use.used_bytes), *good.packs[1:])
    store.put(key, encode_manifest(replace(good, packs=packs)))


def _with_frames_swapped(body: bytes) -> bytes:
    footer = decode_footer(body, len(body))
    entries = [footer.entry(slot) for slot in range(footer.slots)]
    frames = [
        body[start : start + entry.stored_bytes]
        for start, entry in zip(footer.offsets.tolist(), entries, strict=True)
    ]
    one, other = _equally_long(entries)
    frames[one], frames[other] = frames[other], frames[one]
    first, second = entries[one], entries[other]
    entries[one] = second._replace(chunk_id=first.chunk_id)
    entries[other] = first._replace(chunk_id=second.chunk_id)
    return encode_pack(footer.domain_id, frames, entries)


def _equally_long(entries: list[FrameEntry]) -> tuple[int, int]:
    seen: dict[int, int] = {}
    for slot, entry in enumerate(entries):
        if entry.plain_bytes in seen:
            return seen[entry.plain_bytes], slot
        seen[entry.plain_bytes] = slot
    raise AssertionError("of so many chunks two are equally long")


def bring_in(world: World) -> Carriage:
    bucket = PeerBucket(standard=(REGION,), region="eastus")
    targets = [TargetRequest("northeurope", 1)]
    return portable.bring_in(world.ctx, ImportGallery(bucket=bucket, target_regions=targets))


@pytest.mark.parametrize(
    "tamper",
    [
        put_another_disk_under_its_name,
        let_a_pack_lie_of_its_chunks,
    ],
)
def test_what_is_not_what_its_name_says_is_refused_and_spoils_nothing_of_ours(
    theirs: World, ours: World, tamper: Callable[[World], None]
) -> None:
    tamper(theirs)
    with pytest.raises(Corrupt):
        bring_in(ours)
    ours.publish("9.0.0", disk=GOOD, regions=["northeurope"])
    assert ours.download("9.0.0") == ours.disk(GOOD).read_bytes()
    report = verifying.verify(ours.ctx, ours.id("9.0.0"), deep=True)
    assert [one["state"] for one in report["replicas"]] == ["healthy"]


def test_a_deep_verification_finds_a_manifest_of_another_disk_and_repair_mends_it(
    theirs: World,
) -> None:
    theirs.update("1.0.0", add_regions=[TargetRequest("westeurope", 1)])
    theirs.update("1.0.1", add_regions=[TargetRequest("westeurope", 1)])
    put_another_disk_under_its_name(theirs)
    replicas = verifying.verify(theirs.ctx, theirs.id("1.0.0"), deep=True)["replicas"]
    assert [one["state"] for one in replicas] == ["damaged", "healthy"]
    (problem,) = replicas[0]["problems"]
    assert problem["object"].startswith("manifests/")
    assert problem["reason"] == "it names other packs than its content has"
    repaired = verifying.repair(theirs.ctx, theirs.id("1.0.0"))
    assert repaired["beyondRepair"] == []
    assert theirs.download("1.0.0", region="eastus") == theirs.disk(GOOD).read_bytes()


def test_a_manifest_that_is_meddled_with_everywhere_mends_nothing(theirs: World) -> None:
    for name in ("1.0.0", "1.0.1"):
        theirs.update(name, add_regions=[TargetRequest("westeurope", 1)])
    put_another_disk_under_its_name(theirs)
    key, _manifest = manifest_of(theirs, "1.0.0")
    theirs.store("westeurope").inner.put(key, theirs.store("eastus").inner.get(key))
    repaired = verifying.repair(theirs.ctx, theirs.id("1.0.0"))
    assert len(repaired["beyondRepair"]) == 2


@pytest.mark.parametrize("cut_otherwise", [False, True])
def test_a_sha256_that_a_bucket_states_is_proven(
    theirs: World, ours: World, cut_otherwise: bool
) -> None:
    theirs.publish("2.0.0", disk=GOOD, regions=["eastus"], sha256=True)
    if cut_otherwise:
        recut(ours)
    bring_in(ours)
    said = ours.view("2.0.0").version.disks[0].sha256
    assert said == hashlib.sha256(ours.disk(GOOD).read_bytes()).hexdigest()
    theirs.publish("3.0.0", disk=EVIL, regions=["eastus"])
    (key,) = [key for key in theirs.keys(keys.RECORDS_PREFIX) if "/3.0.0/" in key]
    store = theirs.store().inner
    document = json.loads(store.get(key))
    document["body"]["fields"]["disks"][0]["sha256"] = said
    store.put(key, sealed(document))
    with pytest.raises(Corrupt) as refused:
        bring_in(ours)
    assert refused.value.code == "DigestWrong"
    with pytest.raises(NotFound):
        ours.view("3.0.0")


@pytest.mark.usefixtures("theirs")
def test_what_was_left_alone_comes(ours: World) -> None:
    assert len(bring_in(ours).versions) == 2
    assert ours.download("1.0.0") == ours.disk(GOOD).read_bytes()
