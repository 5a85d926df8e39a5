"""What is written to stdout, format by format."""

import io
import json
from typing import Any

import pytest
import yaml

from imgrepl.cli.answer import Answer
from imgrepl.cli.cell_text import text_of
from imgrepl.cli.output import OutputFormat, compiled_query, write
from imgrepl.errors import UsageError

ROWS: list[dict[str, Any]] = [
    {"name": "1.0.0", "occupiedBytes": 294649856, "excluded": False, "tags": {"k": "v"}},
    {"name": "ümlaut\t[bold]\x1b[31m", "occupiedBytes": None, "excluded": True, "tags": {}},
]
COLUMNS = {"Version": "name", "Occupied": "occupiedBytes", "Excluded": "excluded"}


def written(value: object, form: str, query: str | None = None) -> str:
    stream = io.StringIO()
    write(
        Answer(value, COLUMNS),
        OutputFormat(form),
        None if query is None else compiled_query(query),
        stream,
    )
    return stream.getvalue()


def test_json_is_one_document() -> None:
    assert json.loads(written(ROWS, "json")) == ROWS


def test_json_lines_are_one_item_a_line() -> None:
    lines = written(ROWS, "jsonl").splitlines()

    assert [json.loads(line) for line in lines] == ROWS
    assert json.loads(written(ROWS[0], "jsonl")) == ROWS[0]


def test_json_survives_a_name_that_is_no_text() -> None:
    text = written({"file": "disk-\udcff.vhd"}, "json")

    assert json.loads(text.encode("ascii")) == {"file": "disk-\udcff.vhd"}


def test_yaml_reads_back() -> None:
    assert yaml.safe_load(written(ROWS, "yaml")) == ROWS


def test_tsv_has_exact_bytes_one_row_a_line_and_no_headings() -> None:
    first, second = written(ROWS, "tsv").splitlines()

    assert first == "1.0.0\t294649856\tfalse"
    assert second == "ümlaut\\t[bold]\x1b[31m\t\ttrue"


def test_tsv_of_a_query_has_the_columns_that_the_query_names() -> None:
    assert written(ROWS, "tsv", "[].{t: tags, n: name}").splitlines()[0] == '{"k":"v"}\t1.0.0'
    assert written(ROWS, "tsv", "[0].occupiedBytes") == "294649856\n"
    assert written(ROWS, "tsv", "[].[excluded, occupiedBytes]") == "false\t294649856\ntrue\t\n"
    assert written(ROWS, "tsv", "[].absent") == ""


def test_a_table_has_headings_and_binary_units() -> None:
    lines = written(ROWS, "table").splitlines()

    assert lines[0].split() == ["Version", "Occupied", "Excluded"]
    assert "281.0 MiB" in lines[2]


def test_no_name_can_drive_the_terminal_or_the_markup() -> None:
    text = written(ROWS, "table")

    assert "\x1b" not in text
    assert r"[bold]\x1b[31m" in text


def test_a_single_thing_is_shown_as_fields_and_tables_below_them() -> None:
    text = written({"name": "v", "profile": {"location": "eastus"}, "rows": ROWS}, "table")

    assert "profile.location  eastus" in text
    assert text.index("rows\n") > text.index("profile.location")


def test_an_empty_list_is_an_empty_table_and_an_empty_json_list() -> None:
    assert written([], "table") == ""
    assert written([], "tsv") == ""
    assert json.loads(written([], "json")) == []


def test_none_writes_nothing() -> None:
    assert written(ROWS, "none") == ""


def test_a_query_picks_before_anything_is_written() -> None:
    assert json.loads(written(ROWS, "json", "[?excluded].name | [0]")) == ROWS[1]["name"]


@pytest.mark.parametrize("query", ["[0", "a b", "unknown_function(@)", "abs(name)"])
def test_a_query_that_cannot_be_evaluated_is_wrong_usage(query: str) -> None:
    with pytest.raises(UsageError) as caught:
        written(ROWS[0], "json", query)

    assert caught.value.code == "InvalidQuery"
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("value", "field", "text"),
    [
        (None, "", ""),
        (True, "", "yes"),
        (60.0, "value", "60"),
        (200.0, "transfer.seconds", "3 min 20 s"),
        (0.25, "value", "0.25"),
        (1023, "sentBytes", "1,023 B"),
        (1 << 40, "sentBytes", "1.0 TiB"),
        (2048, "replicas.bytesDone", "2.0 KiB"),
        (2048, '"bytes"', "2.0 KiB"),
        (1024, "chunks", "1024"),
        (["eastus", "westeurope"], "", "eastus, westeurope"),
    ],
)
def test_values_read_as_people_write_them(value: object, field: str, text: str) -> None:
    assert text_of(value, field) == text


class _Left(io.StringIO):
    """A stream whose reader has left."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_reader_who_leaves_is_told_of_alike_in_every_form(form: str) -> None:
    with pytest.raises(BrokenPipeError):
        write(Answer([{"name": "a"}], None), OutputFormat(form), None, _Left())
