"""The gallery and the definition of a copy, made as they are at the source."""

from dataclasses import fields
from typing import TYPE_CHECKING

from imgrepl.actions import definitions, galleries, parents
from imgrepl.actions.context import Context
from imgrepl.actions.definitions import CreateDefinition
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.gallery import definitions as definition_rows
from imgrepl.gallery import galleries as gallery_rows
from imgrepl.gallery import regions
from imgrepl.model.gallery import (
    DefinitionId,
    Gallery,
    GalleryId,
    ImageDefinition,
    ImageVersion,
)
from imgrepl.model.region import normal_region_name

if TYPE_CHECKING:
    from imgrepl.actions.copying import CopyVersion


def create_missing(
    ctx: Context, request: "CopyVersion", other: Context, source: ImageVersion
) -> None:
    """Makes the target's gallery and definition where they are missing, with all their fields."""
    with other.index.read() as tx:
        gallery = gallery_rows.get(tx, source.id.gallery)
        definition = definition_rows.get(tx, source.id.definition)
    copy_gallery(ctx, gallery, request.id.gallery, location=request.location)
    copy_definition(ctx, definition, request.id.definition, location=request.location)


def copy_gallery(
    ctx: Context, source: Gallery, target: GalleryId, *, location: str | None = None
) -> None:
    """Makes `target` like `source`, unless it is there.

    Its home is `location`, else the source's where this index has such a region.
    """
    with ctx.index.read() as tx:
        if gallery_rows.find(tx, target) is not None:
            return
    galleries.create(
        ctx,
        target,
        location=_home(ctx, location, source.location),
        description=source.description,
        tags=source.tags,
        bin_policy=GalleryChanges(
            soft_delete_enabled=source.soft_delete_enabled,
            soft_delete_retention_days=source.soft_delete_retention_days,
            soft_delete_grace_days=source.soft_delete_grace_days,
        ),
    )


def copy_definition(
    ctx: Context, source: ImageDefinition, target: DefinitionId, *, location: str | None = None
) -> None:
    """Makes `target` like `source`, unless it is there. Its gallery must be."""
    with ctx.index.read() as tx:
        if definition_rows.find(tx, target) is not None:
            return
    wanted = {item.name for item in fields(CreateDefinition)}
    given = {
        item.name: getattr(source, item.name) for item in fields(source) if item.name in wanted
    }
    own = {"id": target, "location": _home(ctx, location, source.location)}
    definitions.create(ctx, CreateDefinition(**given | own), past_end_of_life=True)


def _home(ctx: Context, location: str | None, at_source: str) -> str:
    with ctx.index.read() as tx:
        known = {region.name for region in regions.list_all(tx)}
        if location is not None:
            return regions.get(tx, normal_region_name(location)).name
        return at_source if at_source in known else parents.default_location(tx)
