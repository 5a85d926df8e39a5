"""Stage 6: per place, the packs that are missing, where they come from and by which way. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from imgrepl.engine.gathering import (
    NO_PARENTS,
    Gathering,
    leads_to,
    nearest_first,
    with_parents,
)
from imgrepl.errors import Corrupt
from imgrepl.layout.pack import PACK_BYTES_TARGET
from imgrepl.model.ids import PackId, PlaceId
from imgrepl.model.plan import Lead, PackMove, PartialNeed, ReplicationPlan, ServerCopy
from imgrepl.model.region import Place

PACK_LOST = "PackLost"
"""The code of the error that says that no place has a healthy copy of a pack."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What targets that lack a pack really need of it.

    `met` are those that have it through other packs, `partial` those that need but some frames;
    `sources` are all places that frames may be read from.
    """

    met: Collection[tuple[PlaceId, PackId]] = ()
    partial: Mapping[tuple[PlaceId, PackId], PartialNeed] = field(default_factory=dict)
    sources: Sequence[Place] = ()
    pack_bytes_target: int = PACK_BYTES_TARGET


NO_NEEDS = Needs()


def plan_replication(
    packs: Mapping[PackId, int],
    targets: Sequence[Place],
    holders: Mapping[PackId, Sequence[Place]],
    *,
    home_region: str,
    trusted: Collection[tuple[PlaceId, PackId]] = (),
    needs: Needs = NO_NEEDS,
    parents: Mapping[str, str] = NO_PARENTS,
) -> ReplicationPlan:
    """What brings `packs` (id → bytes, in disk order) to every one of `targets`.

    `holders` are the places with a healthy copy of each. A target whose server has a holder is
    filled by that server; of the others, one per region and server is sent the pack and the rest
    copy from it. A server only copies what was put or fully read in this operation (`trusted`),
    because some carry a checksum over without reading: else the pack is read there first, and if a
    region must be sent it, that one read serves it too. `needs` says which targets have what they
    need of a pack already and which need only frames of it: they get those, unless a neighbour on
    their server gets or has the whole. `parents` are the regions of edge zones, which are filled
    from there if they can be. Raises `Corrupt` (`PackLost`) where no place has a pack.
    """
    moves: list[PackMove] = []
    gathering = Gathering(
        needs.sources,
        home_region=home_region,
        bytes_target=needs.pack_bytes_target,
        parents=parents,
    )
    for pack_id, pack_bytes in packs.items():
        having = list(holders.get(pack_id, ()))
        have_ids = {place.id for place in having}
        missing = [
            place
            for place in targets
            if place.id not in have_ids and (place.id, pack_id) not in needs.met
        ]
        whole, in_parts = _divided(pack_id, missing, having, needs)
        if whole and not having:
            raise Corrupt(
                f"no place has a healthy copy of pack {pack_id}",
                code=PACK_LOST,
                target=pack_id,
                hint="publish the version's source again, or bring a region back that has it",
            )
        if whole:
            wanted_in = with_parents({place.region for place in whole}, parents)
            nearest = nearest_first(having, wanted_in, home_region)
            moves += _moves(_Pack(pack_id, pack_bytes, nearest, whole), trusted)
        gathering.add(pack_id, pack_bytes, in_parts)
    return ReplicationPlan(moves=tuple(moves), frames=gathering.moves())


def _divided(
    pack_id: PackId, missing: Sequence[Place], having: Sequence[Place], needs: Needs
) -> tuple[list[Place], list[tuple[Place, PartialNeed]]]:
    """The places that get all of a pack, and those that get frames of it."""
    partial = {
        place.id: needs.partial[place.id, pack_id]
        for place in missing
        if (place.id, pack_id) in needs.partial
    }
    copying = {place.endpoint.server for place in having}
    sending = {_group(place) for place in missing if place.id not in partial}
    whole = [
        place
        for place in missing
        if place.id not in partial
        or (having and (place.endpoint.server in copying or _group(place) in sending))
    ]
    in_parts = [(place, partial[place.id]) for place in missing if place not in whole]
    return whole, in_parts


def _group(place: Place) -> tuple[str, str]:
    """Places that get a pack from one another."""
    return place.region, place.endpoint.server


class _Pack(NamedTuple):
    """`nearest` are its holders, the nearest first."""

    pack_id: PackId
    pack_bytes: int
    nearest: list[Place]
    missing: list[Place]


def _moves(pack: _Pack, trusted: Collection[tuple[PlaceId, PackId]]) -> list[PackMove]:
    """One move for every place the pack is read from, and one for what needs no reading."""
    nearest = pack.nearest
    free: list[ServerCopy] = []
    read: dict[PlaceId, list[ServerCopy]] = {}
    remote: list[Place] = []
    for target in pack.missing:
        local = [place for place in nearest if place.endpoint.server == target.endpoint.server]
        source = next((p for p in local if (p.id, pack.pack_id) in trusted), None)
        if source is not None:
            free.append(ServerCopy(source.id, target.id))
        elif local:
            read.setdefault(local[0].id, []).append(ServerCopy(local[0].id, target.id))
        else:
            remote.append(target)
    if remote and not read:
        read[nearest[0].id] = []
    sent = leads_to(remote)
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
