"""What a user does with regions; `check` asks their servers and lives with the engine's probe."""

import re
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from imgrepl.actions import allowing
from imgrepl.actions.context import Context
from imgrepl.errors import Invalid
from imgrepl.gallery import activity, regions
from imgrepl.model import etags
from imgrepl.model.overlap import overlap
from imgrepl.model.policy import Action
from imgrepl.model.region import ZONE_ROLES, Endpoint, Region, normal_region_name
from imgrepl.model.secrets import without_secrets

_URL = re.compile(r"s3://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](?:/[\w!.*'()/+=@-]*)?|file:///.+")

_SERVER = re.compile(r"https?://[^\s/@?#]+(?:/[^\s@?#]*)?")


def add(ctx: Context, region: Region) -> Region:
    """Adds a region; its servers are not asked.

    Raises `Conflict` (`RegionExists`); `NotFound` for an unknown parent; `Invalid`:
    `InvalidRegionName`, `InvalidRegionUrl`, `InvalidZones`, `RegionsOverlap`,
    `InvalidParentRegion`.
    """
    allowing.check(ctx, Action.INDEX_WRITE, None)
    asked = _checked(region)
    with ctx.index.begin() as tx:
        _add(ctx, tx, asked)
    return asked


def show(ctx: Context, name: str) -> Region:
    """The region. Raises `NotFound` (`RegionNotFound`), naming those there are."""
    allowing.check(ctx, Action.INDEX_READ, None)
    with ctx.index.read() as tx:
        return regions.get(tx, normal_region_name(name))


def list_all(ctx: Context) -> list[Region]:
    """Every region, by name."""
    allowing.check(ctx, Action.INDEX_READ, None)
    with ctx.index.read() as tx:
        return regions.list_all(tx)


def update(ctx: Context, region: Region, *, if_match: str | None = None) -> Region:
    """Gives the region these endpoints and this display name. Unchanged: nothing is written.

    Raises `NotFound` (`RegionNotFound`); `Conflict` (`ChangedMeanwhile`), and (`RegionInUse`) where
    a place that holds packs would lie elsewhere; `Invalid` as `add`.
    """
    allowing.check(ctx, Action.INDEX_WRITE, None)
    asked = _checked(region)
    with ctx.index.begin() as tx:
        present = regions.get(tx, asked.name)
        etags.check_match(present, if_match)
        if present != asked:
            _update(ctx, tx, asked)
    return asked


def register(ctx: Context, wanted: Sequence[Region]) -> list[Region]:
    """Adds those that are new and updates the others, all or none. Raises as both."""
    allowing.check(ctx, Action.INDEX_WRITE, None)
    asked = [_checked(region) for region in wanted]
    with ctx.index.begin() as tx:
        known = {region.name: region for region in regions.list_all(tx)}
        for region in asked:
            if region.name not in known:
                _add(ctx, tx, region)
            elif known[region.name] != region:
                _update(ctx, tx, region)
    return asked


def remove(ctx: Context, name: str, *, if_match: str | None = None) -> None:
    """Removes an unused region; nothing in its buckets is touched.

    Raises `NotFound` (`RegionNotFound`); `Conflict` (`ChangedMeanwhile`), and (`RegionInUse`) with
    what uses it.
    """
    allowing.check(ctx, Action.INDEX_WRITE, None)
    normal = normal_region_name(name)
    with ctx.index.begin() as tx:
        etags.check_match(regions.get(tx, normal), if_match)
        regions.remove(tx, normal)
        activity.log(tx, "region.remove", normal, "Succeeded", {}, ctx.principal)


def endpoints_of(region: Region) -> tuple[Endpoint, ...]:
    """Every endpoint of a region."""
    premium = () if region.premium is None else (region.premium,)
    return (*region.standard, *region.zones, *premium)


def _add(ctx: Context, tx: Connection, region: Region) -> None:
    _refuse_overlap(tx, region)
    _check_parent(tx, region)
    regions.add(tx, region)
    activity.log(tx, "region.add", region.name, "Succeeded", _urls(region), ctx.principal)


def _update(ctx: Context, tx: Connection, region: Region) -> None:
    _refuse_overlap(tx, region)
    _check_parent(tx, region)
    if region.parent != regions.get(tx, region.name).parent:
        regions.refuse_used(tx, region.name)
    regions.update(tx, region)
    activity.log(tx, "region.update", region.name, "Succeeded", _urls(region), ctx.principal)


def _urls(region: Region) -> dict[str, list[str]]:
    return {"urls": [endpoint.url for endpoint in endpoints_of(region)]}


def _checked(region: Region) -> Region:
    if not region.standard:
        raise Invalid("a region needs a URL", code="InvalidRegionUrl", target=region.name)
    for endpoint in endpoints_of(region):
        if not _URL.fullmatch(endpoint.url) or "/../" in f"{endpoint.url}/":
            raise Invalid(
                f"{without_secrets(endpoint.url)!r} is no place for a region",
                code="InvalidRegionUrl",
                target=region.name,
                hint="use s3://BUCKET[/PREFIX] or file:///ABSOLUTE/PATH; a bucket has 3 to 63"
                " lower-case letters, digits, dots, dashes and underscores",
            )
        if endpoint.endpoint_url and not _SERVER.fullmatch(endpoint.endpoint_url):
            raise Invalid(
                f"{without_secrets(endpoint.endpoint_url)!r} is no S3 server",
                code="InvalidRegionUrl",
                target=region.name,
                hint="use http[s]://HOST[:PORT]; credentials are referred to, never part of a URL",
            )
    if len(region.zones) not in {0, len(ZONE_ROLES)}:
        raise Invalid(
            f"region {region.name} has {len(region.zones)} zones; it takes none or"
            f" {len(ZONE_ROLES)}",
            code="InvalidZones",
            target=region.name,
            hint="give --zone three times: any one of them may be lost",
        )
    name = normal_region_name(region.name)
    parent = None if region.parent is None else normal_region_name(region.parent)
    return replace(region, name=name, parent=parent)


def _check_parent(tx: Connection, region: Region) -> None:
    """An edge zone belongs to a region, and nothing to an edge zone. Raises as `add`."""
    if region.parent is None:
        return
    if region.parent == region.name:
        raise _bad_parent(region, "a region does not belong to itself")
    if regions.get(tx, region.parent).is_edge_zone:
        raise _bad_parent(region, f"{region.parent} is an edge zone itself")
    zones = [other.name for other in regions.list_all(tx) if other.parent == region.name]
    if zones:
        raise _bad_parent(region, f"{region.name} has edge zones of its own: {', '.join(zones)}")


def _bad_parent(region: Region, why: str) -> Invalid:
    return Invalid(
        f"{region.name} cannot be an edge zone of {region.parent}: {why}",
        code="InvalidParentRegion",
        target=region.name,
        hint="name a region that is no edge zone with --parent",
    )


def _refuse_overlap(tx: Connection, region: Region) -> None:
    for other in regions.list_all(tx):
        if other.name == region.name:
            continue
        for mine in endpoints_of(region):
            for theirs in endpoints_of(other):
                if overlap(mine, theirs):
                    raise Invalid(
                        f"{mine.url} of region {region.name} overlaps with {theirs.url} of region"
                        f" {other.name}: both would write the same keys",
                        code="RegionsOverlap",
                        target=region.name,
                        hint="give each region a bucket or a prefix of its own",
                    )
