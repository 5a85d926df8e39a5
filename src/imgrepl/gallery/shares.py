"""What is granted where, and how galleries are shared: what the policy is told."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from imgrepl.gallery import lookups
from imgrepl.gallery.schema import definitions, galleries, versions
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId, VersionName
from imgrepl.model.policy import Scope, ScopedGrant, Standing, lineage
from imgrepl.model.sharing import (
    PRIVATE,
    Grant,
    SharingProfile,
    grants_of_json,
    grants_to_json,
    profile_of_json,
)

_GALLERY = (galleries.c.subscription, galleries.c.group_name, galleries.c.name)


def grant_values(grants: Sequence[Grant]) -> dict[str, Any]:
    """The column of any resource's grants; nothing where there are none."""
    return {"grants": grants_to_json(grants) or None}


def granted(column: Sequence[Mapping[str, Any]] | None) -> tuple[Grant, ...]:
    """Back from `grant_values`."""
    return grants_of_json(column or ())


def sharing_of(column: Mapping[str, Any] | None) -> SharingProfile:
    """A gallery's sharing out of its column."""
    return PRIVATE if column is None else profile_of_json(column)


def standing_at(tx: Connection, scope: Scope, owner: str) -> Standing:
    """What bears on a question about `scope`; about the whole index, everything.

    What does not exist has nothing granted on it.
    """
    if scope is None:
        return standing_of_all(tx, owner)
    grants: list[ScopedGrant] = []
    sharing: dict[GalleryId, SharingProfile] = {}
    for one in lineage(scope):
        row = tx.execute(_row_of(one)).one_or_none()
        if row is None:
            break
        grants += [ScopedGrant(scope=one, grant=grant) for grant in granted(row.grants)]
        if isinstance(one, GalleryId) and row.sharing is not None:
            sharing[one] = sharing_of(row.sharing)
    return Standing(owner=owner, grants=tuple(grants), sharing=sharing)


def resolved(tx: Connection, scope: Scope) -> Scope:
    """The scope by its gallery's own name, where it came by a unique or public one."""
    lineage_of = lineage(scope)
    gallery = lineage_of[0] if lineage_of else None
    if not isinstance(gallery, GalleryId) or "-" not in gallery.gallery:
        return scope
    named: sa.Select[Any] = sa.select(*_GALLERY)
    row = tx.execute(named.where(lookups.is_gallery(gallery))).one_or_none()
    if row is None:
        return scope
    found = _gallery_id(row)
    match scope:
        case DefinitionId():
            return found.definition(scope.definition)
        case VersionId():
            return found.definition(scope.definition.definition).version(scope.version)
    return found


def standing_of_all(tx: Connection, owner: str) -> Standing:
    """Every grant and every gallery that is not private."""
    found: list[ScopedGrant] = []
    for chosen, id_of in _EVERY:
        for row in tx.execute(chosen):
            scope = id_of(row)
            found += [ScopedGrant(scope=scope, grant=grant) for grant in granted(row.grants)]
    shared: sa.Select[Any] = sa.select(*_GALLERY, galleries.c.sharing).where(
        galleries.c.sharing.is_not(None)
    )
    sharing = {_gallery_id(row): sharing_of(row.sharing) for row in tx.execute(shared)}
    return Standing(owner=owner, grants=tuple(found), sharing=sharing)


def _row_of(scope: GalleryId | DefinitionId | VersionId) -> sa.Select[Any]:
    match scope:
        case GalleryId():
            chosen = sa.select(galleries.c.grants, galleries.c.sharing)
            return chosen.where(lookups.is_gallery(scope))
        case DefinitionId():
            number = lookups.definition_row(scope)
            return sa.select(definitions.c.grants).where(definitions.c.id == number)
        case VersionId():
            number = lookups.version_row(scope)
            return sa.select(versions.c.grants).where(versions.c.id == number)


def _gallery_id(row: Row[Any]) -> GalleryId:
    return GalleryId(subscription=row.subscription, group=row.group_name, gallery=row.name)


def _definition_id(row: Row[Any]) -> DefinitionId:
    return _gallery_id(row).definition(row.definition)


def _version_id(row: Row[Any]) -> VersionId:
    return _definition_id(row).version(VersionName(row.major, row.minor, row.patch))


_DEFINITION = (*_GALLERY, definitions.c.name.label("definition"))
_VERSION = (*_DEFINITION, versions.c.major, versions.c.minor, versions.c.patch)
_EVERY: tuple[tuple[sa.Select[Any], Callable[[Row[Any]], Any]], ...] = (
    (
        sa.select(*_GALLERY, galleries.c.grants).where(galleries.c.grants.is_not(None)),
        _gallery_id,
    ),
    (
        sa.select(*_DEFINITION, definitions.c.grants)
        .join(galleries, galleries.c.id == definitions.c.gallery_id)
        .where(definitions.c.grants.is_not(None)),
        _definition_id,
    ),
    (
        sa.select(*_VERSION, versions.c.grants)
        .join(definitions, definitions.c.id == versions.c.definition_id)
        .join(galleries, galleries.c.id == definitions.c.gallery_id)
        .where(versions.c.grants.is_not(None)),
        _version_id,
    ),
)
