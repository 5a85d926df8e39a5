"""Whether what runs on one image may go on with another: a machine's disks are made anew from it.

A check says `same`, `fits` (another value, and nothing stands in the way), `depends` (some machines
can, others cannot: the reason says which) or `blocks`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from imgrepl.model.gallery import ImageDefinition, ImageVersion, VersionDisk

_STANDARD = frozenset({"Standard"})
_SECURITY = {
    "Standard": _STANDARD,
    "None": _STANDARD,
    "TrustedLaunchSupported": frozenset({"Standard", "TrustedLaunch"}),
    "TrustedLaunch": frozenset({"TrustedLaunch"}),
    "ConfidentialVMSupported": frozenset({"Standard", "ConfidentialVM"}),
    "ConfidentialVM": frozenset({"ConfidentialVM"}),
    "TrustedLaunchAndConfidentialVmSupported": frozenset(
        {"Standard", "TrustedLaunch", "ConfidentialVM"}
    ),
}


class Verdict(StrEnum):
    """What one check found."""

    SAME = "same"
    FITS = "fits"
    DEPENDS = "depends"
    BLOCKS = "blocks"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One property of both images. `reason` is empty where both have the same."""

    name: str
    first: str
    second: str
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A version with its definition, and the regions in which it is complete."""

    version: ImageVersion
    definition: ImageDefinition
    regions: frozenset[str]


def compare(first: Image, second: Image) -> list[Check]:
    """Every check of going on with `second` where machines run on `first`."""
    return [
        *_must_agree(first.definition, second.definition),
        *_features(_features_of(first), _features_of(second)),
        *_disks(first.version.disks, second.version.disks),
        _regions(first, second),
        _end_of_life(first.version, second.version),
    ]


def may_go_on(checks: Sequence[Check]) -> bool:
    """Whether nothing blocks it."""
    return all(check.verdict is not Verdict.BLOCKS for check in checks)


def _must_agree(first: ImageDefinition, second: ImageDefinition) -> Iterator[Check]:
    reasons = {
        "osType": (first.os_type, second.os_type, "a machine keeps its operating system's family"),
        "osState": (
            first.os_state,
            second.os_state,
            "a machine made from a generalized image is set up anew, one from a specialized is not",
        ),
        "hyperVGeneration": (
            first.hyper_v_generation,
            second.hyper_v_generation,
            "a machine keeps its firmware",
        ),
        "architecture": (
            first.architecture,
            second.architecture,
            "a machine keeps its processor",
        ),
        "purchasePlan": (
            _plan_of(first),
            _plan_of(second),
            "a machine keeps the plan that it was bought under",
        ),
    }
    for name, (one, other, reason) in reasons.items():
        same = one == other
        yield Check(
            name=name,
            first=str(one),
            second=str(other),
            verdict=Verdict.SAME if same else Verdict.BLOCKS,
            reason="" if same else reason,
        )


def _plan_of(definition: ImageDefinition) -> str:
    plan = definition.purchase_plan
    return "none" if plan is None else "/".join(plan)


def _features_of(image: Image) -> dict[str, str]:
    """The features that this version has: some begin with a later one."""
    starts = image.definition.features_start_at
    number = image.version.id.version
    return {
        name: value
        for name, value in image.definition.features.items()
        if number >= starts.get(name, number)
    }


def _features(first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[Check]:
    for name in sorted({"SecurityType", *first, *second}):
        allowed, offered = _meanings(name, first.get(name)), _meanings(name, second.get(name))
        lost = ", ".join(sorted(allowed - offered))
        verdict, reason = Verdict.SAME, ""
        if allowed != offered:
            verdict = Verdict.FITS
            reason = "it takes every machine that the first takes"
        if lost:
            verdict = Verdict.DEPENDS
            reason = f"a machine that uses {lost} cannot go on"
        if not allowed & offered:
            verdict = Verdict.BLOCKS
            reason = f"every machine on the first uses {lost}"
        yield Check(
            name=f"features.{name}",
            first=first.get(name, "not stated"),
            second=second.get(name, "not stated"),
            verdict=verdict,
            reason=reason,
        )


def _meanings(name: str, value: str | None) -> frozenset[str]:
    """What machines on an image with this feature may be, or use."""
    if name == "SecurityType":
        return _SECURITY.get(value or "Standard", _STANDARD)
    if name == "DiskControllerTypes":
        return frozenset(part.strip() for part in (value or "SCSI").split(","))
    without = f"no {name}"
    return frozenset({without, name}) if value == "True" else frozenset({without})


def _disks(first: Sequence[VersionDisk], second: Sequence[VersionDisk]) -> Iterator[Check]:
    others = {disk.lun: disk for disk in second}
    for disk in first:
        other = others.pop(disk.lun, None)
        yield _disk(disk, other)
    for lun, disk in others.items():
        yield Check(
            name=_disk_name(lun),
            first="none",
            second=_size(disk),
            verdict=Verdict.DEPENDS,
            reason=f"a machine that has a disk of its own at LUN {lun} cannot go on",
        )


def _disk(disk: VersionDisk, other: VersionDisk | None) -> Check:
    verdict, reason = Verdict.SAME, ""
    before, after = disk.provisioned_bytes or 0, 0
    if other is None:
        verdict, reason = Verdict.BLOCKS, "a machine would lose this disk"
    else:
        after = other.provisioned_bytes or 0
    if other is not None and after > before:
        verdict, reason = Verdict.DEPENDS, "a machine whose disk was never enlarged has no room"
    if other is not None and after < before:
        verdict, reason = Verdict.FITS, "it is smaller, and a machine's disk may be larger"
    return Check(
        name=_disk_name(disk.lun),
        first=_size(disk),
        second="none" if other is None else _size(other),
        verdict=verdict,
        reason=reason,
    )


def _disk_name(lun: int | None) -> str:
    return "osDisk" if lun is None else f"dataDisk.{lun}"


def _size(disk: VersionDisk) -> str:
    return f"{disk.provisioned_bytes} bytes"


def _regions(first: Image, second: Image) -> Check:
    missing = first.regions - second.regions
    return Check(
        name="regions",
        first=", ".join(sorted(first.regions)) or "none",
        second=", ".join(sorted(second.regions)) or "none",
        verdict=_regions_verdict(first, second),
        reason=f"machines in {', '.join(sorted(missing))} cannot have it yet" if missing else "",
    )


def _regions_verdict(first: Image, second: Image) -> Verdict:
    if first.regions == second.regions:
        return Verdict.SAME
    if first.regions <= second.regions:
        return Verdict.FITS
    return Verdict.DEPENDS if first.regions & second.regions else Verdict.BLOCKS


def _end_of_life(first: ImageVersion, second: ImageVersion) -> Check:
    one, other = first.end_of_life_date, second.end_of_life_date
    sooner = other is not None and (one is None or other < one)
    verdict = Verdict.SAME if one == other else Verdict.FITS
    return Check(
        name="endOfLifeDate",
        first="none" if one is None else f"{one:%Y-%m-%d}",
        second="none" if other is None else f"{other:%Y-%m-%d}",
        verdict=Verdict.DEPENDS if sooner else verdict,
        reason="it ends sooner than the first" if sooner else "",
    )
