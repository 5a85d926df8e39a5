"""Standard_ZRS in three directories: what one zone loses, the others have."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.world import Buckets, World, open_world
from imgrepl.actions import usage, verifying
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.azure import shapes
from imgrepl.engine.record_fields import fields_of, version_of
from imgrepl.errors import Invalid
from imgrepl.gallery import places, regions
from imgrepl.model.gallery import StorageAccountStrategy
from imgrepl.model.region import ZONE_ROLES, Endpoint, Place, Region, StorageAccountType
from imgrepl.model.replica import ReplicaState
from imgrepl.store.directory import DirectoryStore
from imgrepl.store.protocols import Store
from imgrepl.testing.faulty import Fault, FaultKind

ZRS = StorageAccountType.STANDARD_ZRS
ZONED = [TargetRequest("eastus", 1, ZRS)]
ZONES = (1, 2, 3)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """eastus has three zones, each in a directory of its own."""

    def directory(at: Endpoint) -> Store:
        return DirectoryStore(Path(at.url.removeprefix("file://")))

    with open_world(tmp_path / "world", buckets=Buckets(directory), region_names=()) as opened:
        urls = [(tmp_path / name).as_uri() for name in ("home", "zone1", "zone2", "zone3")]
        home, *zones = (Endpoint(url=url) for url in urls)
        eastus = Region(name="eastus", display_name="East US", standard=(home,), zones=tuple(zones))
        westus = Region(
            name="westus",
            display_name="West US",
            standard=(Endpoint(url=(tmp_path / "west").as_uri()),),
        )
        with opened.index.begin() as tx:
            regions.add(tx, eastus)
            regions.add(tx, westus)
        yield opened


def zone(world: World, number: int) -> Place:
    with world.index.begin() as tx:
        return places.ensure(tx, regions.get(tx, "eastus"), ZONE_ROLES[number - 1], 0)


def folder(world: World, number: int) -> Path:
    return Path(zone(world, number).endpoint.url.removeprefix("file://"))


def packs(world: World, number: int) -> list[Path]:
    return sorted(path for path in folder(world, number).rglob("packs/*/*") if path.is_file())


def faulty_places(world: World, *, deep: bool = False) -> set[str]:
    (replica,) = verifying.verify(world.ctx, world.id("1.0.0"), deep=deep)["replicas"]
    return {problem["place"] for problem in replica["problems"]}


def test_every_object_is_in_each_of_three_zones(world: World) -> None:
    view = world.publish(regions=ZONED)
    assert [r.state for r in view.replicas] == [ReplicaState.COMPLETED]
    names = [[path.name for path in packs(world, number)] for number in ZONES]
    assert names[0]
    assert names[0] == names[1] == names[2]
    for kind in ("manifests", "seals"):
        there = [len(list(folder(world, number).rglob(f"{kind}/*"))) for number in ZONES]
        assert there == [1, 1, 1]
    total = usage.report(world.ctx).total
    assert total.billed_bytes == total.occupied_bytes
    stored = sum(path.stat().st_size for number in ZONES for path in packs(world, number))
    assert total.stored_bytes == stored


@pytest.mark.parametrize("number", ZONES)
def test_any_zone_may_be_lost_and_is_named_and_mended(world: World, number: int) -> None:
    world.publish(regions=ZONED)
    wanted = world.disk().read_bytes()
    before = [path.name for path in packs(world, number)]
    shutil.rmtree(folder(world, number))
    assert faulty_places(world, deep=True) == {f"eastus/zone{number}/0"}

    folder(world, number).mkdir(parents=True)
    world.engine.prepared.clear()
    report = verifying.repair(world.ctx, world.id("1.0.0"))
    assert report["beyondRepair"] == []
    assert {one["place"] for one in report["mended"]} == {f"eastus/zone{number}/0"}
    assert {p.split(".")[0] for p in before} == {
        path.name.split(".")[0] for path in packs(world, number)
    }
    assert faulty_places(world, deep=True) == set()
    shutil.rmtree(folder(world, number))
    assert world.download() == wanted


@pytest.mark.parametrize("number", ZONES)
def test_one_zone_is_enough(world: World, number: int) -> None:
    world.publish(regions=ZONED)
    wanted = world.disk().read_bytes()
    for other in ZONES:
        if other != number:
            shutil.rmtree(folder(world, other))
    assert world.download() == wanted


def test_a_zone_that_does_not_answer_is_a_fault_of_its_own_and_beyond_repair(
    world: World,
) -> None:
    world.publish(regions=ZONED)
    store = world.buckets.at(zone(world, 2).endpoint)
    store.faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    assert world.download() == world.disk().read_bytes()
    (replica,) = verifying.verify(world.ctx, world.id("1.0.0"))["replicas"]
    assert replica["state"] == "damaged"
    (problem,) = replica["problems"]
    assert problem["place"] == "eastus/zone2/0"
    assert problem["reason"].startswith("ConnectionLost")
    report = verifying.repair(world.ctx, world.id("1.0.0"))
    assert [one["place"] for one in report["beyondRepair"]] == ["eastus/zone2/0"]
    assert report["mended"] == []


def test_a_reader_waits_for_a_silent_zone_once_and_not_for_every_pack(world: World) -> None:
    world.publish(regions=ZONED)
    count = len(packs(world, 1))
    assert count > 2
    store = world.buckets.at(zone(world, 1).endpoint)
    store.faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    asked = len(store.requests)
    assert world.download() == world.disk().read_bytes()
    assert len(store.requests) - asked <= 3 * (1 + world.engine.options.downloads_in_flight)
    world.download()
    assert len(store.requests) - asked <= 3 * (1 + world.engine.options.downloads_in_flight)
    world.clock.advance(61)
    store.faults.clear()
    asked = len(store.requests)
    world.download()
    assert len(store.requests) > asked


def test_one_damaged_pack_in_one_zone_is_mended_from_another(world: World) -> None:
    world.publish(regions=ZONED)
    broken = packs(world, 3)[0]
    content = bytearray(broken.read_bytes())
    content[200] ^= 1
    broken.chmod(0o644)
    broken.write_bytes(content)
    assert faulty_places(world, deep=True) == {"eastus/zone3/0"}
    report = verifying.repair(world.ctx, world.id("1.0.0"))
    assert [one["place"] for one in report["mended"]] == ["eastus/zone3/0"]
    assert faulty_places(world, deep=True) == set()


def test_a_region_without_one_of_its_zones_does_not_complete_and_retry_fills_it(
    world: World,
) -> None:
    store = world.buckets.at(zone(world, 3).endpoint)
    store.faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    view = world.publish(regions=[*ZONED, "westus"])
    states = {replica.region: replica.state for replica in view.replicas}
    assert states["eastus"] is ReplicaState.FAILED
    assert states["westus"] is ReplicaState.COMPLETED
    store.faults.clear()
    done = world.retry()
    assert {replica.state for replica in done.replicas} == {ReplicaState.COMPLETED}
    assert packs(world, 3)


def test_premium_goes_to_the_premium_place(world: World, tmp_path: Path) -> None:
    with world.index.begin() as tx:
        premium = Endpoint(url=(tmp_path / "fast").as_uri(), storage_class="EXPRESS")
        regions.update(tx, replace(regions.get(tx, "westus"), premium=premium))
    target = TargetRequest("westus", 2, StorageAccountType.PREMIUM_LRS)
    world.publish(regions=["eastus", target])
    assert len(list((tmp_path / "fast" / "premium").glob("r[01]/packs/*/*"))) >= 2
    assert list((tmp_path / "west").rglob("packs/*/*")) == []
    assert world.download(region="westus") == world.disk().read_bytes()


def test_a_strategy_takes_zones_where_there_are_any(world: World) -> None:
    view = world.publish(
        regions=["eastus"],
        target_regions=[TargetRequest("eastus")],
        storage_account_strategy=StorageAccountStrategy.PREFER_STANDARD_ZRS,
    )
    assert [r.storage_account_type for r in view.replicas] == [ZRS]
    profile = shapes.version(view)["publishingProfile"]
    assert profile["storageAccountStrategy"] == "PreferStandard_ZRS"
    assert profile["storageAccountType"] is None
    view = world.update(add_regions=[TargetRequest("westus")])
    kinds = {target.name: target.storage_account_type for target in view.version.target_regions}
    assert kinds == {"eastus": ZRS, "westus": StorageAccountType.STANDARD_LRS}
    lrs = world.publish(
        "1.0.1",
        target_regions=[TargetRequest("eastus"), TargetRequest("westus")],
        storage_account_strategy=StorageAccountStrategy.DEFAULT_STANDARD_LRS,
    )
    assert {r.storage_account_type for r in lrs.replicas} == {StorageAccountType.STANDARD_LRS}
    restored = version_of(fields_of(view.version), view.version.incarnation, view.version.revision)
    assert restored.storage_account_strategy == view.version.storage_account_strategy


def test_a_strategy_and_a_common_type_exclude_each_other(world: World) -> None:
    with pytest.raises(Invalid) as caught:
        world.publish(
            regions=["eastus"],
            storage_account_type=ZRS,
            storage_account_strategy=StorageAccountStrategy.PREFER_STANDARD_ZRS,
        )
    assert caught.value.code == "InvalidStorageAccountType"
