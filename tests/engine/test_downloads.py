"""A download gives the disk's bytes or an error, and never a file that is not the disk."""

import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.world import REGIONS, World
from imgrepl.actions import downloads, mending, verifying
from imgrepl.actions.downloads import DownloadRequest
from imgrepl.errors import Conflict, Corrupt, ImgreplError, Interrupted, NotAllowed, Unavailable
from imgrepl.gallery import contents, packs, schema
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.testing.faulty import Fault, FaultKind, damaged, flipped

SPOILING = (
    FaultKind.BIT_FLIP,
    FaultKind.WRONG_OBJECT,
    FaultKind.TRUNCATED,
    FaultKind.ABSENT,
    FaultKind.LOST_REQUEST,
)


@pytest.fixture
def published(world: World) -> World:
    world.publish("1.0.0")
    return world


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "disk.raw"


def download(world: World, target: Path, **fields: object) -> dict[str, Any]:
    request = DownloadRequest(
        definition=world.definition,
        name="1.0.0",
        file=str(target),
        **fields,  # type: ignore[arg-type]
    )
    return downloads.download(world.ctx, request)


def flip(content: bytes) -> bytes:
    return flipped(content, len(content) * 4)


def spoilt(whole: bytes, at: int, _now: bytes) -> bytes:
    return flipped(whole, 8 * at + 3)


def damage_all(world: World, region: str, prefix: str) -> None:
    for key in world.keys(prefix, region):
        damaged(world.store(region), key, flip)


@pytest.mark.parametrize("format", ["raw", "vhd", "vhd-dynamic", "qcow2"])
def test_every_format_holds_the_disk(published: World, target: Path, format: str) -> None:  # noqa: A002
    from imgrepl.disks.detect import open_disk
    from imgrepl.disks.source import open_source

    report = download(published, target, format=format)
    disk = open_disk(open_source(str(target)))
    try:
        got = bytearray(disk.size_bytes)
        disk.read_into(0, memoryview(got))
    finally:
        disk.close()
    assert bytes(got) == published.disk().read_bytes()
    assert report["provisionedBytes"] == len(got)


@pytest.mark.parametrize("prefix", ["packs/", "manifests/"])
def test_what_is_damaged_in_the_first_region_comes_from_the_next(
    published: World, target: Path, prefix: str
) -> None:
    damage_all(published, "eastus", prefix)
    download(published, target)
    assert target.read_bytes() == published.disk().read_bytes()
    assert any("eastus" in text for text in published.notices)


def test_a_report_names_the_regions_that_served_and_not_only_the_one_that_was_asked(
    published: World, target: Path
) -> None:
    whole = download(published, target, region="westeurope")
    occupied = whole["occupiedBytes"]
    assert (whole["askedRegion"], whole["region"]) == ("westeurope", "westeurope")
    assert whole["regions"] == [{"region": "westeurope", "servedBytes": occupied}]

    one_pack = published.keys("packs/", "westeurope")[0]
    damaged(published.store("westeurope"), one_pack, flip)
    partly = download(published, target.with_name("partly"), region="westeurope")
    served = {part["region"]: part["servedBytes"] for part in partly["regions"]}
    assert set(served) == {"westeurope", "eastus"}
    assert served["westeurope"] > served["eastus"] > 0
    assert sum(served.values()) == occupied
    assert partly["region"] == "westeurope"

    published.store("westeurope").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    failed_over = download(published, target.with_name("over"), region="westeurope")
    assert (failed_over["askedRegion"], failed_over["region"]) == ("westeurope", "eastus")
    assert failed_over["regions"] == [{"region": "eastus", "servedBytes": occupied}]


def test_a_checksum_names_the_region_that_served_it(published: World) -> None:
    published.store("eastus").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    said = downloads.checksum(published.ctx, published.id("1.0.0"), None)
    assert said["askedRegion"] == "eastus"
    (served,) = said["regions"]
    assert (said["region"], served["region"]) == ("westeurope", "westeurope")
    assert served["servedBytes"] == 3 << 20


def test_a_damaged_pack_is_no_source_any_more_until_it_is_mended(
    published: World, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mending, "HEALED_MAX", 0)
    damage_all(published, "eastus", "packs/")
    download(published, target)
    published.store("eastus").requests.clear()
    download(published, target.with_name("again.raw"))
    asked = [key for verb, key in published.store("eastus").requests if verb == "get"]
    assert not [key for key in asked if key.startswith("packs/")]


@pytest.mark.parametrize("kind", SPOILING)
@pytest.mark.parametrize("part", ["packs/", "manifests/"])
@pytest.mark.parametrize("times", [1, 2, None])
def test_whatever_a_store_answers_the_bytes_are_right(
    published: World, target: Path, kind: FaultKind, part: str, times: int | None
) -> None:
    published.store("eastus").faults.append(Fault(kind, "get", part, times=times))
    download(published, target)
    assert target.read_bytes() == published.disk().read_bytes()


@pytest.mark.parametrize("kind", SPOILING)
def test_what_no_region_gives_leaves_no_file(
    published: World, target: Path, kind: FaultKind
) -> None:
    for skip, region in zip((1, 0, 0), REGIONS, strict=True):
        fault = Fault(kind, "get", "packs/", skip=skip, times=None)
        published.store(region).faults.append(fault)
    wanted = Unavailable if kind is FaultKind.LOST_REQUEST else Corrupt
    with pytest.raises(wanted) as caught:
        download(published, target)
    assert caught.value.message
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("prefix", ["packs/", "manifests/"])
def test_what_is_gone_everywhere_is_corrupt_and_not_a_wrong_name(
    published: World, target: Path, prefix: str
) -> None:
    for region in REGIONS:
        published.store(region).inner.delete(published.keys(prefix, region))
    with pytest.raises(Corrupt) as caught:
        download(published, target)
    assert caught.value.hint
    assert list(target.parent.iterdir()) == []


def test_a_stop_leaves_no_file(published: World, target: Path) -> None:
    published.stop.set()
    with pytest.raises(Interrupted):
        download(published, target)
    assert list(target.parent.iterdir()) == []


def test_a_file_that_is_there_is_left_alone(published: World, target: Path) -> None:
    target.write_bytes(b"mine")
    with pytest.raises(Conflict) as caught:
        download(published, target)
    assert caught.value.code == "TargetExists"
    assert [path.read_bytes() for path in target.parent.iterdir()] == [b"mine"]


def test_a_failed_download_over_a_file_leaves_the_old_one(published: World, target: Path) -> None:
    target.write_bytes(b"mine")
    for region in REGIONS:
        damage_all(published, region, "packs/")
    with pytest.raises(Corrupt):
        download(published, target, overwrite=True)
    assert [path.read_bytes() for path in target.parent.iterdir()] == [b"mine"]


def test_a_region_that_is_down_is_passed_over(published: World, target: Path) -> None:
    published.store("eastus").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    download(published, target)
    assert target.read_bytes() == published.disk().read_bytes()


def test_a_checksum_is_that_of_the_raw_disk_even_where_a_region_is_damaged(
    published: World,
) -> None:
    import hashlib

    damage_all(published, "eastus", "packs/")
    said = downloads.checksum(published.ctx, published.id("1.0.0"), None)
    assert said["sha256"] == hashlib.sha256(published.disk().read_bytes()).hexdigest()


@pytest.mark.parametrize("object_number", range(4))
def test_no_flipped_bit_in_a_region_ever_reaches_a_download(
    published: World, target: Path, object_number: int
) -> None:
    """Every 97th byte of an object in turn; the other regions are away, so it is found or right."""
    for region in REGIONS[1:]:
        published.store(region).faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    keys = [*published.keys("packs/")[:3], *published.keys("manifests/")]
    key = keys[object_number]
    whole = published.store("eastus").inner.get(key)
    wanted = published.disk().read_bytes()
    for at in range(0, len(whole), max(97, len(whole) // 12)):
        damaged(published.store("eastus"), key, partial(spoilt, whole, at))
        file = target.with_name(f"{at}.raw")
        try:
            download(published, file)
        except ImgreplError:
            assert not file.exists()
        else:
            assert file.read_bytes() == wanted
    damaged(published.store("eastus"), key, lambda _now: whole)


def striped(path: Path, seed: int) -> Path:
    """A disk of chunks of 8 KiB, whatever they hold: all packs of all such disks are as long."""
    noise = random.Random(seed)
    with path.open("wb") as file:
        for at in range(1 << 20, 5 << 20, 12 << 10):
            file.seek(at)
            file.write(noise.randbytes(8 << 10))
        file.truncate(16 << 20)
    return path


@pytest.mark.parametrize("rows", ["as written", "as rebuilt"])
def test_another_packs_bytes_are_never_taken_for_a_packs_own(
    world: World, tmp_path: Path, target: Path, rows: str
) -> None:
    """They are as long, and whole in themselves: only their name tells that they are others'."""
    first, second = striped(tmp_path / "1", 1), striped(tmp_path / "2", 2)
    world.publish("1.0.0", os_disk=str(first), regions=("eastus", "westeurope"))
    mine = set(world.keys("packs/"))
    world.publish("1.0.1", os_disk=str(second), regions=("eastus", "westeurope"))
    theirs = sorted(set(world.keys("packs/")) - mine)
    store = world.store("eastus").inner
    for key, other in zip(sorted(mine), theirs, strict=True):
        if len(store.get(key)) == len(store.get(other)):
            store.put(key, store.get(other))
    if rows == "as rebuilt":
        with world.index.begin() as tx:
            tx.execute(sa.update(schema.packs).values(footer_digest=None))

    report = download(world, target)

    assert target.read_bytes() == first.read_bytes()
    assert {one["outcome"] for one in report["damaged"]} == {"mended"}
    assert verify_all(world, "1.0.0") == {"healthy"}


def verify_all(world: World, name: str) -> set[str]:
    report = verifying.verify(world.ctx, world.id(name), None, True)
    return {one["state"] for one in report["replicas"]}


def test_what_a_download_finds_damaged_is_mended_and_told(published: World, target: Path) -> None:
    key = published.keys("packs/")[0]
    (manifest,) = published.keys("manifests/")
    damaged(published.store(), key, flip)
    damaged(published.store(), manifest, flip)

    report = download(published, target)

    assert target.read_bytes() == published.disk().read_bytes()
    assert {(one["object"], one["outcome"]) for one in report["damaged"]} == {
        (key, "mended"),
        (manifest, "mended"),
    }
    assert {one["place"] for one in report["damaged"]} == {"eastus/standard/0"}
    assert verify_all(published, "1.0.0") == {"healthy"}
    target.unlink()
    assert download(published, target)["damaged"] == []


def test_what_was_damaged_on_its_way_only_is_not_written_again(
    published: World, target: Path
) -> None:
    published.store().faults.append(Fault(FaultKind.BIT_FLIP, "get", "packs/"))
    before = published.keys()
    report = download(published, target)
    assert [one["outcome"] for one in report["damaged"]] == ["transient"]
    assert published.keys() == before
    assert verify_all(published, "1.0.0") == {"healthy"}


def test_a_reader_who_may_not_write_gets_the_disk_and_is_told_what_is_damaged(
    published: World, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged(published.store(), published.keys("packs/")[0], flip)
    stores = [published.store(region) for region in REGIONS]
    key = published.keys("packs/")[1]
    for store in stores:
        monkeypatch.setattr(store.inner, "put", refused)

    report = download(published, target)

    assert target.read_bytes() == published.disk().read_bytes()
    (found,) = report["damaged"]
    assert found["outcome"] == "left"
    assert "NotAllowed" in found["detail"]
    with published.index.read() as tx:
        states = [row.state for row in packs.copies(tx, found["pack"])]
    assert states.count(packs.PRESENT) == len(REGIONS) - 1, "it is still relied on"

    monkeypatch.setattr(published.index, "begin", unwritable)
    target.unlink()
    for store in stores[:2]:
        damaged(store, key, flip)
    report = download(published, target)
    assert target.read_bytes() == published.disk().read_bytes()
    assert {one["outcome"] for one in report["damaged"]} == {"left"}


def refused(*_: object, **__: object) -> None:
    raise NotAllowed("you may only read")


def unwritable() -> None:
    raise Unavailable("attempt to write a readonly database", code="IndexUnavailable")


def test_a_reader_mends_a_few_objects_and_leaves_a_lost_region_to_repair(
    published: World, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mending, "HEALED_MAX", 2)
    damage_all(published, "eastus", "packs/")
    report = download(published, target)
    outcomes = [one["outcome"] for one in report["damaged"]]
    assert outcomes.count("mended") == 2
    assert outcomes.count("left") == len(outcomes) - 2 > 0


def test_copies_that_are_damaged_everywhere_still_give_what_each_of_them_has(
    published: World, target: Path
) -> None:
    """Another frame of the same pack is flipped in each region: together they have all."""
    key = published.keys("packs/")[0]
    whole = published.store().inner.get(key)
    for part, region in enumerate(REGIONS):
        at = 100 + part * (len(whole) - 5000) // 2
        damaged(published.store(region), key, partial(spoilt, whole, at))

    report = download(published, target)

    assert target.read_bytes() == published.disk().read_bytes()
    assert {one["outcome"] for one in report["damaged"]} == {"mended"}
    assert verify_all(published, "1.0.0") == {"healthy"}
    assert published.store().inner.get(published.keys(f"packs/{key[6:-2]}")[-1]) == whole


def test_a_manifest_is_written_only_where_all_its_packs_are(published: World, target: Path) -> None:
    """A place that is still being filled has none yet, and its reader brings none (F-3)."""
    (manifest,) = published.keys("manifests/", "westeurope")
    content, place = published.view().version.content_ids[0], published.place("westeurope")
    published.store("westeurope").inner.delete([manifest])
    with published.index.begin() as tx:
        contents.unsealed(tx, place.id, [content])
    assert download(published, target, region="westeurope")["damaged"] == []
    assert published.keys("manifests/", "westeurope") == []

    rotten = next(iter(published.pack_ids("westeurope")))
    store = published.store("westeurope")
    with published.index.begin() as tx:
        sealed = contents.next_seal_revision(tx, place.id, content)
        proof = Proof(ProofLevel.SIZE, published.clock.now())
        contents.set_sealed(tx, place.id, content, sealed, proof, generation=0)
        packs.set_damaged(tx, place.id, rotten, "rot")
    damaged(store, published.keys(f"packs/{rotten[:2]}/{rotten}", "westeurope")[0], flip)
    store.faults.append(Fault(FaultKind.FULL, key_part="packs/", times=None))
    report = download(published, target.with_name("again"), region="westeurope")
    assert {one["outcome"] for one in report["damaged"]} >= {"left"}
    assert published.keys("manifests/", "westeurope") == []
