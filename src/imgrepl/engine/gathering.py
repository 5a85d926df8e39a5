"""Part of the plan: frames of many packs that places need are put into few new packs. Pure."""

from collections.abc import Collection, Mapping, Sequence

from imgrepl.engine.packer import SLOTS_TARGET
from imgrepl.layout.pack import HEADER_BYTES, footer_bytes
from imgrepl.model.ids import PackId, PlaceId
from imgrepl.model.plan import FramesMove, Lead, PackFrames, PartialNeed
from imgrepl.model.region import Place
from imgrepl.model.slots import SlotRange, count

_Group = tuple[Lead, ...]
NO_PARENTS: Mapping[str, str] = {}


class Gathering:
    """Collects what is needed in parts, in the order in which disks name the packs.

    `places` are all places that may be read from. A new pack is closed once it would get longer
    than `bytes_target`; the frames of one pack stay together.
    """

    def __init__(
        self,
        places: Sequence[Place],
        *,
        home_region: str,
        bytes_target: int,
        parents: Mapping[str, str] = NO_PARENTS,
    ) -> None:
        self._places = {place.id: place for place in places}
        self._home_region = home_region
        self._bytes_target = bytes_target
        self._parents = parents
        self._open: dict[_Group, list[PackFrames]] = {}
        self._closed: list[FramesMove] = []

    def add(
        self, pack_id: PackId, pack_bytes: int, needs: Sequence[tuple[Place, PartialNeed]]
    ) -> None:
        """What each of some places needs of a pack; equal needs are read and packed once."""
        alike: dict[tuple[SlotRange, ...], list[tuple[Place, PartialNeed]]] = {}
        for place, need in needs:
            alike.setdefault(need.lacking, []).append((place, need))
        for group in alike.values():
            targets = [place for place, _ in group]
            need = group[0][1]
            sources = [self._places[place_id] for place_id in need.sources]
            wanted_in = with_parents({place.region for place in targets}, self._parents)
            source = nearest_first(sources, wanted_in, self._home_region)[0]
            self._put(leads_to(targets), PackFrames(pack_id, pack_bytes, need, source.id))

    def moves(self) -> tuple[FramesMove, ...]:
        """One move for every new pack. Ends the gathering."""
        for group in list(self._open):
            self._close(group)
        return tuple(self._closed)

    def _put(self, group: _Group, frames: PackFrames) -> None:
        gathered = self._open.setdefault(group, [])
        slots, frame_bytes = _sums([*gathered, frames])
        if gathered and (frame_bytes > self._bytes_target or slots > SLOTS_TARGET):
            self._close(group)
            gathered = self._open[group] = []
        gathered.append(frames)

    def _close(self, group: _Group) -> None:
        frames = self._open.pop(group)
        slots, frame_bytes = _sums(frames)
        pack_bytes = HEADER_BYTES + frame_bytes + footer_bytes(slots) if slots else 0
        self._closed.append(FramesMove(frames=tuple(frames), pack_bytes=pack_bytes, leads=group))


def leads_to(targets: Sequence[Place]) -> tuple[Lead, ...]:
    """One place for each region and server, which the rest of them there copy from."""
    groups: dict[tuple[str, str], list[PlaceId]] = {}
    for target in targets:
        groups.setdefault((target.region, target.endpoint.server), []).append(target.id)
    return tuple(Lead(group[0], tuple(group[1:])) for group in groups.values())


def with_parents(regions: Collection[str], parents: Mapping[str, str]) -> set[str]:
    """The regions and those that edge zones among them belong to: as near as nothing else."""
    return {*regions, *(parents[name] for name in regions if name in parents)}


def nearest_first(
    having: Sequence[Place], wanted_in: Collection[str], home_region: str
) -> list[Place]:
    """A holder in a region that wants the pack, then the home region, then the others."""
    return sorted(
        having,
        key=lambda place: (place.region not in wanted_in, place.region != home_region, place.id),
    )


def _sums(frames: Sequence[PackFrames]) -> tuple[int, int]:
    """Slots and stored bytes."""
    slots = sum(count(each.need.lacking) for each in frames)
    return slots, sum(each.need.frame_bytes for each in frames)
