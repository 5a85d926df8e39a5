"""The page of rules: each row is a rule that is tested, each code of the rules' rooms is on it."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from actions.broken_regions import REGION_RULES
from actions.broken_rules import RULES
from actions.broken_sharing import SHARING_RULES
from docs import error_codes
from imgrepl.model.states import PROVISIONING_MOVES, REPLICA_MOVES

EVERY_RULE = (*RULES, *REGION_RULES, *SHARING_RULES)
TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "rules.md").read_text(encoding="utf-8")
_ROW = re.compile(r"\| ([^|`]+) \| ([^|]+) \| `(\w+)` \| (\d+) \| ([^|]+) \| ([^|]*)\|")
_OTHER = re.compile(r"\| `(\w+)` \| (\d+) \| [^|]+ \|")
_MOVES = re.compile(r"\| `(\w+)` \| ((?:`\w+`(?:, )?)+|nothing[^|]*) \|")
_ROOMS = ("model/", "actions/")


class Row(NamedTuple):
    """One rule as the page has it."""

    allowed: str
    code: str
    exit_status: int
    way_out: str
    tests: list[str]


ROWS = {
    match[1]: Row(match[2], match[3], int(match[4]), match[5], re.findall(r"`(\w+)`", match[6]))
    for match in map(_ROW.fullmatch, PAGE.splitlines())
    if match
}
OTHERS = {match[1]: int(match[2]) for match in map(_OTHER.fullmatch, PAGE.splitlines()) if match}


@cache
def names_of_tests() -> frozenset[str]:
    """The name of every test function there is."""
    return frozenset(
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def test_every_rule_that_is_tested_stands_on_the_page_and_no_other() -> None:
    assert sorted(ROWS) == sorted(broken.rule for broken in EVERY_RULE)


@pytest.mark.parametrize("broken", EVERY_RULE, ids=lambda one: one.rule)
def test_a_row_has_the_code_and_exit_status_of_its_rule(broken: object) -> None:
    rule = next(one for one in EVERY_RULE if one is broken)
    assert (ROWS[rule.rule].code, ROWS[rule.rule].exit_status) == (rule.code, rule.exit_status)


def test_every_test_that_a_row_names_exists() -> None:
    named = {test for row in ROWS.values() for test in row.tests}
    assert sorted(named - names_of_tests()) == []
    assert len(named) > 40


def test_every_code_of_model_and_actions_is_on_the_page_with_its_exit_status() -> None:
    stated: dict[str, set[int]] = {code: {status} for code, status in OTHERS.items()}
    for row in ROWS.values():
        stated.setdefault(row.code, set()).add(row.exit_status)
    raised: dict[str, set[int]] = {}
    for named in error_codes.codes():
        if named.where.startswith(_ROOMS) and named.exit_status is not None:
            raised.setdefault(named.word, set()).add(named.exit_status)
    assert sorted(raised.keys() - stated.keys()) == []
    assert [code for code, statuses in raised.items() if not statuses & stated[code]] == []


def test_no_other_error_of_the_page_is_stale() -> None:
    assert sorted(OTHERS.keys() - {named.word for named in error_codes.codes()}) == []


def test_the_tables_of_states_are_those_of_the_program() -> None:
    section = PAGE.partition("## States")[2].partition("## ")[0]
    rows = [match for match in map(_MOVES.fullmatch, section.splitlines()) if match]
    said = {match[1]: set(re.findall(r"`(\w+)`", match[2])) for match in rows}
    moves = {state.value: set(map(str, then)) for state, then in PROVISIONING_MOVES.items()}
    replica = {state.value: set(map(str, then)) for state, then in REPLICA_MOVES.items()}
    assert len(rows) == len(moves) + len(replica)
    failed = [set(re.findall(r"`(\w+)`", match[2])) for match in rows if match[1] == "Failed"]
    assert failed == [moves.pop("Failed"), replica.pop("Failed")]
    assert {name: then for name, then in said.items() if name != "Failed"} == moves | replica
