"""Pages of chosen fields, under the names that a person uses."""

from collections.abc import Iterator, Mapping
from typing import Any

from imgrepl.cli.blocks import Block, Column, Facts, Grid, Page
from imgrepl.cli.cell_text import text_of


def list_page(*columns: Column) -> Page:
    """A page of one grid that holds the list itself."""
    return lambda rows: [Grid(rows, columns)]


def fact_page(names: Mapping[str, str], *grids: tuple[str, Grid]) -> Page:
    """A page of the fields that JMESPath expressions pick, by the names they are shown under.

    `grids` follow: each is filled with the list that its expression picks.
    """

    def blocks(value: Mapping[str, Any]) -> Iterator[Block]:
        import jmespath

        found = {name: (path, jmespath.search(path, value)) for name, path in names.items()}
        yield Facts({name: text_of(field, path) for name, (path, field) in found.items()})
        for path, grid in grids:
            yield Grid(jmespath.search(path, value) or (), grid.columns, grid.title)

    return blocks
