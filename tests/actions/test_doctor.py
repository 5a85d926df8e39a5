"""What `doctor` says of galleries that are not as production wants them, and of those that are."""

from dataclasses import replace

from actions.broken_rules import DEBIAN, debian, definition, gallery, version
from engine.world import World
from gallery import samples
from imgrepl.actions import definitions, doctor, galleries
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.gallery import regions, replicas
from imgrepl.model.gallery import ImageIdentifier, ReplicationMode
from imgrepl.model.region import Endpoint, StorageAccountType
from imgrepl.model.replica import ReplicaState

ZRS = StorageAccountType.STANDARD_ZRS


def _warnings(world: World) -> dict[str, str]:
    found = doctor.doctor(world.ctx)
    assert all(one["hint"] for one in found if one["state"] == "warning")
    return {one["name"]: one["message"] for one in found if one["state"] == "warning"}


def test_production_wants_three_replicas_and_more_than_one_region(world: World) -> None:
    version(world)
    found = _warnings(world)
    assert found["replicas"] == "fewer than 3 replicas: golden/debian/1.0.0 in eastus (1)"
    assert found["regions"] == "latest stands in one region only: golden/debian/1.0.0"


def test_a_shallow_version_is_said_to_point_at_its_source_and_nothing_else(world: World) -> None:
    version(world, replication_mode=ReplicationMode.SHALLOW)
    found = _warnings(world)
    assert found["shallow"] == "latest only points at its source: golden/debian/1.0.0"
    assert not {"replicas", "regions", "zones", "servers"} & found.keys()


def test_only_the_latest_version_of_an_image_counts(world: World) -> None:
    version(world)
    version(world, "2.0.0", target_regions=(samples.target(replica_count=3),))
    assert "replicas" not in _warnings(world)


def test_many_images_are_one_finding_with_examples(world: World) -> None:
    definition(world)
    for k in range(5):
        other = DEBIAN.gallery.definition(f"d{k}")
        identifier = ImageIdentifier("contoso", f"d{k}", "1")
        definitions.create(world.ctx, debian(id=other, identifier=identifier))
        made = version(world, id=other.version(samples.VERSION.version))
        assert made.id.definition == other
    assert _warnings(world)["replicas"].endswith("golden/d2/1.0.0 in eastus (1) and 2 more")


def test_plain_replicas_where_there_are_zones(world: World) -> None:
    zones = tuple(Endpoint(url=f"s3://zone{k}") for k in range(3))
    with world.index.begin() as tx:
        regions.add(tx, replace(samples.region("zonal"), zones=zones))
    version(world, target_regions=(samples.target(), samples.target("zonal")))
    assert _warnings(world)["zones"].endswith("golden/debian/1.0.0 in zonal (1)")
    target = samples.target("zonal", storage_account_type=ZRS)
    version(world, "2.0.0", target_regions=(samples.target(), target))
    assert "zones" not in _warnings(world)


def test_replicas_that_share_a_server(world: World) -> None:
    version(world, target_regions=(samples.target(replica_count=2),))
    assert "replicas share a server in eastus" in _warnings(world)["servers"]
    apart = tuple(Endpoint(url=f"s3://b{k}", endpoint_url=f"http://s{k}") for k in range(2))
    with world.index.begin() as tx:
        east = regions.get(tx, "eastus")
        regions.update(tx, replace(east, standard=apart))
    assert "servers" not in _warnings(world)


def test_one_gallery_or_all_in_one_region(world: World) -> None:
    gallery(world)
    assert "one gallery only" in _warnings(world)["galleries"]
    gallery(world, "tests")
    assert "all 2 galleries have the home region eastus" in _warnings(world)["galleries"]
    gallery(world, "west", location="westeurope")
    assert "galleries" not in _warnings(world)


def test_galleries_without_a_bin(world: World) -> None:
    gallery(world)
    assert "golden" in _warnings(world)["bin"]
    galleries.update(world.ctx, DEBIAN.gallery, GalleryChanges(soft_delete_enabled=True))
    assert "bin" not in _warnings(world)


def test_a_version_that_failed_somewhere_is_named_once(world: World) -> None:
    targets = (samples.target(), samples.target("westeurope"))
    made = version(world, target_regions=targets)
    with world.index.begin() as tx:
        for state in (ReplicaState.REPLICATING, ReplicaState.FAILED):
            replicas.set_state(tx, made.id, "westeurope", 0, state=state)
    found = [one for one in doctor.doctor(world.ctx) if "failed in" in one["message"]]
    assert [one["message"] for one in found] == [f"{made.id} failed in at least one region"]


def test_an_index_without_galleries_is_no_cause_for_advice(world: World) -> None:
    assert _warnings(world) == {}
