"""What was proven of packs and replicas, and when: the order in which scrubbing goes on."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery import contents, moved, packs
from imgrepl.gallery import versions as version_rows
from imgrepl.gallery.packs import DAMAGED, PRESENT, PlacePack
from imgrepl.gallery.schema import content_packs, place_packs, replicas, version_disks, versions
from imgrepl.gallery.schema import packs as pack_rows
from imgrepl.gallery.standing import replica_here
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.ids import ContentId, PackId, PlaceId
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.replica import ReplicaState

_WEAK = (ProofLevel.LISTED, ProofLevel.SIZE)
_STRONG = (ProofLevel.PUT_CHECKSUM, ProofLevel.SERVER_REHASH, ProofLevel.FULL_READ)


class Ages(NamedTuple):
    """The oldest proof among some packs, and how many of them were proven before a moment."""

    oldest: Proof | None
    packs: int


def oldest_packs(
    tx: Connection, place_ids: Sequence[PlaceId], before: datetime, packs_max: int
) -> list[PlacePack]:
    """Present packs whose last proof is older than `before`, those first that need one most.

    Bytes that nobody ever looked at come first (a listing or a length proves none of them), then
    whatever was proven longest ago.
    """
    weak = [r for level in _WEAK for r in _of_level(tx, place_ids, level, before, packs_max)]
    strong = [r for level in _STRONG for r in _of_level(tx, place_ids, level, before, packs_max)]
    return [*sorted(weak, key=_age), *sorted(strong, key=_age)][:packs_max]


def ages(tx: Connection, place_ids: Sequence[PlaceId], before: datetime) -> Ages:
    """What was proven longest ago in these places, and how many packs before that moment."""
    here = sa.and_(place_packs.c.state == PRESENT, place_packs.c.place_id.in_(place_ids))
    columns = (place_packs.c.proof_level, place_packs.c.proof_at)
    first = tx.execute(sa.select(*columns).where(here).order_by(columns[1]).limit(1)).one_or_none()
    if first is None:
        return Ages(None, 0)
    older = sa.select(sa.func.count()).where(here, place_packs.c.proof_at < before)
    return Ages(
        Proof(ProofLevel(first.proof_level), first.proof_at), tx.execute(older).scalar_one()
    )


def damaged(tx: Connection, place_ids: Sequence[PlaceId]) -> int:
    """How many packs in these places are known to be damaged."""
    here = sa.and_(place_packs.c.state == DAMAGED, place_packs.c.place_id.in_(place_ids))
    return tx.execute(sa.select(sa.func.count()).where(here)).scalar_one()


def of_contents(
    tx: Connection, place_ids: Iterable[PlaceId], content_ids: Sequence[ContentId]
) -> Proof | None:
    """How well all packs that give these contents there are proven, and since when at least.

    The weakest level and the oldest moment among them; None where one of them is not present.
    """
    found: list[Proof] = []
    for place_id in place_ids:
        if moved.lacking(tx, place_id, content_ids):
            return None
        named = contents.packs_of(tx, content_ids)
        here = packs.present_in(tx, place_id, named)
        through = moved.find(tx, place_id, named.keys() - here.keys())
        parts = packs.present_in(tx, place_id, {p for row in through.values() for p in row.parts})
        found += [row.proof for row in (*here.values(), *parts.values()) if row.proof is not None]
    if not found:
        return None
    return Proof(min(proof.level for proof in found), min(proof.at for proof in found))


def oldest_replicas(
    tx: Connection, region_names: Sequence[str], before: datetime, replicas_max: int
) -> list[tuple[ImageVersion, str]]:
    """Versions and regions with a complete replica that was last looked at before this moment.

    Those that were never looked at come first, then the oldest; each pair once.
    """
    at = sa.func.min(replicas.c.verified_at)
    pair = (replicas.c.version_id, replicas.c.region)
    chosen = (
        sa.select(*pair)
        .join(versions, versions.c.id == replicas.c.version_id)
        .where(
            replicas.c.state == ReplicaState.COMPLETED,
            replicas.c.region.in_(region_names),
            versions.c.committed,
            sa.or_(replicas.c.verified_at.is_(None), replicas.c.verified_at < before),
        )
        .group_by(*pair)
        .order_by(at.asc().nulls_first(), *pair)
        .limit(replicas_max)
    )
    rows = tx.execute(chosen).all()
    found = version_rows.by_number(tx, {row.version_id for row in rows})
    return [(found[row.version_id], row.region) for row in rows]


def versions_here(
    tx: Connection, place_id: PlaceId, pack_ids: Iterable[PackId]
) -> list[ImageVersion]:
    """The committed versions that name one of these packs and stand in this place."""
    named = (
        sa.select(version_disks.c.version_id)
        .join(content_packs, content_packs.c.content_id == version_disks.c.content_id)
        .join(replicas, replicas.c.version_id == version_disks.c.version_id)
        .join(versions, versions.c.id == version_disks.c.version_id)
        .where(
            content_packs.c.pack_id.in_(list(pack_ids)),
            versions.c.committed,
            replica_here(tx, place_id),
        )
    )
    found = version_rows.by_number(tx, set(tx.scalars(named.distinct())))
    return [found[number] for number in sorted(found)]


def _of_level(
    tx: Connection,
    place_ids: Sequence[PlaceId],
    level: ProofLevel,
    before: datetime,
    packs_max: int,
) -> list[PlacePack]:
    """One level alone: in this order an index has them."""
    chosen = (
        sa.select(*packs.COLUMNS)
        .join(pack_rows, pack_rows.c.pack_id == place_packs.c.pack_id)
        .where(
            place_packs.c.state == PRESENT,
            place_packs.c.proof_level == level,
            place_packs.c.proof_at < before,
            place_packs.c.place_id.in_(place_ids),
        )
        .order_by(place_packs.c.proof_at)
        .limit(packs_max)
    )
    return [packs.pack_of(row) for row in tx.execute(chosen)]


def _age(row: PlacePack) -> Any:  # noqa: ANN401 - a sort key
    assert row.proof is not None, "what is present is proven"
    return row.proof.at, row.place_id, row.pack_id
