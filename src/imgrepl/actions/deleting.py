"""Deletes galleries and definitions: says what would go, and then it goes."""

from typing import Any

from imgrepl.actions import definitions, galleries, version_deleting, versions
from imgrepl.actions.context import Context
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Conflict
from imgrepl.model.gallery import DefinitionId, GalleryId


def delete_gallery(
    ctx: Context, gallery_id: GalleryId, *, recursive: bool = False, dry_run: bool = False
) -> dict[str, Any]:
    """Deletes a gallery, with `recursive` its versions and definitions first, and says which.

    With `dry_run` nothing is changed. A run that stops half-way goes on when it is repeated. Raises
    `NotFound`; `Conflict` (`NotEmpty`) where something is in it and `recursive` is not given, and
    what the deletion of a version raises.
    """
    inside = galleries.tree(ctx, gallery_id)
    if not recursive:
        _refuse_children(str(gallery_id), [str(child) for child in inside.definitions])
    if not dry_run:
        for version in inside.versions:
            check_stop(ctx.engine.stop)
            version_deleting.delete(ctx, version)
        for definition in inside.definitions:
            definitions.delete(ctx, definition)
        galleries.delete(ctx, gallery_id)
    return {
        "gallery": str(gallery_id),
        "definitions": [str(definition) for definition in inside.definitions],
        "versions": [str(version) for version in inside.versions],
        "deleted": not dry_run,
    }


def delete_definition(
    ctx: Context, definition_id: DefinitionId, *, dry_run: bool = False
) -> dict[str, Any]:
    """Deletes a definition that has no versions.

    Raises `NotFound` and `Conflict` (`NotEmpty`), with `dry_run` as well.
    """
    present = versions.list_of(ctx, definition_id)
    _refuse_children(str(definition_id), [str(view.version.id) for view in present])
    if not dry_run:
        definitions.delete(ctx, definition_id)
    return {"definition": str(definition_id), "deleted": not dry_run}


def _refuse_children(parent: str, children: list[str]) -> None:
    if children:
        raise Conflict(
            f"{parent} is not empty: it holds {len(children)}",
            code="NotEmpty",
            target=parent,
            details=children[:20],
            hint="delete them first, or use `imgrepl gallery delete --recursive`",
        )
