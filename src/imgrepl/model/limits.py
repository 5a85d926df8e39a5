"""How much a store takes: Azure's numbers by default, each of them a setting."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from imgrepl.errors import Invalid

_GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits that actions check. Counts are per subscription and region, as Azure's are.

    `shared_…_max` are per gallery, `grants_max` is per gallery, definition or version;
    `replicas_max` is per version and region. `disk_bytes_max` holds for fully replicated versions,
    `shallow_disk_bytes_max` for shallow ones. Data disks have LUNs from 0 to `lun_max`.
    """

    galleries_max: int = 100
    definitions_max: int = 1_000
    versions_max: int = 10_000
    replicas_max: int = 100
    shared_subscriptions_max: int = 30
    shared_tenants_max: int = 5
    grants_max: int = 1_000
    disk_bytes_max: int = 2_048 * _GIB
    shallow_disk_bytes_max: int = 32_767 * _GIB
    tags_max: int = 50
    tag_name_chars_max: int = 512
    tag_value_chars_max: int = 256
    lun_max: int = 63

    def check_room(self, what: str, present: int, present_max: int, where: str) -> None:
        """Whether one more fits. Raises `Invalid` (`LimitExceeded`)."""
        if present >= present_max:
            raise Invalid(
                f"{where} has {present} {what}; at most {present_max} are allowed",
                code="LimitExceeded",
                target=where,
                hint="delete some, or raise the limit in the configuration: `imgrepl usage` shows"
                " what is left, `imgrepl config show` the settings",
            )

    def check_replica_count(self, count: int, target: str) -> None:
        """Whether a region may have so many replicas. Raises `Invalid` (`OutOfRange`)."""
        if not 1 <= count <= self.replicas_max:
            raise Invalid(
                f"{target}: {count} replicas; a region takes 1 to {self.replicas_max}",
                code="OutOfRange",
                target=target,
                hint=f"name a count from 1 to {self.replicas_max}; the setting replicas_max is the"
                " upper bound",
            )

    def check_disk_bytes(self, source: str, size_bytes: int, *, shallow: bool = False) -> None:
        """Whether a disk is not too large. Raises `Invalid` (`DiskTooLarge`)."""
        setting = "shallow_disk_bytes_max" if shallow else "disk_bytes_max"
        largest = self.shallow_disk_bytes_max if shallow else self.disk_bytes_max
        if size_bytes > largest:
            raise Invalid(
                f"{source} is a disk of {size_bytes} bytes; the limit is {largest}",
                code="DiskTooLarge",
                target=source,
                hint=f"the setting {setting} raises it",
            )

    def check_luns(self, luns: Iterable[int]) -> None:
        """Whether data disks may have these LUNs. Raises `Invalid` (`InvalidDiskLayout`)."""
        seen: set[int] = set()
        for lun in luns:
            if lun in seen:
                raise Invalid(
                    f"two data disks have the LUN {lun}",
                    code="InvalidDiskLayout",
                    target=str(lun),
                    hint=f"each data disk has a LUN of its own, from 0 to {self.lun_max}",
                )
            if not 0 <= lun <= self.lun_max:
                raise Invalid(
                    f"a data disk cannot have the LUN {lun}: from 0 to {self.lun_max}",
                    code="InvalidDiskLayout",
                    target=str(lun),
                    hint=f"give it a free LUN from 0 to {self.lun_max}",
                )
            seen.add(lun)


AZURE_TODAY = Limits()
"""Azure Compute Gallery's limits as of 2026."""

AZURE_2021 = Limits(replicas_max=10, disk_bytes_max=1_024 * _GIB)
"""The limits of Shared Image Gallery in 2021."""

PROFILES: Mapping[str, Limits] = {"today": AZURE_TODAY, "2021": AZURE_2021}
"""Sets of limits by the name that the setting `limits_profile` knows them by."""
