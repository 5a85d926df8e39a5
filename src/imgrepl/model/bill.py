"""What versions cost: occupied bytes times replicas, the first copy into each region, requests.

Azure's rules. A replica is billed on the non-zero bytes of its version, whatever is really stored;
the first replica of a version in another region than its home is also billed as traffic out of the
home region, further replicas are not. Amounts keep 28 digits until they are shown.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from imgrepl.errors import Invalid
from imgrepl.model.gallery import ImageVersion, ReplicationMode
from imgrepl.model.prices import Prices
from imgrepl.model.region import PlaceRole, StorageAccountType, roles_of

ZERO_USD = Decimal(0)
_CENT = Decimal("0.01")


class Kept(NamedTuple):
    """How often one region keeps a version, and how."""

    replicas: int
    storage_account_type: StorageAccountType


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What a bill asks of a version: what is occupied, where it comes from, where it stands.

    A shallow version has no copies; one that is only to be restored has one replica a region.
    `packs` is how many objects a replica is made of.
    """

    home: str
    occupied_bytes: int
    regions: Mapping[str, Kept] = field(default_factory=dict)
    packs: int = 0

    @classmethod
    def of(cls, version: ImageVersion, packs: int = 0) -> "Placement":
        """What a version has once all its target regions are complete."""
        shallow = version.replication_mode is ReplicationMode.SHALLOW
        return cls(
            home=version.location,
            occupied_bytes=sum(disk.occupied_bytes or 0 for disk in version.disks),
            regions={
                target.name: Kept(target.replica_count, target.storage_account_type)
                for target in (() if shallow else version.target_regions)
            },
            packs=packs,
        )

    @property
    def copied_to(self) -> frozenset[str]:
        """The regions whose first replica came over the network."""
        return frozenset(self.regions) - {self.home}


@dataclass(frozen=True, kw_only=True)
class Bill:
    """Quantities and amounts; those of a change may be negative.

    `billed_bytes` is occupied times replicas; storage is per month, egress and requests are paid
    once.
    """

    snapshots: int = 0
    billed_bytes: int = 0
    storage_usd_month: Decimal = ZERO_USD
    egress_bytes: int = 0
    egress_usd: Decimal = ZERO_USD
    requests: int = 0
    requests_usd: Decimal = ZERO_USD

    def __add__(self, other: "Bill") -> "Bill":
        return Bill(**{name: getattr(self, name) + getattr(other, name) for name in _AMOUNTS})

    def __sub__(self, other: "Bill") -> "Bill":
        return Bill(**{name: getattr(self, name) - getattr(other, name) for name in _AMOUNTS})

    @property
    def once_usd(self) -> Decimal:
        """What is paid once: egress and requests."""
        return self.egress_usd + self.requests_usd

    @property
    def first_month_usd(self) -> Decimal:
        """A whole month's storage and what is paid once."""
        return self.storage_usd_month + self.once_usd


_AMOUNTS = tuple(spec.name for spec in fields(Bill))


def storage(prices: Prices, region: str, kept: Kept, occupied_bytes: int) -> Bill:
    """What keeping a version in one region costs a month."""
    billed = occupied_bytes * kept.replicas
    return Bill(
        snapshots=kept.replicas,
        billed_bytes=billed,
        storage_usd_month=prices.storage_usd_month(region, kept.storage_account_type, billed),
    )


def egress(prices: Prices, from_region: str, moved_bytes: int) -> Bill:
    """What a first copy out of a region costs."""
    return Bill(egress_bytes=moved_bytes, egress_usd=prices.egress_usd(from_region, moved_bytes))


def requests(prices: Prices, region: str, count: int) -> Bill:
    """What so many written objects cost in a region."""
    return Bill(requests=count, requests_usd=prices.requests_usd(region, count))


def change(prices: Prices, before: Placement | None, after: Placement | None) -> dict[str, Bill]:
    """What going from one placement to another costs, by region; None is no version at all.

    Egress stands with the region that it goes to. What is given up costs no egress and gives none
    back; filling a region again is a first copy again.
    """
    old = {} if before is None else before.regions
    new = {} if after is None else after.regions
    bills = {}
    for region in dict.fromkeys([*old, *new]):
        bill = Bill()
        if after is not None and region in new:
            bill += storage(prices, region, new[region], after.occupied_bytes)
            added = new[region].replicas - (old[region].replicas if region in old else 0)
            places = len(roles_of(new[region].storage_account_type))
            bill += requests(prices, region, max(0, added) * places * after.packs)
            if region not in old and region in after.copied_to:
                bill += egress(prices, after.home, after.occupied_bytes)
        if before is not None and region in old:
            bill -= storage(prices, region, old[region], before.occupied_bytes)
        bills[region] = bill
    return bills


def total(bills: Iterable[Bill]) -> Bill:
    """All of them together."""
    return sum(bills, start=Bill())


class Month(NamedTuple):
    """A calendar month in UTC; months compare in their order."""

    year: int
    month: int

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        """The month that a moment lies in."""
        at = moment.astimezone(UTC)
        return cls(at.year, at.month)

    @classmethod
    def parse(cls, text: str) -> "Month":
        """`2026-11`. Raises `Invalid` (`InvalidMonth`)."""
        year, dash, month = text.partition("-")
        if len(year) != 4 or len(month) != 2 or not (year + month).isdecimal() or not dash:
            raise _no_month(text)
        found = cls(int(year), int(month))
        if not 1 <= found.month <= 12 or not found.year:
            raise _no_month(text)
        return found

    @property
    def days(self) -> int:
        """How many days it has."""
        return monthrange(self.year, self.month)[1]

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    def next(self) -> "Month":
        """The month after it."""
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    def days_from(self, day: date) -> int:
        """How many of its days are left from a day on, that one included."""
        first = max(day, date(*self, 1))
        return max(0, (date(*self, self.days) - first).days + 1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


def _no_month(text: str) -> Invalid:
    return Invalid(
        f"{text!r} is no month from 0001-01 to 9999-12",
        code="InvalidMonth",
        target=text,
        hint="write 2026-11",
    )


def daily_quantity(prices: Prices, billed_bytes: int, month: Month) -> Decimal:
    """What a daily usage report shows: gigabyte-months of one day; 10 GiB in January is 10/31."""
    return Decimal(billed_bytes) / prices.gigabyte_bytes / month.days


def storage_usd_in(month: Month, since: date, storage_usd_month: Decimal) -> Decimal:
    """The part of a monthly price that falls into a month for what stands from `since` on."""
    return storage_usd_month * month.days_from(since) / month.days


def cents(amount: Decimal) -> Decimal:
    """The amount to the cent, half a cent upwards."""
    return amount.quantize(_CENT, ROUND_HALF_UP)


_PRICED = (
    StorageAccountType.STANDARD_LRS,
    StorageAccountType.STANDARD_ZRS,
    StorageAccountType.PREMIUM_LRS,
)
"""One type for every role of places, by whose price what is stored there is counted."""


def stored_usd_month(prices: Prices, stored: Mapping[tuple[str, PlaceRole], int]) -> Decimal:
    """What the bytes that the places of regions really hold would cost a month.

    A byte in one of three zones is a third of a zonal one, and the price of a zonal byte covers all
    three.
    """
    return sum(
        (
            prices.storage_usd_month(region, kind, held_bytes) / len(roles_of(kind))
            for (region, role), held_bytes in stored.items()
            for kind in _PRICED
            if role in roles_of(kind)
        ),
        start=ZERO_USD,
    )
