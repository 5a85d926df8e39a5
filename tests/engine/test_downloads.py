"""A download gives the disk's bytes or an error, and never a file that is not the disk."""

from functools import partial
from pathlib import Path

import pytest

from engine.world import REGIONS, World
from imgrepl.actions import downloads
from imgrepl.actions.downloads import DownloadRequest
from imgrepl.errors import Conflict, Corrupt, ImgreplError, Interrupted, Unavailable
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


def download(world: World, target: Path, **fields: object) -> dict[str, object]:
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
    served = {part["region"]: part["servedBytes"] for part in partly["regions"]}  # type: ignore[attr-defined]
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
    published: World, target: Path
) -> None:
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
