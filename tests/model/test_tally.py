"""A bill of sums is the sum of the bills."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from imgrepl.model.bill import Month
from imgrepl.model.prices import Prices, RegionPrices
from imgrepl.model.region import StorageAccountType
from imgrepl.model.tally import Biller, Kept, Moved, Tally

KINDS = tuple(StorageAccountType)
NOVEMBER = Month(2026, 11)
PRICES = Prices(
    gigabyte_bytes=1,
    default=RegionPrices(
        storage_usd_per_gigabyte_month=dict(zip(KINDS, map(Decimal, (3, 6, 9, 12)), strict=True)),
        egress_usd_per_gigabyte=Decimal(2),
        requests_usd_per_10000=Decimal(10_000),
    ),
)
"""Whole dollars for what is kept thirty days."""

regions = st.sampled_from(["a", "b"])
days = st.dates(date(2026, 10, 1), date(2026, 12, 31))
keeps = st.builds(
    Kept, regions, st.sampled_from(KINDS), st.none() | days, st.integers(0, 3), st.integers(0, 90)
)
months = st.sampled_from([Month(2026, 10), NOVEMBER])
counts = st.integers(0, 90)
moves = st.builds(Moved, months, regions, regions, counts, counts, counts)


@given(st.lists(keeps, max_size=8), st.lists(moves, max_size=8))
def test_sums_are_billed_as_their_parts_are(kept: list[Kept], moved: list[Moved]) -> None:
    biller, tally = Biller(PRICES, NOVEMBER), Tally()
    tally.add(kept, moved)
    parts = [biller.price([one], []) for one in kept] + [biller.price([], [one]) for one in moved]
    whole = biller.price(tally.kept, tally.moved)
    assert whole.bill.storage_usd_month == sum(part.bill.storage_usd_month for part in parts)
    assert whole.bill.once_usd == sum(part.bill.once_usd for part in parts)
    assert whole.bill.snapshots == sum(part.bill.snapshots for part in parts)
    assert round(whole.storage_usd, 9) == round(sum(part.storage_usd for part in parts), 9)
    assert whole.sent_usd == sum(part.sent_usd for part in parts)
    regions_apart = [biller.price(one.kept, one.moved) for one in tally.by_region().values()]
    assert whole.bill.first_month_usd == sum(one.bill.first_month_usd for one in regions_apart)


@given(st.lists(keeps, max_size=8), st.lists(moves, max_size=8))
def test_what_a_month_cannot_tell_apart_costs_the_same(
    kept: list[Kept], moved: list[Moved]
) -> None:
    biller = Biller(PRICES, NOVEMBER)
    fewer = biller.price(biller.kept(kept), biller.moved(moved))
    assert fewer == biller.price(kept, moved)
    assert all(one.since is None or one.since > date(2026, 11, 1) for one in biller.kept(kept))
