"""The published hierarchy: gallery, image definition, image version, with Azure's fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Self

from imgrepl.errors import Invalid
from imgrepl.model.ids import ContentId, IncarnationId
from imgrepl.model.region import StorageAccountType
from imgrepl.model.sharing import PRIVATE, Grant, SharingProfile
from imgrepl.model.source_state import SourceState

VERSION_NUMBER_MAX = 2**31 - 1
_VERSION = re.compile(r"(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,9})")


class OsType(StrEnum):
    """The guest's family; Azure's spellings, here and below."""

    WINDOWS = "Windows"
    LINUX = "Linux"


class OsState(StrEnum):
    """Whether machine-specific information was removed from the image."""

    GENERALIZED = "Generalized"
    SPECIALIZED = "Specialized"


class HyperVGeneration(StrEnum):
    """Firmware: V1 is BIOS, V2 is UEFI."""

    V1 = "V1"
    V2 = "V2"


class Architecture(StrEnum):
    """The guest's processor."""

    X64 = "x64"
    ARM64 = "Arm64"


class ProvisioningState(StrEnum):
    """Where a resource stands, in Azure's words."""

    CREATING = "Creating"
    UPDATING = "Updating"
    FAILED = "Failed"
    SUCCEEDED = "Succeeded"
    DELETING = "Deleting"


class HostCaching(StrEnum):
    """How a machine's host is to cache a disk."""

    NONE = "None"
    READ_ONLY = "ReadOnly"
    READ_WRITE = "ReadWrite"


class StorageAccountStrategy(StrEnum):
    """How a region keeps replicas where nothing states a storage account type.

    `PreferStandard_ZRS` takes zones where the region has them, `DefaultStandard_LRS` never does.
    """

    PREFER_STANDARD_ZRS = "PreferStandard_ZRS"
    DEFAULT_STANDARD_LRS = "DefaultStandard_LRS"


class ReplicationMode(StrEnum):
    """`Full` copies the content; `Shallow` points at the source."""

    FULL = "Full"
    SHALLOW = "Shallow"


class VersionName(NamedTuple):
    """`Major.Minor.Patch`; compares as three integers, never as text."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `1.0.12`. Raises `Invalid` (`InvalidVersion`) with the rule and its bounds."""
        match = _VERSION.fullmatch(text)
        numbers = [int(part) for part in match.groups()] if match else []
        if not numbers or max(numbers) > VERSION_NUMBER_MAX:
            raise Invalid(
                f"{text!r} is no image version: Major.Minor.Patch, three integers from 0 to"
                f" {VERSION_NUMBER_MAX} without leading zeros",
                code="InvalidVersion",
                target=text,
                hint="for a date use YYYY.MMDD.HHMM, for example 2026.1123.904",
            )
        return cls(*numbers)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True, kw_only=True)
class GalleryId:
    """Names a gallery. Names compare without case; what was typed first is kept for display."""

    subscription: str = "default"
    group: str = "default"
    gallery: str

    def __str__(self) -> str:
        """`SUBSCRIPTION/GROUP/GALLERY`, or the gallery alone where both others are the default."""
        parts = [self.subscription, self.group]
        return "/".join([*(parts if parts != ["default"] * 2 else []), self.gallery])

    @property
    def unique_name(self) -> str:
        """The name by which those know it whom it is shared with directly."""
        return f"{self.subscription}-{self.gallery.upper()}"

    def definition(self, name: str) -> "DefinitionId":
        """The id of a definition in this gallery."""
        return DefinitionId(gallery=self, definition=name)


@dataclass(frozen=True, kw_only=True)
class DefinitionId:
    """Names an image definition inside its gallery."""

    gallery: GalleryId
    definition: str

    def __str__(self) -> str:
        return f"{self.gallery}/{self.definition}"

    def version(self, name: VersionName) -> "VersionId":
        """The id of a version of this definition."""
        return VersionId(definition=self, version=name)


@dataclass(frozen=True, kw_only=True)
class VersionId:
    """Names an image version inside its definition."""

    definition: DefinitionId
    version: VersionName

    @property
    def gallery(self) -> GalleryId:
        """The gallery this version belongs to."""
        return self.definition.gallery

    def __str__(self) -> str:
        return f"{self.definition}/{self.version}"


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """A gallery; only `description`, `tags`, the soft-delete policy and the sharing may change.

    A version in the bin can be used for the days of retention, and for the days of grace behind
    them only be brought back.
    """

    id: GalleryId
    incarnation: IncarnationId
    revision: int
    location: str
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    soft_delete_enabled: bool = False
    soft_delete_retention_days: int = 7
    soft_delete_grace_days: int = 0
    sharing: SharingProfile = PRIVATE
    grants: tuple[Grant, ...] = ()
    created_at: datetime | None = None
    provisioning_state: ProvisioningState = ProvisioningState.SUCCEEDED

    def is_known_as(self, name: str) -> bool:
        """Whether consumers know it by this name: its unique or its public one."""
        public = self.sharing.community.public_name if self.sharing.community else ""
        return name.lower() in {self.id.unique_name.lower(), public.lower()}


class ImageIdentifier(NamedTuple):
    """Publisher, offer and SKU; unique inside a gallery."""

    publisher: str
    offer: str
    sku: str


class Range(NamedTuple):
    """A recommendation's bounds, either of which may be open (None)."""

    minimum: int | None = None
    maximum: int | None = None


OPEN_RANGE = Range()


class PurchasePlan(NamedTuple):
    """The marketplace plan of the source."""

    name: str
    publisher: str
    product: str


@dataclass(frozen=True, kw_only=True)
class ImageDefinition:
    """What all versions of an image have in common. `recommended_memory` is in GB.

    `features_start_at` says of a feature the first version that has it, where not all have.
    Features change only with `allow_update_image`.
    """

    id: DefinitionId
    incarnation: IncarnationId
    revision: int
    location: str
    identifier: ImageIdentifier
    os_type: OsType
    os_state: OsState = OsState.GENERALIZED
    hyper_v_generation: HyperVGeneration = HyperVGeneration.V2
    architecture: Architecture = Architecture.X64
    features: Mapping[str, str] = field(default_factory=dict)
    features_start_at: Mapping[str, VersionName] = field(default_factory=dict)
    allow_update_image: bool = False
    recommended_vcpus: Range = OPEN_RANGE
    recommended_memory: Range = OPEN_RANGE
    disallowed_disk_types: tuple[str, ...] = ()
    description: str | None = None
    end_of_life_date: datetime | None = None
    release_note_uri: str | None = None
    eula: str | None = None
    privacy_statement_uri: str | None = None
    purchase_plan: PurchasePlan | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()
    created_at: datetime | None = None
    provisioning_state: ProvisioningState = ProvisioningState.SUCCEEDED


@dataclass(frozen=True, kw_only=True)
class TargetRegion:
    """Where a version is to stand, how often and how kept.

    None of `exclude_from_latest` means unset. `parent` is the region that an edge zone belongs to.
    """

    name: str
    replica_count: int
    storage_account_type: StorageAccountType
    exclude_from_latest: bool | None = None
    parent: str | None = None


@dataclass(frozen=True, kw_only=True)
class VersionDisk:
    """One disk of a version: the OS disk (`lun` None) or a data disk.

    `content_id`, `occupied_bytes`, `chunks` and `stored_bytes` are None until the content is
    durable in the home region. `sha256` is hex of the guest-visible disk, or None where nobody
    asked for it. `source` is what the user named, `format` what was found there. `host_caching` is
    advice to whoever makes a machine of it. `source_state` is what
    a shallow version knows of its source; a full one needs it no more.
    """

    lun: int | None
    source: str
    format: str | None = None
    provisioned_bytes: int | None = None
    occupied_bytes: int | None = None
    stored_bytes: int | None = None
    content_id: ContentId | None = None
    chunks: int | None = None
    sha256: str | None = None
    host_caching: HostCaching | None = None
    source_state: SourceState | None = None


@dataclass(frozen=True, kw_only=True)
class SafetyProfile:
    """Guards against deletion."""

    allow_deletion_of_replicated_locations: bool = True
    block_deletion_before_end_of_life: bool = False


@dataclass(frozen=True, kw_only=True)
class SoftDeletion:
    """That a version lies in the bin, since when and for how long.

    `replica_counts` are those of its regions before: what it gets back when it is brought back.
    """

    deleted_at: datetime
    consumption_ends_at: datetime
    hard_deletion_at: datetime
    replica_counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class ImageVersion:
    """A version: content that never changes, and a publishing profile that may.

    `committed` is whether its home record is durable: from then on its content is the version's for
    good. `storage_account_strategy` chose the types of regions that stated none. `deletion` is set
    while it lies in the bin: never `latest`, with one replica a region.
    """

    id: VersionId
    incarnation: IncarnationId
    revision: int
    location: str
    target_regions: tuple[TargetRegion, ...]
    replica_count: int
    storage_account_type: StorageAccountType
    disks: tuple[VersionDisk, ...]
    committed: bool = False
    exclude_from_latest: bool = False
    end_of_life_date: datetime | None = None
    published_at: datetime | None = None
    replication_mode: ReplicationMode = ReplicationMode.FULL
    safety: SafetyProfile = SafetyProfile()
    tags: Mapping[str, str] = field(default_factory=dict)
    provisioning_state: ProvisioningState = ProvisioningState.CREATING
    storage_account_strategy: StorageAccountStrategy | None = None
    deletion: SoftDeletion | None = None
    grants: tuple[Grant, ...] = ()

    @property
    def content_ids(self) -> tuple[ContentId, ...]:
        """The content of every disk, OS disk first; complete only once committed."""
        return tuple(disk.content_id for disk in self.disks if disk.content_id is not None)

    @property
    def parents(self) -> dict[str, str]:
        """The regions that target regions which are edge zones belong to."""
        return {t.name: t.parent for t in self.target_regions if t.parent is not None}

    @property
    def is_shallow(self) -> bool:
        """Whether it points at its source and has no content of its own."""
        return self.replication_mode is ReplicationMode.SHALLOW

    @property
    def pointers(self) -> tuple[tuple[int | None, str, SourceState | None], ...]:
        """What each disk of a shallow version points at: LUN, source, and how that was."""
        return tuple((disk.lun, disk.source, disk.source_state) for disk in self.disks)

    @property
    def may_have_record(self) -> bool:
        """Whether it has got so far that its home record may have been written."""
        return any(disk.content_id or disk.source_state for disk in self.disks)
