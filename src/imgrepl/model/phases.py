"""A roll-out in phases: some regions first, the others only once those are complete and proven."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from imgrepl.errors import Invalid
from imgrepl.model.region import normal_region_name
from imgrepl.model.replica import ReplicaState

PAUSE_SECONDS_MAX = 7 * 86_400


@dataclass(frozen=True, kw_only=True)
class Phases:
    """Groups of regions in their order, and how long to wait behind each before the next begins."""

    groups: tuple[tuple[str, ...], ...]
    pause_seconds: float = 0.0

    @classmethod
    def parse(cls, words: Sequence[str], pause_seconds: float = 0.0) -> Self:
        """Reads `eastus westeurope,northeurope`: spaces between phases, commas within one.

        Raises `Invalid` (`InvalidPhases`).
        """
        groups = tuple(
            tuple(normal_region_name(name) for name in word.split(",") if name.strip())
            for word in words
        )
        if not all(groups) or not groups:
            raise _invalid(
                f"{' '.join(words)!r} has a phase without a region",
                hint="write --phases eastus westeurope,northeurope",
            )
        if not 0 <= pause_seconds <= PAUSE_SECONDS_MAX:
            raise _invalid(
                f"a pause of {pause_seconds:g} s is not between 0 and {PAUSE_SECONDS_MAX}",
                hint="a roll-out that is to wait longer is an update with --add-regions later",
            )
        return cls(groups=groups, pause_seconds=pause_seconds)

    def checked(self, targets: Iterable[str], home: str) -> Self:
        """The same for these target regions; a home region that is not named comes first of all.

        Raises `Invalid` (`InvalidPhases`): each target region is in one phase, nothing else is, and
        no phase comes before that of the home region.
        """
        wanted = list(targets)
        named = [name for group in self.groups for name in group]
        groups = self.groups if home in named else ((home,), *self.groups)
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise _invalid(f"{', '.join(twice)} is in two phases; a region is in one")
        if home in named and home not in self.groups[0]:
            raise _invalid(
                f"the home region {home} is not in the first phase: the content comes there first",
                hint=f"name {home} in the first phase, or not at all",
            )
        unknown = sorted(set(named) - set(wanted))
        if unknown:
            raise _invalid(
                f"{', '.join(unknown)} is in a phase and none of the target regions"
                f" {', '.join(wanted)}"
            )
        left = [name for name in wanted if name != home and name not in named]
        if left:
            raise _invalid(
                f"target region {', '.join(left)} is in no phase",
                hint="name every target region in one phase",
            )
        return type(self)(groups=groups, pause_seconds=self.pause_seconds)

    def following(self, targets: Iterable[str]) -> Self:
        """The same for other target regions: those that left are left out, new ones come last."""
        wanted = list(targets)
        kept = tuple(tuple(name for name in group if name in wanted) for group in self.groups)
        named = {name for group in kept for name in group}
        new = tuple(name for name in wanted if name not in named)
        groups = tuple(group for group in (*kept, new) if group)
        return type(self)(groups=groups, pause_seconds=self.pause_seconds)

    def before(self, region: str) -> tuple[str, ...]:
        """The regions that must be complete before `region` has its turn."""
        found: list[str] = []
        for group in self.groups:
            if region in group:
                return tuple(found)
            found += group
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """For an operation's request."""
        return {"groups": [list(group) for group in self.groups], "pause": self.pause_seconds}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Back from `as_json`."""
        groups = tuple(tuple(group) for group in value["groups"])
        return cls(groups=groups, pause_seconds=value["pause"])


class PhaseState(StrEnum):
    """Where a phase stands."""

    WAITING = "Waiting"
    REPLICATING = "Replicating"
    COMPLETED = "Completed"
    FAILED = "Failed"


def states_of(phases: Phases, regions: Mapping[str, ReplicaState]) -> tuple[PhaseState, ...]:
    """How far each phase is, by the states of its regions."""
    return tuple(
        _state([regions[name] for name in group if name in regions]) for group in phases.groups
    )


def _state(states: Sequence[ReplicaState]) -> PhaseState:
    if ReplicaState.FAILED in states:
        return PhaseState.FAILED
    if all(state is ReplicaState.COMPLETED for state in states):
        return PhaseState.COMPLETED
    if ReplicaState.REPLICATING in states or ReplicaState.COMPLETED in states:
        return PhaseState.REPLICATING
    return PhaseState.WAITING


_HINT = "write --phases eastus westeurope,northeurope, each target region once"


def _invalid(message: str, hint: str = _HINT) -> Invalid:
    return Invalid(message, code="InvalidPhases", target="phases", hint=hint)
