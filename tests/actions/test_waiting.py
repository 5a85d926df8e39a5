"""Waiting for a version that is to come, or to go, as az does."""

import pytest

from actions.broken_rules import DEBIAN, definition, version
from engine.world import World
from imgrepl.actions import galleries, version_deleting, waiting
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.errors import Unavailable
from imgrepl.model.gallery import VersionName


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
