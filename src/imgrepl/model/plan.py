"""What a replication will do: a value that can be shown, compared and executed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from imgrepl.model.ids import PackId, PlaceId
from imgrepl.model.slots import SlotRange


class Lead(NamedTuple):
    """A place that gets a pack from this process.

    And those on its server that copy it from there.
    """

    target: PlaceId
    siblings: tuple[PlaceId, ...]


class ServerCopy(NamedTuple):
    """A pack goes from one place to another inside one server."""

    source: PlaceId
    target: PlaceId


@dataclass(frozen=True, kw_only=True)
class PackMove:
    """Everything that happens to one pack.

    `read_from` is the place it is read from, once for all; None where no byte passes this process.
    """

    pack_id: PackId
    pack_bytes: int
    read_from: PlaceId | None
    leads: tuple[Lead, ...]
    copies: tuple[ServerCopy, ...]

    def targets(self) -> Iterator[PlaceId]:
        """Every place that will have the pack afterwards."""
        for lead in self.leads:
            yield lead.target
            yield from lead.siblings
        for copy in self.copies:
            yield copy.target


class PartialNeed(NamedTuple):
    """What a place needs of a pack of which it does not need most.

    `needed` slots are what the contents that are planned for name, `lacking` those of them that are
    not in the place yet, with `frame_bytes` stored bytes. `sources` have all that is lacking.
    """

    needed: tuple[SlotRange, ...]
    lacking: tuple[SlotRange, ...]
    frame_bytes: int
    sources: tuple[PlaceId, ...]


class PackFrames(NamedTuple):
    """A pack of which some frames move; nothing is read where `need` lacks nothing."""

    pack_id: PackId
    pack_bytes: int
    need: PartialNeed
    read_from: PlaceId


@dataclass(frozen=True, kw_only=True)
class FramesMove:
    """Frames of some packs become one new pack, in places that need little of those packs.

    `pack_bytes` is the new pack's length, 0 where the places lack nothing but the word that they
    have it.
    """

    frames: tuple[PackFrames, ...]
    pack_bytes: int
    leads: tuple[Lead, ...]

    @property
    def read_from(self) -> PlaceId:
        """The place that the first of the frames are read from."""
        return self.frames[0].read_from

    @property
    def frame_bytes(self) -> int:
        """Stored bytes of all frames that move."""
        return sum(each.need.frame_bytes for each in self.frames)

    def targets(self) -> Iterator[PlaceId]:
        """Every place that will have the new pack afterwards."""
        for lead in self.leads:
            yield lead.target
            yield from lead.siblings


Move = PackMove | FramesMove


@dataclass(frozen=True, kw_only=True)
class ReplicationPlan:
    """Moves in the order in which the disks name the packs; `frames` come after whole packs."""

    moves: tuple[PackMove, ...]
    frames: tuple[FramesMove, ...] = ()

    @property
    def all_moves(self) -> tuple[Move, ...]:
        """What is to be done, in order."""
        return (*self.moves, *self.frames)

    @property
    def read_bytes(self) -> int:
        """What will be read from places; of packs of which frames move, those frames."""
        whole = sum(move.pack_bytes for move in self.moves if move.read_from is not None)
        return whole + sum(move.frame_bytes for move in self.frames)

    def sent_bytes(self) -> Counter[PlaceId]:
        """What this process will send, by place."""
        sent = Counter[PlaceId]()
        for move in self.all_moves:
            for lead in move.leads:
                sent[lead.target] += move.pack_bytes
        return sent

    def server_copied_bytes(self) -> Counter[PlaceId]:
        """What will move inside servers, by place that receives it."""
        copied = Counter[PlaceId]()
        for move in self.all_moves:
            for target in [s for lead in move.leads for s in lead.siblings]:
                copied[target] += move.pack_bytes
        for move in self.moves:
            for copy in move.copies:
                copied[copy.target] += move.pack_bytes
        return copied

    def puts(self) -> Counter[PlaceId]:
        """How many packs are written, by place that receives them."""
        return Counter(target for move in self.all_moves for target in move.targets())
