"""Retention: what is deleted, what never is, and why."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrepl.errors import Invalid
from imgrepl.model.gallery import (
    GalleryId,
    ImageVersion,
    ProvisioningState,
    SafetyProfile,
    SoftDeletion,
    TargetRegion,
    VersionName,
)
from imgrepl.model.ids import IncarnationId
from imgrepl.model.latest import Candidate, is_latest_in, latest_by_region
from imgrepl.model.region import StorageAccountType
from imgrepl.model.retention import Decision, Pin, RetentionRules, Standing, decide

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DEFINITION = GalleryId(gallery="golden").definition("debian")
LRS = StorageAccountType.STANDARD_LRS
REGIONS = ("eastus", "westeurope")


def _target(name: str, exclude_from_latest: bool | None = None) -> TargetRegion:
    return TargetRegion(
        name=name,
        replica_count=1,
        storage_account_type=LRS,
        exclude_from_latest=exclude_from_latest,
    )


def _version(number: str, *, age_days: int = 100, **fields: Any) -> ImageVersion:
    made = ImageVersion(
        id=DEFINITION.version(VersionName.parse(number)),
        incarnation=IncarnationId(number),
        revision=1,
        location="eastus",
        target_regions=tuple(_target(name) for name in REGIONS),
        replica_count=1,
        storage_account_type=LRS,
        disks=(),
        committed=True,
        published_at=NOW - age_days * DAY,
        provisioning_state=ProvisioningState.SUCCEEDED,
    )
    return replace(made, **fields)


def _standing(*versions: ImageVersion) -> list[Standing]:
    return [Standing(version, frozenset(REGIONS)) for version in versions]


def _deleted(standing: Sequence[Standing], **rules: Any) -> list[str]:
    decisions = decide(standing, RetentionRules(**rules), NOW)
    return [str(one.version.id.version) for one in decisions if not one.keep]


def _reasons(standing: Sequence[Standing], number: str, **rules: Any) -> tuple[str, ...]:
    decisions = decide(standing, RetentionRules(**rules), NOW)
    return next(d.reasons for d in decisions if str(d.version.id.version) == number)


def test_the_last_are_those_of_the_highest_numbers_as_integers() -> None:
    four = _standing(*(_version(n) for n in ("1.0.9", "1.0.10", "1.0.2", "1.0.11")))
    assert _deleted(four, keep_last=2) == ["1.0.9", "1.0.2"]
    assert _reasons(four, "1.0.2", keep_last=2) == ("2 newer ones succeeded",)


def test_what_failed_is_none_of_the_last_and_goes() -> None:
    failed = _version("1.0.3", provisioning_state=ProvisioningState.FAILED)
    standing = [*_standing(_version("1.0.1"), _version("1.0.2")), Standing(failed, frozenset())]
    assert _deleted(standing, keep_last=2) == ["1.0.3"]
    assert "it is Failed" in _reasons(standing, "1.0.3", keep_last=2)


def test_a_failed_version_that_is_the_latest_of_a_region_stays() -> None:
    failed = _version("2.0.0", provisioning_state=ProvisioningState.FAILED)
    standing = [Standing(failed, frozenset({"eastus"})), *_standing(_version("1.0.0"))]
    assert _deleted(standing, keep_last=1) == []
    assert "it is the latest in eastus" in _reasons(standing, "2.0.0", keep_last=1)


def test_the_latest_of_a_region_that_lags_behind_stays() -> None:
    new = Standing(_version("3.0.0"), frozenset({"eastus"}))
    standing = [new, *_standing(_version("2.0.0"), _version("1.0.0"))]
    assert _deleted(standing, keep_last=1) == ["1.0.0"]
    assert _reasons(standing, "2.0.0", keep_last=1) == ("it is the latest in westeurope",)


def test_a_staged_newer_one_does_not_cost_the_latest_its_place() -> None:
    standing = _standing(_version("2.0.0", exclude_from_latest=True), _version("1.0.0"))
    assert _deleted(standing, keep_last=1) == []


def test_newer_than_is_by_publication() -> None:
    ages = {"1.0.0": 31, "1.0.1": 29, "1.0.2": 60, "1.0.3": 90}
    standing = _standing(*(_version(n, age_days=age) for n, age in ages.items()))
    assert _deleted(standing, keep_newer_than=30 * DAY) == ["1.0.2", "1.0.0"]
    assert _reasons(standing, "1.0.2", keep_newer_than=30 * DAY) == (
        "it was published 60 days ago",
    )


@pytest.mark.parametrize(("days", "kept"), [(31, True), (30, False)])
def test_an_end_of_life_keeps_until_its_grace_is_over(days: int, kept: bool) -> None:
    old = _version("1.0.0", end_of_life_date=NOW - 30 * DAY)
    standing = _standing(_version("2.0.0"), _version("1.5.0"), old)
    gone = _deleted(standing, end_of_life_grace=days * DAY)
    assert ("1.0.0" not in gone) == kept
    assert "1.5.0" in gone


@pytest.mark.parametrize(
    ("pin", "kept"),
    [
        (Pin("keep"), True),
        (Pin("KEEP", "yes"), True),
        (Pin("keep", "no"), False),
        (Pin("k"), False),
    ],
)
def test_a_pin_is_a_tags_name_or_its_name_and_value(pin: Pin, kept: bool) -> None:
    standing = _standing(_version("2.0.0"), _version("1.0.0", tags={"keep": "yes"}))
    assert ("1.0.0" not in _deleted(standing, keep_last=1, pins=(pin,))) == kept


def test_what_a_guard_or_a_publication_holds_stays() -> None:
    guard = SafetyProfile(block_deletion_before_end_of_life=True)
    guarded = _version("1.0.0", safety=guard, end_of_life_date=NOW + DAY)
    staged = _version("1.0.1", committed=False, provisioning_state=ProvisioningState.CREATING)
    growing = _version("1.0.2", provisioning_state=ProvisioningState.UPDATING)
    standing = _standing(_version("2.0.0"), guarded, staged, growing)
    assert _deleted(standing, keep_last=1) == []


def test_what_lies_in_the_bin_is_not_decided_again() -> None:
    times = {"deleted_at": NOW, "consumption_ends_at": NOW, "hard_deletion_at": NOW}
    binned = _version("1.0.0", deletion=SoftDeletion(**times, replica_counts={}))
    decisions = decide(_standing(_version("2.0.0"), binned), RetentionRules(keep_last=1), NOW)
    assert [str(one.version.id.version) for one in decisions] == ["2.0.0"]


def test_a_deletion_that_was_begun_goes_on_whatever_would_keep_the_version() -> None:
    deleting = _version("3.0.0", provisioning_state=ProvisioningState.DELETING, tags={"keep": ""})
    standing = _standing(deleting, _version("2.0.0"))
    assert _deleted(standing, keep_last=2, pins=(Pin("keep"),)) == ["3.0.0"]
    assert _reasons(standing, "3.0.0", keep_last=2) == ("its deletion was begun",)


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ({}, "NoRetentionRule"),
        ({"pins": (Pin("keep"),)}, "NoRetentionRule"),
        ({"keep_last": 0}, "OutOfRange"),
        ({"keep_newer_than": -DAY}, "OutOfRange"),
        ({"end_of_life_grace": -DAY}, "OutOfRange"),
    ],
)
def test_rules_that_keep_nothing_are_refused(rules: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        decide([], RetentionRules(**rules), NOW)
    assert caught.value.code == code


_flags = st.sampled_from([None, True, False])
_days = st.none() | st.integers(0, 40).map(lambda days: days * DAY)


@st.composite
def _any_standing(draw: st.DrawFn) -> list[Standing]:
    numbers = draw(st.lists(st.integers(0, 12), unique=True, max_size=8))
    return [
        Standing(
            _version(
                f"1.{number}.0",
                age_days=draw(st.integers(0, 40)),
                target_regions=tuple(_target(name, draw(_flags)) for name in REGIONS),
                exclude_from_latest=draw(st.booleans()),
                committed=draw(st.integers(0, 9)) > 0,
                provisioning_state=draw(st.sampled_from(ProvisioningState)),
                tags=draw(st.sampled_from([{}, {"keep": "a"}, {"Keep": "b"}])),
                end_of_life_date=draw(
                    st.none() | st.integers(-40, 40).map(lambda d: NOW + d * DAY)
                ),
                safety=SafetyProfile(block_deletion_before_end_of_life=draw(st.booleans())),
            ),
            frozenset(draw(st.sets(st.sampled_from(REGIONS)))),
        )
        for number in numbers
    ]


_any_rules = st.builds(
    RetentionRules,
    keep_last=st.integers(1, 4),
    keep_newer_than=_days,
    end_of_life_grace=_days,
    pins=st.sampled_from([(), (Pin("keep"),), (Pin("keep", "b"),)]),
)


def _latest(standing: Sequence[Standing]) -> dict[str, VersionName]:
    newest_first = sorted(standing, key=lambda one: one.version.id.version, reverse=True)
    return latest_by_region(
        Candidate.of(one.version, one.completed) for one in newest_first if one.version.committed
    )


def _without(standing: Sequence[Standing], decisions: Sequence[Decision]) -> list[Standing]:
    gone = {one.version.id for one in decisions if not one.keep}
    return [one for one in standing if one.version.id not in gone]


@given(_any_standing(), _any_rules)
def test_the_latest_of_every_region_is_what_it_was(
    standing: list[Standing], rules: RetentionRules
) -> None:
    left = _without(standing, decide(standing, rules, NOW))
    assert _latest(left) == _latest(standing)


@given(_any_standing(), _any_rules)
def test_what_is_pinned_guarded_or_unfinished_is_never_deleted(
    standing: list[Standing], rules: RetentionRules
) -> None:
    for decision in decide(standing, rules, NOW):
        version = decision.version
        assert decision.reasons
        if version.provisioning_state is ProvisioningState.DELETING:
            assert not decision.keep
        elif not decision.keep:
            assert version.committed
            assert not any(pin.holds(version) for pin in rules.pins)
            end = version.end_of_life_date
            assert not (version.safety.block_deletion_before_end_of_life and end and end > NOW)


@given(_any_standing(), _any_rules)
def test_applied_again_it_deletes_nothing(standing: list[Standing], rules: RetentionRules) -> None:
    left = _without(standing, decide(standing, rules, NOW))
    assert all(decision.keep for decision in decide(left, rules, NOW))


@given(_any_standing(), _any_rules)
def test_as_many_as_asked_for_that_succeeded_are_left(
    standing: list[Standing], rules: RetentionRules
) -> None:
    def succeeded(of: Sequence[Standing]) -> list[VersionName]:
        done = ProvisioningState.SUCCEEDED
        of = [one for one in of if one.version.committed]
        return [o.version.id.version for o in of if o.version.provisioning_state is done]

    left = succeeded(_without(standing, decide(standing, rules, NOW)))
    wanted = sorted(succeeded(standing), reverse=True)[: rules.keep_last]
    assert set(wanted) <= set(left)


@given(_any_standing())
def test_one_version_asked_alone_is_latest_where_all_together_say_so(
    standing: list[Standing],
) -> None:
    newest_first = sorted(
        (Candidate.of(one.version, one.completed) for one in standing),
        key=lambda one: one.version,
        reverse=True,
    )
    by_region = latest_by_region(newest_first)
    for candidate in newest_first:
        regions = [r for r in REGIONS if by_region.get(r) == candidate.version]
        assert list(is_latest_in(candidate.version, REGIONS, iter(newest_first))) == regions
