"""Edge zones: regions that belong to another one, are filled from it and are nobody's home."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.world import World, open_world, region_named
from imgrepl.actions import definitions, galleries, index, regions, usage
from imgrepl.actions.definitions import CreateDefinition
from imgrepl.actions.version_requests import TargetRequest, VersionView
from imgrepl.azure import shapes, target_regions
from imgrepl.engine.planner import plan_replication
from imgrepl.engine.record_fields import fields_of
from imgrepl.errors import Conflict, Invalid, UsageError
from imgrepl.model.gallery import GalleryId, ImageIdentifier, OsType
from imgrepl.model.ids import PackId, PlaceId
from imgrepl.model.region import Endpoint, Place, PlaceRole, StorageAccountType
from imgrepl.model.replica import ReplicaState

SSD = StorageAccountType.STANDARD_SSD_LRS
LA = TargetRequest("losangeles", 1, SSD, "westus")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    names = ("eastus", "westus", "westeurope")
    with open_world(tmp_path / "world", region_names=names) as opened:
        regions.add(opened.ctx, replace(region_named("losangeles"), parent="westus"))
        yield opened


def test_an_edge_zone_is_a_target_beside_its_region_in_azures_words(world: World) -> None:
    view = world.publish(regions=["eastus", "westus"], target_edge_zones=[LA])
    assert {r.region: r.state for r in view.replicas} == dict.fromkeys(
        ["eastus", "westus", "losangeles"], ReplicaState.COMPLETED
    )
    profile = shapes.version(view)["publishingProfile"]
    assert [one["name"] for one in profile["targetRegions"]] == ["eastus", "westus"]
    assert profile["targetExtendedLocations"] == [
        {
            "name": "westus",
            "extendedLocation": {"name": "losangeles", "type": "EdgeZone"},
            "extendedLocationReplicaCount": 1,
            "storageAccountType": "StandardSSD_LRS",
            "excludeFromLatest": None,
        }
    ]
    assert world.download(region="losangeles") == world.disk().read_bytes()
    assert usage.report(world.ctx).regions["losangeles"].billed_bytes > 0


def test_the_words_of_az_name_region_zone_count_and_type() -> None:
    parse = target_regions.parse_edge_zones
    assert parse(["westus=losangeles"]) == [TargetRequest("losangeles", None, None, "westus")]
    assert parse(["West US=Los Angeles=2=standardssd_lrs"]) == [
        TargetRequest("losangeles", 2, SSD, "westus")
    ]
    assert parse(["None"]) == parse([]) == []
    assert parse(None) is None
    with pytest.raises(UsageError, match="names no zone"):
        parse(["westus"])


def test_it_is_filled_from_its_region_not_from_home() -> None:
    def place(number: int, region: str) -> Place:
        endpoint = Endpoint(url=f"s3://{region}", endpoint_url=f"http://{region}")
        return Place(
            id=PlaceId(number), region=region, role=PlaceRole.STANDARD, number=0, endpoint=endpoint
        )

    home, parent, zone = place(1, "eastus"), place(2, "westus"), place(3, "losangeles")
    pack = PackId("ab" * 32)
    for parents, source in (({"losangeles": "westus"}, parent), ({}, home)):
        plan = plan_replication(
            {pack: 10}, [zone], {pack: [home, parent]}, home_region="eastus", parents=parents
        )
        assert [move.read_from for move in plan.moves] == [source.id]
    alone = plan_replication(
        {pack: 10}, [zone], {pack: [home]}, home_region="eastus", parents={"losangeles": "westus"}
    )
    assert [move.read_from for move in alone.moves] == [home.id]


def test_a_zone_that_is_added_later_reads_from_its_region(world: World) -> None:
    world.publish(regions=["eastus", "westus"])
    before = [len(world.store(name).requests) for name in ("eastus", "westus")]
    world.update(target_edge_zones=[LA])

    def packs_read(region: str, since: int) -> int:
        asked = world.store(region).requests[since:]
        return sum(verb == "get" and key.startswith("packs/") for verb, key in asked)

    assert packs_read("westus", before[1]) > 0
    assert packs_read("eastus", before[0]) == 0


def test_a_zone_without_its_region_is_refused(world: World) -> None:
    with pytest.raises(Invalid, match="belongs to westus") as caught:
        world.publish(regions=["eastus"], target_edge_zones=[LA])
    assert caught.value.code == "InvalidTargetRegions"
    world.publish(regions=["eastus", "westus"], target_edge_zones=[LA])
    with pytest.raises(Invalid, match="belongs to westus"):
        world.update(remove_regions=["westus"])


def test_a_zone_of_another_region_is_refused_with_its_own(world: World) -> None:
    wrong = LA._replace(parent="eastus")
    with pytest.raises(Invalid, match="an edge zone of westus, not one of eastus"):
        world.publish(regions=["eastus", "westus"], target_edge_zones=[wrong])
    none = TargetRequest("westeurope", 1, None, "eastus")
    with pytest.raises(Invalid, match="no edge zone"):
        world.publish(regions=["eastus"], target_edge_zones=[none])


def test_its_storage_type_is_offered_nowhere_else(world: World) -> None:
    with pytest.raises(Invalid) as caught:
        world.publish(regions=["eastus", TargetRequest("westus", 1, SSD)])
    assert caught.value.code == "StorageTypeNotOffered"


def targets(view: VersionView) -> list[str]:
    return [target.name for target in view.version.target_regions]


def test_regions_and_zones_are_replaced_each_for_themselves(world: World) -> None:
    world.publish(regions=["eastus", "westus"], target_edge_zones=[LA])
    three = [TargetRequest(name) for name in ("eastus", "westus", "westeurope")]
    view = world.update(target_regions=three)
    assert targets(view) == ["eastus", "westus", "westeurope", "losangeles"]
    view = world.update(target_edge_zones=[])
    assert targets(view) == ["eastus", "westus", "westeurope"]
    view = world.update(add_regions=[TargetRequest("losangeles")])
    assert view.version.parents == {"losangeles": "westus"}


def test_nothing_has_its_home_in_an_edge_zone(world: World) -> None:
    with pytest.raises(Invalid) as caught:
        world.publish(regions=["losangeles", "westus"])
    assert caught.value.code == "EdgeZoneAsHome"
    gallery = GalleryId(gallery="edge")
    with pytest.raises(Invalid, match="nothing has its home"):
        galleries.create(world.ctx, gallery, location="losangeles")
    galleries.create(world.ctx, gallery, location="westus")
    definition = CreateDefinition(
        id=gallery.definition("debian"),
        identifier=ImageIdentifier("a", "b", "c"),
        os_type=OsType.LINUX,
        location="losangeles",
    )
    with pytest.raises(Invalid, match="nothing has its home"):
        definitions.create(world.ctx, definition)


@pytest.mark.parametrize(
    ("name", "parent", "said"),
    [
        ("boston", "losangeles", "is an edge zone itself"),
        ("boston", "boston", "does not belong to itself"),
    ],
)
def test_an_edge_zone_belongs_to_a_region_that_is_none(
    world: World, name: str, parent: str, said: str
) -> None:
    with pytest.raises(Invalid, match=said) as caught:
        regions.add(world.ctx, replace(region_named(name), parent=parent))
    assert caught.value.code == "InvalidParentRegion"


def test_a_region_with_edge_zones_or_versions_does_not_become_one(world: World) -> None:
    with pytest.raises(Invalid, match="edge zones of its own: losangeles"):
        regions.update(world.ctx, replace(region_named("westus"), parent="eastus"))
    world.publish(regions=["eastus", "westeurope"])
    with pytest.raises(Conflict) as caught:
        regions.update(world.ctx, replace(region_named("westeurope"), parent="eastus"))
    assert caught.value.code == "RegionInUse"
    with pytest.raises(Conflict):
        regions.remove(world.ctx, "westus")


def test_records_carry_the_zone_and_say_nothing_where_there_is_none(
    world: World, tmp_path: Path
) -> None:
    view = world.publish(regions=["eastus", "westus"], target_edge_zones=[LA])
    fields = fields_of(view.version)["target_regions"]
    assert [one.get("parent") for one in fields] == [None, None, "westus"]
    assert "parent" not in fields[0]
    names = ("eastus", "westus", "westeurope")
    with open_world(tmp_path / "second", buckets=world.buckets, region_names=names) as second:
        regions.add(second.ctx, replace(region_named("losangeles"), parent="westus"))
        index.rebuild(second.ctx, ["eastus", "losangeles"])
        assert fields_of(second.view().version) == fields_of(view.version)
