"""Which version `latest` is: the highest number that is eligible, region by region.

Numbers compare as integers. A region's own exclusion wins over the version's in both directions.
An end of life changes nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from imgrepl.errors import NotFound
from imgrepl.model.gallery import (
    DefinitionId,
    ImageVersion,
    ProvisioningState,
    VersionName,
)

EXPLAINED_MAX = 100


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What the choice looks at. `regions` maps each target region to its own exclusion (or None).

    `completed` are the regions in which at least one replica is: one is enough, so that raising a
    count does not take the version out of service meanwhile.
    """

    version: VersionName
    excluded: bool
    regions: Mapping[str, bool | None]
    completed: frozenset[str]
    deleting: bool = False
    soft_deleted: bool = False

    @classmethod
    def of(cls, version: ImageVersion, completed: Iterable[str]) -> "Candidate":
        """The candidate that a committed version is."""
        return cls(
            version=version.id.version,
            excluded=version.exclude_from_latest,
            regions={target.name: target.exclude_from_latest for target in version.target_regions},
            completed=frozenset(completed),
            deleting=version.provisioning_state is ProvisioningState.DELETING,
            soft_deleted=version.deletion is not None,
        )

    def reason_against(self, region: str) -> str | None:
        """Why it is not eligible in this region, in words; None where it is."""
        if self.deleting:
            return "it is being deleted"
        if self.soft_deleted:
            return "it is soft-deleted"
        if region not in self.regions:
            return f"{region} is none of its target regions"
        if region not in self.completed:
            return f"no replica in {region} is Completed"
        own = self.regions[region]
        if own:
            return f"it is excluded from latest in {region}"
        if own is None and self.excluded:
            return "it is excluded from latest"
        return None


@dataclass(frozen=True, kw_only=True)
class Explained:
    """One candidate: `reason` is why it lost, None for the one that won."""

    version: VersionName
    reason: str | None

    def __str__(self) -> str:
        return f"{self.version}: {self.reason or 'the latest'}"


def resolve(
    definition: DefinitionId, newest_first: Iterable[Candidate], region: str
) -> VersionName:
    """The highest eligible version in `region`; reads no further than it.

    `newest_first` is in descending order. Raises `NotFound`: `NotAvailableInRegion` where another
    region has an eligible version, else `NoLatestVersion`.
    """
    seen: list[Candidate] = []
    for candidate in newest_first:
        assert not seen or candidate.version < seen[-1].version, "candidates are out of order"
        if candidate.reason_against(region) is None:
            return candidate.version
        seen.append(candidate)
    raise _none(definition, seen, region)


def resolve_anywhere(
    definition: DefinitionId, newest_first: Iterable[Candidate]
) -> tuple[VersionName, tuple[str, ...]]:
    """The highest version that is eligible in any region, and the regions where it is.

    Raises `NotFound` (`NoLatestVersion`).
    """
    seen: list[Candidate] = []
    for candidate in newest_first:
        regions = _eligible_regions(candidate)
        if regions:
            return candidate.version, regions
        seen.append(candidate)
    raise _none(definition, seen, None)


def explain(newest_first: Iterable[Candidate], region: str) -> list[Explained]:
    """Of every candidate why it is not the latest in `region`; the one that is has no reason."""
    found: list[Explained] = []
    winner: VersionName | None = None
    for candidate in newest_first:
        reason = candidate.reason_against(region)
        if reason is None and winner is not None:
            reason = f"it is older than {winner}"
        elif reason is None:
            winner = candidate.version
        found.append(Explained(version=candidate.version, reason=reason))
    return found


def latest_by_region(newest_first: Iterable[Candidate]) -> dict[str, VersionName]:
    """What `latest` is, for every region in which any candidate is eligible."""
    found: dict[str, VersionName] = {}
    for candidate in newest_first:
        for region in _eligible_regions(candidate):
            found.setdefault(region, candidate.version)
    return found


def is_latest_in(
    version: VersionName, regions: Collection[str], newest_first: Iterable[Candidate]
) -> tuple[str, ...]:
    """Those of `regions`, the version's own, in which it is the latest; reads no further."""
    open_regions = set(regions)
    for candidate in newest_first:
        if candidate.version <= version or not open_regions:
            return tuple(
                region
                for region in _eligible_regions(candidate)
                if candidate.version == version and region in open_regions
            )
        open_regions.difference_update(_eligible_regions(candidate))
    return ()


def _eligible_regions(candidate: Candidate) -> tuple[str, ...]:
    return tuple(name for name in candidate.regions if candidate.reason_against(name) is None)


def _none(definition: DefinitionId, seen: Sequence[Candidate], region: str | None) -> NotFound:
    if not seen:
        return NotFound(
            f"{definition} has no versions yet",
            code="NoLatestVersion",
            target=str(definition),
            hint="`imgrepl image-version create` publishes one",
        )
    elsewhere = sorted({name for candidate in seen for name in _eligible_regions(candidate)})
    reasons = [
        f"{candidate.version}: {candidate.reason_against(name)}"
        for candidate in seen[:EXPLAINED_MAX]
        for name in ([region] if region else list(candidate.regions)[:1])
    ]
    if elsewhere:
        return NotFound(
            f"no version of {definition} is eligible as latest in {region};"
            f" there is one in {', '.join(elsewhere)}",
            code="NotAvailableInRegion",
            target=str(definition),
            details=reasons,
            hint=f"use --region {elsewhere[0]}, or add {region} to a version's target regions",
        )
    return NotFound(
        f"no version of {definition} is eligible as latest"
        + (f" in {region} or any other region" if region else " in any region"),
        code="NoLatestVersion",
        target=str(definition),
        details=reasons,
        hint="the details say of each why: `imgrepl image-version promote` lifts an exclusion,"
        " `imgrepl image-version retry` goes on with what failed",
    )
