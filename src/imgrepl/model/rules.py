"""What a resource's fields may hold, other than names. Broken rules raise `Invalid`."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from imgrepl.errors import Invalid
from imgrepl.model.gallery import HyperVGeneration, PurchasePlan, Range, VersionName
from imgrepl.model.limits import Limits

_TRUTH = ("True", "False")
FEATURES: Mapping[str, tuple[str, ...]] = {
    "SecurityType": (
        "Standard",
        "None",
        "TrustedLaunchSupported",
        "TrustedLaunch",
        "ConfidentialVMSupported",
        "ConfidentialVM",
        "TrustedLaunchAndConfidentialVmSupported",
    ),
    "IsHibernateSupported": _TRUTH,
    "IsAcceleratedNetworkSupported": _TRUTH,
    "DiskControllerTypes": ("SCSI", "SCSI,NVMe", "SCSI, NVMe", "NVMe"),
}
"""Features of a definition, and the values Azure knows for each."""

DISK_TYPES = (
    "Standard_LRS",
    "StandardSSD_LRS",
    "StandardSSD_ZRS",
    "Premium_LRS",
    "Premium_ZRS",
    "PremiumV2_LRS",
    "UltraSSD_LRS",
)

VCPUS_MAX = 1_024
MEMORY_GB_MAX = 32_768
PLAN_CHARS_MAX = 128


def check_features(features: Mapping[str, str]) -> dict[str, str]:
    """The features, in Azure's spelling whatever case came in (`InvalidFeature`)."""
    return dict(_feature(name, value) for name, value in features.items())


def _feature(name: str, value: str) -> tuple[str, str]:
    known = _feature_name(name)
    allowed = _spelled(value, FEATURES[known])
    if allowed is None:
        raise Invalid(
            f"feature {known} cannot be {value!r}; allowed are: {', '.join(FEATURES[known])}",
            code="InvalidFeature",
            target=known,
            hint=f"for example {known}={FEATURES[known][0]}",
        )
    return known, allowed


def _feature_name(name: str) -> str:
    known = _spelled(name, FEATURES)
    if known is None:
        raise Invalid(
            f"there is no feature {name!r}; known are: {', '.join(FEATURES)}",
            code="InvalidFeature",
            target=name,
            hint="a property of your own belongs in a tag",
        )
    return known


def check_feature_starts(
    starts: Mapping[str, VersionName], features: Mapping[str, str]
) -> dict[str, VersionName]:
    """From which version on features hold, each of them one of `features` (`InvalidFeature`)."""
    found = {_feature_name(name): version for name, version in starts.items()}
    for name, version in found.items():
        if name not in features:
            raise Invalid(
                f"feature {name} is to start at version {version}, and has no value",
                code="InvalidFeature",
                target=name,
                hint=f"say it with its value: {name}={FEATURES[name][0]}@{version}",
            )
    return found


def check_security(features: Mapping[str, str], generation: HyperVGeneration) -> None:
    """Trusted launch and confidential machines need the second generation (`InvalidFeature`)."""
    kind = features.get("SecurityType", "Standard")
    if kind not in {"Standard", "None"} and generation is not HyperVGeneration.V2:
        raise Invalid(
            f"feature SecurityType={kind} needs the Hyper-V generation V2, not {generation}",
            code="InvalidFeature",
            target="SecurityType",
            hint="say --hyper-v-generation V2, or leave the feature out (Standard, None)",
        )


def check_plan(plan: PurchasePlan | None) -> None:
    """A purchase plan has all of its three parts (`InvalidPurchasePlan`)."""
    for name, value in (plan._asdict() if plan is not None else {}).items():
        if not 1 <= len(value) <= PLAN_CHARS_MAX:
            raise Invalid(
                f"purchase plan: {name} {value!r} has {len(value)} characters, not 1 to"
                f" {PLAN_CHARS_MAX}",
                code="InvalidPurchasePlan",
                target=f"purchasePlan.{name}",
                hint="a plan is a name, a publisher and a product, as the marketplace has them",
            )


def check_disk_types(types: tuple[str, ...]) -> tuple[str, ...]:
    """Disk types in Azure's spelling, each once (`InvalidDiskType`)."""
    found = []
    for text in types:
        known = _spelled(text, DISK_TYPES)
        if known is None:
            raise Invalid(
                f"there is no disk type {text!r}; known are: {', '.join(DISK_TYPES)}",
                code="InvalidDiskType",
                target=text,
                hint="name the types as Azure spells them, in any case",
            )
        found.append(known)
    return tuple(dict.fromkeys(found))


def _spelled(text: str, known: "Mapping[str, object] | tuple[str, ...]") -> str | None:
    return next((name for name in known if name.lower() == text.lower()), None)


def check_range(what: str, bounds: Range, largest: int) -> Range:
    """A recommendation: 1 to `largest`, minimum not above maximum (`OutOfRange`)."""
    for value in bounds:
        if value is not None and not 1 <= value <= largest:
            raise Invalid(
                f"{what}: {value} is not between 1 and {largest}",
                code="OutOfRange",
                target=what,
                hint=f"state 1 to {largest}, or leave that end open",
            )
    low, high = bounds
    if low is not None and high is not None and low > high:
        raise Invalid(
            f"{what}: the minimum {low} is above the maximum {high}",
            code="OutOfRange",
            target=what,
            hint=f"a minimum from 1 to {high}, or a maximum from {low} to {largest}",
        )
    return bounds


def check_end_of_life(date: datetime | None, now: datetime) -> datetime | None:
    """An end of life lies in the future when it is set (`OutOfRange`)."""
    if date is not None and date <= now:
        raise Invalid(
            f"end of life {date:%Y-%m-%dT%H:%M:%SZ} is not in the future",
            code="OutOfRange",
            target="endOfLifeDate",
            hint=f"it is {now:%Y-%m-%dT%H:%M:%SZ}: name a later moment, or none",
        )
    return date


def check_uri(what: str, text: str | None) -> str | None:
    """A web address (`InvalidUri`)."""
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise Invalid(
            f"{what} {text!r} is no http or https address",
            code="InvalidUri",
            target=what,
            hint="write it whole, as https://example.com/notes",
        )
    return text


def check_tags(tags: Mapping[str, str], limits: Limits) -> dict[str, str]:
    """Tags within their number and lengths, names unique without case (`InvalidTag`)."""
    if len(tags) > limits.tags_max:
        raise _tag(f"{len(tags)} tags; at most {limits.tags_max} are allowed")
    seen: set[str] = set()
    for name, value in tags.items():
        if not 1 <= len(name) <= limits.tag_name_chars_max:
            raise _tag(
                f"tag {name!r}: its name has {len(name)} characters, not 1 to"
                f" {limits.tag_name_chars_max}"
            )
        if len(value) > limits.tag_value_chars_max:
            raise _tag(
                f"tag {name!r}: its value has {len(value)} characters, not 0 to"
                f" {limits.tag_value_chars_max}"
            )
        if name.lower() in seen:
            raise _tag(f"tag {name!r} is there twice: names compare without case")
        seen.add(name.lower())
    return dict(tags)


def _tag(message: str) -> Invalid:
    hint = "shorten it, or drop tags that nobody asks for"
    return Invalid(message, code="InvalidTag", target="tags", hint=hint)
