"""Figures by image as one tree of names: galleries, definitions, versions and regions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from imgrepl.model.wording import counted

Json = Mapping[str, Any]

_STEP = "  "
VERSIONS_SHOWN_MAX = 500
"""Of more than so many, nobody reads the lines: they are left out, with those of their regions."""


def image_tree(report: Json) -> Iterator[Json]:
    """Every gallery with its definitions below it, below those their versions, then regions.

    Without versions where there are more than `VERSIONS_SHOWN_MAX`, which `left_out` says.
    """
    definitions = _grouped(report["definitions"], _gallery_name)
    shown = [] if left_out(report) else report["versions"]
    versions = _grouped(shown, _definition_name)
    for gallery in report["galleries"]:
        yield {**gallery, "name": _gallery_name(gallery)}
        for definition in definitions[_gallery_name(gallery)]:
            yield {**definition, "name": _STEP + definition["definition"]}
            for version in versions.get(_definition_name(definition), ()):
                yield {**version, "name": _STEP * 2 + version["version"]}
                for region in version["regions"]:
                    yield {**region, "name": _STEP * 3 + region["region"]}


def left_out(report: Json) -> list[str]:
    """Says what the tree has not, if anything."""
    count = len(report["versions"])
    if count <= VERSIONS_SHOWN_MAX:
        return []
    way_out = "-r GALLERY shows those of one gallery, -o json all of them"
    return [f"{counted(count, 'version')}, more than {VERSIONS_SHOWN_MAX}, not listed: {way_out}"]


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
