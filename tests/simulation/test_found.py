"""What the simulation found, each as a world of its own: who did what, and what must hold."""

from collections.abc import Sequence

import pytest

from imgrepl.actions.version_requests import TargetRequest
from imgrepl.model.gallery import VersionName
from imgrepl.testing.simulation.climate import Climate
from imgrepl.testing.simulation.network import Weather
from imgrepl.testing.simulation.simulation import Simulation, opened
from imgrepl.testing.simulation.workload import DEFINITIONS, Deed
from imgrepl.testing.simulation.world import OPTIONS

CALM = Climate(steps=0, weather=Weather(latency_seconds_max=0.05), options=OPTIONS)


def publish(
    simulation: Simulation, name: str, disks: Sequence[str], regions: Sequence[str]
) -> Deed:
    version_id = DEFINITIONS[0].version(VersionName.parse(name))
    targets = [TargetRequest(region, 1) for region in regions]
    return simulation.workload.publish_of(version_id, tuple(disks), targets)


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
