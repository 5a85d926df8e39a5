"""Collecting finishes what others left: grace, rescue, dead publications, damaged packs."""

from typing import Any

import pytest
import sqlalchemy as sa

from engine.collecting_kit import (
    age_condemned,
    collect,
    open_operation,
    open_operations,
    operation_states,
    patched,
)
from engine.world import REGIONS, World
from imgrepl.actions import collecting, verifying
from imgrepl.engine import disposal
from imgrepl.errors import Invalid
from imgrepl.gallery import operations, packs, schema
from imgrepl.layout import keys
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import OperationState
from imgrepl.testing.faulty import Crashed, Fault, FaultKind, damaged, flipped


def test_a_pack_is_deleted_only_once_its_grace_is_over(two: World) -> None:
    before = two.pack_ids()
    report = collect(two, grace_seconds=3600)
    assert two.pack_ids() == before
    assert (report.places[0].condemned_packs, report.deleted_packs) == (1, 0)
    assert report.places[0].kept[-1].reason == "condemned, within the grace period"
    assert collect(two, grace_seconds=3600).deleted_packs == 0
    age_condemned(two)
    assert collect(two, grace_seconds=3600).deleted_packs == 3


def test_a_grace_below_zero_is_refused(world: World) -> None:
    with pytest.raises(Invalid) as caught:
        collect(world, grace_seconds=-1)
    assert caught.value.code == "OutOfRange"


def test_rescued_pack_survives(two: World) -> None:
    collect(two, grace_seconds=3600)
    two.publish("2.0.0")
    age_condemned(two)
    assert collect(two, grace_seconds=3600).deleted_packs == 0
    for region in REGIONS:
        assert two.download("2.0.0", region=region) == two.disk().read_bytes()


def test_a_pack_pinned_between_condemnation_and_deletion_is_not_deleted(
    two: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = disposal.PlaceCollector._delete_again

    def condemned_now_wanted(self: Any) -> None:
        real(self)
        steps = self._steps
        doom = steps.doom

        def pin_and_doom(tx: Any, after: str) -> Any:
            condemned = packs.in_state(tx, self._place.id, packs.CONDEMNED, 10)
            assert condemned
            packs.pin_present(tx, holder, self._place.id, [row.pack_id for row in condemned])
            return doom(tx, after)

        steps.doom = pin_and_doom

    holder = open_operation(two)
    before = two.pack_ids()
    monkeypatch.setattr(disposal.PlaceCollector, "_delete_again", condemned_now_wanted)
    assert collect(two).deleted_packs == 0
    assert two.pack_ids() == before


def test_what_is_being_deleted_is_not_rescued_but_put_again_under_another_key(two: World) -> None:
    two.store("eastus").faults.append(Fault(FaultKind.CRASH_BEFORE, "delete", "packs/"))
    with pytest.raises(Crashed):
        collect(two)
    two.restart()
    two.publish("2.0.0", regions=["eastus"])
    collect(two)
    assert two.download("2.0.0") == two.disk().read_bytes()
    assert any(key.endswith(".1") for key in two.keys("packs/"))


def test_abandoned_intents_are_confirmed_or_dropped_and_then_collected(world: World) -> None:
    fault = Fault(FaultKind.CRASH_AFTER, "put", "packs/", skip=1)
    world.store("eastus").faults.append(fault)
    with pytest.raises(Crashed):
        world.publish("1.0.0", regions=["eastus"])
    world.restart()
    world.outlive_leases()
    assert world.pack_ids()
    rehearsed = collecting.collect(world.ctx, dry_run=True).as_json()
    report = collect(world)
    assert rehearsed | {"dryRun": False} == report.as_json()
    assert world.pack_ids() == set()
    assert report.withdrawn_versions == ("golden/debian/1.0.0",)
    assert len(report.ended_operations) == 1
    ended = operation_states(world)[OperationId(report.ended_operations[0])]
    assert ended is OperationState.FAILED
    world.publish("1.0.0", regions=["eastus"])
    assert world.download() == world.disk().read_bytes()


def test_a_publication_whose_process_lives_or_whose_lease_runs_is_left_alone(world: World) -> None:
    world.store("eastus").faults.append(Fault(FaultKind.CRASH_BEFORE, "put", "manifests/"))
    with pytest.raises(Crashed):
        world.publish("1.0.0", regions=["eastus"])
    world.buckets.revive()
    before = world.pack_ids()
    assert collect(world).ended_operations == ()  # this very process holds it
    world.outlive_leases()
    assert collect(world).ended_operations == ()  # silent, but its process is there
    world.restart()
    world.publish("1.0.0", regions=["eastus"])
    assert world.pack_ids() == before


def test_an_interrupted_publication_that_may_be_taken_up_keeps_what_it_has(world: World) -> None:
    world.store("eastus").faults.append(Fault(FaultKind.CRASH_BEFORE, "put", "manifests/"))
    with pytest.raises(Crashed):
        world.publish("1.0.0", regions=["eastus"])
    world.restart()
    (left,) = open_operations(world)
    with world.index.begin() as tx:
        operations.release(tx, left.id, left.fence)
    before = world.pack_ids()
    assert before
    report = collect(world)
    assert world.pack_ids() == before
    assert [kept.reason for kept in report.places[0].kept] == [f"pinned by operation {left.id}"]


def test_a_version_whose_record_is_durable_is_adopted_not_withdrawn(world: World) -> None:
    world.store("eastus").faults.append(Fault(FaultKind.CRASH_AFTER, "put", "1.0.0"))
    with pytest.raises(Crashed):
        world.publish("1.0.0", regions=["eastus", "westeurope"])
    world.restart()
    world.outlive_leases()
    assert not world.view().version.committed
    rehearsed = collecting.collect(world.ctx, dry_run=True).as_json()
    report = collect(world)
    assert report.as_json() == rehearsed | {"dryRun": False}
    assert report.adopted_versions == ("golden/debian/1.0.0",)
    assert world.view().version.committed
    world.retry("1.0.0")
    for region in ("eastus", "westeurope"):
        assert world.download("1.0.0", region=region) == world.disk().read_bytes()


def test_a_withdrawn_version_leaves_a_tombstone_where_its_record_may_still_arrive(
    world: World,
) -> None:
    world.store("eastus").faults.append(Fault(FaultKind.CRASH_BEFORE, "put", "1.0.0"))
    with pytest.raises(Crashed):
        world.publish("1.0.0", regions=["eastus"])
    late = world.view("1.0.0").version
    world.restart()
    world.outlive_leases()
    assert collect(world).withdrawn_versions == ("golden/debian/1.0.0",)
    (tombstone,) = [key for key in world.keys("records/") if "1.0.0" in key]
    found = keys.parse_record_key(tombstone)
    assert found is not None
    assert (found.incarnation, found.revision > 1) == (late.incarnation, True)
    assert b'"deleted":true' in world.store().get(tombstone)
    assert world.pack_ids() == set()


def test_a_home_region_that_does_not_answer_leaves_its_staged_versions_alone(world: World) -> None:
    world.store("eastus").faults.append(Fault(FaultKind.CRASH_BEFORE, "put", "1.0.0"))
    with pytest.raises(Crashed):
        world.publish("1.0.0", regions=["eastus"])
    world.restart()
    world.outlive_leases()
    world.store("eastus").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    report = collect(world)
    assert report.withdrawn_versions == ()
    assert not world.view("1.0.0").version.committed
    world.buckets.revive()
    assert collect(world).withdrawn_versions == ("golden/debian/1.0.0",)


def test_damaged_packs_are_finished_once_they_were_replaced(two: World) -> None:
    collect(two)
    hurt = two.keys("packs/")[0]
    damaged(two.store("eastus"), hurt, lambda content: flipped(content, 9))
    verifying.repair(two.ctx, two.id("1.0.1"), "eastus")
    assert hurt in two.keys("packs/")
    report = collect(two)
    assert hurt not in two.keys("packs/")
    assert report.deleted_packs == 1
    assert two.download("1.0.1", region="eastus") == patched(two)


def test_a_damaged_pack_that_a_version_needs_is_kept_for_repair(two: World) -> None:
    collect(two)
    hurt = two.keys("packs/")[0]
    damaged(two.store("eastus"), hurt, lambda content: flipped(content, 9))
    two.download("1.0.1")
    collect(two)
    assert hurt in two.keys("packs/")


def test_a_pack_that_arrives_after_its_deletion_goes_again(two: World) -> None:
    late = {key: two.store().get(key) for key in two.keys("packs/")}
    collect(two)
    (gone,) = set(late) - set(two.keys("packs/"))
    two.store().inner.put(gone, late[gone])
    assert collect(two).deleted_packs == 1
    assert gone not in two.keys("packs/")


def test_pins_that_outlived_their_operation_hold_nothing(two: World) -> None:
    holder, place, all_packs = open_operation(two), two.place(), two.pack_ids()
    with two.index.begin() as tx:
        packs.pin_present(tx, holder, place.id, all_packs)
        mine = schema.operations.c.operation_id == holder
        ended = {"ended_at": two.clock.now(), "state": OperationState.FAILED}
        tx.execute(sa.update(schema.operations).where(mine).values(ended))
    assert collect(two).places[0].deleted_packs == 1
    with two.index.read() as tx:
        assert not tx.execute(sa.select(schema.pins)).all()
