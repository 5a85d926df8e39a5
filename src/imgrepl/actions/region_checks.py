"""Tries out a region: do its places answer, are they ours, and what can their servers do."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from imgrepl.actions import allowing
from imgrepl.actions.context import Context
from imgrepl.engine import places
from imgrepl.errors import Conflict, ImgreplError, Interrupted
from imgrepl.gallery import places as place_rows
from imgrepl.gallery import regions
from imgrepl.model.capabilities import Capabilities
from imgrepl.model.policy import Action
from imgrepl.model.region import (
    Place,
    PlaceRole,
    Region,
    StorageAccountType,
    normal_region_name,
    roles_of,
)

Report = dict[str, Any]


@dataclass(frozen=True)
class Checked:
    """What was found. `error` is the first that kept a place from being used."""

    report: Report
    error: ImgreplError | None


def check(ctx: Context, name: str) -> Checked:
    """Probes the first place of every set that the region has, and says what was found.

    Writes six small objects to each and deletes them again. A place that does not answer is
    reported, not raised. Raises `NotFound` (`RegionNotFound`).
    """
    allowing.check(ctx, Action.INDEX_WRITE, None)
    with ctx.index.begin() as tx:
        region = regions.get(tx, normal_region_name(name))
        first = _first_places(region)
        chosen = [place_rows.ensure(tx, region, role, number) for role, number in first]
    found: list[Report] = []
    errors: list[ImgreplError] = []
    for place in chosen:
        try:
            found.append(_described(place) | _check_place(ctx, place))
        except Interrupted:
            raise
        except ImgreplError as error:
            errors.append(error)
            found.append(_described(place) | _refused(error))
    report = {"region": region.name, "places": found, "warnings": _warnings(region)}
    return Checked(report, next(iter(errors), None))


def create_buckets(ctx: Context, region: Region) -> None:
    """Makes the buckets that a region names, where they are missing."""
    allowing.check(ctx, Action.INDEX_WRITE, None)
    endpoints = [*region.standard, *region.zones, *([region.premium] if region.premium else [])]
    for endpoint in endpoints:
        ctx.stores.create_bucket(endpoint)


def _first_places(region: Region) -> list[tuple[PlaceRole, int]]:
    """One place of each set: every server of the standard set, premium, each zone."""
    chosen = [(PlaceRole.STANDARD, number) for number in range(len(region.standard))]
    for kind in (StorageAccountType.PREMIUM_LRS, StorageAccountType.STANDARD_ZRS):
        if region.offers(kind):
            chosen += [(role, 0) for role in roles_of(kind)]
    return chosen


def _described(place: Place) -> Report:
    return {"place": place.name, "url": place.endpoint.url}


def _refused(error: ImgreplError) -> Report:
    state = "refused" if isinstance(error, Conflict) else "failed"
    return {"state": state, "message": f"{error.code}: {error.message}", "hint": error.hint}


def _check_place(ctx: Context, place: Place) -> Report:
    capabilities = ctx.stores.probe(place)
    places.prepare(ctx.engine, place)
    with ctx.index.begin() as tx:
        place_rows.set_prepared(tx, place.id, capabilities.as_json())
    missing = _lacks(capabilities)
    message = f"lacks {'; '.join(missing)}" if missing else "answers, and is ready"
    return {"state": "ok", "message": message, "capabilities": capabilities}


def _lacks(capabilities: Capabilities) -> list[str]:
    """What the server cannot do, each with what becomes of it."""
    unguarded = "but two writers at the same moment are not told apart, and `collect` is off there"
    missing = []
    if not capabilities.conditional_put:
        missing.append(
            f"conditional puts: names are looked at with HEAD before each PUT, {unguarded}"
        )
    elif not capabilities.conditional_swap:
        missing.append(f"conditional swaps: owner.json is read before it is replaced, {unguarded}")
    if not capabilities.checksum_checked:
        missing.append("checked checksums: damage on the way in is found by `verify --deep` only")
    if not capabilities.server_copy:
        missing.append("server-side copies: every replica passes this machine")
    return missing


def _warnings(region: Region) -> list[str]:
    servers = {endpoint.server for endpoint in region.standard}
    hosts = {urlsplit(endpoint.endpoint_url or "").hostname for endpoint in region.standard}
    if len(servers) == 1:
        text = (
            "all replicas share one server: they are copies, not independent failures and not more"
            " bandwidth; --replica-url puts some elsewhere"
        )
        return [text]
    if len(hosts) == 1:
        return ["all servers of this region are on one machine"]
    return []
