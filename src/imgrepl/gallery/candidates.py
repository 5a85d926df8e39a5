"""What `latest` is chosen from, newest first, a page at a time."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from imgrepl.gallery import lookups
from imgrepl.gallery.schema import replicas, version_targets, versions
from imgrepl.model.gallery import DefinitionId, ProvisioningState, VersionName
from imgrepl.model.latest import Candidate
from imgrepl.model.replica import ReplicaState

_PAGE_FIRST = 4
_PAGE_LAST = 512
_NUMBER = (versions.c.major, versions.c.minor, versions.c.patch)


def newest_first(tx: Connection, definition: DefinitionId) -> Iterator[Candidate]:
    """The definition's committed versions, highest number first.

    Pages are read as they are needed and grow: the answer is mostly among the first. Raises
    `NotFound` (`GalleryNotFound`, `DefinitionNotFound`).
    """
    keys = lookups.keys_of(definition)
    first, named = True, keys is not None
    values: dict[str, Any] = {"page": _PAGE_FIRST, **(keys or {})}
    if not named:
        values["number"] = lookups.definition_number(tx, definition)
    while True:
        rows = tx.execute(_statement(first, named), values).all()
        found = list(_candidates(rows))
        if first and not found:
            lookups.definition_number(tx, definition)  # one question less where there are some
        yield from found
        if len(found) < values["page"]:
            return
        last = found[-1].version
        values |= {"major": last.major, "minor": last.minor, "patch": last.patch}
        values["page"] = min(values["page"] * 4, _PAGE_LAST)
        first = False


@cache
def _statement(first: bool, named: bool) -> sa.Select[Any]:
    """A page of a definition's versions, by its names or its row's number.

    What follows the first page is below a version. Made once: making it takes as long as asking it.
    """
    row = lookups.bound_definition_row()
    mine = row if named else sa.bindparam("number", type_=sa.Integer)
    chosen = sa.select(
        versions.c.id,
        *_NUMBER,
        versions.c.exclude_from_latest,
        versions.c.provisioning_state,
        versions.c.deleted_at,
    ).where(versions.c.definition_id == mine, versions.c.committed)
    if not first:
        below = (sa.bindparam(name, type_=sa.Integer) for name in ("major", "minor", "patch"))
        chosen = chosen.where(sa.tuple_(*_NUMBER) < sa.tuple_(*below))
    page = sa.bindparam("page", type_=sa.Integer)
    newest = chosen.order_by(*(column.desc() for column in _NUMBER)).limit(page).subquery()
    completed = sa.exists().where(
        replicas.c.version_id == newest.c.id,
        replicas.c.region == version_targets.c.region,
        replicas.c.state == ReplicaState.COMPLETED,
    )
    columns = (newest.c.major, newest.c.minor, newest.c.patch)
    return (
        sa.select(
            *columns,
            newest.c.exclude_from_latest.label("excluded"),
            newest.c.provisioning_state,
            newest.c.deleted_at,
            version_targets.c.region,
            version_targets.c.exclude_from_latest.label("region_excluded"),
            completed.label("completed"),
        )
        .join_from(
            newest, version_targets, version_targets.c.version_id == newest.c.id, isouter=True
        )
        .order_by(*(column.desc() for column in columns), version_targets.c.position)
    )


def _candidates(rows: Sequence[Row[Any]]) -> Iterator[Candidate]:
    by_version: dict[VersionName, list[Row[Any]]] = {}
    for row in rows:
        by_version.setdefault(VersionName(row.major, row.minor, row.patch), []).append(row)
    for version, joined in by_version.items():
        targets = [row for row in joined if row.region is not None]
        yield Candidate(
            version=version,
            excluded=joined[0].excluded,
            regions={row.region: row.region_excluded for row in targets},
            completed=frozenset(row.region for row in targets if row.completed),
            deleting=joined[0].provisioning_state == ProvisioningState.DELETING,
            soft_deleted=joined[0].deleted_at is not None,
        )
