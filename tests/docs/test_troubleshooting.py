"""The page of error codes: none that the program names is missing, none is left over."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from docs import error_codes

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
_ROW = re.compile(r"\| `(\w+)` \| ([\d, ]+) \| (.+) \| (.+) \|")
_RULE = re.compile(r"\| `(\w+)` \| ([^|]+) \|")


class Row(NamedTuple):
    exit_statuses: frozenset[int]
    meaning: str
    way_out: str


def rows() -> Mapping[str, Row]:
    found: dict[str, Row] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if match := _ROW.fullmatch(line):
            assert match[1] not in found, f"{match[1]} is there twice"
            statuses = frozenset(int(status) for status in match[2].split(","))
            found[match[1]] = Row(statuses, match[3], match[4])
    return found


def statuses() -> Mapping[str, set[int]]:
    """The exit statuses of each code in the source; 0 where the class is chosen while it runs."""
    found: dict[str, set[int]] = {}
    for named in error_codes.codes():
        found.setdefault(named.word, set()).add(named.exit_status or 0)
    return found


DOCUMENTED, RAISED = rows(), statuses()


def test_no_code_is_missing_in_the_page() -> None:
    assert sorted(RAISED.keys() - DOCUMENTED.keys()) == []


def test_no_code_in_the_page_is_stale() -> None:
    assert sorted(DOCUMENTED.keys() - RAISED.keys()) == []


@pytest.mark.parametrize("code", sorted(DOCUMENTED.keys() & RAISED.keys()))
def test_a_code_exits_as_the_page_says(code: str) -> None:
    documented, raised = DOCUMENTED[code].exit_statuses, RAISED[code]

    assert documented == raised or (0 in raised and documented >= raised - {0})


def test_every_warning_of_a_look_at_an_image_is_explained() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Warnings of `image inspect`")[2]

    explained = {match[1] for match in _RULE.finditer(section)}
    assert explained == {named.word for named in error_codes.rules()} - RAISED.keys()


def test_the_collector_sees_codes_that_are_handed_on_computed_or_default() -> None:
    assert {"VhdBlockInvalid", "IndexBusy", "EndpointTimeout", "PackLost", "Usage"} <= set(RAISED)
    assert RAISED["SourceNotReadable"] == {5, 9}
