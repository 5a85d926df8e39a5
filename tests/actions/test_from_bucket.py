"""A region's bucket alone serves reads, and nothing in it is changed by that."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actions.peer_worlds import PeerWorlds
from engine.collecting_kit import PATCHED, patched
from engine.world import REGIONS, World, open_world
from imgrepl.actions import collecting, downloads, galleries, verifying, versions
from imgrepl.actions.context import Context
from imgrepl.actions.downloads import DownloadRequest
from imgrepl.engine import region_names
from imgrepl.errors import Conflict, Invalid, NotFound
from imgrepl.gallery import places
from imgrepl.layout import keys
from imgrepl.model.gallery import ProvisioningState, VersionName
from imgrepl.model.peer import PeerBucket
from imgrepl.model.region import Endpoint, Place, PlaceRole
from imgrepl.model.replica import ReplicaState
from imgrepl.testing.faulty import Fault, FaultKind, damaged, flipped


@contextmanager
def looking(world: World, region: str, *, named: bool = True) -> Iterator[Context]:
    """The gallery of a region's bucket, while no other bucket and no index is there."""
    with world.twin(world.folder / f"only-{region}") as alone:
        for other in set(REGIONS) - {region}:
            store = alone.store(other).inner
            store.delete([info.key for info in store.list("")])
        before = contents(alone, region)
        endpoint = Endpoint(url=f"s3://{region}", endpoint_url=f"http://{region}.example")
        bucket = PeerBucket(standard=(endpoint,), region=region if named else None)
        with PeerWorlds(alone, ()).reading(bucket) as ctx:
            yield ctx
        assert contents(alone, region) == before


def contents(world: World, region: str) -> dict[str, str]:
    return {info.key: info.etag for info in world.store(region).inner.list("")}


def read(ctx: Context, world: World, name: str) -> bytes:
    file = world.folder / "read.raw"
    request = DownloadRequest(
        definition=world.definition, name=name, file=str(file), overwrite=True
    )
    downloads.download(ctx, request)
    return file.read_bytes()


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two versions, and one that was deleted."""
    with open_world(tmp_path_factory.mktemp("lived") / "world") as world:
        world.publish("1.0.0", tags={"build": "1"})
        world.publish("1.0.1", **PATCHED, exclude_from_latest_in={"southeastasia": True})
        world.publish("1.0.2", disk="other")
        world.delete("1.0.2")
        yield world


@pytest.mark.parametrize("region", REGIONS[:2])
def test_any_region_serves_all_reads(lived: World, region: str) -> None:
    world = lived
    with looking(world, region) as ctx:
        assert [one.id for one in galleries.list_all(ctx)] == [world.definition.gallery]
        listed = versions.list_of(ctx, world.definition)
        assert [str(view.version.id.version) for view in listed] == ["1.0.1", "1.0.0"]
        latest = versions.show(ctx, world.definition, "latest")
        assert str(latest.version.id.version) == "1.0.1"
        states = {one.region: one.state for one in latest.replicas}
        assert states[region] is ReplicaState.COMPLETED
        assert latest.version.provisioning_state is ProvisioningState.SUCCEEDED
        assert dict(listed[1].version.tags) == {"build": "1"}
        assert read(ctx, world, "latest") == patched(world)
        assert read(ctx, world, "1.0.0") == world.disk().read_bytes()
        report = verifying.verify(ctx, latest.version.id, deep=True)
        found = {one["region"]: one["state"] for one in report["replicas"]}
        assert found == {region: "healthy"}


def test_latest_is_what_it_is_in_that_region(lived: World) -> None:
    with looking(lived, "southeastasia") as ctx:
        latest = versions.show(ctx, lived.definition, "latest").version
        assert latest.id.version == VersionName(1, 0, 0)


def test_damage_is_found_without_an_index(world: World) -> None:
    world.publish()
    key = world.keys("packs/", "westeurope")[0]
    damaged(world.store("westeurope"), key, lambda content: flipped(content, 5000))
    with looking(world, "westeurope") as ctx:
        report = verifying.verify(ctx, world.id("1.0.0"), deep=True)
        assert [one["state"] for one in report["replicas"]] == ["damaged"]


def at(world: World, region: str) -> Place:
    endpoint = world.place(region).endpoint
    return Place(
        id=places.NOT_STORED,
        region="unnamed",
        role=PlaceRole.STANDARD,
        number=0,
        endpoint=endpoint,
    )


def test_a_bucket_says_which_region_it_is(world: World) -> None:
    world.publish()
    for region in REGIONS:
        assert region_names.name_of(world.engine, at(world, region)) == region


def test_a_bucket_of_an_early_release_is_told_by_where_its_versions_stand(world: World) -> None:
    world.publish("1.0.0", regions=["eastus", "westeurope"])
    for region in ("eastus", "westeurope"):
        world.store(region).inner.delete([keys.REGION_KEY])
    with pytest.raises(Invalid) as refused:
        region_names.name_of(world.engine, at(world, "westeurope"))
    assert refused.value.code == "RegionNotNamed"
    assert "eastus, westeurope" in refused.value.message
    assert "--bucket-region" in str(refused.value.hint)
    world.publish("1.0.1", regions=["southeastasia", "westeurope"], location="southeastasia")
    assert region_names.name_of(world.engine, at(world, "westeurope")) == "westeurope"


def test_an_empty_bucket_is_no_gallery(world: World) -> None:
    with pytest.raises(NotFound) as refused:
        region_names.name_of(world.engine, at(world, "westeurope"))
    assert refused.value.code == "StoreMissing"


def test_a_bucket_that_needs_a_later_reader_is_left_alone(world: World) -> None:
    world.publish(regions=["eastus"])
    world.store("eastus").inner.put("features/from-the-future", b"")
    endpoint = Endpoint(url="s3://eastus", endpoint_url="http://eastus.example")
    bucket = PeerBucket(standard=(endpoint,), region="eastus")
    with pytest.raises(Conflict) as refused, PeerWorlds(world, ()).reading(bucket):
        pass
    assert refused.value.code == "PlaceNeedsNewerVersion"


def test_a_region_that_is_added_under_another_name_is_warned_of(
    world: World, tmp_path: Path
) -> None:
    from actions.peer_worlds import region_at
    from imgrepl.actions import index
    from imgrepl.gallery import regions

    world.publish()
    with open_world(tmp_path / "new", buckets=world.buckets, region_names=()) as new:
        with new.index.begin() as tx:
            regions.add(tx, region_at("eastus", "westeurope", "westeurope"))
        index.rebuild(new.ctx, ["eastus"])
        assert any("was region westeurope before" in text for text in new.notices)


def test_a_region_that_was_away_during_a_deletion_is_told_by_the_next_collection(
    world: World,
) -> None:
    world.publish("1.0.0")
    world.publish("1.0.1", disk="other")
    away = world.store("westeurope")
    away.faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    world.delete("1.0.0")
    collecting.collect(world.ctx, dry_run=False)
    away.faults.clear()

    def there() -> list[str]:
        with looking(world, "westeurope") as ctx:
            found = versions.list_of(ctx, world.definition)
            return [str(view.version.id.version) for view in found]

    assert there() == ["1.0.1", "1.0.0"]
    packs = world.keys("packs/", "westeurope")
    away.faults.append(Fault(FaultKind.LOST_REQUEST, verb="delete", times=None))
    collecting.collect(world.ctx, dry_run=False)
    assert world.keys("packs/", "westeurope") == packs
    assert there() == ["1.0.1"]
    before = set(world.keys("records/", "westeurope"))
    away.faults.clear()
    collecting.collect(world.ctx, dry_run=False)
    assert set(world.keys("records/", "westeurope")) == before
