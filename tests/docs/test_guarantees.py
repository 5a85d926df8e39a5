"""The page of promises: each is numbered and held by tests that are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_PATH = re.compile(r"`(tests/[\w/]+(?:\.py)?)`")


def sections() -> dict[str, str]:
    """The text of each promise by its number."""
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    return {part.split()[0]: part for part in parts if part.startswith("G-")}


@cache
def names_in(path: str) -> frozenset[str]:
    """The tests, and classes of tests, of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, kinds) and node.name.startswith(("test_", "Test"))
    )


def test_the_promises_are_numbered_one_after_the_other() -> None:
    assert list(sections()) == [f"G-{number}" for number in range(1, len(sections()) + 1)]
    assert len(sections()) >= 8


@pytest.mark.parametrize("number", sections())
def test_each_promise_has_tests(number: str) -> None:
    assert len(_NAMED.findall(sections()[number])) >= 3


@pytest.mark.parametrize(("path", "name"), sorted(set(_NAMED.findall(PAGE))))
def test_each_test_that_is_named_is_there(path: str, name: str) -> None:
    assert name in names_in(path)


def test_each_file_that_is_named_is_there() -> None:
    assert [path for path in _PATH.findall(PAGE) if not (ROOT / path).exists()] == []


def test_each_violation_is_of_a_promise_and_held_by_a_test() -> None:
    table = PAGE.split("## What was found")[1]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 10
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1] in sections(), row
        assert _NAMED.search(cells[3]), row


def test_what_is_not_promised_is_said() -> None:
    assert "## What is not promised" in PAGE


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_the_page_is_linked(page: str) -> None:
    assert re.search(r"\]\((docs/)?guarantees\.md\)", (ROOT / page).read_text(encoding="utf-8"))
