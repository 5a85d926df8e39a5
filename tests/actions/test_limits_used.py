"""`usage` says of each limit how much is used and left, where Azure counts it."""

from dataclasses import replace

from actions.broken_rules import GOLDEN, debian, definition, gallery, version
from engine.world import World
from gallery import samples
from imgrepl.actions import definitions, galleries, usage
from imgrepl.actions.limits_used import LimitUse
from imgrepl.gallery.resource_counts import Scope
from imgrepl.model.gallery import GalleryId, ImageIdentifier, ReplicationMode
from imgrepl.model.limits import AZURE_2021, Limits

EAST, WEST = Scope("default", "eastus"), Scope("default", "westeurope")
GIB = 1 << 30


def _used(world: World) -> dict[tuple[str, Scope | None], LimitUse]:
    return {(use.name, use.scope): use for use in usage.report(world.ctx).limits}


def test_resources_are_counted_by_subscription_and_region(world: World) -> None:
    definition(world)
    gallery(world, "silver", location="westeurope")
    other = GalleryId(subscription="Team-A", gallery="bronze")
    galleries.create(world.ctx, other, location="eastus")
    identifier = ImageIdentifier("contoso", "far", "1")
    far = debian(id=GOLDEN.definition("far"), location="westeurope", identifier=identifier)
    definitions.create(world.ctx, far)
    for number in ("1.0.0", "1.0.1", "2.0.0"):
        version(world, number)
    found = {key: use.used for key, use in _used(world).items()}
    assert found == {
        ("galleries", EAST): 1,
        ("galleries", WEST): 1,
        ("galleries", Scope("Team-A", "eastus")): 1,
        ("imageDefinitions", EAST): 1,
        ("imageDefinitions", WEST): 1,
        ("imageDefinitions", Scope("Team-A", "eastus")): 0,
        ("imageVersions", EAST): 3,
        ("imageVersions", WEST): 0,
        ("imageVersions", Scope("Team-A", "eastus")): 0,
        ("replicasPerRegion", None): 1,
        ("diskBytes", None): 0,
        ("shallowDiskBytes", None): 0,
    }


def test_what_is_left_is_the_limit_less_what_is_used_and_never_negative(world: World) -> None:
    definition(world)
    for number in ("1.0.0", "1.0.1", "2.0.0"):
        version(world, number)
    narrow = replace(world, ctx=replace(world.ctx, limits=Limits(versions_max=2)))
    assert _used(narrow)["imageVersions", EAST].left == 0
    assert _used(world)["imageVersions", EAST].left == 9_997
    assert _used(world)["galleries", EAST].left == 99


def test_the_nearest_to_a_limit_counts_for_replicas_and_disks(world: World) -> None:
    full = samples.disk("c")
    targets = (samples.target(), samples.target("westeurope", 7))
    version(world, disks=(replace(full, provisioned_bytes=3 * GIB),), target_regions=targets)
    shallow = {"replication_mode": ReplicationMode.SHALLOW}
    version(world, "2.0.0", disks=(replace(full, provisioned_bytes=9 * GIB),), **shallow)
    under_2021 = replace(world, ctx=replace(world.ctx, limits=AZURE_2021))
    found = _used(under_2021)
    assert found["replicasPerRegion", None] == LimitUse(
        name="replicasPerRegion", scope=None, used=7, limit=10
    )
    assert (found["diskBytes", None].used, found["diskBytes", None].limit) == (
        3 * GIB,
        1_024 * GIB,
    )
    assert found["shallowDiskBytes", None].used == 9 * GIB


def test_an_empty_index_has_no_scopes(world: World) -> None:
    assert {use.used for use in usage.report(world.ctx).limits} == {0}
    assert {use.scope for use in usage.report(world.ctx).limits} == {None}
