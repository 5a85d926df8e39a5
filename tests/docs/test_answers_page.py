"""The page of answers: all 23 complaints, each with a command that exists and can be tried."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "answers.md").read_text(encoding="utf-8")
_ROW = re.compile(r"\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|")
ROWS = [match for match in map(_ROW.fullmatch, PAGE.splitlines()) if match]


def test_every_complaint_has_its_row() -> None:
    assert [int(row[1]) for row in ROWS] == list(range(1, 24))


def test_every_row_names_a_command_to_try() -> None:
    assert [row[1] for row in ROWS if "`imgrepl " not in row[4]] == []
