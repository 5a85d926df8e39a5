"""Rows of packs as the objects they stand for: to be compared with what lies in a bucket."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery.bulk import in_lists, insert_missing
from imgrepl.gallery.packs import DAMAGED, DELETING, GONE, PRESENT, PlacePack, matching
from imgrepl.gallery.schema import LIVE_PACK_STATES, PackState, packs, place_packs
from imgrepl.gallery.types import DatabaseNow
from imgrepl.model.ids import PackId, PlaceId
from imgrepl.model.proof import Proof, ProofLevel


class FoundPack(NamedTuple):
    """An object that was found in a place: its key says which pack and generation it is."""

    pack_id: PackId
    generation: int
    size_bytes: int


def page(
    tx: Connection, place_id: PlaceId, after: str, packs_max: int
) -> dict[PackId, list[PlacePack]]:
    """All rows of the `packs_max` packs behind `after`, by pack id: gone ones included."""
    mine = place_packs.c.place_id == place_id
    chosen = sa.select(place_packs.c.pack_id).where(mine, place_packs.c.pack_id > after).distinct()
    first = list(tx.scalars(chosen.order_by(place_packs.c.pack_id).limit(packs_max)))
    found: dict[PackId, list[PlacePack]] = {PackId(pack_id): [] for pack_id in first}
    for batch in in_lists(first):
        for row in matching(tx, mine, place_packs.c.pack_id.in_(batch)):
            found[row.pack_id].append(row)
    return found


def states(
    tx: Connection, place_id: PlaceId, pack_ids: Iterable[PackId]
) -> dict[tuple[PackId, int], PackState]:
    """The state of every object of these packs that has a row here, by pack and generation."""
    rows = _rows(tx, place_id, pack_ids)
    return {(row.pack_id, row.generation): row.state for row in rows}


def set_gone(tx: Connection, place_id: PlaceId, rows: Iterable[PlacePack]) -> None:
    """These objects are deleted: of a pack that comes back only its generation tells."""
    keys = [{"pack": row.pack_id, "number": row.generation} for row in rows]
    if not keys:
        return
    this = sa.and_(
        place_packs.c.place_id == place_id,
        place_packs.c.pack_id == sa.bindparam("pack"),
        place_packs.c.generation == sa.bindparam("number"),
        place_packs.c.state == DELETING,
    )
    tx.execute(
        sa.update(place_packs).where(this).values(state=GONE, changed_at=DatabaseNow()), keys
    )


def adopt(tx: Connection, place_id: PlaceId, found: Sequence[FoundPack], at: datetime) -> int:
    """Gives rows to packs that were found in a place, and tells how many are new.

    Of several generations the highest is the pack, those below it once entered deletion. One that
    is not as long as the pack is known to be is damaged. What has a row keeps it.
    """
    if not found:
        return 0
    lengths = [{"pack_id": one.pack_id, "pack_bytes": one.size_bytes} for one in found]
    insert_missing(tx, packs, lengths)
    known = _lengths(tx, [one.pack_id for one in found])
    rows = {(row.pack_id, row.generation): row for row in _rows(tx, place_id, known)}
    newest = dict(sorted(rows))
    living = {key[0] for key, row in rows.items() if row.state in LIVE_PACK_STATES}
    for one in found:
        newest[one.pack_id] = max(one.generation, newest.get(one.pack_id, 0))
    proof = Proof(ProofLevel.LISTED, at)
    fresh = [
        _row(place_id, one, known[one.pack_id], proof)
        | ({} if _is_the_pack(one, newest, living) else {"state": DELETING})
        for one in found
        if (one.pack_id, one.generation) not in rows
    ]
    if fresh:
        tx.execute(sa.insert(place_packs).values(changed_at=DatabaseNow()), fresh)
    return len(fresh)


def _is_the_pack(one: FoundPack, newest: dict[PackId, int], living: set[PackId]) -> bool:
    return one.generation == newest[one.pack_id] and one.pack_id not in living


def _lengths(tx: Connection, pack_ids: Iterable[PackId]) -> dict[PackId, int]:
    found: dict[PackId, int] = {}
    for batch in in_lists(pack_ids):
        chosen = sa.select(packs.c.pack_id, packs.c.pack_bytes).where(packs.c.pack_id.in_(batch))
        found.update((PackId(row.pack_id), row.pack_bytes) for row in tx.execute(chosen))
    return found


def _rows(tx: Connection, place_id: PlaceId, pack_ids: Iterable[PackId]) -> list[PlacePack]:
    mine = place_packs.c.place_id == place_id
    return [
        row
        for batch in in_lists(pack_ids)
        for row in matching(tx, mine, place_packs.c.pack_id.in_(batch))
    ]


def _row(place_id: PlaceId, one: FoundPack, pack_bytes: int, proof: Proof) -> dict[str, object]:
    whole = one.size_bytes == pack_bytes
    return {
        "place_id": place_id,
        "pack_id": one.pack_id,
        "generation": one.generation,
        "state": PRESENT if whole else DAMAGED,
        "proof_level": int(proof.level),
        "proof_at": proof.at,
        "reason": None if whole else f"it has {one.size_bytes} bytes instead of {pack_bytes}",
    }
