"""Regions added, removed and set, counts up and down: the difference before and after."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from engine.world import World
from imgrepl.actions import collecting, updating
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion, VersionView
from imgrepl.azure import shapes
from imgrepl.model.gallery import TargetRegion
from imgrepl.model.region import StorageAccountType
from imgrepl.model.replica import replicas_of
from imgrepl.model.target_changes import CountChange, TargetChanges, between, replicas_between

NAMES = ("eastus", "westeurope", "southeastasia")


def planned(world: World, **fields: object) -> VersionView:
    asked = UpdateVersion(**fields)  # type: ignore[arg-type]
    return updating.update(world.ctx, world.id("1.0.0"), asked, dry_run=True)


def changes(view: VersionView) -> TargetChanges:
    assert view.changes is not None
    return view.changes


def names(targets: Sequence[TargetRegion]) -> list[str]:
    return [target.name for target in targets]


def stored(world: World, region: str) -> int:
    return sum(info.size_bytes for info in world.store(region).inner.list("packs/"))


def test_a_plan_and_the_run_that_follows_say_the_same(world: World) -> None:
    world.publish(regions=["eastus", "westeurope"])
    wanted = [TargetRequest("eastus", 3), TargetRequest("southeastasia", 2)]
    one = stored(world, "eastus")
    plan = changes(planned(world, target_regions=wanted))
    assert names(plan.added) == ["southeastasia"]
    assert names(plan.removed) == ["westeurope"]
    assert plan.counts == (CountChange("eastus", 1, 3),)
    assert plan.copies_bytes == 4 * one
    assert plan.frees_bytes == stored(world, "westeurope") == one
    assert changes(world.update(target_regions=wanted)) == plan
    before = stored(world, "westeurope")
    world.clock.advance(1_000_000)
    collecting.collect(world.ctx, dry_run=False)
    collecting.collect(world.ctx, dry_run=False)
    assert before - stored(world, "westeurope") == plan.frees_bytes


def test_what_another_version_needs_is_not_freed_and_what_is_there_is_not_copied(
    world: World,
) -> None:
    world.publish(regions=["eastus", "westeurope"])
    world.publish("1.0.1", regions=["eastus", "westeurope"])
    gone = changes(planned(world, remove_regions=["westeurope"]))
    assert (names(gone.removed), gone.frees_bytes) == (["westeurope"], 0)
    world.update(remove_regions=["westeurope"])
    back = changes(planned(world, add_regions=[TargetRequest("westeurope")]))
    assert (names(back.added), back.copies_bytes) == (["westeurope"], 0)


def test_a_count_that_is_lowered_frees_the_last_replicas(world: World) -> None:
    world.publish(regions=[TargetRequest("eastus", 3)])
    lowered = changes(world.update(target_regions=[TargetRequest("eastus", 1)]))
    assert lowered.counts == (CountChange("eastus", 3, 1),)
    assert lowered.frees_bytes == 2 * stored(world, "eastus")
    assert [r.number for r in world.view().replicas] == [0]


def test_a_common_count_raises_and_lowers_every_region(world: World) -> None:
    world.publish(regions=["eastus", "westeurope"])
    raised = changes(world.update(replica_count=2))
    assert raised.counts == (CountChange("eastus", 1, 2), CountChange("westeurope", 1, 2))
    assert len(world.view().replicas) == 4


def test_an_update_of_tags_alone_changes_no_region(world: World) -> None:
    world.publish(regions=["eastus"])
    assert changes(world.update(tags={"a": "b"})).is_none


def test_only_a_new_list_drops_regions_that_nobody_named(world: World) -> None:
    world.publish(regions=NAMES)

    def dropped(**fields: object) -> list[str]:
        asked = UpdateVersion(**fields)  # type: ignore[arg-type]
        return updating.regions_dropped(world.ctx, world.id("1.0.0"), asked)

    assert dropped(target_regions=[TargetRequest("eastus")]) == ["westeurope", "southeastasia"]
    assert dropped(target_regions=[TargetRequest(name, 2) for name in NAMES]) == []
    assert dropped(remove_regions=["westeurope"]) == []


def test_the_json_has_it_under_changes(world: World) -> None:
    world.publish(regions=["eastus"])
    shape = shapes.version(planned(world, add_regions=[TargetRequest("westeurope", 2)]))
    found = shape["imgrepl"]["changes"]
    assert found["added"] == [
        {"name": "westeurope", "regionalReplicaCount": 2, "storageAccountType": "Standard_LRS"}
    ]
    assert (found["removed"], found["counts"], found["freesBytes"]) == ([], [], 0)
    assert found["copiesBytes"] == 2 * stored(world, "eastus")


lists = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 4)).map(
    lambda counts: [
        TargetRegion(
            name=name, replica_count=count, storage_account_type=StorageAccountType.STANDARD_LRS
        )
        for name, count in counts.items()
    ]
)


@given(lists, lists)
def test_the_difference_leads_from_one_list_to_the_other(
    before: list[TargetRegion], after: list[TargetRegion]
) -> None:
    found = between(before, after)
    counts = {target.name: target.replica_count for target in before}
    for target in found.removed:
        del counts[target.name]
    counts |= {target.name: target.replica_count for target in found.added}
    for change in found.counts:
        assert counts[change.region] == change.before != change.after
        counts[change.region] = change.after
    assert counts == {target.name: target.replica_count for target in after}
    come, go = replicas_between(before, after)
    stand = {(r.region, r.number) for r in replicas_of(before)}
    stand -= {(r.region, r.number) for r in go}
    stand |= {(r.region, r.number) for r in come}
    assert stand == {(r.region, r.number) for r in replicas_of(after)}
    assert found.is_none == (not come and not go)
