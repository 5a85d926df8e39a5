"""Regions, operations and usage as a user handles them."""

from dataclasses import replace

import pytest

from engine.world import World
from gallery import samples
from imgrepl.actions import activity, operations, regions, usage
from imgrepl.actions.context import Context
from imgrepl.errors import Conflict, ImgreplError, Invalid, NotFound
from imgrepl.gallery import operations as operation_rows
from imgrepl.model.gallery import GalleryId
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import OperationState
from imgrepl.model.region import Endpoint, Region

NORTH = Region(
    name="northeurope", display_name="North Europe", standard=(Endpoint(url="s3://north"),)
)


def _last(ctx: Context) -> tuple[str, str]:
    entry = activity.list_recent(ctx, 1)[0]
    return entry.action, entry.target


def test_a_region_is_added_under_its_normal_name(ctx: Context) -> None:
    added = regions.add(ctx, replace(NORTH, name="North Europe"))
    assert added == NORTH
    assert regions.show(ctx, "NORTH europe") == NORTH
    assert NORTH in regions.list_all(ctx)
    assert _last(ctx) == ("region.add", "northeurope")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"name": "north/europe"}, "InvalidRegionName"),
        ({"standard": ()}, "InvalidRegionUrl"),
        ({"standard": (Endpoint(url="http://h/b"),)}, "InvalidRegionUrl"),
        ({"standard": (Endpoint(url="s3://"),)}, "InvalidRegionUrl"),
        ({"standard": (Endpoint(url="s3://Bucket"),)}, "InvalidRegionUrl"),
        ({"standard": (Endpoint(url="file://host/path"),)}, "InvalidRegionUrl"),
        ({"standard": (Endpoint(url="file:///a/../b"),)}, "InvalidRegionUrl"),
        ({"premium": Endpoint(url="fast")}, "InvalidRegionUrl"),
        ({"zones": (Endpoint(url="s3://zone"),)}, "InvalidZones"),
        ({"parent": "mars"}, "RegionNotFound"),
    ],
)
def test_a_region_that_breaks_a_rule_is_not_added(
    ctx: Context, fields: dict[str, object], code: str
) -> None:
    with pytest.raises(ImgreplError) as caught:
        regions.add(ctx, replace(NORTH, **fields))  # type: ignore[arg-type]
    assert caught.value.code == code
    with pytest.raises(NotFound):
        regions.show(ctx, "northeurope")


@pytest.mark.parametrize("url", ["s3://north", "s3://north/below"])
def test_two_regions_never_share_keys(ctx: Context, url: str) -> None:
    regions.add(ctx, NORTH)
    other = replace(NORTH, name="elsewhere", standard=(Endpoint(url=url),))
    with pytest.raises(Invalid, match="northeurope") as caught:
        regions.add(ctx, other)
    assert caught.value.code == "RegionsOverlap"


def test_an_unchanged_update_writes_nothing(ctx: Context) -> None:
    regions.add(ctx, NORTH)
    regions.update(ctx, NORTH)
    assert _last(ctx)[0] == "region.add"
    assert regions.update(ctx, replace(NORTH, display_name="Norden")).display_name == "Norden"
    assert _last(ctx)[0] == "region.update"


def test_registering_adds_what_is_new_and_updates_the_rest_or_nothing(ctx: Context) -> None:
    regions.add(ctx, NORTH)
    moved = replace(NORTH, standard=(Endpoint(url="s3://north", endpoint_url="http://h:2"),))
    south = replace(NORTH, name="south", standard=(Endpoint(url="s3://south"),))
    with pytest.raises(Invalid):
        regions.register(ctx, [south, replace(south, name="other")])
    with pytest.raises(NotFound):
        regions.show(ctx, "south")
    assert regions.register(ctx, [moved, south]) == [moved, south]
    assert regions.show(ctx, "northeurope") == moved


def test_an_unused_region_is_removed_and_a_used_one_is_not(world: World) -> None:
    ctx = world.ctx
    regions.add(ctx, NORTH)
    regions.remove(ctx, "North Europe")
    assert _last(ctx) == ("region.remove", "northeurope")
    place = world.place("eastus")
    with ctx.index.begin() as tx:
        samples.stored(tx, place.id, "a")
    with pytest.raises(Conflict) as caught:
        regions.remove(ctx, "eastus")
    assert caught.value.code == "RegionInUse"
    assert _last(ctx) == ("region.remove", "northeurope")


def test_cancelling_is_logged_and_ends_what_nobody_is_at(ctx: Context) -> None:
    with ctx.index.begin() as tx:
        operation_id = samples.operation(tx)
    assert operations.list_all(ctx)[0].id == operation_id
    canceled = operations.cancel(ctx, operation_id)
    assert canceled.state is OperationState.CANCELED
    assert operations.show(ctx, operation_id) == canceled
    assert _last(ctx) == ("operation.cancel", canceled.target)
    with pytest.raises(Conflict):
        operations.cancel(ctx, operation_id)
    with pytest.raises(NotFound):
        operations.show(ctx, OperationId("nope"))
    with ctx.index.read() as tx:
        assert operation_rows.open_for(tx, canceled.target) == []


def test_usage_of_a_published_version(world: World) -> None:
    view = world.publish("1.0.0")
    disk = view.version.disks[0]
    assert disk.occupied_bytes is not None
    report = usage.report(world.ctx, world.definition.gallery)
    used = report.versions[world.id("1.0.0")]
    replicas = len(view.replicas)
    assert used.provisioned_bytes == disk.provisioned_bytes
    assert used.occupied_bytes == disk.occupied_bytes
    assert (used.replicas, used.billed_bytes) == (replicas, replicas * disk.occupied_bytes)
    assert used == report.galleries[world.definition.gallery] == report.total
    in_buckets = sum(
        info.size_bytes for store in world.buckets.all() for info in store.inner.list("packs/")
    )
    assert report.total.stored_bytes == in_buckets
    assert sum(part.stored_bytes for part in report.regions.values()) == in_buckets


def test_usage_of_a_gallery_that_is_not_there_is_not_found(ctx: Context) -> None:
    with pytest.raises(NotFound):
        usage.report(ctx, GalleryId(gallery="nope"))
    assert usage.report(ctx).versions == {}
