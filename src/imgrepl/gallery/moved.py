"""Packs that a place has through other packs: the rows behind `moved` objects.

`moved_packs` has the revision that counts, `moved_parts` the packs it leads to, and `moved_uses`
the contents whose need of the pack it meets: for each, every slot that its manifest (of that
generation) names. A need is met only while all parts are present. Which slot is where stands in the
object alone.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from imgrepl.gallery import identity, packs
from imgrepl.gallery.bulk import in_lists, insert_missing
from imgrepl.gallery.packs import PRESENT
from imgrepl.gallery.schema import (
    content_packs,
    contents,
    moved_packs,
    moved_parts,
    moved_uses,
    place_packs,
    replicas,
    version_disks,
    versions,
)
from imgrepl.gallery.standing import replica_here
from imgrepl.model.ids import ContentId, OperationId, PackId, PlaceId


@dataclass(frozen=True, kw_only=True)
class MovedPack:
    """What became of a pack in a place: the object of `revision`, which leads to `parts`."""

    place_id: PlaceId
    pack_id: PackId
    revision: int
    parts: frozenset[PackId]


def find(tx: Connection, place_id: PlaceId, pack_ids: Iterable[PackId]) -> dict[PackId, MovedPack]:
    """Those of `pack_ids` that lead elsewhere here."""
    found: dict[PackId, tuple[int, set[PackId]]] = {}
    for batch in in_lists(pack_ids):
        rows = (
            sa.select(moved_packs.c.pack_id, moved_packs.c.revision, moved_parts.c.part_id)
            .join(moved_parts, _same_pack(moved_packs, moved_parts))
            .where(moved_packs.c.place_id == place_id, moved_packs.c.pack_id.in_(batch))
        )
        for pack_id, revision, part_id in tx.execute(rows):
            found.setdefault(PackId(pack_id), (revision, set()))[1].add(PackId(part_id))
    return {
        pack_id: MovedPack(
            place_id=place_id, pack_id=pack_id, revision=revision, parts=frozenset(parts)
        )
        for pack_id, (revision, parts) in found.items()
    }


def next_revision(tx: Connection, place_id: PlaceId, pack_id: PackId) -> int:
    """The revision behind the last that this index knows, and above those of indexes before it."""
    known = revision_of(tx, place_id, pack_id)
    return max(identity.generation_floor(tx), 0 if known is None else known + 1)


def revision_of(tx: Connection, place_id: PlaceId, pack_id: PackId) -> int | None:
    """The revision that counts, or counted when there still was one."""
    revision: int | None = tx.scalar(
        sa.select(moved_packs.c.revision).where(_is(place_id, pack_id))
    )
    return revision


def note(
    tx: Connection,
    row: MovedPack,
    uses: Mapping[ContentId, int],
    *,
    replaces: int | None,
    keeps_uses: bool,
) -> bool:
    """The object is durable: it counts from now on, and meets the needs of `uses`.

    `uses` are contents with the generation of their manifest; those of the revision before stay
    where it `keeps_uses`. False, and nothing is changed, where another revision than the one it
    `replaces` counts by now.
    """
    mine = _is(row.place_id, row.pack_id)
    if replaces is None:
        key = {"place_id": row.place_id, "pack_id": row.pack_id}
        insert_missing(tx, moved_packs, [{**key, "revision": row.revision}])
        if revision_of(tx, row.place_id, row.pack_id) != row.revision:
            return False
    else:
        same = sa.update(moved_packs).where(mine, moved_packs.c.revision == replaces)
        if tx.execute(same.values(revision=row.revision)).rowcount != 1:
            return False
    _forget(tx, row.place_id, [row.pack_id], parts=True, uses=not keeps_uses)
    parts = [
        {"place_id": row.place_id, "pack_id": row.pack_id, "part_id": part} for part in row.parts
    ]
    insert_missing(tx, moved_parts, parts)
    add_uses(tx, row.place_id, row.pack_id, uses)
    return True


def add_uses(
    tx: Connection, place_id: PlaceId, pack_id: PackId, uses: Mapping[ContentId, int]
) -> None:
    """The object there is has all that these contents need of the pack."""
    mine = (moved_uses.c.place_id == place_id, moved_uses.c.pack_id == pack_id)
    for batch in in_lists(uses):
        tx.execute(sa.delete(moved_uses).where(*mine, moved_uses.c.content_id.in_(batch)))
    rows = [
        {"place_id": place_id, "pack_id": pack_id, "content_id": content, "generation": generation}
        for content, generation in uses.items()
    ]
    insert_missing(tx, moved_uses, rows)


def lose(tx: Connection, place_id: PlaceId, pack_id: PackId, revision: int) -> None:
    """The object of this revision cannot be read: it leads nowhere any more, and meets no need."""
    if revision_of(tx, place_id, pack_id) == revision:
        _forget(tx, place_id, [pack_id], parts=True, uses=True)


def retire(tx: Connection, place_id: PlaceId) -> None:
    """Packs that are here themselves need no others: from now on those are what is too much."""
    here = sa.select(place_packs.c.pack_id).where(
        place_packs.c.place_id == place_id, place_packs.c.state == PRESENT
    )
    chosen = sa.select(moved_uses.c.pack_id).where(
        moved_uses.c.place_id == place_id, moved_uses.c.pack_id.in_(here)
    )
    whole = [PackId(pack_id) for pack_id in tx.scalars(chosen.distinct())]
    _forget(tx, place_id, whole, parts=True, uses=True)


def revisions_in(tx: Connection, place_id: PlaceId) -> dict[PackId, int]:
    """The revision that counts, or counted last, of every pack that ever led elsewhere here."""
    chosen = sa.select(moved_packs.c.pack_id, moved_packs.c.revision)
    rows = tx.execute(chosen.where(moved_packs.c.place_id == place_id))
    return {PackId(pack_id): revision for pack_id, revision in rows}


def forget_idle(tx: Connection, place_id: PlaceId, but: Collection[ContentId]) -> set[PackId]:
    """Gives up what serves no content that stands here, or is in `but`; gives those that remain.

    Versions that are being published count: theirs may be filled at any moment.
    """
    served = (
        sa.select(moved_uses.c.pack_id, moved_uses.c.content_id)
        .where(moved_uses.c.place_id == place_id)
        .distinct()
    )
    standing = sa.exists().where(
        version_disks.c.content_id == moved_uses.c.content_id,
        replicas.c.version_id == version_disks.c.version_id,
        replica_here(tx, place_id),
    )
    needed = {PackId(row.pack_id) for row in tx.execute(served.where(standing))}
    needed |= {PackId(row.pack_id) for row in tx.execute(served) if row.content_id in but}
    leading = sa.select(moved_parts.c.pack_id).where(moved_parts.c.place_id == place_id).distinct()
    idle = {PackId(pack_id) for pack_id in tx.scalars(leading)} - needed
    _forget(tx, place_id, idle, parts=True, uses=True)
    return needed


def lacking(tx: Connection, place_id: PlaceId, content_ids: Iterable[ContentId]) -> set[PackId]:
    """Packs that these contents name and that are here neither themselves nor through others."""
    present = sa.exists().where(
        place_packs.c.place_id == place_id,
        place_packs.c.pack_id == content_packs.c.pack_id,
        place_packs.c.state == PRESENT,
    )
    found: set[PackId] = set()
    for batch in in_lists(content_ids):
        chosen = sa.select(content_packs.c.pack_id).where(
            content_packs.c.content_id.in_(batch), ~present, ~is_met(sa.literal(int(place_id)))
        )
        found.update(PackId(pack_id) for pack_id in tx.scalars(chosen.distinct()))
    return found


def pin(
    tx: Connection, operation_id: OperationId, place_id: PlaceId, content_ids: Iterable[ContentId]
) -> None:
    """Pins all that is here of the packs these contents name: themselves, or what they lead to.

    What was condemned is rescued, but for packs that others stand for.
    """
    named = uses(tx, content_ids)
    present = packs.present_in(tx, place_id, named)
    through = find(tx, place_id, named.keys() - present.keys())
    parts = {part for row in through.values() for part in row.parts}
    packs.pin_present(tx, operation_id, place_id, [*(named.keys() - through.keys()), *parts])


def users(
    tx: Connection, place_id: PlaceId, pack_ids: Iterable[PackId]
) -> dict[PackId, dict[ContentId, int]]:
    """Contents of committed versions that stand here, by the packs they name, with bytes used."""
    found: dict[PackId, dict[ContentId, int]] = defaultdict(dict)
    here = replica_here(tx, place_id)
    for batch in in_lists(pack_ids):
        chosen = (
            sa.select(
                content_packs.c.pack_id, content_packs.c.content_id, content_packs.c.used_bytes
            )
            .join(version_disks, version_disks.c.content_id == content_packs.c.content_id)
            .join(versions, versions.c.id == version_disks.c.version_id)
            .join(replicas, replicas.c.version_id == versions.c.id)
            .where(content_packs.c.pack_id.in_(batch), versions.c.committed, here)
            .distinct()
        )
        for pack_id, content_id, used_bytes in tx.execute(chosen):
            found[PackId(pack_id)][ContentId(content_id)] = used_bytes
    return dict(found)


def served_by(
    tx: Connection, place_id: PlaceId, part_ids: Iterable[PackId]
) -> dict[PackId, set[PackId]]:
    """Those of `part_ids` that hold frames of other packs here, and of which."""
    found: dict[PackId, set[PackId]] = defaultdict(set)
    for batch in in_lists(part_ids):
        chosen = sa.select(moved_parts.c.part_id, moved_parts.c.pack_id).where(
            moved_parts.c.place_id == place_id, moved_parts.c.part_id.in_(batch)
        )
        for part_id, pack_id in tx.execute(chosen):
            found[PackId(part_id)].add(PackId(pack_id))
    return dict(found)


def uses(tx: Connection, content_ids: Iterable[ContentId]) -> dict[PackId, dict[ContentId, int]]:
    """The packs that these contents name, with the bytes that each of them uses."""
    found: dict[PackId, dict[ContentId, int]] = defaultdict(dict)
    for batch in in_lists(content_ids):
        chosen = sa.select(content_packs).where(content_packs.c.content_id.in_(batch))
        for row in tx.execute(chosen):
            found[PackId(row.pack_id)][ContentId(row.content_id)] = row.used_bytes
    return dict(found)


def places_with(tx: Connection, pack_id: PackId) -> list[PlaceId]:
    """Where the pack leads to others."""
    chosen = sa.select(moved_parts.c.place_id).where(moved_parts.c.pack_id == pack_id)
    return [PlaceId(number) for number in tx.scalars(chosen.distinct().order_by("place_id"))]


def places_meeting(
    tx: Connection, pack_id: PackId, content_ids: Collection[ContentId]
) -> list[PlaceId]:
    """Where the need that each of these contents has of the pack is met through others."""
    chosen = (
        sa.select(moved_uses.c.place_id)
        .join(
            content_packs,
            sa.and_(
                content_packs.c.pack_id == moved_uses.c.pack_id,
                content_packs.c.content_id == moved_uses.c.content_id,
            ),
        )
        .where(
            moved_uses.c.pack_id == pack_id,
            moved_uses.c.content_id.in_(list(content_ids)),
            is_met(moved_uses.c.place_id),
        )
        .group_by(moved_uses.c.place_id)
        .having(sa.func.count() == len(content_ids))
        .order_by(moved_uses.c.place_id)
    )
    return [PlaceId(number) for number in tx.scalars(chosen)]


def is_met(place_id: ColumnElement[int]) -> ColumnElement[bool]:
    """That what a row of `content_packs` needs of its pack is in a place through other packs."""
    use, part, held = moved_uses.alias(), moved_parts.alias(), place_packs.alias()
    content = contents.alias()
    used = sa.exists().where(
        use.c.place_id == place_id,
        use.c.pack_id == content_packs.c.pack_id,
        use.c.content_id == content_packs.c.content_id,
        content.c.content_id == use.c.content_id,
        content.c.generation == use.c.generation,
    )
    there = sa.exists().where(
        held.c.place_id == place_id, held.c.pack_id == part.c.part_id, held.c.state == PRESENT
    )
    broken = sa.exists().where(
        part.c.place_id == place_id,
        part.c.pack_id == content_packs.c.pack_id,
        ~there.correlate_except(held),
    )
    used, broken = used.correlate_except(use, content), broken.correlate_except(part)
    return sa.and_(used, ~broken)


def _same_pack(one: sa.Table, other: sa.Table) -> ColumnElement[bool]:
    return sa.and_(one.c.place_id == other.c.place_id, one.c.pack_id == other.c.pack_id)


def _is(place_id: PlaceId, pack_id: PackId) -> ColumnElement[bool]:
    return sa.and_(moved_packs.c.place_id == place_id, moved_packs.c.pack_id == pack_id)


def _forget(
    tx: Connection, place_id: PlaceId, pack_ids: Iterable[PackId], *, parts: bool, uses: bool
) -> None:
    tables = [*([moved_parts] if parts else []), *([moved_uses] if uses else [])]
    for batch in in_lists(pack_ids):
        for table in tables:
            mine = sa.and_(table.c.place_id == place_id, table.c.pack_id.in_(batch))
            tx.execute(sa.delete(table).where(mine))
