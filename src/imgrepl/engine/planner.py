"""Stage 6: per place, the packs that are missing, where they come from and by which way. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from imgrepl.errors import Corrupt
from imgrepl.model.ids import PackId, PlaceId
from imgrepl.model.plan import Lead, PackMove, ReplicationPlan, ServerCopy
from imgrepl.model.region import Place

PACK_LOST = "PackLost"
"""The code of the error that says that no place has a healthy copy of a pack."""


def plan_replication(
    packs: Mapping[PackId, int],
    targets: Sequence[Place],
    holders: Mapping[PackId, Sequence[Place]],
    *,
    home_region: str,
    trusted: Collection[tuple[PlaceId, PackId]] = (),
) -> ReplicationPlan:
    """What brings `packs` (id → bytes, in disk order) to every one of `targets`.

    `holders` are the places with a healthy copy of each. A target whose server has a holder is
    filled by that server; of the others, one per region and server is sent the pack and the rest
    copy from it. A server only copies what was put or fully read in this operation (`trusted`),
    because some carry a checksum over without reading: else the pack is read there first, and if a
    region must be sent it, that one read serves it too. Raises `Corrupt` (`PackLost`) where no
    place has a pack.
    """
    moves: list[PackMove] = []
    for pack_id, pack_bytes in packs.items():
        having = list(holders.get(pack_id, ()))
        have_ids = {place.id for place in having}
        missing = [place for place in targets if place.id not in have_ids]
        if missing and not having:
            raise Corrupt(
                f"no place has a healthy copy of pack {pack_id}",
                code=PACK_LOST,
                target=pack_id,
                hint="publish the version's source again, or bring a region back that has it",
            )
        if missing:
            pack = _Pack(pack_id, pack_bytes, having, missing)
            moves += _moves(pack, home_region, trusted)
    return ReplicationPlan(moves=tuple(moves))


class _Pack(NamedTuple):
    pack_id: PackId
    pack_bytes: int
    having: list[Place]
    missing: list[Place]


def _moves(
    pack: _Pack, home_region: str, trusted: Collection[tuple[PlaceId, PackId]]
) -> list[PackMove]:
    """One move for every place the pack is read from, and one for what needs no reading."""
    nearest = _nearest_first(pack.having, {place.region for place in pack.missing}, home_region)
    free: list[ServerCopy] = []
    read: dict[PlaceId, list[ServerCopy]] = {}
    leads: dict[tuple[str, str], list[PlaceId]] = {}
    for target in pack.missing:
        local = [place for place in nearest if place.endpoint.server == target.endpoint.server]
        source = next((p for p in local if (p.id, pack.pack_id) in trusted), None)
        if source is not None:
            free.append(ServerCopy(source.id, target.id))
        elif local:
            read.setdefault(local[0].id, []).append(ServerCopy(local[0].id, target.id))
        else:
            leads.setdefault((target.region, target.endpoint.server), []).append(target.id)
    if leads and not read:
        read[nearest[0].id] = []
    sent = tuple(Lead(group[0], tuple(group[1:])) for group in leads.values())
    moves = [_move(pack, None, (), free)] if free else []
    for source_id, copies in read.items():
        moves.append(_move(pack, source_id, sent, copies))
        sent = ()
    return moves


def _move(
    pack: _Pack, read_from: PlaceId | None, leads: tuple[Lead, ...], copies: list[ServerCopy]
) -> PackMove:
    return PackMove(
        pack_id=pack.pack_id,
        pack_bytes=pack.pack_bytes,
        read_from=read_from,
        leads=leads,
        copies=tuple(copies),
    )


def _nearest_first(
    having: Sequence[Place], wanted_in: Collection[str], home_region: str
) -> list[Place]:
    """A holder in a region that wants the pack, then the home region, then the others."""
    return sorted(
        having,
        key=lambda place: (place.region not in wanted_in, place.region != home_region, place.id),
    )
