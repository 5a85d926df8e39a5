"""Advice over a world: rules, measured replicas, and what stands in the way."""

from dataclasses import replace

import pytest

from engine.world import World
from imgrepl.actions.advising import Measurement, advise
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.engine.read_speed import read_speed
from imgrepl.errors import Invalid, NotFound
from imgrepl.gallery import regions
from imgrepl.model.advice import Deployment
from imgrepl.testing.clocks import ManualClock
from imgrepl.testing.faulty import Fault, FaultKind

FIVE_HUNDRED = Deployment(vms=500)


class TickingClock(ManualClock):
    """Every look at it takes a tenth of a second."""

    def monotonic(self) -> float:
        self.sleep(0.1)
        return super().monotonic()


def test_both_of_azures_rules_and_the_careful_one_is_recommended(world: World) -> None:
    found = advise(world.ctx, FIVE_HUNDRED, region="East US")

    assert (found.careful, found.today, found.recommended) == (25, 10, 25)
    assert found.region == "eastus"
    assert (found.version, found.present, found.by_speed) == (None, None, None)


def test_replicas_that_share_a_server_are_called_no_more_bandwidth(world: World) -> None:
    shared = advise(world.ctx, FIVE_HUNDRED, region="eastus").warnings
    with world.index.read() as tx:
        region = regions.get(tx, "eastus")
    endpoints = tuple(
        replace(region.standard[0], endpoint_url=f"http://{n}.example") for n in range(3)
    )
    with world.index.begin() as tx:
        regions.update(tx, replace(region, standard=endpoints))
    apart = advise(world.ctx, Deployment(vms=60), region="eastus").warnings

    assert any("not more bandwidth" in warning for warning in shared)
    assert not any("not more bandwidth" in warning for warning in apart)


def test_what_is_missing_is_named_with_the_command_that_adds_it(world: World) -> None:
    world.publish(regions=[TargetRequest("eastus", 2)])

    found = advise(world.ctx, FIVE_HUNDRED, definition=world.definition)

    assert (found.version, found.region, found.present) == (world.id("1.0.0"), "eastus", 2)
    assert any("--add-regions eastus=25" in warning for warning in found.warnings)


def test_more_replicas_than_a_region_takes_are_spread_over_regions(world: World) -> None:
    found = advise(world.ctx, Deployment(vms=5000), region="eastus")

    assert found.recommended == 250
    assert any("3 regions" in warning for warning in found.warnings)


def test_each_complete_replica_is_measured_and_one_that_fails_is_told_and_left_out(
    world: World,
) -> None:
    world.publish(regions=[TargetRequest("eastus", 3)])
    world.store("eastus", 1).faults.append(Fault(FaultKind.ABSENT, "get", times=None))
    ticking = replace(world.ctx, engine=replace(world.engine, clock=TickingClock()))

    found = advise(
        ticking, FIVE_HUNDRED, definition=world.definition, measurement=Measurement(seconds_max=2)
    )

    by_number = {one.replica: one for one in found.measured}
    assert by_number[1].speed is None
    assert by_number[1].problem
    for number in (0, 2):
        speed = by_number[number].speed
        assert speed is not None
        assert speed.read_bytes > 0
    assert found.by_speed is not None
    assert found.recommended == found.by_speed


def test_a_measurement_reads_no_more_than_its_bytes(world: World) -> None:
    world.publish(regions=["eastus"])
    pack_ids = sorted(world.pack_ids())

    def read(bytes_max: int) -> int:
        place = world.place("eastus")
        engine = world.engine
        return read_speed(engine, place, pack_ids, seconds_max=60, bytes_max=bytes_max).read_bytes

    assert (5 << 20) < read(8 << 20) <= 8 << 20
    assert 0 < read(1) < 2 << 20
    with pytest.raises(NotFound):
        read_speed(world.engine, world.place(), [], seconds_max=1, bytes_max=1)


def test_a_measurement_needs_an_image_and_an_image_a_version(world: World) -> None:
    with pytest.raises(Invalid) as refused:
        advise(world.ctx, FIVE_HUNDRED, region="eastus", measurement=Measurement())
    assert refused.value.code == "NothingToMeasure"
    with pytest.raises(NotFound):
        advise(world.ctx, FIVE_HUNDRED, definition=world.definition)
    with pytest.raises(NotFound):
        advise(world.ctx, FIVE_HUNDRED, region="nowhere")
    with pytest.raises(Invalid):
        Measurement(within_seconds=0)
