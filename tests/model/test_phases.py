"""Phases of a roll-out: which regions come first, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrepl.errors import Invalid
from imgrepl.model.phases import PAUSE_SECONDS_MAX, Phases, PhaseState, states_of
from imgrepl.model.replica import ReplicaState

TARGETS = ("eastus", "westeurope", "northeurope", "southeastasia")


def phases(*words: str, pause: float = 0.0) -> Phases:
    return Phases.parse(words, pause)


def test_spaces_part_phases_and_commas_regions() -> None:
    found = phases("East US", "westeurope,North Europe", "southeastasia", pause=60)
    assert found.groups == (("eastus",), ("westeurope", "northeurope"), ("southeastasia",))
    assert found.checked(TARGETS, "eastus") == found
    assert Phases.from_json(found.as_json()) == found


def test_a_home_region_that_is_not_named_comes_first() -> None:
    found = phases("westeurope,northeurope,southeastasia").checked(TARGETS, "eastus")
    assert found.groups == (("eastus",), ("westeurope", "northeurope", "southeastasia"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["eastus", ","], "without a region"),
        ([], "without a region"),
        (["eastus", "westeurope"], "northeurope, southeastasia is in no phase"),
        (["eastus", "westeurope,northeurope", "southeastasia,westeurope"], "in two phases"),
        (["westeurope,northeurope", "eastus,southeastasia"], "not in the first phase"),
        (["eastus", "mars", "westeurope,northeurope,southeastasia"], "none of the target"),
    ],
)
def test_what_fits_no_roll_out_is_refused_by_name(words: list[str], said: str) -> None:
    with pytest.raises(Invalid, match=said) as caught:
        phases(*words).checked(TARGETS, "eastus")
    assert caught.value.code == "InvalidPhases"


@pytest.mark.parametrize("seconds", [-1.0, PAUSE_SECONDS_MAX + 1, float("nan")])
def test_a_pause_has_bounds(seconds: float) -> None:
    with pytest.raises(Invalid, match="is not between 0 and"):
        phases("eastus", pause=seconds)


def test_before_a_region_come_all_of_the_phases_before_its_own() -> None:
    found = phases("eastus", "westeurope,northeurope", "southeastasia")
    assert found.before("eastus") == ()
    assert found.before("northeurope") == ("eastus",)
    assert found.before("southeastasia") == ("eastus", "westeurope", "northeurope")


def test_other_targets_keep_the_order_and_new_ones_come_last() -> None:
    found = phases("eastus", "westeurope,northeurope", "southeastasia")
    later = found.following(["brazilsouth", "eastus", "northeurope", "westus"])
    assert later.groups == (("eastus",), ("northeurope",), ("brazilsouth", "westus"))


@given(
    st.lists(st.lists(st.sampled_from(TARGETS), max_size=3), max_size=4),
    st.sets(st.sampled_from(TARGETS)),
)
def test_following_gives_each_target_exactly_one_phase(
    groups: list[list[str]], targets: set[str]
) -> None:
    seen: set[str] = set()
    unique = []
    for group in groups:
        fresh = tuple(name for name in dict.fromkeys(group) if name not in seen)
        seen |= set(fresh)
        unique.append(fresh)
    found = Phases(groups=tuple(unique)).following(sorted(targets))
    assert sorted(name for group in found.groups for name in group) == sorted(targets)
    assert all(found.groups)


def test_a_phase_is_what_its_regions_are() -> None:
    found = phases("a", "b,c", "d", "e,f")
    states = {
        "a": ReplicaState.COMPLETED,
        "b": ReplicaState.COMPLETED,
        "c": ReplicaState.FAILED,
        "d": ReplicaState.UNKNOWN,
        "e": ReplicaState.COMPLETED,
        "f": ReplicaState.UNKNOWN,
    }
    assert states_of(found, states) == (
        PhaseState.COMPLETED,
        PhaseState.FAILED,
        PhaseState.WAITING,
        PhaseState.REPLICATING,
    )
