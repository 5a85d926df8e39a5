"""A region that was away during a deletion brings nothing back, in whatever order it is read."""

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest

from engine.world import REGIONS, World, open_world
from imgrepl.actions import index
from imgrepl.gallery import versions
from imgrepl.testing.faulty import Fault, FaultKind

ORDERS = list(permutations(REGIONS))


def versions_of(world: World) -> set[str]:
    with world.index.read() as tx:
        return {str(version.id.version) for version in versions.list_all(tx)}


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """`southeastasia` did not answer while 1.0.0 was deleted; then it came back."""
    with open_world(tmp_path_factory.mktemp("away") / "world") as world:
        world.publish("1.0.0", disk="small")
        world.publish("1.0.1", disk="small-patched", like="small")
        store = world.store("southeastasia")
        store.faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
        world.delete("1.0.0")
        store.faults.clear()
        yield world


@pytest.mark.parametrize("order", [None, *ORDERS], ids=str)
def test_what_was_deleted_stays_deleted(
    away: World, tmp_path: Path, order: tuple[str, ...] | None
) -> None:
    """All regions at once, and one by one in every order.

    Each index takes over the store of the one before: what lies in the buckets stays.
    """
    with open_world(tmp_path / "new", buckets=away.buckets) as new:
        for names in [REGIONS] if order is None else [(name,) for name in order]:
            index.rebuild(new.ctx, names)
        assert versions_of(new) == {"1.0.1"}


def test_the_region_that_was_away_alone_cannot_know_and_is_corrected(
    away: World, tmp_path: Path
) -> None:
    with open_world(tmp_path / "new", buckets=away.buckets) as new:
        index.rebuild(new.ctx, ["southeastasia"])
        assert versions_of(new) == {"1.0.0", "1.0.1"}
        index.rebuild(new.ctx, ["westeurope"])
        assert versions_of(new) == {"1.0.1"}
        index.rebuild(new.ctx, ["southeastasia"])
        assert versions_of(new) == {"1.0.1"}


def test_a_version_that_was_published_anew_is_the_new_one(world: World, tmp_path: Path) -> None:
    """The number of the deleted version is used again while the region is away."""
    world.publish("1.0.0")
    store = world.store("southeastasia")
    store.faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    world.delete("1.0.0")
    world.publish("1.0.0", disk="other", regions=["eastus", "westeurope"])
    store.faults.clear()
    for order in (REGIONS, REGIONS[1:] + REGIONS[:1], REGIONS[::-1]):
        with open_world(tmp_path / "-".join(order), buckets=world.buckets) as new:
            for name in order:
                index.rebuild(new.ctx, [name])
            assert versions_of(new) == {"1.0.0"}
            assert new.download("1.0.0", region="eastus") == world.disk("other").read_bytes()
