"""What versions occupy and what the places really hold for them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Self

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery import holdings, lookups
from imgrepl.gallery.holdings import NOTHING_HELD, Holdings
from imgrepl.gallery.schema import definitions, galleries, replicas, version_disks, versions
from imgrepl.model.gallery import DefinitionId, GalleryId, ReplicationMode, VersionId, VersionName
from imgrepl.model.region import PlaceRole, StorageAccountType
from imgrepl.model.replica import ReplicaState


class Kept(NamedTuple):
    """One way in which a region keeps a version, and how many replicas it has complete so.

    `replicas_billed` are its copies: every complete replica, but for a shallow version none.
    """

    region: str
    storage_account_type: StorageAccountType
    replicas_completed: int
    replicas_billed: int


class VersionShare(NamedTuple):
    """What one committed version has, and where, in the order of regions.

    `number` is that of the version's row, by which `holdings` know its packs. Versions that stand
    alike have the very same `kept`.
    """

    version: VersionId
    number: int
    provisioned_bytes: int
    occupied_bytes: int
    kept: tuple[Kept, ...]


@dataclass(frozen=True)
class Shares:
    """Versions in the order of their names, and what the places hold of them."""

    versions: Sequence[VersionShare]
    held: Holdings

    def of(self, versions: Sequence[VersionShare]) -> Self:
        """Of some of them alone."""
        return type(self)(versions, self.held)

    def alike(self) -> list[tuple[tuple[Kept, ...], list[VersionShare]]]:
        """The versions by how they stand: many of them, in few ways."""
        found: dict[int, tuple[tuple[Kept, ...], list[VersionShare]]] = {}
        for share in self.versions:
            found.setdefault(id(share.kept), (share.kept, []))[1].append(share)
        return list(found.values())

    def stored_bytes(self) -> int:
        """What their packs take, each counted once a region, however many versions name it."""
        return sum(self.stored_bytes_by_region().values())

    def stored_bytes_by_region(self) -> dict[str, int]:
        """The same by region. Regions in which the same versions stand are counted together."""
        found: dict[str, int] = {}
        for regions, numbers in self._numbers():
            found |= self.held.bytes_in(regions, numbers)
        return found

    def stored_bytes_by_role(self) -> Counter[tuple[str, PlaceRole]]:
        """The same by region and by the role of the places."""
        total = Counter[tuple[str, PlaceRole]]()
        for regions, numbers in self._numbers():
            for region in regions:
                for role, size in self.held.bytes_by_role(region, numbers).items():
                    total[region, role] += size
        return total

    def _numbers(self) -> list[tuple[list[str], Collection[int]]]:
        """Regions in which the same versions stand, with the numbers of those."""
        ways = self.alike()
        by_region: defaultdict[str, list[int]] = defaultdict(list)
        for way, (kept, _versions) in enumerate(ways):
            for region in {one.region for one in kept}:
                by_region[region].append(way)
        same: defaultdict[tuple[int, ...], list[str]] = defaultdict(list)
        for region, inside in by_region.items():
            same[tuple(inside)].append(region)
        return [
            (regions, [share.number for way in inside for share in ways[way][1]])
            for inside, regions in same.items()
        ]


def shares(tx: Connection, gallery: GalleryId | None = None, *, with_packs: bool = True) -> Shares:
    """Every committed version of the gallery, or of all, that has replicas.

    Without packs no pack is looked at. Raises `NotFound` (`GalleryNotFound`).
    """
    number = None if gallery is None else lookups.gallery_number(tx, gallery)
    kept = _texts_of_replicas(tx, number)
    parsed, definition_of = _parsed_once(), _definitions_once()
    found = []
    for row in tx.execute(_versions(number)).all():
        number_of, mode, provisioned, occupied, *names, major, minor, patch = row
        text = kept.get(number_of)
        if text is not None:
            of = definition_of(*names)
            version = VersionId(definition=of, version=VersionName(major, minor, patch))
            sizes = (provisioned or 0, occupied or 0)
            found.append(VersionShare(version, number_of, *sizes, parsed(text, mode)))
    held = holdings.load(tx, number) if with_packs else NOTHING_HELD
    return Shares(found, held)


def _versions(gallery: int | None) -> sa.Select[Any]:
    disks = (
        sa.select(
            version_disks.c.version_id,
            sa.func.sum(version_disks.c.provisioned_bytes).label("provisioned"),
            sa.func.sum(version_disks.c.occupied_bytes).label("occupied"),
        )
        .where(sa.true() if gallery is None else holdings.of_gallery(gallery))
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
    chosen = (
        sa.select(*columns, *names)
        .join_from(versions, definitions, definitions.c.id == versions.c.definition_id)
        .join(galleries, galleries.c.id == definitions.c.gallery_id)
        .join(disks, disks.c.version_id == versions.c.id)
        .where(versions.c.committed)
        .order_by(*names)
    )
    return chosen if gallery is None else chosen.where(galleries.c.id == gallery)


def _texts_of_replicas(tx: Connection, gallery: int | None) -> dict[int, str]:
    """By version `eastus Standard_LRS Completed,…`: a row each, where replicas are many rows."""
    columns = (replicas.c.region, replicas.c.storage_account_type, replicas.c.state)
    said = columns[0] + " " + columns[1] + " " + columns[2]
    text = sa.func.aggregate_strings(said, ",").label("kept")
    chosen = sa.select(replicas.c.version_id, text).group_by(replicas.c.version_id)
    if gallery is not None:
        chosen = chosen.where(replicas.c.version_id.in_(holdings.committed(gallery)))
    same: dict[str, str] = {}  # texts are long where replicas are many, and most are alike
    return {number: same.setdefault(kept, kept) for number, kept in tx.execute(chosen)}


def _parsed_once() -> Callable[[str, str], tuple[Kept, ...]]:
    """Such a text as values; most versions stand alike, and are parsed once."""
    same: dict[tuple[Kept, ...], tuple[Kept, ...]] = {}

    @cache
    def parsed(text: str, mode: str) -> tuple[Kept, ...]:
        counted = Counter[tuple[str, str]]()
        for item in text.split(","):
            region, kind, state = item.split(" ")
            counted[region, kind] += state == ReplicaState.COMPLETED
        billed = 0 if mode == ReplicationMode.SHALLOW else 1
        kept = tuple(
            Kept(region, StorageAccountType(kind), count, count * billed)
            for (region, kind), count in sorted(counted.items())
        )
        return same.setdefault(kept, kept)

    return parsed


def _definitions_once() -> Callable[[str, str, str, str], DefinitionId]:
    @cache
    def of(subscription: str, group: str, gallery: str, definition: str) -> DefinitionId:
        names = GalleryId(subscription=subscription, group=group, gallery=gallery)
        return DefinitionId(gallery=names, definition=definition)

    return of
