"""Sets of a pack's slots, as ranges in order that neither overlap nor touch."""

from collections.abc import Iterable
from typing import NamedTuple


class SlotRange(NamedTuple):
    """`slots` consecutive slots of a pack, from `first_slot`."""

    first_slot: int
    slots: int

    @property
    def end(self) -> int:
        """The slot behind the last."""
        return self.first_slot + self.slots


def union(ranges: Iterable[SlotRange]) -> tuple[SlotRange, ...]:
    """Every slot of any of `ranges`, once."""
    found: list[SlotRange] = []
    for each in sorted(ranges):
        if found and each.first_slot <= found[-1].end:
            first = found[-1].first_slot
            found[-1] = SlotRange(first, max(each.end, found[-1].end) - first)
        else:
            found.append(each)
    return tuple(found)


def without(ranges: Iterable[SlotRange], those: Iterable[SlotRange]) -> tuple[SlotRange, ...]:
    """The slots of `ranges` that are in none of `those`; both as `union` gives them."""
    found: list[SlotRange] = []
    taken = list(those)
    for each in ranges:
        start = each.first_slot
        for other in taken:
            if other.end <= start or other.first_slot >= each.end:
                continue
            if other.first_slot > start:
                found.append(SlotRange(start, other.first_slot - start))
            start = max(start, other.end)
        if start < each.end:
            found.append(SlotRange(start, each.end - start))
    return tuple(found)


def count(ranges: Iterable[SlotRange]) -> int:
    """How many slots there are."""
    return sum(each.slots for each in ranges)
