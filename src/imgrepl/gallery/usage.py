"""What versions occupy and what the places really hold for them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery import holdings, lookups
from imgrepl.gallery.holdings import NOTHING_HELD, Holdings
from imgrepl.gallery.schema import definitions, galleries, replicas, version_disks, versions
from imgrepl.model.gallery import DefinitionId, GalleryId, ReplicationMode, VersionId, VersionName
from imgrepl.model.region import PlaceRole, StorageAccountType
from imgrepl.model.replica import ReplicaState

_Kept = tuple[str, StorageAccountType, int]


class RegionShare(NamedTuple):
    """What one committed version has in one region; a shallow one has no copy that is billed.

    `number` is that of the version's row, by which `holdings` know its packs.
    """

    version: VersionId
    region: str
    storage_account_type: StorageAccountType
    provisioned_bytes: int
    occupied_bytes: int
    replicas_completed: int
    replication_mode: ReplicationMode
    number: int
    holdings: Holdings

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

    By the order of names, then regions. Without packs no pack is looked at. Raises `NotFound`
    (`GalleryNotFound`).
    """
    within: sa.ColumnElement[bool] = versions.c.committed
    if gallery is not None:
        within = sa.and_(within, galleries.c.id == lookups.gallery_number(tx, gallery))
    held = holdings.load(tx, within) if with_packs else NOTHING_HELD
    kept = _replicas_by_version(tx, within)
    found = []
    for row in tx.execute(_versions(within)).all():
        version = _version_id(row)
        mode = ReplicationMode(row.replication_mode)
        sizes = (row.provisioned or 0, row.occupied or 0)
        for region, kind, completed in kept.get(row.id, ()):
            share = RegionShare(version, region, kind, *sizes, completed, mode, row.id, held)
            found.append(share)
    return found


def stored_bytes(of: Iterable[RegionShare]) -> int:
    """What their packs take, each counted once a region, however many versions name it."""
    return sum(stored_bytes_by_region(of).values())


def stored_bytes_by_region(of: Iterable[RegionShare]) -> dict[str, int]:
    """The same by region. Regions in which the same versions stand are counted together."""
    alike: defaultdict[tuple[int, ...], list[str]] = defaultdict(list)
    held, by_region = _numbers_by_region(of)
    for region, numbers in by_region.items():
        alike[tuple(numbers)].append(region)
    found: dict[str, int] = {}
    for same, regions in alike.items():
        found |= held.bytes_in(regions, same)
    return found


def stored_bytes_by_role(of: Iterable[RegionShare]) -> Counter[tuple[str, PlaceRole]]:
    """The same by region and by the role of the places."""
    total = Counter[tuple[str, PlaceRole]]()
    held, by_region = _numbers_by_region(of)
    for region, numbers in by_region.items():
        for role, size in held.bytes_by_role(region, numbers).items():
            total[region, role] += size
    return total


def _numbers_by_region(of: Iterable[RegionShare]) -> tuple[Holdings, Mapping[str, list[int]]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    held = NOTHING_HELD
    for share in of:
        found[share.region].append(share.number)
        held = share.holdings
    return held, found


def _versions(within: sa.ColumnElement[bool]) -> sa.Select[Any]:
    disks = (
        sa.select(
            version_disks.c.version_id,
            sa.func.sum(version_disks.c.provisioned_bytes).label("provisioned"),
            sa.func.sum(version_disks.c.occupied_bytes).label("occupied"),
        )
        .group_by(version_disks.c.version_id)
        .subquery()
    )
    names = (
        galleries.c.subscription,
        galleries.c.group_name,
        galleries.c.name.label("gallery"),
        definitions.c.name.label("definition"),
        versions.c.major,
        versions.c.minor,
        versions.c.patch,
    )
    columns = (versions.c.id, versions.c.replication_mode, disks.c.provisioned, disks.c.occupied)
    return (
        sa.select(*columns, *names)
        .join_from(versions, definitions, definitions.c.id == versions.c.definition_id)
        .join(galleries, galleries.c.id == definitions.c.gallery_id)
        .join(disks, disks.c.version_id == versions.c.id)
        .where(within)
        .order_by(*names)
    )


def _replicas_by_version(
    tx: Connection, within: sa.ColumnElement[bool]
) -> Mapping[int, list[_Kept]]:
    """Regions in order, how each keeps the version, and how many replicas are complete there."""
    completed = sa.func.sum(sa.case((replicas.c.state == ReplicaState.COMPLETED, 1), else_=0))
    keys = (replicas.c.version_id, replicas.c.region, replicas.c.storage_account_type)
    mine = (
        sa.select(versions.c.id)
        .join(definitions, definitions.c.id == versions.c.definition_id)
        .join(galleries, galleries.c.id == definitions.c.gallery_id)
        .where(within)
    )
    one = (
        sa.select(*keys, sa.cast(completed, sa.Text).label("completed"))
        .where(replicas.c.version_id.in_(mine))
        .group_by(*keys)
        .subquery()
    )
    said = one.c.region + " " + one.c.storage_account_type + " " + one.c.completed
    kept = sa.func.aggregate_strings(said, ",").label("kept")
    chosen = sa.select(one.c.version_id, kept).group_by(one.c.version_id)
    parsed = _parsed_once()
    return {row.version_id: parsed(row.kept) for row in tx.execute(chosen).all()}


def _parsed_once() -> Callable[[str], list[_Kept]]:
    """`eastus Standard_LRS 2,…` as values; most versions stand alike, and are parsed once."""

    @cache
    def parsed(text: str) -> list[_Kept]:
        words = sorted(item.split(" ") for item in text.split(","))
        return [(region, StorageAccountType(kind), int(count)) for region, kind, count in words]

    return parsed


def _version_id(row: sa.Row[Any]) -> VersionId:
    gallery = GalleryId(subscription=row.subscription, group=row.group_name, gallery=row.gallery)
    number = VersionName(row.major, row.minor, row.patch)
    return VersionId(
        definition=DefinitionId(gallery=gallery, definition=row.definition), version=number
    )
