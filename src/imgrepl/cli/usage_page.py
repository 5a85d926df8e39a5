"""Usage for people: galleries, definitions, versions and regions as one tree of names."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from imgrepl.cli.blocks import Block, Column, Grid

Json = Mapping[str, Any]

_FIGURES = (
    Column("Provisioned", "provisionedBytes", spare=1),
    Column("Occupied", "occupiedBytes"),
    Column("Billed", "billedBytes"),
    Column("Stored", "storedBytes"),
    Column("Replicas", "replicas", spare=2),
)
_STEP = "  "


def usage_page(usage: Json) -> Iterator[Block]:
    """What `usage` gives: first by image, then by region, each with the sum of all."""
    total = {**usage["total"], "name": "all"}
    by_region = [{**region, "name": region["region"]} for region in usage["regions"]]
    yield Grid([*_tree(usage), total], (Column("Image", "name"), *_FIGURES))
    yield Grid([*by_region, total], (Column("Region", "name"), *_FIGURES))


def _tree(usage: Json) -> Iterator[Json]:
    """Every gallery with its definitions below it, below those their versions, then regions."""
    definitions = _grouped(usage["definitions"], _gallery_name)
    versions = _grouped(usage["versions"], _definition_name)
    for gallery in usage["galleries"]:
        yield {**gallery, "name": _gallery_name(gallery)}
        for definition in definitions[_gallery_name(gallery)]:
            yield {**definition, "name": _STEP + definition["definition"]}
            for version in versions[_definition_name(definition)]:
                yield {**version, "name": _STEP * 2 + version["version"]}
                for region in version["regions"]:
                    yield {**region, "name": _STEP * 3 + region["region"]}


def _grouped(entries: Sequence[Json], name: Callable[[Json], str]) -> dict[str, list[Json]]:
    groups: dict[str, list[Json]] = {}
    for entry in entries:
        groups.setdefault(name(entry), []).append(entry)
    return groups


def _definition_name(entry: Json) -> str:
    return f"{_gallery_name(entry)}/{entry['definition']}"


def _gallery_name(entry: Json) -> str:
    """The gallery, after its subscription and group where those are not the default ones."""
    where = [entry["subscription"], entry["resourceGroup"]]
    return "/".join([*(where if where != ["default", "default"] else []), entry["gallery"]])
