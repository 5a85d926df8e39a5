"""Forgets regions whose servers are gone for good, with all that stood in them alone."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from imgrepl.actions import allowing
from imgrepl.actions.context import Context
from imgrepl.errors import Conflict
from imgrepl.gallery import activity, contents, definitions, galleries, places, regions
from imgrepl.gallery import versions as rows
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.policy import Action

_BATCH = 1_000


def check_abandonable(ctx: Context, names: Collection[str]) -> None:
    """Whether these regions hold nothing that stands elsewhere too.

    Raises `Conflict` (`RegionInUse`) with the versions that do: to forget their regions would leave
    them half known.
    """
    allowing.check(ctx, Action.INDEX_WRITE, None)
    with ctx.index.read() as tx:
        _inside(tx, names)


def abandon(ctx: Context, names: Collection[str]) -> None:
    """Removes these regions from the index with the versions, definitions and galleries in them.

    No bucket is asked: they are taken to be gone. Regions that the index does not know are passed
    over. Raises `Conflict` (`RegionInUse`) as `check_abandonable`.
    """
    allowing.check(ctx, Action.INDEX_WRITE, None)
    with ctx.index.begin() as tx:
        versions = _inside(tx, names)
        for version in versions:
            rows.remove(tx, version.id)
        _remove_empty(tx, names)
        while unused := contents.unused(tx, _BATCH):
            contents.remove(tx, unused)
        for region in regions.list_all(tx):
            if region.name in names:
                places.abandon(tx, region.name)
                regions.remove(tx, region.name)
        detail = {"versions": [str(version.id) for version in versions]}
        target = " ".join(sorted(names))
        activity.log(tx, "region.abandon", target, "Succeeded", detail, ctx.principal)


def _inside(tx: Connection, names: Collection[str]) -> Sequence[ImageVersion]:
    """The versions that stand in these regions. Raises `Conflict` when one stands elsewhere too."""
    touched = [v for v in rows.list_all(tx, include_staged=True) if _regions_of(v) & set(names)]
    mixed = [str(version.id) for version in touched if _regions_of(version) - set(names)]
    if mixed:
        raise Conflict(
            f"{len(mixed)} versions stand in {', '.join(sorted(names))} and elsewhere",
            code="RegionInUse",
            details=mixed[:20],
            hint="`imgrepl image-version update --remove-regions` takes them out first",
        )
    return touched


def _regions_of(version: ImageVersion) -> set[str]:
    return {version.location, *(target.name for target in version.target_regions)}


def _remove_empty(tx: Connection, names: Collection[str]) -> None:
    for definition in definitions.list_all(tx):
        empty = not rows.list_of(tx, definition.id, include_staged=True)
        if definition.location in names and empty:
            definitions.remove(tx, definition.id)
    for gallery in galleries.list_all(tx):
        if gallery.location in names and not definitions.list_all(tx, gallery=gallery.id):
            galleries.remove(tx, gallery.id)
