"""A price list: what storage, traffic and requests cost, region by region, in US dollars."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from imgrepl.errors import Invalid
from imgrepl.model.region import StorageAccountType, normal_region_name

_GIGABYTES = {"GiB": 1 << 30, "GB": 10**9}
_STORAGE = "storage_usd_per_gigabyte_month"
_TABLES = ("gigabyte", "default", "regions")


@dataclass(frozen=True, kw_only=True)
class RegionPrices:
    """One region's prices. Egress is what leaves it; requests are objects written or copied."""

    storage_usd_per_gigabyte_month: Mapping[StorageAccountType, Decimal]
    egress_usd_per_gigabyte: Decimal
    requests_usd_per_10000: Decimal


@dataclass(frozen=True, kw_only=True)
class Prices:
    """All regions' prices; a region that is not in `regions` has the `default` ones.

    `gigabyte_bytes` is what the list calls a gigabyte: 2^30 or 10^9 bytes.
    """

    gigabyte_bytes: int
    default: RegionPrices
    regions: Mapping[str, RegionPrices] = field(default_factory=dict)

    def of(self, region: str) -> RegionPrices:
        """The region's prices."""
        return self.regions.get(region, self.default)

    def storage_usd_month(self, region: str, kind: StorageAccountType, held_bytes: int) -> Decimal:
        """What so many bytes cost a month in a region, by how they are kept; unrounded."""
        price = self.of(region).storage_usd_per_gigabyte_month[kind]
        return price * held_bytes / self.gigabyte_bytes

    def egress_usd(self, from_region: str, moved_bytes: int) -> Decimal:
        """What so many bytes cost that leave a region; unrounded."""
        return self.of(from_region).egress_usd_per_gigabyte * moved_bytes / self.gigabyte_bytes

    def requests_usd(self, region: str, requests: int) -> Decimal:
        """What so many requests cost in a region; unrounded."""
        return self.of(region).requests_usd_per_10000 * requests / 10_000


def parse_prices(text: str, origin: str, base: Prices | None = None) -> Prices:
    """The price list in a TOML text; what it leaves out is as in `base`.

    `origin` names the text in messages. Raises `Invalid` (`InvalidPrices`).
    """
    try:
        table = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise _refused(origin, f"it is no TOML: {error}") from error
    _check_names(origin, "the list", table, _TABLES)
    gigabyte_bytes = _gigabyte_bytes(origin, table, base)
    default = _region_prices(
        origin, "default", table.get("default", {}), None if base is None else base.default
    )
    regions = {} if base is None else dict(base.regions)
    for name, own in _table(origin, "regions", table.get("regions", {})).items():
        region = normal_region_name(name)
        regions[region] = _region_prices(
            origin, f"regions.{name}", own, regions.get(region, default)
        )
    return Prices(gigabyte_bytes=gigabyte_bytes, default=default, regions=regions)


def _gigabyte_bytes(origin: str, table: Mapping[str, Any], base: Prices | None) -> int:
    stated = table.get("gigabyte")
    if stated is None and base is not None:
        return base.gigabyte_bytes
    for name, size in _GIGABYTES.items():
        if stated == name:
            return size
    raise _refused(origin, f"gigabyte is {stated!r}; it is GiB or GB")


def _region_prices(
    origin: str, where: str, table: object, base: RegionPrices | None
) -> RegionPrices:
    stated = dict(_table(origin, where, table))
    names = [spec.name for spec in fields(RegionPrices)]
    _check_names(origin, where, stated, names)
    storage = _table(origin, f"{where}.{_STORAGE}", stated.pop(_STORAGE, {}))
    kinds = [kind.value for kind in StorageAccountType]
    _check_names(origin, f"{where}.{_STORAGE}", storage, kinds)
    prices = {} if base is None else {name: getattr(base, name) for name in names}
    prices |= {name: _price(origin, f"{where}.{name}", value) for name, value in stated.items()}
    prices[_STORAGE] = dict(prices.get(_STORAGE, {})) | {
        StorageAccountType(kind): _price(origin, f"{where}.{_STORAGE}.{kind}", value)
        for kind, value in storage.items()
    }
    missing = [name for name in names if name not in prices]
    missing += [f"{_STORAGE}.{kind}" for kind in kinds if kind not in prices[_STORAGE]]
    if missing:
        raise _refused(origin, f"{where} has no {', '.join(missing)}")
    return RegionPrices(**prices)


def _table(origin: str, where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _refused(origin, f"{where} is {value!r}; it is a table")
    return value


def _check_names(
    origin: str, where: str, table: Mapping[str, Any], known: tuple[str, ...] | list[str]
) -> None:
    for name in table:
        if name not in known:
            raise _refused(origin, f"{where} has {name!r}, which is none of {', '.join(known)}")


def _price(origin: str, where: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _refused(origin, f"{where} is {value!r}; it is a number of US dollars")
    price = Decimal(value)
    if not price.is_finite() or price < 0:
        raise _refused(origin, f"{where} is {value}; it is 0 or more")
    return price


def _refused(origin: str, why: str) -> Invalid:
    return Invalid(
        f"the price list {origin} cannot be used: {why}",
        code="InvalidPrices",
        target=origin,
        hint="docs/costs.md shows a whole list",
    )
