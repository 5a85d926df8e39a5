"""The grammar of `--target-regions`: `NAME[=COUNT][=TYPE]`, as `az sig image-version` takes it."""

import re
from collections.abc import Sequence

from imgrepl.actions.version_requests import TargetRequest
from imgrepl.errors import Invalid, UsageError
from imgrepl.model.region import StorageAccountType, normal_region_name

GRAMMAR = "REGION[=COUNT][=TYPE]"
EDGE_GRAMMAR = "REGION=ZONE[=COUNT][=TYPE]"
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")
_TYPES = {kind.lower(): kind for kind in StorageAccountType}


def parse(items: Sequence[str] | None) -> list[TargetRequest] | None:
    """The regions asked for, in order; None where nothing was said.

    Whether a count is in range is the gallery's rule, checked with the rest. Raises `UsageError`
    (`InvalidTargetRegions`) for an item that does not fit the grammar; `Invalid`:
    `InvalidRegionName`, `InvalidStorageAccountType`, `InvalidTargetRegions` for a region named
    twice, in whatever spelling.
    """
    if items is None:
        return None
    if not items:
        raise UsageError(
            "no target region is named",
            code="InvalidTargetRegions",
            hint=f"the form is {GRAMMAR} {GRAMMAR} …, for example eastus=2 westeurope",
        )
    parsed = [parse_item(item) for item in items]
    spelled: dict[str, str] = {}
    for item, request in zip(items, parsed, strict=True):
        if request.name in spelled:
            raise Invalid(
                f"target region {request.name} is there twice: {spelled[request.name]!r} and"
                f" {item!r}",
                code="InvalidTargetRegions",
                target=request.name,
                hint='name each region once; "East US" and eastus are one',
            )
        spelled[request.name] = item
    return parsed


def parse_edge_zones(items: Sequence[str] | None) -> list[TargetRequest] | None:
    """The edge zones asked for, as `az` takes them: `REGION=ZONE[=COUNT][=TYPE]`; `None` is none.

    Raises `UsageError` (`InvalidTargetRegions`) and what `parse` raises.
    """
    if items is None:
        return None
    if [item.lower() for item in items] in ([], ["none"]):
        return []
    found = []
    for item in items:
        region, equals, rest = item.partition("=")
        if not equals or not rest.strip():
            raise UsageError(
                f"edge zone {item!r} names no zone behind its region",
                code="InvalidTargetRegions",
                target=item,
                hint=f"the form is {EDGE_GRAMMAR}, for example westus=losangeles=1",
            )
        found.append(parse_item(rest)._replace(parent=normal_region_name(region)))
    return found


def parse_item(item: str) -> TargetRequest:
    """One item. Raises as `parse`."""
    name, *rest = item.split("=")
    if len(rest) > 2:
        raise _usage(item, "it has more than three parts")
    if not name.strip():
        raise _usage(item, "it names no region")
    if {",", ";", ":"} & set(item):
        raise _usage(item, "regions are separated by spaces, a region from its count by '='")
    region = normal_region_name(name)
    match rest:
        case []:
            return TargetRequest(region)
        case [one] if _NUMBER.fullmatch(one):
            return TargetRequest(region, int(one))
        case [one]:
            return TargetRequest(region, None, storage_account_type(one))
        case [count, kind]:
            if not _NUMBER.fullmatch(count):
                raise _usage(item, f"{count!r} is no count; the count comes before the type")
            return TargetRequest(region, int(count), storage_account_type(kind))
    raise AssertionError(item)


def storage_account_type(text: str) -> StorageAccountType:
    """A type in any case. Raises `Invalid` (`InvalidStorageAccountType`) with those there are."""
    known = _TYPES.get(text.strip().lower())
    if known is None:
        raise Invalid(
            f"there is no storage account type {text!r}; known are: "
            + ", ".join(StorageAccountType),
            code="InvalidStorageAccountType",
            target=text,
            hint=f"the form is {GRAMMAR}, and a count is a whole number",
        )
    return known


def _usage(item: str, why: str) -> UsageError:
    return UsageError(
        f"target region {item!r}: {why}",
        code="InvalidTargetRegions",
        target=item,
        hint=f"the form is {GRAMMAR}, for example eastus=2=Standard_ZRS",
    )
