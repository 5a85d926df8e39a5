"""Random galleries over a simulated world: every promise is kept after every step.

Hypothesis chooses what users do, what befalls them and when; in the long form it shrinks what
breaks a promise to the fewest steps. The scheduler's dice, of a seed that it chooses too, decide
the rest.
"""

from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from imgrepl.actions.version_requests import TargetRequest, UpdateVersion
from imgrepl.model.gallery import VersionName
from imgrepl.model.region import StorageAccountType
from imgrepl.testing.simulation.climate import Climate
from imgrepl.testing.simulation.deeds import Deed
from imgrepl.testing.simulation.shelf import NAMES
from imgrepl.testing.simulation.simulation import Simulation, opened
from imgrepl.testing.simulation.weather import LIES, WEATHER_FAULTS, Weather
from imgrepl.testing.simulation.workload import DEFINITIONS, REGION_NAMES
from imgrepl.testing.simulation.world import OPTIONS

HOUR = 3600.0
VERSIONS = st.sampled_from(
    [d.version(VersionName.parse(n)) for d in DEFINITIONS for n in ("1.0.0", "1.0.1")]
)
DISKS = st.sampled_from([*((name,) for name in NAMES), ("sector", "odd")])


def target_of(name: str, replica_count: int) -> TargetRequest:
    """A region, not an edge zone."""
    return TargetRequest(name, replica_count, StorageAccountType.STANDARD_LRS)


TARGETS = st.lists(
    st.builds(target_of, st.sampled_from(REGION_NAMES), st.integers(1, 2)),
    min_size=1,
    max_size=3,
    unique_by=lambda target: target.name,
)
CHANGES = st.one_of(
    st.builds(UpdateVersion, target_regions=TARGETS),
    st.builds(UpdateVersion, remove_regions=st.sampled_from(REGION_NAMES).map(lambda r: [r])),
    st.builds(UpdateVersion, replica_count=st.integers(1, 2)),
    st.builds(UpdateVersion, tags=st.just({"tier": "gold"})),
)
REGIONS = st.none() | st.sampled_from(REGION_NAMES)
DEEDS: st.SearchStrategy[tuple[str, tuple[Any, ...]]] = st.one_of(
    st.tuples(st.just("publish"), st.tuples(VERSIONS, DISKS, TARGETS)),
    st.tuples(st.just("publish_again"), st.tuples(VERSIONS, VERSIONS, TARGETS)),
    st.tuples(st.just("update"), st.tuples(VERSIONS, CHANGES)),
    st.tuples(st.just("delete"), st.tuples(VERSIONS)),
    st.tuples(st.just("retry"), st.tuples(VERSIONS, REGIONS)),
    st.tuples(st.just("repair"), st.tuples(VERSIONS)),
    st.tuples(st.just("download"), st.tuples(VERSIONS, REGIONS)),
    st.tuples(st.just("cancel"), st.tuples()),
    st.tuples(st.just("collect"), st.tuples(st.sampled_from([0.0, HOUR]))),
)
FAULTS = sorted(set(WEATHER_FAULTS) - LIES)


class Galleries(RuleBasedStateMachine):
    """One world, from its first version to its end in calm weather."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.simulation: Simulation

    @initialize(
        seed=st.integers(0, 1 << 32),
        faults=st.sets(st.sampled_from(FAULTS), max_size=3),
        latency=st.sampled_from([0.0, 0.05, 5.0]),
        freeze=st.sampled_from([0.0, 0.3]),
        first=st.tuples(VERSIONS, DISKS, TARGETS),
    )
    def begin(
        self, seed: int, faults: set[str], latency: float, freeze: float, first: tuple[Any, ...]
    ) -> None:
        weather = Weather(**dict.fromkeys(sorted(faults), 0.02), latency_seconds_max=latency)
        climate = Climate(steps=0, weather=weather, options=OPTIONS, freeze=freeze)
        self.simulation = self._stack.enter_context(opened(seed, climate))
        error = self.simulation.do(self.simulation.deeds.publish(*first))
        assert faults or error is None, f"nothing befell it, and the first deed failed: {error}"

    def _deed(self, named: tuple[str, tuple[Any, ...]]) -> Deed | None:
        name, arguments = named
        made: Deed | None = getattr(self.simulation.deeds, name)(*arguments)
        return made

    @rule(named=DEEDS, crash_in=st.none() | st.integers(1, 300))
    def one_user(self, named: tuple[str, tuple[Any, ...]], crash_in: int | None) -> None:
        deed = self._deed(named)
        if deed is not None:
            self.simulation.do(deed, crash_in=crash_in)

    @rule(named=st.lists(DEEDS, min_size=2, max_size=3))
    def users_at_once(self, named: list[tuple[str, tuple[Any, ...]]]) -> None:
        deeds = [self._deed(one) for one in named]
        self.simulation.do_together([deed for deed in deeds if deed is not None])

    @rule(seconds=st.sampled_from([60.0, HOUR, 24 * HOUR]))
    def time_passes(self, seconds: float) -> None:
        self.simulation.world.scheduler.sleep(seconds)

    def has_servers(self) -> bool:
        """Whether anything lies anywhere yet."""
        return bool(self.simulation.world.network.servers)

    @precondition(has_servers)
    @rule(share=st.floats(0, 1, exclude_max=True), hours=st.floats(0.1, 5))
    def a_server_goes_away(self, share: float, hours: float) -> None:
        servers = sorted(self.simulation.world.network.servers.items())
        _, server = servers[int(share * len(servers))]
        server.away_until = self.simulation.world.scheduler.now + hours * HOUR

    @precondition(has_servers)
    @rule(share=st.floats(0, 1, exclude_max=True))
    def a_copy_rots_that_is_not_the_last(self, share: float) -> None:
        urls = sorted(self.simulation.world.network.servers)
        self.simulation.damage(urls[int(share * len(urls))])

    @rule()
    def the_index_is_backed_up(self) -> None:
        self.simulation.world.save_index()

    @precondition(lambda self: self.simulation.may_lose_index)
    @rule(named=st.lists(DEEDS, max_size=2))
    def the_index_is_lost(self, named: list[tuple[str, tuple[Any, ...]]]) -> None:
        deeds = [self._deed(one) for one in named]
        self.simulation.lose_index([deed for deed in deeds if deed is not None])

    @invariant()
    def every_promise_is_kept(self) -> None:
        self.simulation.check()

    def teardown(self) -> None:
        try:
            if hasattr(self, "simulation"):
                note("\n".join(self.simulation.told))
                self.simulation.settle()
        finally:
            self._stack.close()


_COMMON = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    print_blob=True,
)


class TestGalleries(Galleries.TestCase):  # type: ignore[misc, valid-type]
    """What breaks a promise is told at once, as it was found; the long form shrinks it."""

    settings = settings(
        _COMMON,
        max_examples=6,
        stateful_step_count=8,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
    )


@pytest.mark.slow
@pytest.mark.timeout(7200)
class TestManyGalleries(Galleries.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(_COMMON, max_examples=500, stateful_step_count=25)
