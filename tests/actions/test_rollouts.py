"""Roll-outs in phases: one after the other, each proven, stopped by a failure, taken up again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.crashes import Fate, mortal_world
from engine.world import OPTIONS, World, open_world
from imgrepl.actions import creating, following, operations, updating
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion, VersionView
from imgrepl.azure import shapes
from imgrepl.cli.verdicts import verdict_of
from imgrepl.errors import Conflict, Interrupted, Invalid, PartlyDone
from imgrepl.model.operation import OperationState
from imgrepl.model.phases import Phases
from imgrepl.model.replica import ReplicaState
from imgrepl.model.waiting import WAIT_FOR_NOTHING, WaitFor
from imgrepl.store.protocols import ObjectInfo
from imgrepl.testing.faulty import Crashed, Fault, FaultKind

NAMES = ("eastus", "westeurope", "northeurope", "southeastasia")
IN_THREE = Phases.parse(["eastus", "westeurope,northeurope", "southeastasia"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path / "world", region_names=NAMES) as opened:
        yield opened


def states(view: VersionView) -> dict[str, str]:
    return {replica.region: replica.state.value for replica in view.replicas}


def phase_states(view: VersionView) -> list[str]:
    return [group["state"] for group in shapes.version(view)["imgrepl"]["phases"]["groups"]]


def out_of_order(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The regions in the order in which they got objects."""
    first: list[str] = []
    for name in NAMES:
        store = world.store(name)
        put = store.put

        def noted(*args: object, _name: str = name, _put: object = put, **kw: object) -> ObjectInfo:
            if _name not in first and str(args[0]).startswith("packs/"):
                first.append(_name)
            return _put(*args, **kw)  # type: ignore[operator, no-any-return]

        monkeypatch.setattr(store, "put", noted)
    return first


def test_a_phase_begins_when_all_before_it_are_complete(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = out_of_order(world, monkeypatch)
    view = world.publish(regions=NAMES, phases=IN_THREE)
    assert first[0] == "eastus"
    assert set(first[1:3]) == {"westeurope", "northeurope"}
    assert first[3] == "southeastasia"
    assert set(states(view).values()) == {"Completed"}
    assert phase_states(view) == ["Completed"] * 3
    assert [text for text in world.notices if text.startswith("phase")] == [
        "phase 1 of 3 is complete and verified: eastus",
        "phase 2 of 3 is complete and verified: westeurope, northeurope",
        "phase 3 of 3 is complete and verified: southeastasia",
    ]


def test_a_failure_stops_the_roll_out_and_retry_goes_on_in_the_same_phases(world: World) -> None:
    broken = Fault(kind=FaultKind.FULL, verb="put", key_part="packs/", times=None)
    world.store("northeurope").faults.append(broken)
    view = world.publish(regions=NAMES, phases=IN_THREE)
    assert states(view) == {
        "eastus": "Completed",
        "westeurope": "Completed",
        "northeurope": "Failed",
        "southeastasia": "Unknown",
    }
    assert phase_states(view) == ["Completed", "Failed", "Waiting"]
    verdict = verdict_of(view.replicas)
    assert isinstance(verdict, PartlyDone)
    assert verdict.details[-1].startswith("southeastasia: not begun: phase 2 of 3")
    assert shapes.version(view)["replicationStatus"]["aggregatedState"] == "Failed"
    assert view.replicas[-1].detail == "not begun: phase 2 of 3 failed in northeurope"
    assert world.keys("packs/", "southeastasia") == []
    assert view.operation is not None
    ended = operations.show(world.ctx, view.operation)
    assert ended.state is OperationState.PARTIALLY_COMPLETED
    assert ended.error is not None
    assert set(ended.error["regions"]) == {"northeurope", "southeastasia"}

    again = world.retry()
    assert states(again)["southeastasia"] == "Unknown"
    world.store("northeurope").faults.clear()
    done = world.retry()
    assert set(states(done).values()) == {"Completed"}
    assert [replica.detail for replica in done.replicas] == [""] * 4


def test_a_region_whose_packs_are_not_what_was_written_stops_the_roll_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = world.store("westeurope")
    put = store.put

    def lossy(key: str, *args: object, **kw: object) -> ObjectInfo:
        info = put(key, *args, **kw)  # type: ignore[arg-type]
        if key.startswith("packs/"):
            store.inner.delete([key])
        return info

    monkeypatch.setattr(store, "put", lossy)
    view = world.publish(regions=NAMES, phases=IN_THREE)
    assert states(view)["westeurope"] == "Failed"
    assert "when it was verified" in next(
        r.detail for r in view.replicas if r.region == "westeurope"
    )
    assert states(view)["southeastasia"] == "Unknown"


def test_a_region_waits_for_its_turn_also_when_it_is_named(world: World) -> None:
    broken = Fault(kind=FaultKind.FULL, verb="put", key_part="packs/", times=None)
    world.store("northeurope").faults.append(broken)
    world.publish(regions=NAMES, phases=IN_THREE)
    with pytest.raises(Conflict, match="comes after northeurope") as caught:
        following.retry(world.ctx, world.id("1.0.0"), region="southeastasia")
    assert caught.value.code == "PhaseNotReached"
    world.store("northeurope").faults.clear()
    one = following.retry(world.ctx, world.id("1.0.0"), region="northeurope")
    assert states(one)["northeurope"] == "Completed"
    assert states(one)["southeastasia"] == "Unknown"


def test_after_one_region_was_mended_the_rest_still_goes_phase_by_phase(world: World) -> None:
    in_four = Phases.parse(NAMES)
    for name in ("westeurope", "northeurope"):
        broken = Fault(kind=FaultKind.FULL, verb="put", key_part="packs/", times=None)
        world.store(name).faults.append(broken)
    world.publish(regions=NAMES, phases=in_four)
    world.store("westeurope").faults.clear()
    following.retry(world.ctx, world.id("1.0.0"), region="westeurope")
    view = world.retry()
    assert states(view)["northeurope"] == "Failed"
    assert states(view)["southeastasia"] == "Unknown"


def test_phases_can_be_forgotten(world: World) -> None:
    broken = Fault(kind=FaultKind.FULL, verb="put", key_part="packs/", times=None)
    world.store("northeurope").faults.append(broken)
    world.publish(regions=NAMES, phases=IN_THREE)
    view = following.retry(world.ctx, world.id("1.0.0"), all_at_once=True)
    assert states(view)["southeastasia"] == "Completed"
    assert states(view)["northeurope"] == "Failed"


def test_a_pause_lies_between_phases_and_not_behind_the_last(world: World) -> None:
    calm = Phases(groups=IN_THREE.groups, pause_seconds=90)
    world.publish(regions=NAMES, phases=calm)
    assert sum(world.clock.slept_seconds) == pytest.approx(180)


def test_a_pause_ends_when_it_is_asked_to_and_the_roll_out_goes_on_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = world.clock.sleep

    def stopped(seconds: float) -> None:
        sleep(seconds)
        world.stop.set()

    monkeypatch.setattr(world.clock, "sleep", stopped)
    calm = Phases(groups=IN_THREE.groups, pause_seconds=90)
    with pytest.raises(Interrupted):
        world.publish(regions=NAMES, phases=calm)
    assert states(world.view())["westeurope"] == "Unknown"
    monkeypatch.undo()
    world.stop.clear()
    view = world.retry()
    assert set(states(view).values()) == {"Completed"}
    assert view.phases == calm


def test_a_detached_worker_keeps_the_phases(world: World) -> None:
    request = world.request(regions=NAMES, phases=IN_THREE)
    first = creating.create(world.ctx, request, wait=WAIT_FOR_NOTHING)
    assert first.phases == IN_THREE
    broken = Fault(kind=FaultKind.FULL, verb="put", key_part="packs/", times=None)
    world.store("westeurope").faults.append(broken)
    operations.run(world.ctx, world.spawned[-1])
    assert states(world.view())["southeastasia"] == "Unknown"


def test_a_process_that_dies_in_a_phase_is_followed_by_one_that_keeps_them(
    tmp_path: Path,
) -> None:
    def is_second(step: str) -> bool:
        return "westeurope" in step and "/packs/" in step

    dies_at = 0
    for name in ("whole", "mortal"):
        fate = Fate(dies_at=dies_at)
        with mortal_world(tmp_path / name, fate, region_names=NAMES, options=OPTIONS) as world:
            if not dies_at:
                world.publish(regions=NAMES, phases=IN_THREE)
                dies_at = next(n for n, step in enumerate(fate.steps, 1) if is_second(step)) + 1
                continue
            with pytest.raises(Crashed):
                world.publish(regions=NAMES, phases=IN_THREE)
            fate.revive()
            world.restart()
            assert world.keys("packs/", "eastus")
            assert world.keys("packs/", "southeastasia") == []
            view = world.retry()
            assert set(states(view).values()) == {"Completed"}
            assert phase_states(view) == ["Completed"] * 3


def test_an_update_is_rolled_out_in_phases_as_well(world: World) -> None:
    world.publish(regions=["eastus"])
    broken = Fault(kind=FaultKind.FULL, verb="put", key_part="packs/", times=None)
    world.store("westeurope").faults.append(broken)
    added = [TargetRequest(name, 1) for name in NAMES[1:]]
    view = world.update(
        add_regions=added, phases=Phases.parse(["westeurope", "northeurope,southeastasia"])
    )
    assert states(view) == {
        "eastus": "Completed",
        "westeurope": "Failed",
        "northeurope": "Unknown",
        "southeastasia": "Unknown",
    }
    assert world.download() == world.disk().read_bytes()


def test_a_region_that_is_added_to_a_stopped_roll_out_comes_last(world: World) -> None:
    broken = Fault(kind=FaultKind.FULL, verb="put", key_part="packs/", times=None)
    world.store("westeurope").faults.append(broken)
    world.publish(regions=NAMES[:2], phases=Phases.parse(["eastus", "westeurope"]))
    view = world.update(add_regions=[TargetRequest("southeastasia", 1)])
    assert states(view)["southeastasia"] == "Unknown"
    assert view.phases is not None
    assert view.phases.groups == (("eastus",), ("westeurope",), ("southeastasia",))


def test_a_plan_shows_the_phases_and_what_breaks_their_rules_is_refused_first(world: World) -> None:
    request = world.request(regions=NAMES, phases=IN_THREE)
    planned = creating.create(world.ctx, request, dry_run=True)
    assert phase_states(planned) == ["Waiting"] * 3
    wrong = world.request(regions=NAMES, phases=Phases.parse(["eastus", "westeurope"]))
    with pytest.raises(Invalid, match="is in no phase"):
        creating.create(world.ctx, wrong)
    assert world.keys("", "eastus") == []


def test_the_same_command_with_other_phases_does_not_take_over(world: World) -> None:
    request = world.request(regions=NAMES, phases=IN_THREE)
    creating.create(world.ctx, request, wait=WAIT_FOR_NOTHING)
    with pytest.raises(Conflict, match="other sources or fields"):
        world.publish(regions=NAMES)
    assert states(world.publish(regions=NAMES, phases=IN_THREE))["southeastasia"] == "Completed"


def test_one_region_of_a_later_phase_can_be_waited_for(world: World) -> None:
    request = world.request(regions=NAMES, phases=IN_THREE)
    world.ctx = type(world.ctx)(
        **{**vars(world.ctx), "spawn": lambda o: operations.run(world.ctx, o)}
    )
    view = creating.create(world.ctx, request, wait=WaitFor.parse("region=southeastasia"))
    assert states(view)["southeastasia"] == ReplicaState.COMPLETED.value


def test_an_update_that_is_only_planned_names_its_phases(world: World) -> None:
    world.publish(regions=["eastus"])
    asked = UpdateVersion(
        add_regions=[TargetRequest("westeurope", 1)], phases=Phases.parse(["westeurope"])
    )
    planned = updating.update(world.ctx, world.id("1.0.0"), asked, dry_run=True)
    assert planned.phases is not None
    assert planned.phases.groups == (("eastus",), ("westeurope",))
