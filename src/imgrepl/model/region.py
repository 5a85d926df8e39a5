"""Regions, the places they offer, and how a replica's number leads to a place."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from imgrepl.errors import Invalid
from imgrepl.model.ids import PlaceId


class StorageAccountType(StrEnum):
    """How a replica is kept; Azure's own spellings. The last one is for edge zones alone."""

    STANDARD_LRS = "Standard_LRS"
    STANDARD_ZRS = "Standard_ZRS"
    PREMIUM_LRS = "Premium_LRS"
    STANDARD_SSD_LRS = "StandardSSD_LRS"


class PlaceRole(StrEnum):
    """Which of a region's sets of places one belongs to."""

    STANDARD = "standard"
    PREMIUM = "premium"
    ZONE_1 = "zone1"
    ZONE_2 = "zone2"
    ZONE_3 = "zone3"


ZONE_ROLES = (PlaceRole.ZONE_1, PlaceRole.ZONE_2, PlaceRole.ZONE_3)


def roles_of(storage_account_type: StorageAccountType) -> tuple[PlaceRole, ...]:
    """The places one replica of this type stands in: one, or one in each of three zones."""
    match storage_account_type:
        case StorageAccountType.STANDARD_LRS | StorageAccountType.STANDARD_SSD_LRS:
            return (PlaceRole.STANDARD,)
        case StorageAccountType.PREMIUM_LRS:
            return (PlaceRole.PREMIUM,)
        case StorageAccountType.STANDARD_ZRS:
            return ZONE_ROLES


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a bucket or directory is and which credentials open it.

    By reference and never by value.

    `url` is `s3://BUCKET[/PREFIX]` or `file:///ABSOLUTE/PATH`. `endpoint_url` is None for AWS
    itself. `credentials_file` is an INI file in the AWS form; `credentials_env` a prefix P of the
    variables `P_ACCESS_KEY_ID` and `P_SECRET_ACCESS_KEY`. `addressing` is `path`, `virtual` or
    `auto`.
    """

    url: str
    endpoint_url: str | None = None
    profile: str | None = None
    credentials_file: str | None = None
    credentials_env: str | None = None
    signing_region: str | None = None
    addressing: str = "auto"
    ca_file: str | None = None
    storage_class: str | None = None

    def below(self, *parts: str) -> "Endpoint":
        """The same endpoint, with `parts` appended to the path of its URL."""
        return replace(self, url="/".join([self.url.rstrip("/"), *parts]))

    @property
    def server(self) -> str:
        """What two endpoints share when one server can copy between them without the client.

        Scheme, host and account.
        """
        if self.url.startswith("file:"):
            return "file"
        account = (self.credentials_file, self.profile, self.credentials_env)
        return "|".join([self.endpoint_url or "aws", *filter(None, account)])


@dataclass(frozen=True, kw_only=True)
class Region:
    """A name under which replicas are kept, and what it offers.

    `standard` holds the region's own URL first, then its `--replica-url`s: replica k goes to
    `standard[k % len]`. `zones` is empty or has three entries. `parent` names the region an edge
    zone belongs to.
    """

    name: str
    display_name: str
    standard: tuple[Endpoint, ...]
    zones: tuple[Endpoint, ...] = ()
    premium: Endpoint | None = None
    parent: str | None = None

    @property
    def is_edge_zone(self) -> bool:
        """Whether it belongs to another region, and cannot be anything's home."""
        return self.parent is not None

    def offers(self, storage_account_type: StorageAccountType) -> bool:
        """Whether replicas of this type can be kept here."""
        match storage_account_type:
            case StorageAccountType.STANDARD_LRS:
                return True
            case StorageAccountType.STANDARD_ZRS:
                return len(self.zones) == len(ZONE_ROLES)
            case StorageAccountType.PREMIUM_LRS:
                return self.premium is not None
            case StorageAccountType.STANDARD_SSD_LRS:
                return self.is_edge_zone

    def endpoint_of(self, role: PlaceRole, number: int) -> Endpoint:
        """Where place `number` of `role` lies: the set's URL and `r<number>/` below it."""
        match role:
            case PlaceRole.STANDARD:
                base = self.standard[number % len(self.standard)]
            case PlaceRole.PREMIUM:
                if self.premium is None:
                    raise Invalid(
                        f"region {self.name} has no premium place", code="StorageTypeNotOffered"
                    )
                base = self.premium.below("premium")
            case _:
                if not self.zones:
                    raise Invalid(f"region {self.name} has no zones", code="StorageTypeNotOffered")
                base = self.zones[ZONE_ROLES.index(role)].below(role.value)
        return base.below(f"r{number}")


@dataclass(frozen=True, kw_only=True)
class Place:
    """One endpoint, bucket and key prefix.

    What a pack is in or is not in. `endpoint.url` includes the place's prefix.
    """

    id: PlaceId
    region: str
    role: PlaceRole
    number: int
    endpoint: Endpoint

    @property
    def name(self) -> str:
        """For people and for the ledger: `eastus/standard/0`."""
        return f"{self.region}/{self.role}/{self.number}"


_REGION_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def normal_region_name(text: str) -> str:
    """`"East US 2"` and `eastus2` are one region: lower case, no spaces.

    Raises `Invalid` (`InvalidRegionName`) where nothing usable is left.
    """
    name = re.sub(r"\s+", "", text).lower()
    if not _REGION_NAME.fullmatch(name):
        raise Invalid(
            f"{text!r} is no region name: 1 to 63 letters, digits and dashes, the first no dash",
            code="InvalidRegionName",
            target=text,
            hint="for example eastus, or 'East US' for the same",
        )
    return name
