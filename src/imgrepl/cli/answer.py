"""What a command gives back to the frame: a value to render, and how to show it as a table."""

from collections.abc import Mapping
from dataclasses import dataclass

from imgrepl.cli.blocks import Page
from imgrepl.errors import ImgreplError


@dataclass(frozen=True)
class Answer:
    """A result: JSON values, or values of the model, which become JSON when they are written.

    `columns` maps a table's headings to JMESPath expressions over one row; None shows every field.
    `error` is raised after the value was written, for results that are a verdict as well: the
    report of a verify that found damage still belongs on stdout. `page` lays out a result that is
    more than one table; it is for people and changes no other form of output.
    """

    value: object
    columns: Mapping[str, str] | None = None
    error: ImgreplError | None = None
    page: Page | None = None
