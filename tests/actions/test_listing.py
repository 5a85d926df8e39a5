"""Lists across galleries, groups and subscriptions, by conditions that all must hold."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.world import World, open_world
from imgrepl.actions import galleries, listing
from imgrepl.errors import NotFound
from imgrepl.model.filters import EVERYTHING, EVERYWHERE, Filter, Within
from imgrepl.model.gallery import GalleryId, VersionName
from imgrepl.model.replica import ReplicaState

PROD = GalleryId(subscription="Prod", group="Images", gallery="Silver")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three galleries in two subscriptions; four versions in two of them."""
    with open_world(tmp_path_factory.mktemp("lists") / "world") as opened:
        fill(opened)
        yield opened


def fill(world: World) -> None:
    world.publish("1.0.0", tags={"build": "7", "Tier": "gold"}, regions=["eastus"])
    world.clock.sleep(3600)
    world.publish("1.0.10", tags={"build": "8"}, regions=["eastus", "westeurope"])
    world.publish("1.0.9", regions=["eastus"])
    other = PROD.definition("debian").version(VersionName(1, 0, 0))
    world.publish("1.0.0", id=other, tags={"build": "7"}, regions=["westeurope"])
    empty = GalleryId(subscription="prod", group="other", gallery="empty")
    galleries.create(world.ctx, empty, location="eastus", tags={"team": "a"})


def found(world: World, conditions: Filter = EVERYTHING, **within: Any) -> list[str]:
    where = Within(**within) if within else EVERYWHERE
    return [str(view.version.id) for view in listing.versions(world.ctx, where, conditions)]


def test_without_conditions_all_are_listed_newest_first_in_each_definition(world: World) -> None:
    assert found(world) == [
        "golden/debian/1.0.10",
        "golden/debian/1.0.9",
        "golden/debian/1.0.0",
        "Prod/Images/Silver/debian/1.0.0",
    ]
    views = listing.versions(world.ctx, EVERYWHERE)
    assert {one.state for view in views for one in view.replicas} == {ReplicaState.COMPLETED}
    assert [len(view.replicas) for view in views] == [2, 1, 1, 1]


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        (Filter(tags={"build": "7"}), ["golden/debian/1.0.0", "Prod/Images/Silver/debian/1.0.0"]),
        (Filter(tags={"BUILD": "7", "tier": None}), ["golden/debian/1.0.0"]),
        (Filter(tags={"tier": "Gold"}), []),
        (
            Filter(region="westeurope"),
            ["golden/debian/1.0.10", "Prod/Images/Silver/debian/1.0.0"],
        ),
        (Filter(region="westeurope", tags={"build": "8"}), ["golden/debian/1.0.10"]),
        (Filter(state="failed"), []),
    ],
)
def test_conditions_hold_together(world: World, conditions: Filter, names: list[str]) -> None:
    assert found(world, conditions) == names


def test_time_and_state(world: World) -> None:
    first = listing.versions(world.ctx, EVERYWHERE)[2].version.published_at
    assert first is not None
    later = first + timedelta(minutes=1)
    assert len(found(world, Filter(published_after=first))) == 4
    assert len(found(world, Filter(published_after=later))) == 3
    assert found(world, Filter(published_before=later)) == ["golden/debian/1.0.0"]
    assert len(found(world, Filter(state="Succeeded"))) == 4


def test_where_to_look(world: World) -> None:
    assert len(found(world, subscription="prod")) == 1
    assert len(found(world, subscription="PROD", group="images")) == 1
    assert found(world, group="other") == []
    assert len(found(world, definition="DEBIAN")) == 4
    assert len(found(world, gallery="golden")) == 3
    one: dict[str, Any] = {"subscription": "default", "group": "default", "gallery": "golden"}
    assert len(found(world, **one, definition="debian")) == 3
    assert found(world, Filter(tags={"build": "8"}), **one, definition="debian") == [
        "golden/debian/1.0.10"
    ]
    with pytest.raises(NotFound):
        found(world, **one, definition="nothing")


def test_what_is_in_a_bin_is_not_listed(world: World, tmp_path: Path) -> None:
    with world.twin(tmp_path / "twin") as twin:
        changes = galleries.GalleryChanges(soft_delete_enabled=True)
        galleries.update(twin.ctx, twin.definition.gallery, changes)
        twin.delete("1.0.9")
        assert "golden/debian/1.0.9" not in found(twin)


def test_galleries_and_definitions(world: World) -> None:
    def named(conditions: Filter = EVERYTHING, **within: Any) -> list[str]:
        return [str(one.id) for one in listing.galleries(world.ctx, Within(**within), conditions)]

    assert named() == ["golden", "Prod/Images/Silver", "prod/other/empty"]
    assert named(subscription="prod") == ["Prod/Images/Silver", "prod/other/empty"]
    assert named(Filter(tags={"team": "a"})) == ["prod/other/empty"]
    assert named(Filter(region="westeurope")) == ["Prod/Images/Silver"]
    listed = listing.definitions(world.ctx, EVERYWHERE)
    assert [str(one.id) for one in listed] == ["golden/debian", "Prod/Images/Silver/debian"]
    assert listing.definitions(world.ctx, Within(subscription="prod"))[0].id == PROD.definition(
        "debian"
    )
