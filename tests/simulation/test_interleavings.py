"""Two processes in every order that matters: one stops at its n-th step, the other goes ahead.

Not rolled but counted through: the first is suspended before each of its writes in turn, at length
at each of its steps, while the second does all of its work, or stops as well and lets the first end
before it. So collecting beside writers is checked where it matters: packs live, condemned, deleting
and gone, with pins, intents and records, under one index and under two.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from imgrepl.actions.version_requests import TargetRequest, UpdateVersion
from imgrepl.errors import Conflict
from imgrepl.gallery import versions
from imgrepl.model.gallery import VersionName
from imgrepl.testing.simulation.climate import Climate
from imgrepl.testing.simulation.deeds import Deed
from imgrepl.testing.simulation.simulation import Simulation, opened
from imgrepl.testing.simulation.watcher import injure
from imgrepl.testing.simulation.weather import Weather
from imgrepl.testing.simulation.workload import DEFINITIONS
from imgrepl.testing.simulation.world import OPTIONS, Work

CALM = Climate(steps=0, weather=Weather(latency_seconds_max=0.05), options=OPTIONS)
ONE, TWO, THREE = (DEFINITIONS[0].version(VersionName(1, 0, n)) for n in range(3))
HOME = [TargetRequest("eastus", 1)]
LEASE_AND_MORE = OPTIONS.lease_seconds * 3.0
STEPS_MAX = 2_000
_WRITE = re.compile(r": (put|copy|delete) \S+$")
Make = Callable[[Simulation], Deed]


def publish_two(simulation: Simulation) -> Deed:
    return simulation.deeds.publish(TWO, ("sector",), HOME)


def publish_three(simulation: Simulation) -> Deed:
    return simulation.deeds.publish(THREE, ("sector",), HOME)


def collect(simulation: Simulation) -> Deed:
    return simulation.deeds.collect()


def collect_compacting(simulation: Simulation) -> Deed:
    return simulation.deeds.collect(compacts=True)


def widen(simulation: Simulation) -> Deed:
    return simulation.deeds.update(ONE, UpdateVersion(add_regions=[TargetRequest("westeurope", 1)]))


def delete_one(simulation: Simulation) -> Deed:
    return simulation.deeds.delete(ONE)


def nothing_but_one(simulation: Simulation) -> None:
    """A version that stands."""
    assert simulation.do(simulation.deeds.publish(ONE, ("patched",), HOME)) is None


def one_deleted(simulation: Simulation) -> None:
    """Its packs are there, and nothing names them."""
    assert simulation.do(simulation.deeds.publish(ONE, ("sector",), HOME)) is None
    assert simulation.do(simulation.deeds.delete(ONE)) is None


def one_condemned(simulation: Simulation) -> None:
    """Its packs wait for their deletion."""
    one_deleted(simulation)
    assert simulation.do(simulation.deeds.collect(86_400.0)) is None


def one_half_dead(simulation: Simulation) -> None:
    """A version that needs a little of what another one brought, which is deleted."""
    assert simulation.do(simulation.deeds.publish(THREE, ("base",), HOME)) is None
    assert simulation.do(simulation.deeds.publish(ONE, ("patched",), HOME)) is None
    assert simulation.do(simulation.deeds.delete(THREE)) is None


def one_rotten(simulation: Simulation) -> None:
    """A pack of it has a wrong bit in one of two regions."""
    targets = [*HOME, TargetRequest("westeurope", 1)]
    assert simulation.do(simulation.deeds.publish(ONE, ("patched",), targets)) is None
    url = "s3://eastus/r0"
    pack, *_ = simulation.world.network.servers[url].store.list("packs/")
    injure(simulation.world.network, simulation.watcher, url, pack.key, "flip")


def repair(simulation: Simulation) -> Deed:
    return simulation.deeds.repair(ONE)


@dataclass(frozen=True)
class Pair:
    """Who meets whom, and what was before."""

    before: Callable[[Simulation], None]
    first: Make
    second: Make


PAIRS = {
    "a publication while what it needs is collected": Pair(one_deleted, publish_two, collect),
    "a collection while what it deletes is published": Pair(one_deleted, collect, publish_two),
    "what is condemned is rescued": Pair(one_condemned, collect, publish_two),
    "two publications of one content": Pair(one_deleted, publish_two, publish_three),
    "two collections": Pair(one_deleted, collect, collect_compacting),
    "a region is added while packs are compacted": Pair(one_half_dead, collect_compacting, widen),
    "packs are compacted while a region is added": Pair(one_half_dead, widen, collect_compacting),
    "a damaged pack while its successor is on its way": Pair(one_rotten, repair, collect),
    "a version goes while it is brought to a region": Pair(nothing_but_one, widen, delete_one),
}


class Meeting:
    """Runs a pair with the first suspended at its step `stop_first`, the second at its own."""

    def __init__(self, pair: Pair, *, idle_seconds: float, settles: bool) -> None:
        self._pair = pair
        self._idle_seconds = idle_seconds
        self._settles = settles

    def run(self, stop_first: int, stop_second: int | None = None) -> bool:
        """Whether both came to where they were to stop. Raises `Violation`."""
        with opened(1, CALM) as simulation:
            self._pair.before(simulation)
            first, second = self._pair.first(simulation), self._pair.second(simulation)
            reached = self._meet(simulation, [first, second], stop_first, stop_second)
            simulation.check()
            if self._settles:
                simulation.settle()
            else:
                assert simulation.do(simulation.deeds.collect()) is None
                simulation.check()
        return reached

    def _meet(
        self, simulation: Simulation, deeds: list[Deed], stop_first: int, stop_second: int | None
    ) -> bool:
        scheduler = simulation.world.scheduler
        one = simulation.begin_slowly(deeds[0], stop_first)
        until_still(simulation, one)
        reached = not one.has_ended
        scheduler.sleep(self._idle_seconds)
        other = simulation.begin_slowly(deeds[1], stop_second)
        until_still(simulation, other)
        reached = reached and (stop_second is None or not other.has_ended)
        for work in (one, other):
            scheduler.thaw(work.running.process)
            work.wait()
        simulation.end_together(deeds, [one, other])
        return reached


def until_still(simulation: Simulation, work: Work[object]) -> None:
    """Lets a process go on until it is suspended, or has nothing left to do."""
    scheduler = simulation.world.scheduler
    while not work.has_ended and work.running.process.frozen_until <= scheduler.now:
        scheduler.sleep(0.01)


def stops() -> Iterator[int]:
    return iter(range(1, STEPS_MAX))


def writes_of(before: Callable[[Simulation], None], make: Make) -> list[int]:
    """The steps of a deed at which it is about to write to a store: the same in every run."""
    with opened(1, CALM) as simulation:
        before(simulation)
        trace = simulation.world.scheduler.trace
        work, begun = simulation.begin_slowly(make(simulation), None), len(trace)
        assert work.wait() is None
        name = work.running.process.name
        told = [line.split(" ", 1)[1] for line in trace[begun:]]
        mine = [line for line in told if line.startswith((f"{name}:", f"{name}/"))]
        return [step for step, line in enumerate(mine, 1) if _WRITE.search(line)]


@pytest.mark.parametrize("name", PAIRS)
def test_nothing_is_lost_wherever_the_first_of_two_is_about_to_write(name: str) -> None:
    pair = PAIRS[name]
    for stop in writes_of(pair.before, pair.first):
        assert Meeting(pair, idle_seconds=0.0, settles=False).run(stop)


@pytest.mark.parametrize("name", list(PAIRS)[:2])
def test_nothing_is_lost_where_who_is_about_to_write_sleeps_past_its_lease(name: str) -> None:
    pair = PAIRS[name]
    for stop in writes_of(pair.before, pair.first):
        assert Meeting(pair, idle_seconds=LEASE_AND_MORE, settles=False).run(stop)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", PAIRS)
def test_nothing_is_lost_wherever_both_are_suspended(name: str) -> None:
    meeting = Meeting(PAIRS[name], idle_seconds=0.0, settles=True)
    for first in stops():
        if not meeting.run(first):
            break
        for second in stops():
            if not meeting.run(first, second):
                break


def one_half_dead_later(simulation: Simulation) -> None:
    one_half_dead(simulation)
    simulation.world.save_index()


def one_deleted_later(simulation: Simulation) -> None:
    """Backed up while it stood."""
    assert simulation.do(simulation.deeds.publish(ONE, ("sector",), HOME)) is None
    simulation.world.save_index()
    assert simulation.do(simulation.deeds.delete(ONE)) is None


def check_lost_collector(before: Callable[[Simulation], None], stop: int, by_backup: bool) -> bool:
    """Whether a collector came to this step; another index took over then, and published."""
    with opened(1, CALM) as simulation:
        before(simulation)
        collector = simulation.begin_slowly(collect_compacting(simulation), stop)
        until_still(simulation, collector)
        reached = not collector.has_ended
        simulation.takeovers.replace(by_backup=by_backup)
        assert simulation.do(publish_two(simulation)) is None
        simulation.world.scheduler.thaw(collector.running.process)
        collector.wait()
        simulation.world.stop(collector.running)
        simulation.check()
        assert simulation.do(simulation.deeds.collect()) is None
        simulation.check()
        assert simulation.do(simulation.deeds.download(TWO)) is None
        simulation.settle()
    return reached


@pytest.mark.parametrize("by_backup", [False, True], ids=["a new index", "an older one"])
@pytest.mark.parametrize("before", [one_deleted_later, one_half_dead_later])
def test_what_a_collector_of_the_lost_index_was_about_to_write_harms_nothing(
    before: Callable[[Simulation], None], by_backup: bool
) -> None:
    """Nor does its DELETE of a pack whose frames it had moved."""
    writes = writes_of(before, collect_compacting)
    assert writes
    for stop in writes:
        assert check_lost_collector(before, stop, by_backup)


def test_a_record_that_comes_after_another_index_took_over_blocks_nothing_for_ever() -> None:
    """What it names was collected meanwhile; its user is told that the store is another's now."""

    def odd(simulation: Simulation) -> Deed:
        return simulation.deeds.publish(TWO, ("odd",), HOME)

    refused = 0
    for stop in writes_of(nothing_but_one, odd):
        with opened(1, CALM) as simulation:
            nothing_but_one(simulation)
            publisher = simulation.begin_slowly(odd(simulation), stop)
            until_still(simulation, publisher)
            simulation.takeovers.replace(by_backup=False)
            assert simulation.do(simulation.deeds.collect()) is None
            simulation.world.scheduler.thaw(publisher.running.process)
            simulation.end_all([odd(simulation)], [publisher])
            simulation.check()
            with simulation.world.eye.read() as tx:
                stands = versions.find(tx, TWO) is not None
            told = publisher.wait()
            assert stands or (isinstance(told, Conflict) and told.code == "NotOwner")
            refused += told is not None
            simulation.settle()
    assert refused >= 3


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("by_backup", [False, True], ids=["a new index", "an older one"])
@pytest.mark.parametrize("before", [one_deleted_later, one_half_dead_later])
def test_no_step_of_a_collector_of_the_lost_index_harms_anything(
    before: Callable[[Simulation], None], by_backup: bool
) -> None:
    for stop in stops():
        if not check_lost_collector(before, stop, by_backup):
            break
