"""Fields of a copy that follow those of its source: what may change, where it has changed."""

from collections.abc import Iterator

from imgrepl.actions import definitions, galleries, updating
from imgrepl.actions.context import Context
from imgrepl.actions.definitions import DefinitionChanges
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.version_requests import UpdateVersion
from imgrepl.gallery import versions as rows
from imgrepl.model.gallery import (
    DefinitionId,
    Gallery,
    GalleryId,
    ImageDefinition,
    ImageVersion,
    VersionId,
)

_DEFINITION_FIELDS = (
    "release_note_uri",
    "recommended_vcpus",
    "recommended_memory",
    "features",
    "features_start_at",
    "allow_update_image",
)


def gallery(ctx: Context, source: Gallery, target: GalleryId) -> Iterator[str]:
    """Gives the target the source's description and tags; names it where that changed something."""
    before = galleries.show(ctx, target)
    changes = GalleryChanges(description=source.description or "", tags=source.tags)
    if galleries.update(ctx, target, changes) != before:
        yield str(target)


def definition(ctx: Context, source: ImageDefinition, target: DefinitionId) -> Iterator[str]:
    """Gives the target what may change of the source; names it where that changed something."""
    before = definitions.show(ctx, target)
    clear = {
        name
        for name in definitions.CLEARABLE
        if getattr(source, name) is None and getattr(before, name) is not None
    }
    ends = source.end_of_life_date
    changes = DefinitionChanges(
        description=source.description,
        tags=source.tags,
        disallowed_disk_types=source.disallowed_disk_types,
        end_of_life_date=None if ends == before.end_of_life_date else ends,
        clear=frozenset(clear),
        **{
            name: getattr(source, name)
            for name in _DEFINITION_FIELDS
            if getattr(source, name) != getattr(before, name)
        },
    )
    if definitions.update(ctx, target, changes) != before:
        yield str(target)


def version(ctx: Context, source: ImageVersion, target: VersionId) -> Iterator[str]:
    """Gives the target the source's tags and profile, not its regions; names it if that changed."""
    with ctx.index.read() as tx:
        before = rows.get(tx, target)
    ends = source.end_of_life_date
    changes = UpdateVersion(
        tags=source.tags,
        exclude_from_latest=source.exclude_from_latest,
        end_of_life_date=None if ends == before.end_of_life_date else ends,
        block_deletion_before_end_of_life=source.safety.block_deletion_before_end_of_life,
        allow_deletion_of_replicated_locations=source.safety.allow_deletion_of_replicated_locations,
    )
    after = updating.update(ctx, target, changes).version
    if after != before:
        yield str(target)
