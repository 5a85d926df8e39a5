"""What a replication will do: a value that can be shown, compared and executed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from imgrepl.model.ids import PackId, PlaceId


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


@dataclass(frozen=True, kw_only=True)
class ReplicationPlan:
    """Moves in the order in which the disks name the packs."""

    moves: tuple[PackMove, ...]

    @property
    def read_bytes(self) -> int:
        """What will be read from places."""
        return sum(move.pack_bytes for move in self.moves if move.read_from is not None)

    def sent_bytes(self) -> Counter[PlaceId]:
        """What this process will send, by place."""
        sent = Counter[PlaceId]()
        for move in self.moves:
            for lead in move.leads:
                sent[lead.target] += move.pack_bytes
        return sent

    def server_copied_bytes(self) -> Counter[PlaceId]:
        """What will move inside servers, by place that receives it."""
        copied = Counter[PlaceId]()
        for move in self.moves:
            for target in [s for lead in move.leads for s in lead.siblings]:
                copied[target] += move.pack_bytes
            for copy in move.copies:
                copied[copy.target] += move.pack_bytes
        return copied
