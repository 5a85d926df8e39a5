"""Sums over versions, replicas and packs, for usage reports."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery import lookups
from imgrepl.gallery.packs import PRESENT
from imgrepl.gallery.schema import (
    content_packs,
    definitions,
    galleries,
    moved_parts,
    moved_uses,
    packs,
    place_packs,
    places,
    replicas,
    version_disks,
    versions,
)
from imgrepl.model.gallery import GalleryId, ReplicationMode, VersionId, VersionName
from imgrepl.model.ids import PackId
from imgrepl.model.region import PlaceRole, StorageAccountType
from imgrepl.model.replica import ReplicaState


@dataclass(frozen=True, kw_only=True)
class RegionShare:
    """What one committed version has in one region; a shallow one has no copy that is billed.

    `packs` are those it names, or that hold frames of those, by the role of the region's places
    that hold them, each with its length times those places.
    """

    version: VersionId
    region: str
    storage_account_type: StorageAccountType
    provisioned_bytes: int
    occupied_bytes: int
    replicas_completed: int
    replication_mode: ReplicationMode
    packs: dict[tuple[PlaceRole, PackId], int]

    @property
    def replicas_billed(self) -> int:
        """Its copies: every complete replica, but for a shallow version none."""
        return 0 if self.replication_mode is ReplicationMode.SHALLOW else self.replicas_completed

    @property
    def billed_bytes(self) -> int:
        """Occupied times copies."""
        return self.occupied_bytes * self.replicas_billed


def shares(
    tx: Connection, gallery: GalleryId | None = None, *, with_packs: bool = True
) -> list[RegionShare]:
    """Every committed version of the gallery, or of all, in every region it has replicas in.

    Without packs no pack is looked at. Raises `NotFound` (`GalleryNotFound`).
    """
    within: sa.ColumnElement[bool] = sa.true()
    if gallery is not None:
        within = galleries.c.id == lookups.gallery_number(tx, gallery)
    held = _packs_held(tx, within) if with_packs else defaultdict(dict)
    return [
        RegionShare(
            version=_version_id(row),
            region=row.region,
            storage_account_type=StorageAccountType(row.storage_account_type),
            provisioned_bytes=row.provisioned or 0,
            occupied_bytes=row.occupied or 0,
            replicas_completed=row.completed,
            replication_mode=ReplicationMode(row.replication_mode),
            packs=held[row.id, row.region],
        )
        for row in tx.execute(_replicas_by_region(within))
    ]


def stored_bytes(of: Iterable[RegionShare]) -> int:
    """What their packs take, each counted once a region, however many versions name it."""
    return sum(stored_bytes_by_role(of).values())


def stored_bytes_by_role(of: Iterable[RegionShare]) -> Counter[tuple[str, PlaceRole]]:
    """The same by region and by the role of the places."""
    found = {(share.region, *pack): size for share in of for pack, size in share.packs.items()}
    total = Counter[tuple[str, PlaceRole]]()
    for (region, role, _pack), size in found.items():
        total[region, role] += size
    return total


def _replicas_by_region(within: sa.ColumnElement[bool]) -> sa.Select[Any]:
    disks = (
        sa.select(
            version_disks.c.version_id,
            sa.func.sum(version_disks.c.provisioned_bytes).label("provisioned"),
            sa.func.sum(version_disks.c.occupied_bytes).label("occupied"),
        )
        .group_by(version_disks.c.version_id)
        .subquery()
    )
    completed = sa.case((replicas.c.state == ReplicaState.COMPLETED, 1), else_=0)
    names = (
        galleries.c.subscription,
        galleries.c.group_name,
        galleries.c.name.label("gallery"),
        definitions.c.name.label("definition"),
        versions.c.major,
        versions.c.minor,
        versions.c.patch,
        versions.c.replication_mode,
    )
    kept = (replicas.c.region, replicas.c.storage_account_type)
    keys = (versions.c.id, *names, *kept, disks.c.provisioned, disks.c.occupied)
    return (
        sa.select(*keys, sa.func.sum(completed).label("completed"))
        .join_from(versions, definitions, definitions.c.id == versions.c.definition_id)
        .join(galleries, galleries.c.id == definitions.c.gallery_id)
        .join(replicas, replicas.c.version_id == versions.c.id)
        .join(disks, disks.c.version_id == versions.c.id)
        .where(versions.c.committed, within)
        .group_by(*keys)
        .order_by(*names, replicas.c.region)
    )


def _packs_held(
    tx: Connection, within: sa.ColumnElement[bool]
) -> defaultdict[tuple[int, str], dict[tuple[PlaceRole, PackId], int]]:
    named = (
        sa.select(version_disks.c.version_id, place_packs.c.place_id, place_packs.c.pack_id)
        .join(content_packs, content_packs.c.content_id == version_disks.c.content_id)
        .join(place_packs, place_packs.c.pack_id == content_packs.c.pack_id)
        .where(place_packs.c.state == PRESENT)
    )
    held = named.union(_packs_led_to()).subquery()
    size = sa.func.count() * packs.c.pack_bytes
    where = (places.c.region, places.c.role)
    keys = (versions.c.id, *where, packs.c.pack_id, packs.c.pack_bytes)
    chosen = (
        sa.select(*keys, size.label("held_bytes"))
        .join_from(versions, definitions, definitions.c.id == versions.c.definition_id)
        .join(galleries, galleries.c.id == definitions.c.gallery_id)
        .join(held, held.c.version_id == versions.c.id)
        .join(packs, packs.c.pack_id == held.c.pack_id)
        .join(places, places.c.id == held.c.place_id)
        .where(versions.c.committed, within)
        .group_by(*keys)
    )
    found: defaultdict[tuple[int, str], dict[tuple[PlaceRole, PackId], int]] = defaultdict(dict)
    for row in tx.execute(chosen):
        pack = (PlaceRole(row.role), PackId(row.pack_id))
        found[row.id, row.region][pack] = row.held_bytes
    return found


def _packs_led_to() -> sa.Select[Any]:
    """Packs that hold what versions need of others, which are not in that place themselves."""
    use, part = moved_uses.c, moved_parts.c
    return (
        sa.select(version_disks.c.version_id, place_packs.c.place_id, place_packs.c.pack_id)
        .join(moved_uses, use.content_id == version_disks.c.content_id)
        .join(moved_parts, sa.and_(part.place_id == use.place_id, part.pack_id == use.pack_id))
        .join(
            place_packs,
            sa.and_(place_packs.c.place_id == part.place_id, place_packs.c.pack_id == part.part_id),
        )
        .where(place_packs.c.state == PRESENT)
    )


def _version_id(row: sa.Row[Any]) -> VersionId:
    gallery = GalleryId(subscription=row.subscription, group=row.group_name, gallery=row.gallery)
    return gallery.definition(row.definition).version(VersionName(row.major, row.minor, row.patch))
