"""Waiting for a version that is to come, or to go, as az does."""

import pytest

from actions.broken_rules import DEBIAN, definition, version
from engine.world import World
from imgrepl.actions import galleries, version_deleting, waiting
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.version_requests import VersionView
from imgrepl.errors import Unavailable
from imgrepl.gallery import versions
from imgrepl.model.gallery import ProvisioningState, VersionName


def test_a_version_that_is_to_come_is_waited_for_so_long(world: World) -> None:
    definition(world)
    number = DEBIAN.version(VersionName(1, 0, 0))
    with pytest.raises(Unavailable, match="was not made within 5 s") as timed_out:
        waiting.until_there(world.ctx, number, 5, 2)
    assert timed_out.value.code == "WaitTimedOut"
    assert timed_out.value.target == str(number)
    assert world.clock.slept_seconds == [2, 2, 2]
    version(world)
    assert waiting.until_there(world.ctx, number, 5).version.id == number


def test_a_version_is_gone_when_it_lies_in_the_bin_or_is_no_more(world: World) -> None:
    made = version(world)
    with pytest.raises(Unavailable, match="was not deleted"):
        waiting.until_gone(world.ctx, made.id, 1)
    galleries.update(world.ctx, DEBIAN.gallery, GalleryChanges(soft_delete_enabled=True))
    version_deleting.delete(world.ctx, made.id)
    waiting.until_gone(world.ctx, made.id, 1)
    waiting.until_gone(world.ctx, DEBIAN.version(VersionName(9, 9, 9)), 1)


def test_a_condition_is_waited_for_also_of_what_is_not_there_yet(world: World) -> None:
    definition(world)
    number = DEBIAN.version(VersionName(1, 0, 0))
    with pytest.raises(Unavailable, match="within 2 s"):
        waiting.until_it_holds(world.ctx, number, lambda _view: True, 2, 1)
    version(world)
    seen = []

    def third_time(view: VersionView) -> bool:
        seen.append(view)
        return len(seen) == 3

    found = waiting.until_it_holds(world.ctx, number, third_time, 5, 1)
    assert (len(seen), found.version.id) == (3, number)


def test_what_has_failed_is_not_waited_for_any_longer(world: World) -> None:
    made = version(world)
    with world.index.begin() as tx:
        versions.set_state(tx, made.id, ProvisioningState.FAILED)
    found = waiting.until_it_holds(world.ctx, made.id, lambda _view: False, 5, 1)
    assert found.version.provisioning_state is ProvisioningState.FAILED
