"""Retention as it is applied: only what was agreed to, and only while the reason still holds."""

from datetime import timedelta

import pytest

from engine.world import World
from imgrepl.actions import galleries, retention, version_bin, version_deleting
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.retention import RetentionReport
from imgrepl.errors import Invalid, NotFound
from imgrepl.model.gallery import GalleryId
from imgrepl.model.retention import Pin, RetentionRules
from imgrepl.testing.faulty import Fault, FaultKind

LAST = RetentionRules(keep_last=1, pins=(Pin("keep"),))


@pytest.fixture(autouse=True)
def published(world: World) -> None:
    """Three versions of one content, 1.0.3 the latest."""
    for patch in (1, 2, 3):
        world.publish(f"1.0.{patch}", regions=["eastus"])


def _fates(report: RetentionReport) -> dict[str, str | None]:
    return {str(one.id.version): one.done for one in report.outcomes}


def _apply(world: World, planned: RetentionReport) -> RetentionReport:
    return retention.apply(world.ctx, LAST, world.definition, agreed=planned.to_delete)


def test_a_plan_changes_nothing_and_applied_it_leaves_what_it_said(world: World) -> None:
    planned = retention.plan(world.ctx, LAST, world.definition)
    assert [str(one.version.id.version) for one in planned.to_delete] == ["1.0.2", "1.0.1"]
    assert set(_fates(planned).values()) == {None}
    done = _apply(world, planned)
    assert _fates(done) == {"1.0.3": "kept", "1.0.2": "deleted", "1.0.1": "deleted"}
    again = retention.plan(world.ctx, LAST, world.definition)
    assert again.to_delete == ()
    assert world.download("latest") == world.disk().read_bytes()


def test_what_was_pinned_or_changed_after_the_plan_stays(world: World) -> None:
    planned = retention.plan(world.ctx, LAST, world.definition)
    world.update("1.0.1", tags={"keep": ""})
    world.update("1.0.2", tags={"reviewed": ""})
    done = _apply(world, planned)
    assert _fates(done) == {"1.0.3": "kept", "1.0.2": "refused", "1.0.1": "kept"}
    (refused,) = done.refused
    assert refused.error is not None
    assert refused.error.code == "ChangedMeanwhile"


def test_what_was_not_shown_is_not_deleted(world: World) -> None:
    planned = retention.plan(world.ctx, LAST, world.definition)
    world.publish("1.0.4", regions=["eastus"])
    done = _apply(world, planned)
    assert _fates(done)["1.0.3"] == "refused"
    assert world.view("1.0.3").version.deletion is None


def test_what_becomes_the_latest_while_others_are_deleted_is_not_deleted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = retention.plan(world.ctx, LAST, world.definition)
    delete = version_deleting.delete

    def delete_after_the_latest_was_excluded(*words: object, **fields: object) -> object:
        monkeypatch.setattr(version_deleting, "delete", delete)
        world.update("1.0.3", exclude_from_latest=True)
        return delete(*words, **fields)  # type: ignore[arg-type]

    monkeypatch.setattr(version_deleting, "delete", delete_after_the_latest_was_excluded)
    done = _apply(world, planned)
    (refused,) = done.refused
    assert refused.error is not None
    assert "has become the latest in eastus" in refused.error.message
    assert _fates(done)["1.0.2"] == "refused"
    assert world.download("latest") == world.disk().read_bytes()


def test_in_a_gallery_with_a_bin_retention_fills_it_unless_it_is_told_otherwise(
    world: World,
) -> None:
    policy = GalleryChanges(soft_delete_enabled=True)
    galleries.update(world.ctx, world.definition.gallery, policy)
    done = _apply(world, retention.plan(world.ctx, LAST, world.definition))
    assert set(_fates(done).values()) == {"kept", "softDeleted"}
    assert len(version_bin.list_of(world.ctx, world.definition)) == 2
    version_bin.undelete(world.ctx, world.id("1.0.1"))
    planned = retention.plan(world.ctx, LAST, world.definition)
    past = retention.apply(
        world.ctx, LAST, world.definition, agreed=planned.to_delete, bypass_soft_delete=True
    )
    assert _fates(past) == {"1.0.3": "kept", "1.0.1": "deleted"}


def test_a_gallery_is_planned_definition_by_definition(world: World) -> None:
    gallery = world.definition.gallery
    assert retention.plan(world.ctx, LAST, gallery) == retention.plan(
        world.ctx, LAST, world.definition
    )
    with pytest.raises(NotFound):
        retention.plan(world.ctx, LAST, GalleryId(gallery="none"))
    with pytest.raises(Invalid):
        retention.plan(world.ctx, RetentionRules(), gallery)


def test_age_is_by_the_contexts_clock(world: World) -> None:
    rules = RetentionRules(keep_newer_than=timedelta(days=30))
    assert retention.plan(world.ctx, rules, world.definition).to_delete == ()
    world.clock.advance(31 * 86_400)
    assert len(retention.plan(world.ctx, rules, world.definition).to_delete) == 2


def test_a_deletion_that_fails_stops_no_other_and_can_be_repeated(world: World) -> None:
    planned = retention.plan(world.ctx, LAST, world.definition)
    tombstones = "records/default/default/golden/debian/1.0.2/"
    away = Fault(FaultKind.LOST_REQUEST, "put", tombstones, times=None)
    world.store("eastus").faults.append(away)
    done = _apply(world, planned)
    assert _fates(done) == {"1.0.3": "kept", "1.0.2": "refused", "1.0.1": "deleted"}
    world.store("eastus").faults.clear()
    again = _apply(world, retention.plan(world.ctx, LAST, world.definition))
    assert _fates(again) == {"1.0.3": "kept", "1.0.2": "deleted"}
