"""Of each pack of another store: is it here, does it come whole, or do some of its frames."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from imgrepl.engine.dedup import Decision, Deduplicator
from imgrepl.engine.foreign import ForeignVersion, PackNeed
from imgrepl.engine.stopping import check_stop
from imgrepl.layout.pack import PackFooter
from imgrepl.model.ids import ChunkId
from imgrepl.model.region import Place
from imgrepl.store.protocols import Store

_FOOTERS_AHEAD = 32


class Way(StrEnum):
    """How what is needed of a pack gets here."""

    KNOWN = "known"
    WHOLE = "whole"
    FRAMES = "frames"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The fate of a pack; `decisions` are those of its needed slots, in order."""

    need: PackNeed
    footer: PackFooter
    way: Way
    decisions: Sequence[Decision]
    new_bytes: int

    @property
    def new_slots(self) -> list[int]:
        """The needed slots whose chunks are nowhere here."""
        return [
            slot
            for slot, decision in zip(self.need.numbers, self.decisions, strict=True)
            if decision.new
        ]


def choose(
    need: PackNeed, footer: PackFooter, deduplicator: Deduplicator, *, copied_by_server: bool
) -> Choice:
    """A pack comes whole where half of it or more is new here, or the server copies it by itself.

    Else what is new comes alone, and where nothing is, nothing does.
    """
    decisions = deduplicator.decide(chunk_ids(footer, need))
    new_bytes = sum(
        int(footer.stored_bytes[slot])
        for slot, decision in zip(need.numbers, decisions, strict=True)
        if decision.new
    )
    way = Way.KNOWN
    if new_bytes:
        whole = copied_by_server or 2 * new_bytes >= need.pack_bytes
        way = Way.WHOLE if whole else Way.FRAMES
    return Choice(need=need, footer=footer, way=way, decisions=decisions, new_bytes=new_bytes)


def chunk_ids(footer: PackFooter, need: PackNeed) -> list[ChunkId]:
    """The chunks that are needed, in slot order."""
    return [footer.chunk_id(slot) for slot in need.numbers]


def copied_by_server(foreign: ForeignVersion, target: Store, need: PackNeed) -> bool:
    """Whether the target's server has the pack as well and can copy it."""
    return any(
        _can_copy(foreign, target, place) for place, _key in foreign.holders_of(need.pack_id)
    )


def _can_copy(foreign: ForeignVersion, target: Store, place: Place) -> bool:
    return target.can_copy_from(foreign.engine.stores.of(place))


def with_footers(
    foreign: ForeignVersion, needs: Iterable[PackNeed]
) -> Iterator[tuple[PackNeed, PackFooter | None]]:
    """Each need with its pack's footer, a few read ahead; None where no place has it whole."""
    rest = iter(needs)
    with ThreadPoolExecutor(foreign.engine.options.heads_in_flight, "footers") as pool:
        while batch := list(islice(rest, _FOOTERS_AHEAD)):
            check_stop(foreign.engine.stop)
            yield from zip(batch, pool.map(foreign.footer_of, batch), strict=True)
