"""What a dry run says would move is what moves."""

from engine.world import World
from imgrepl.actions import following, updating
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion, VersionView
from imgrepl.model.replica import ReplicaState
from imgrepl.testing.faulty import Fault, FaultKind


def packs_moved(view: VersionView) -> dict[str, tuple[int, int]]:
    """By region the bytes that were sent and copied, to the MiB: packs, not documents."""
    assert view.transfer is not None
    moved = {
        part.region: (part.sent_bytes >> 20, part.server_copied_bytes >> 20)
        for part in view.transfer.regions
    }
    return {region: both for region, both in moved.items() if any(both)}


def test_an_update_moves_what_its_dry_run_says(world: World) -> None:
    world.publish("1.0.0", regions=["eastus"])
    change = UpdateVersion(add_regions=[TargetRequest("eastus", 3), TargetRequest("westeurope", 2)])
    before = world.keys(region="westeurope")

    planned = updating.update(world.ctx, world.id("1.0.0"), change, dry_run=True)
    assert planned.planned
    assert packs_moved(planned) == {"eastus": (0, 6), "westeurope": (3, 3)}
    assert world.keys(region="westeurope") == before == []
    assert len(world.view("1.0.0").replicas) == 1

    done = updating.update(world.ctx, world.id("1.0.0"), change)
    assert packs_moved(done) == packs_moved(planned)


def test_an_update_that_only_takes_replicas_away_moves_nothing(world: World) -> None:
    world.publish("1.0.0", regions=["eastus", "westeurope"])
    change = UpdateVersion(remove_regions=["westeurope"])
    planned = updating.update(world.ctx, world.id("1.0.0"), change, dry_run=True)
    assert packs_moved(planned) == {}
    assert planned.transfer is not None
    assert planned.transfer.puts == 0


def test_a_retry_moves_what_its_dry_run_says(world: World) -> None:
    world.store("westeurope").faults.append(
        Fault(FaultKind.LOST_REQUEST, "put", "packs/", times=None)
    )
    world.publish("1.0.0", regions=["eastus", "westeurope"])
    world.store("westeurope").faults.clear()

    planned = following.retry(world.ctx, world.id("1.0.0"), dry_run=True)
    assert packs_moved(planned) == {"westeurope": (3, 0)}
    assert [r.state for r in planned.replicas if r.region == "westeurope"] == [ReplicaState.FAILED]
    assert world.keys("packs/", "westeurope") == []
    named = following.retry(world.ctx, world.id("1.0.0"), region="eastus", dry_run=True)
    assert packs_moved(named) == {}

    done = following.retry(world.ctx, world.id("1.0.0"))
    assert packs_moved(done) == packs_moved(planned)
