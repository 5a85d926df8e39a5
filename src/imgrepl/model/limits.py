"""How much a store takes: Azure's numbers by default, each of them a setting."""

from dataclasses import dataclass

from imgrepl.errors import Invalid

_GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits that actions check. Counts are per subscription and region, as Azure's are.

    `replicas_max` is per version and region. `disk_bytes_max` holds for fully replicated versions,
    `shallow_disk_bytes_max` for shallow ones.
    """

    galleries_max: int = 100
    definitions_max: int = 1_000
    versions_max: int = 10_000
    replicas_max: int = 100
    disk_bytes_max: int = 2_048 * _GIB
    shallow_disk_bytes_max: int = 32_767 * _GIB
    tags_max: int = 50
    tag_name_chars_max: int = 512
    tag_value_chars_max: int = 256

    def check_room(self, what: str, present: int, present_max: int, where: str) -> None:
        """Whether one more fits. Raises `Invalid` (`LimitExceeded`)."""
        if present >= present_max:
            raise Invalid(
                f"{where} has {present} {what}; at most {present_max} are allowed",
                code="LimitExceeded",
                target=where,
                hint="delete some, or raise the limit in the configuration",
            )

    def check_replica_count(self, count: int, target: str) -> None:
        """Whether a region may have so many replicas. Raises `Invalid` (`OutOfRange`)."""
        if not 1 <= count <= self.replicas_max:
            raise Invalid(
                f"{target}: {count} replicas; a region takes 1 to {self.replicas_max}",
                code="OutOfRange",
                target=target,
            )


AZURE_TODAY = Limits()
"""Azure Compute Gallery's limits as of 2026."""

AZURE_2021 = Limits(replicas_max=10, disk_bytes_max=1_024 * _GIB)
"""The limits of Shared Image Gallery in 2021."""
