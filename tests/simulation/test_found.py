"""What the simulation found, each as a world of its own: who did what, and what must hold."""

from collections.abc import Sequence

import pytest

from imgrepl.actions import updating
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion
from imgrepl.gallery import replicas
from imgrepl.model.gallery import VersionName
from imgrepl.model.replica import RegionStatus, ReplicaState, region_statuses
from imgrepl.testing.faulty import Crashed
from imgrepl.testing.simulation.climate import Climate
from imgrepl.testing.simulation.deeds import Deed
from imgrepl.testing.simulation.simulation import Simulation, opened
from imgrepl.testing.simulation.watcher import injure
from imgrepl.testing.simulation.weather import Weather
from imgrepl.testing.simulation.workload import DEFINITIONS
from imgrepl.testing.simulation.world import OPTIONS

CALM = Climate(steps=0, weather=Weather(latency_seconds_max=0.05), options=OPTIONS)


def publish(
    simulation: Simulation, name: str, disks: Sequence[str], regions: Sequence[str]
) -> Deed:
    version_id = DEFINITIONS[0].version(VersionName.parse(name))
    targets = [TargetRequest(region, 1) for region in regions]
    return simulation.deeds.publish(version_id, tuple(disks), targets)


def statuses(simulation: Simulation, name: str) -> tuple[RegionStatus, ...]:
    version_id = DEFINITIONS[0].version(VersionName.parse(name))
    with simulation.world.eye.read() as tx:
        return region_statuses(replicas.of_version(tx, version_id))


@pytest.mark.parametrize("seed", range(6))
def test_a_content_that_two_homes_get_at_once_has_one_manifest(seed: int) -> None:
    """Each wrote its own, under the same generation; the packs of one were named by nobody."""
    with opened(seed, CALM) as simulation:
        simulation.do_together([publish(simulation, "0.0.1", ["alone"], ["eastus"])])
        first = publish(simulation, "1.0.0", ["sector", "odd"], ["southeastasia"])
        second = publish(simulation, "1.0.1", ["sector"], ["westeurope", "southeastasia"])
        assert simulation.do_together([first, second]) == [None, None]
        simulation.check()
        simulation.settle()


def test_a_disk_of_one_chunk_goes_to_another_region_and_survives_compaction() -> None:
    """Most of its pack is header and footer: its one frame was taken for less than half of it."""
    with opened(1, CALM) as simulation:
        first = publish(simulation, "1.0.0", ["sector"], ["eastus", "westeurope"])
        assert simulation.do_together([first]) == [None]
        states = {status.region: status.state for status in statuses(simulation, "1.0.0")}
        assert set(states.values()) == {ReplicaState.COMPLETED}
        simulation.settle()


@pytest.mark.parametrize("crash_in", [40, 60, 80, 100])
def test_a_version_whose_operation_was_canceled_after_its_process_died_can_be_completed(
    crash_in: int,
) -> None:
    """It went on belonging to the operation that had ended, and nothing could be done with it."""
    with opened(1, CALM) as simulation:
        deed = publish(simulation, "1.0.0", ["odd"], ["eastus", "westeurope", "southeastasia"])
        assert isinstance(simulation.do(deed, crash_in=crash_in), Crashed)
        simulation.world.scheduler.sleep(OPTIONS.lease_seconds)
        assert simulation.do(simulation.deeds.cancel()) is None
        simulation.check()
        assert simulation.do(deed) is None
        assert {one.state for one in statuses(simulation, "1.0.0")} == {ReplicaState.COMPLETED}
        simulation.settle()


@pytest.mark.parametrize("crash_in", [2, 4, 6])
def test_a_change_whose_record_was_never_written_is_missed_and_mended(crash_in: int) -> None:
    """The index had it and no bucket: a rebuild would have forgotten it, and nothing brought it."""
    with opened(1, CALM) as simulation:
        assert simulation.do(publish(simulation, "1.0.0", ["odd"], ["eastus"])) is None
        version_id = DEFINITIONS[0].version(VersionName.parse("1.0.0"))
        request = UpdateVersion(tags={"tier": "gold"})
        change = Deed(
            what="tag", name="", act=lambda ctx: updating.update(ctx, version_id, request)
        )
        assert isinstance(simulation.do(change, crash_in=crash_in), Crashed)
        simulation.settle()


@pytest.mark.parametrize("crash_in", [70, 82, 94])
def test_a_manifest_that_rotted_before_its_region_was_complete_is_written_again(
    crash_in: int,
) -> None:
    """Each retry refused it as another one; only a complete version could be repaired."""
    first, second = (DEFINITIONS[0].version(VersionName(1, 0, n)) for n in range(2))
    with opened(1, CALM) as simulation:
        west = simulation.deeds.publish(first, ("odd",), [TargetRequest("westeurope", 2)])
        assert isinstance(simulation.do(west, crash_in=crash_in), Crashed)
        assert simulation.do(publish(simulation, str(second.version), ["odd"], ["eastus"])) is None
        url = "s3://westeurope/r0"
        [manifest] = simulation.world.network.servers[url].store.list("manifests/")
        injure(simulation.world.network, simulation.watcher, url, manifest.key, "truncate")
        assert simulation.do(simulation.deeds.retry(first)) is None
        states = {status.state for status in statuses(simulation, str(first.version))}
        assert states == {ReplicaState.COMPLETED}
        simulation.settle()
