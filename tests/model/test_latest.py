"""Which version `latest` is, region by region."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrepl.errors import NotFound
from imgrepl.model.gallery import GalleryId, VersionName
from imgrepl.model.latest import Candidate, explain, resolve, resolve_anywhere

DEFINITION = GalleryId(gallery="g").definition("d")
R = "eastus"


def _candidate(number: str, **fields: object) -> Candidate:
    made = Candidate(
        version=VersionName.parse(number),
        excluded=False,
        regions={R: None},
        completed=frozenset({R}),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def _latest(*candidates: Candidate, region: str = R) -> str:
    newest_first = sorted(candidates, key=lambda c: c.version, reverse=True)
    return str(resolve(DEFINITION, newest_first, region))


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (("1.9.0", "1.10.0"), "1.10.0"),
        (("1.0.9", "1.0.12"), "1.0.12"),
        (("9.0.0", "10.0.0"), "10.0.0"),
    ],
)
def test_numbers_compare_as_integers(numbers: tuple[str, ...], expected: str) -> None:
    assert _latest(*(_candidate(number) for number in numbers)) == expected


def test_a_version_that_still_replicates_here_does_not_count_here() -> None:
    newer = _candidate("2.0.0", completed=frozenset())
    assert _latest(newer, _candidate("1.9.9")) == "1.9.9"


def test_an_excluded_version_is_skipped() -> None:
    assert _latest(_candidate("2.0.0", excluded=True), _candidate("1.0.0")) == "1.0.0"


def test_a_version_in_the_bin_is_never_the_latest_and_that_is_said() -> None:
    deleted = _candidate("2.0.0", soft_deleted=True, excluded=False, regions={R: False})
    assert _latest(deleted, _candidate("1.0.0")) == "1.0.0"
    assert deleted.reason_against(R) == "it is soft-deleted"


def test_a_region_may_take_back_what_the_version_excludes() -> None:
    both = frozenset({R, "west"})
    back = _candidate("2.0.0", excluded=True, regions={R: False, "west": None}, completed=both)
    old = _candidate("1.0.0", regions={R: None, "west": None}, completed=both)
    assert _latest(back, old) == "2.0.0"
    assert _latest(back, old, region="west") == "1.0.0"


def test_a_region_may_exclude_what_the_version_does_not() -> None:
    assert _latest(_candidate("2.0.0", regions={R: True}), _candidate("1.0.0")) == "1.0.0"


def test_a_version_that_is_being_deleted_is_never_latest() -> None:
    assert _latest(_candidate("2.0.0", deleting=True), _candidate("1.0.0")) == "1.0.0"


def test_a_region_that_was_left_does_not_count_even_if_replicas_remain() -> None:
    left = _candidate("2.0.0", regions={"west": None}, completed=frozenset({R, "west"}))
    assert _latest(left, _candidate("1.0.0")) == "1.0.0"


def test_none_here_but_one_elsewhere_names_where() -> None:
    west = _candidate("1.0.0", regions={R: None, "west": None}, completed=frozenset({"west"}))
    with pytest.raises(NotFound, match="west") as caught:
        _latest(west)
    assert caught.value.code == "NotAvailableInRegion"
    assert caught.value.details == ("1.0.0: no replica in eastus is Completed",)


def test_none_anywhere_is_no_latest_version() -> None:
    for candidates in ((), (_candidate("1.0.0", excluded=True),)):
        with pytest.raises(NotFound) as caught:
            _latest(*candidates)
        assert caught.value.code == "NoLatestVersion"
        with pytest.raises(NotFound):
            resolve_anywhere(DEFINITION, candidates)


def test_anywhere_gives_the_highest_of_all_regions_and_where_it_is() -> None:
    newer = _candidate("2.0.0", regions={R: None, "west": None}, completed=frozenset({"west"}))
    found = resolve_anywhere(DEFINITION, [newer, _candidate("1.0.0")])
    assert found == (VersionName(2, 0, 0), ("west",))


def test_an_explanation_has_one_winner_and_a_reason_for_each_other() -> None:
    found = explain(
        [
            _candidate("4.0.0", deleting=True),
            _candidate("3.0.0", excluded=True),
            _candidate("2.0.0"),
            _candidate("1.0.0"),
        ],
        R,
    )
    assert [str(line) for line in found] == [
        "4.0.0: it is being deleted",
        "3.0.0: it is excluded from latest",
        "2.0.0: the latest",
        "1.0.0: it is older than 2.0.0",
    ]


def test_resolving_reads_no_further_than_the_winner() -> None:
    def endless() -> Iterator[Candidate]:
        yield _candidate("2.0.0", excluded=True)
        yield _candidate("1.0.0")
        raise AssertionError("read too far")

    assert resolve(DEFINITION, endless(), R) == VersionName(1, 0, 0)


def test_candidates_out_of_order_are_a_fault() -> None:
    hidden = [_candidate("1.0.0", excluded=True), _candidate("2.0.0")]
    with pytest.raises(AssertionError):
        resolve(DEFINITION, hidden, R)


_TRI = st.sampled_from([None, False, True])
_CANDIDATES = st.dictionaries(
    st.integers(0, 30),
    st.tuples(st.booleans(), _TRI, _TRI, st.sets(st.sampled_from([R, "west"])), st.booleans()),
    max_size=12,
)


@given(_CANDIDATES)
def test_resolve_and_explain_agree_with_the_rule_said_plainly(
    drawn: dict[int, tuple[bool, bool | None, bool | None, set[str], bool]],
) -> None:
    candidates = [
        Candidate(
            version=VersionName(1, 0, number),
            excluded=excluded,
            regions={R: here, "west": west},
            completed=frozenset(completed),
            deleting=deleting,
        )
        for number, (excluded, here, west, completed, deleting) in sorted(drawn.items())[::-1]
    ]
    eligible = [
        number
        for number, (excluded, here, _, completed, deleting) in drawn.items()
        if not deleting and R in completed and not (excluded if here is None else here)
    ]
    won = [line.version.patch for line in explain(candidates, R) if line.reason is None]
    assert won == ([max(eligible)] if eligible else [])
    if eligible:
        assert resolve(DEFINITION, candidates, R).patch == max(eligible)
    else:
        with pytest.raises(NotFound):
            resolve(DEFINITION, candidates, R)
