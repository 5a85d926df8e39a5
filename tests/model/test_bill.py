"""Azure's worked example and its variations, to the byte and to the cent."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrepl.errors import Invalid
from imgrepl.model import bill
from imgrepl.model.bill import Bill, Kept, Month, Placement
from imgrepl.model.prices import Prices, RegionPrices
from imgrepl.model.region import StorageAccountType

LRS = StorageAccountType.STANDARD_LRS
ZRS = StorageAccountType.STANDARD_ZRS
PREMIUM = StorageAccountType.PREMIUM_LRS
GIB, GB = 1 << 30, 10**9
FLAT = RegionPrices(
    storage_usd_per_gigabyte_month={
        LRS: Decimal("0.05"),
        ZRS: Decimal("0.0625"),
        PREMIUM: Decimal("0.12"),
    },
    egress_usd_per_gigabyte=Decimal("0.02"),
    requests_usd_per_10000=Decimal("0.05"),
)
PRICES = Prices(gigabyte_bytes=GIB, default=FLAT)
SI_PRICES = Prices(gigabyte_bytes=GB, default=FLAT)


def placement(occupied_bytes: int = 10 * GIB, **regions: int) -> Placement:
    kept = {name: Kept(count, LRS) for name, count in regions.items()}
    return Placement(home="a", occupied_bytes=occupied_bytes, regions=kept)


EXAMPLE = placement(a=2, b=2, c=2)


def changed(before: Placement | None, after: Placement | None, prices: Prices = PRICES) -> Bill:
    return bill.total(bill.change(prices, before, after).values())


def quantities(found: Bill, gigabyte: int = GIB) -> tuple[int, float, float]:
    return found.snapshots, found.billed_bytes / gigabyte, found.egress_bytes / gigabyte


@pytest.mark.parametrize(
    ("prices", "occupied", "billed", "per_region", "copied"),
    [
        (PRICES, 10_737_418_240, 64_424_509_440, 21_474_836_480, 21_474_836_480),
        (SI_PRICES, 10_000_000_000, 60_000_000_000, 20_000_000_000, 20_000_000_000),
    ],
    ids=["GiB", "GB"],
)
def test_the_worked_example_to_the_byte_and_to_the_cent(
    prices: Prices, occupied: int, billed: int, per_region: int, copied: int
) -> None:
    by_region = bill.change(prices, None, placement(occupied, a=2, b=2, c=2))
    all_of_it = bill.total(by_region.values())

    assert {region: one.billed_bytes for region, one in by_region.items()} == dict.fromkeys(
        "abc", per_region
    )
    assert {region: one.egress_bytes for region, one in by_region.items()} == {
        "a": 0,
        "b": occupied,
        "c": occupied,
    }
    assert (all_of_it.snapshots, all_of_it.billed_bytes) == (6, billed)
    assert all_of_it.egress_bytes == copied
    assert all_of_it.storage_usd_month == Decimal("3.00")
    assert all_of_it.egress_usd == Decimal("0.40")
    assert all_of_it.first_month_usd == Decimal("3.40")


def test_a_full_size_copy_would_be_billed_for_what_is_provisioned() -> None:
    naive = changed(None, placement(159 * GIB, a=2, b=2, c=2))

    assert naive.billed_bytes == 1_024_349_700_096


def test_an_empty_data_disk_adds_a_snapshot_of_nothing() -> None:
    kept = Kept(2, LRS)

    assert bill.storage(PRICES, "a", kept, 0) == Bill(snapshots=2)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (EXAMPLE, placement(a=2, b=2, c=2, d=1), (1, 10, 10)),
        (EXAMPLE, placement(a=2, b=5, c=2), (3, 30, 0)),
        (EXAMPLE, placement(a=2, b=2), (-2, -20, 0)),
        (placement(a=2, b=2), EXAMPLE, (2, 20, 10)),
        (None, placement(), (0, 0, 0)),
        (EXAMPLE, placement(a=1, b=1, c=1), (-3, -30, 0)),
        (placement(a=1, b=1, c=1), EXAMPLE, (3, 30, 0)),
        (None, EXAMPLE, (6, 60, 20)),
        (None, placement(GIB, a=2, b=2, c=2), (6, 6, 2)),
    ],
    ids=[
        "a region is added",
        "a count is raised",
        "a region is removed",
        "and added again",
        "a shallow version",
        "soft delete",
        "undelete",
        "a copy in another gallery, or a version that differs by 1 GiB",
        "what that version really adds",
    ],
)
def test_changes_of_the_worked_example(
    before: Placement | None, after: Placement | None, expected: tuple[int, float, float]
) -> None:
    assert quantities(changed(before, after)) == expected


def test_ten_gibibytes_are_0_3226_a_day_in_a_month_of_31_days() -> None:
    quantity = bill.daily_quantity(PRICES, 10 * GIB, Month(2026, 1))

    assert round(quantity, 4) == Decimal("0.3226")
    assert quantity == Decimal(10) / 31


def test_each_region_has_its_own_prices_and_egress_those_of_where_it_leaves() -> None:
    dear = replace(FLAT, egress_usd_per_gigabyte=Decimal("0.08"))
    prices = replace(PRICES, regions={"b": dear})

    assert changed(None, EXAMPLE, prices).egress_usd == Decimal("0.40")
    from_b = replace(EXAMPLE, home="b")
    assert changed(None, from_b, prices).egress_usd == Decimal("1.60")


def test_storage_types_have_their_own_prices_and_a_zonal_replica_is_three_requests_a_pack() -> None:
    one = Placement(home="a", occupied_bytes=GIB, regions={"a": Kept(1, ZRS)}, packs=5)

    found = changed(None, one)

    assert found.storage_usd_month == Decimal("0.0625")
    assert found.requests == 15
    assert found.requests_usd == Decimal("0.000075")


regions = st.dictionaries(
    st.sampled_from("abcdef"), st.builds(Kept, st.integers(1, 100), st.sampled_from([LRS, PREMIUM]))
)
placements = st.builds(
    Placement,
    home=st.just("a"),
    occupied_bytes=st.integers(0, 1 << 45),
    regions=regions,
    packs=st.integers(0, 1000),
)


@given(placements, st.integers(1, 50))
def test_more_replicas_in_a_region_cost_storage_and_requests_only(
    before: Placement, more: int
) -> None:
    for region, kept in before.regions.items():
        raised = {**before.regions, region: kept._replace(replicas=kept.replicas + more)}
        found = changed(before, replace(before, regions=raised))

        assert found.egress_bytes == 0
        assert found.egress_usd == 0
        assert found.billed_bytes == more * before.occupied_bytes
        assert found.requests == more * before.packs


@given(placements, st.integers(1, 100))
def test_a_new_region_costs_egress_once_however_many_replicas_it_gets(
    before: Placement, count: int
) -> None:
    after = replace(before, regions={**before.regions, "new": Kept(count, LRS)})

    assert changed(before, after).egress_bytes == before.occupied_bytes


@given(placements, placements)
def test_going_there_and_back_leaves_the_storage_as_it_was(one: Placement, two: Placement) -> None:
    there_and_back = changed(one, two) + changed(two, one)

    assert abs(there_and_back.storage_usd_month) < Decimal("1e-12")
    assert there_and_back.billed_bytes == 0
    assert there_and_back.once_usd >= 0


@given(placements)
def test_nothing_changes_for_nothing(one: Placement) -> None:
    assert changed(one, one) == Bill()


@given(placements)
def test_the_home_region_is_never_billed_for_egress(one: Placement) -> None:
    assert bill.change(PRICES, None, one).get("a", Bill()).egress_bytes == 0


def test_a_month_is_billed_from_the_day_on_which_a_region_was_filled() -> None:
    november = Month(2026, 11)
    filled = date(2026, 11, 16)

    assert bill.storage_usd_in(november, filled, Decimal(3)) == Decimal("1.5")
    assert bill.storage_usd_in(november.next(), filled, Decimal(3)) == 3
    assert bill.storage_usd_in(Month(2026, 10), filled, Decimal(3)) == 0


def test_months_follow_one_another_over_the_new_year() -> None:
    assert Month(2026, 12).next() == Month(2027, 1)
    assert str(Month.parse("2027-02")) == "2027-02"
    assert Month.parse("2028-02").days == 29


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-00", "0000-01", "26-11", "2026-1", "x"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        Month.parse(text)

    assert refused.value.code == "InvalidMonth"


def test_half_a_cent_is_rounded_upwards() -> None:
    assert bill.cents(Decimal("0.125")) == Decimal("0.13")
    assert bill.cents(Decimal("3.404999")) == Decimal("3.40")
