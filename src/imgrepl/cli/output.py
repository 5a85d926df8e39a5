"""Writes a result: JSON, JSON lines, YAML, a table, tab-separated values, or nothing."""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TextIO

from imgrepl.cli.answer import Answer
from imgrepl.cli.blocks import Page
from imgrepl.cli.plain import plain
from imgrepl.cli.rows import Columns, cells, columns_of, rows_of
from imgrepl.errors import UsageError


class OutputFormat(StrEnum):
    """How results are written."""

    JSON = "json"
    JSONL = "jsonl"
    YAML = "yaml"
    TABLE = "table"
    TSV = "tsv"
    NONE = "none"

    @property
    def for_programs(self) -> bool:
        """Whether errors are written as JSON too."""
        return self in {OutputFormat.JSON, OutputFormat.JSONL}


Query = Callable[[Any], Any]
"""Picks from a result."""


def compiled_query(expression: str, option: str = "--query") -> Query:
    """A JMESPath expression, ready to run. Raises `UsageError` (`InvalidQuery`) for any other."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        compiled = jmespath.compile(expression)
    except JMESPathError as error:
        raise _bad_query(option, expression, error) from error

    def search(value: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
        try:
            return compiled.search(value)
        except JMESPathError as error:
            raise _bad_query(option, expression, error) from error

    return search


def _bad_query(option: str, expression: str, error: Exception) -> UsageError:
    reason = " ".join(str(error).split())
    return UsageError(
        f"{option} {expression!r} cannot be evaluated: {reason}",
        code="InvalidQuery",
        hint="the language is described at https://jmespath.org",
    )


def write(answer: Answer, form: OutputFormat, query: Query | None, stream: TextIO) -> None:
    """Writes the answer's value to `stream`, after `query` picked from it.

    A query's result is shown with its own fields as the columns of a table.
    """
    value = plain(answer.value)
    value = value if query is None else query(value)
    columns = answer.columns if query is None else None
    match form:
        case OutputFormat.JSON:
            stream.write(json.dumps(value, indent=2) + "\n")
        case OutputFormat.JSONL:
            items = value if isinstance(value, list) else [value]
            stream.writelines(json.dumps(item, separators=(",", ":")) + "\n" for item in items)
        case OutputFormat.YAML:
            stream.write(_yaml(value))
        case OutputFormat.TSV:
            _write_tsv(value, columns, stream)
        case OutputFormat.TABLE:
            _write_for_people(value, columns, answer.page if query is None else None, stream)
        case OutputFormat.NONE:
            pass


def _write_for_people(
    value: object, columns: Columns | None, page: Page | None, stream: TextIO
) -> None:
    from imgrepl.cli.tables import write_page, write_table

    if page is None:
        write_table(value, columns, stream)
    else:
        write_page(page(value), stream)


def _yaml(value: object) -> str:
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, explicit_end=False)


_TSV_ESCAPES = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"})


def _write_tsv(value: object, columns: Columns | None, stream: TextIO) -> None:
    """One row a line and no headings: nothing for null, compact JSON for what is nested."""
    for row in rows_of(value):
        if isinstance(row, Mapping):
            values = cells(row, columns or columns_of([row]))
        else:
            values = list(row) if isinstance(row, list) else [row]
        stream.write("\t".join(_tsv_cell(cell) for cell in values) + "\n")


def _tsv_cell(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return text.translate(_TSV_ESCAPES)
