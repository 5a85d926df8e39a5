"""Deletes galleries and definitions: says what would go and what stands in the way, then it goes.

What is taken with its parent goes for good, past the bin: there would be nothing to bring it back
to. So it must be said where the gallery has a bin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imgrepl.actions import (
    allowing,
    definitions,
    erasing,
    galleries,
    sharing_profiles,
    version_deleting,
)
from imgrepl.actions.context import Context
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Conflict
from imgrepl.gallery import versions as rows
from imgrepl.model import etags
from imgrepl.model.gallery import DefinitionId, Gallery, GalleryId, ImageVersion
from imgrepl.model.policy import Action

_DETAILS_MAX = 20


@dataclass(frozen=True, kw_only=True)
class DeleteParent:
    """How a gallery or a definition is to be deleted: alone, or with all that is in it."""

    recursive: bool = False
    bypass_soft_delete: bool = False
    if_match: str | None = None
    dry_run: bool = False


ALONE = DeleteParent()


def delete_gallery(
    ctx: Context, gallery_id: GalleryId, how: DeleteParent = ALONE
) -> dict[str, Any]:
    """Deletes a gallery, when asked with its versions and definitions first, and says which.

    A dry run changes nothing and lists everything, with what stands in the way. Nothing goes while
    something does; a run that stops half-way goes on when it is repeated. Raises `NotFound`;
    `Conflict`: `NotEmpty`, `SoftDeleteEnabled`, `DeletionBlocked`, `OperationBusy`,
    `GalleryShared`, `ChangedMeanwhile`.
    """
    allowing.check(ctx, Action.GALLERY_DELETE, gallery_id)
    gallery = galleries.show(ctx, gallery_id)
    etags.check_match(gallery, how.if_match)
    inside = galleries.tree(ctx, gallery_id)
    if not how.recursive:
        _refuse_children(str(gallery_id), [str(child) for child in inside.definitions], "gallery")
    blocked = [*_public(gallery), *_obstacles(ctx, gallery, inside.versions, how)]
    if not how.dry_run:
        _refuse_obstacles(str(gallery_id), blocked)
        _delete_versions(ctx, inside.versions)
        for definition in inside.definitions:
            definitions.delete(ctx, definition)
        galleries.delete(ctx, gallery_id, if_match=how.if_match)
    return {
        "gallery": str(gallery_id),
        "definitions": [str(definition) for definition in inside.definitions],
        **_listed(inside.versions, blocked),
        "deleted": not how.dry_run,
    }


def delete_definition(
    ctx: Context, definition_id: DefinitionId, how: DeleteParent = ALONE
) -> dict[str, Any]:
    """Deletes a definition, when asked with its versions first, and says which.

    Raises as `delete_gallery`.
    """
    allowing.check(ctx, Action.DEFINITION_DELETE, definition_id)
    definition = definitions.show(ctx, definition_id)
    etags.check_match(definition, how.if_match)
    gallery = galleries.show(ctx, definition_id.gallery)
    with ctx.index.read() as tx:
        inside = rows.list_of(tx, definition_id, include_staged=True)
    if not how.recursive:
        _refuse_children(
            str(definition_id), [_named(child) for child in inside], "image-definition"
        )
    blocked = _obstacles(ctx, gallery, inside, how)
    if not how.dry_run:
        _refuse_obstacles(str(definition_id), blocked)
        _delete_versions(ctx, inside)
        definitions.delete(ctx, definition_id, if_match=how.if_match)
    return {
        "definition": str(definition_id),
        **_listed(inside, blocked),
        "deleted": not how.dry_run,
    }


def _delete_versions(ctx: Context, inside: Sequence[ImageVersion]) -> None:
    for version in inside:
        check_stop(ctx.engine.stop)
        version_deleting.delete(ctx, version.id, bypass_soft_delete=True)


def _obstacles(
    ctx: Context, gallery: Gallery, inside: Sequence[ImageVersion], how: DeleteParent
) -> list[Conflict]:
    """What stands in the way: each guarded or busy version, and the bin."""
    found = []
    binned = [version for version in inside if version.committed]
    has_bin = gallery.soft_delete_enabled or any(version.deletion for version in inside)
    if binned and has_bin and not how.bypass_soft_delete:
        found.append(
            Conflict(
                f"{gallery.id} has a bin, and {len(binned)} versions would go past it for good",
                code="SoftDeleteEnabled",
                target=str(gallery.id),
                hint="say --bypass-soft-delete, or delete the versions into the bin and wait",
            )
        )
    with ctx.index.read() as tx:
        obstacles = [erasing.obstacle(ctx, tx, version) for version in inside]
    return [*found, *(obstacle for obstacle in obstacles if obstacle is not None)]


def _public(gallery: Gallery) -> list[Conflict]:
    try:
        sharing_profiles.refuse_public(gallery)
    except Conflict as error:
        return [error]
    return []


def _refuse_obstacles(parent: str, found: Sequence[Conflict]) -> None:
    if len(found) == 1:
        raise found[0]
    if found:
        raise Conflict(
            f"{parent} is not deleted: {len(found)} things stand in the way",
            code="DeletionBlocked",
            target=parent,
            details=[obstacle.message for obstacle in found[:_DETAILS_MAX]],
            hint="a dry run lists each with its code",
        )


def _refuse_children(parent: str, children: Sequence[str], noun: str) -> None:
    if children:
        raise Conflict(
            f"{parent} is not empty: it holds {len(children)}",
            code="NotEmpty",
            target=parent,
            details=children[:_DETAILS_MAX],
            hint=f"delete them first, or use `imgrepl {noun} delete --recursive`",
        )


def _listed(inside: Sequence[ImageVersion], blocked: Sequence[Conflict]) -> dict[str, Any]:
    return {
        "versions": [str(version.id) for version in inside],
        "softDeletedVersions": [str(version.id) for version in inside if version.deletion],
        "stagedVersions": [str(version.id) for version in inside if not version.committed],
        "blocked": [
            {"target": obstacle.target, "code": obstacle.code, "reason": obstacle.message}
            for obstacle in blocked
        ],
    }


def _named(version: ImageVersion) -> str:
    return f"{version.id} (soft-deleted)" if version.deletion else str(version.id)
