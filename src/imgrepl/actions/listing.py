"""Lists across galleries, resource groups and subscriptions, by conditions.

They leave out what the caller may not see.
"""

from imgrepl.actions import allowing
from imgrepl.actions import galleries as gallery_actions
from imgrepl.actions.context import Context
from imgrepl.actions.version_requests import VersionView
from imgrepl.actions.versions import list_of as of_definition
from imgrepl.gallery import definitions as definition_rows
from imgrepl.gallery import galleries as gallery_rows
from imgrepl.gallery import replicas
from imgrepl.gallery import versions as version_rows
from imgrepl.model.filters import EVERYTHING, Filter, Within
from imgrepl.model.gallery import Gallery, ImageDefinition
from imgrepl.model.policy import Action


def galleries(ctx: Context, within: Within, conditions: Filter = EVERYTHING) -> list[Gallery]:
    """Galleries by subscription, group and name."""
    found = gallery_actions.list_all(ctx, subscription=within.subscription, group=within.group)
    return [one for one in found if within.has_gallery(one) and conditions.passes(one)]


def definitions(
    ctx: Context, within: Within, conditions: Filter = EVERYTHING
) -> list[ImageDefinition]:
    """Image definitions by gallery and name.

    Raises `NotFound` where one gallery is asked for that is not there.
    """
    sees = allowing.seeing(ctx, Action.DEFINITION_READ, within.one_gallery)
    return [one for one in _looked_into(ctx, within) if conditions.passes(one) and sees(one.id)]


def versions(ctx: Context, within: Within, conditions: Filter = EVERYTHING) -> list[VersionView]:
    """Versions but those in bins: by gallery and definition, in each the newest first.

    Raises `NotFound` where one gallery or definition is asked for that is not there.
    """
    if within.one_definition is not None:
        found = of_definition(ctx, within.one_definition)
        return [view for view in found if conditions.passes(view.version)]
    return _of_many(ctx, within, conditions)


def _of_many(ctx: Context, within: Within, conditions: Filter) -> list[VersionView]:
    sees = allowing.seeing(ctx, Action.VERSION_READ, within.one_gallery)
    parents = {one.id: number for number, one in enumerate(_looked_into(ctx, within))}
    with ctx.index.read() as tx:
        found = [
            version
            for version in version_rows.list_all(tx)
            if version.deletion is None
            and version.id.definition in parents
            and conditions.passes(version)
            and sees(version.id)
        ]
        standing = replicas.of_all(tx)
    found.sort(key=lambda version: version.id.version, reverse=True)
    found.sort(key=lambda version: parents[version.id.definition])
    return [
        VersionView(version=version, replicas=tuple(standing.get(version.id, ())))
        for version in found
    ]


def _looked_into(ctx: Context, within: Within) -> list[ImageDefinition]:
    """The definitions that are looked into, whoever may see them."""
    with ctx.index.read() as tx:
        found = definition_rows.list_all(tx, gallery=within.one_gallery)
        own = not within.is_by_consumers_name
        known = gallery_rows.list_all(
            tx,
            subscription=within.subscription if own else None,
            group=within.group if own else None,
        )
    chosen = {one.id for one in known if within.has_gallery(one)}
    return [one for one in found if one.id.gallery in chosen and within.has_definition(one)]
