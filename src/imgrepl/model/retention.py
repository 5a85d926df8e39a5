"""Which versions of a definition to keep and which to delete, and why. Pure: plan first, then act.

A version is deleted when no rule keeps it. Whatever the rules say, the latest of any region stays,
and so does what a tag pins, what its end of life guards and what is still being published: those
are what home-grown cleaners delete by mistake.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from imgrepl.errors import Invalid
from imgrepl.model import etags
from imgrepl.model.gallery import ImageVersion, ProvisioningState
from imgrepl.model.latest import Candidate, latest_by_region

_AT_WORK = (ProvisioningState.CREATING, ProvisioningState.UPDATING)


class Pin(NamedTuple):
    """A tag that keeps a version: by its name, or by name and value. Names compare without case."""

    name: str
    value: str | None = None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value}"

    def holds(self, version: ImageVersion) -> bool:
        """Whether the version carries it."""
        return any(
            name.lower() == self.name.lower() and self.value in {None, value}
            for name, value in version.tags.items()
        )


@dataclass(frozen=True, kw_only=True)
class RetentionRules:
    """What keeps a version.

    `keep_last`: the highest numbers that succeeded. `keep_newer_than`: what was published within
    that time. `end_of_life_grace`: what has an end of life, until that long after it.
    """

    keep_last: int | None = None
    keep_newer_than: timedelta | None = None
    end_of_life_grace: timedelta | None = None
    pins: tuple[Pin, ...] = ()

    def check(self) -> None:
        """That something is kept by a rule. Raises `Invalid`: `NoRetentionRule`, `OutOfRange`."""
        if {self.keep_last, self.keep_newer_than, self.end_of_life_grace} == {None}:
            raise Invalid(
                "no rule says what to keep: all but the latest and what is pinned would go",
                code="NoRetentionRule",
                target="keepLast",
                hint="say --keep-last, --keep-newer-than or --end-of-life-grace",
            )
        if self.keep_last is not None and self.keep_last < 1:
            raise Invalid(
                f"to keep the last {self.keep_last} is not to keep any: at least 1",
                code="OutOfRange",
                target="keepLast",
                hint="say --keep-last 1 or more, or leave the rule out",
            )
        for what, time in (
            ("keepNewerThan", self.keep_newer_than),
            ("endOfLifeGrace", self.end_of_life_grace),
        ):
            if time is not None and time < timedelta():
                raise Invalid(
                    f"{what}: {time} is negative; at least 0",
                    code="OutOfRange",
                    target=what,
                    hint="say how long ago as a positive time, for example 30d",
                )


class Standing(NamedTuple):
    """A version, and the regions in which a replica of it is complete."""

    version: ImageVersion
    completed: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One version's fate. `reasons` say what keeps it, or what does not.

    `etag` is of the state that was looked at.
    """

    version: ImageVersion
    keep: bool
    reasons: tuple[str, ...]

    @property
    def etag(self) -> str:
        """The state that was decided on."""
        return etags.etag_of(self.version)


def decide(
    standing: Iterable[Standing], rules: RetentionRules, now: datetime
) -> tuple[Decision, ...]:
    """One decision for each version of one definition, newest first.

    Those that lie in the bin are left out; of those whose deletion was begun nothing can be kept.
    Raises `Invalid` as `RetentionRules.check`.
    """
    rules.check()
    newest_first = sorted(
        (one for one in standing if one.version.deletion is None),
        key=lambda one: one.version.id.version,
        reverse=True,
    )
    latest = latest_by_region(_candidates(newest_first))
    last = _last(newest_first, rules.keep_last)
    decisions = []
    for one in newest_first:
        number = one.version.id.version
        here = [region for region, name in latest.items() if name == number]
        keeps = list(_kept(one.version, here, rules, now, is_last=number in last))
        reasons = keeps or list(_passed(one.version, rules, now))
        decisions.append(Decision(version=one.version, keep=bool(keeps), reasons=tuple(reasons)))
    return tuple(decisions)


def _candidates(newest_first: Sequence[Standing]) -> Iterator[Candidate]:
    for one in newest_first:
        if one.version.committed:
            yield Candidate.of(one.version, one.completed)


def _last(newest_first: Sequence[Standing], count: int | None) -> set[tuple[int, int, int]]:
    succeeded = [
        one.version.id.version
        for one in newest_first
        if one.version.committed and one.version.provisioning_state is ProvisioningState.SUCCEEDED
    ]
    return set(succeeded[: count or 0])


def _kept(
    version: ImageVersion,
    latest_in: Sequence[str],
    rules: RetentionRules,
    now: datetime,
    *,
    is_last: bool,
) -> Iterator[str]:
    """All that keeps it."""
    if version.provisioning_state is not ProvisioningState.DELETING:
        yield from _kept_always(version, latest_in, rules.pins, now)
        yield from _kept_by_rule(version, rules, now, is_last=is_last)


def _kept_always(
    version: ImageVersion, latest_in: Sequence[str], pins: Iterable[Pin], now: datetime
) -> Iterator[str]:
    if not version.committed:
        yield "it is being published"
    elif version.provisioning_state in _AT_WORK:
        yield "it is being replicated"
    if latest_in:
        yield f"it is the latest in {', '.join(latest_in)}"
    for pin in pins:
        if pin.holds(version):
            yield f"tag {pin} pins it"
    end = version.end_of_life_date
    if version.safety.block_deletion_before_end_of_life and end is not None and now < end:
        yield f"its safety profile guards it until {_moment(end)}"


def _kept_by_rule(
    version: ImageVersion, rules: RetentionRules, now: datetime, *, is_last: bool
) -> Iterator[str]:
    if is_last:
        yield f"it is one of the last {rules.keep_last} that succeeded"
    published, age = version.published_at, rules.keep_newer_than
    if published is not None and age is not None and now - published < age:
        yield f"it was published at {_moment(published)}"
    end, grace = version.end_of_life_date, rules.end_of_life_grace
    if end is not None and grace is not None and now - end < grace:
        yield f"its end of life is {_moment(end)}"


def _passed(version: ImageVersion, rules: RetentionRules, now: datetime) -> Iterator[str]:
    """Why no rule keeps it."""
    if version.provisioning_state is ProvisioningState.DELETING:
        yield "its deletion was begun"
        return
    if version.provisioning_state is not ProvisioningState.SUCCEEDED:
        yield f"it is {version.provisioning_state}"
    elif rules.keep_last is not None:
        yield f"{rules.keep_last} newer ones succeeded"
    if rules.keep_newer_than is not None and version.published_at is not None:
        yield f"it was published {(now - version.published_at).days} days ago"
    if rules.end_of_life_grace is not None:
        end = version.end_of_life_date
        yield "it has no end of life" if end is None else f"its end of life was {_moment(end)}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
