"""Ranges of slots behave like the sets of numbers that they stand for."""

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from imgrepl.model.slots import SlotRange, count, union, without

RANGES = st.lists(st.builds(SlotRange, st.integers(0, 40), st.integers(1, 12)), max_size=8)


def numbers(ranges: Iterable[SlotRange]) -> set[int]:
    return {slot for each in ranges for slot in range(each.first_slot, each.end)}


def is_in_order_and_apart(ranges: tuple[SlotRange, ...]) -> bool:
    pairs = pairwise(ranges)
    return all(one.slots > 0 for one in ranges) and all(a.end < b.first_slot for a, b in pairs)


@given(RANGES)
def test_a_union_has_every_slot_once(ranges: list[SlotRange]) -> None:
    found = union(ranges)
    assert numbers(found) == numbers(ranges)
    assert is_in_order_and_apart(found)
    assert count(found) == len(numbers(ranges))


@given(RANGES, RANGES)
def test_what_is_left_without_others_has_none_of_them(
    ranges: list[SlotRange], those: list[SlotRange]
) -> None:
    found = without(union(ranges), union(those))
    assert numbers(found) == numbers(ranges) - numbers(those)
    assert is_in_order_and_apart(found)
