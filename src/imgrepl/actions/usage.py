"""What is used: provisioned, occupied, billed and really stored, told apart at every level."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, TypeVar

from imgrepl.actions import allowing, limits_used
from imgrepl.actions.context import Context
from imgrepl.actions.limits_used import LimitUse
from imgrepl.gallery import usage
from imgrepl.gallery.usage import RegionShare
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId
from imgrepl.model.policy import Action

K = TypeVar("K", bound=Hashable)


class Usage(NamedTuple):
    """Sums over completed replicas.

    `provisioned_bytes` and `occupied_bytes` count each version once, `billed_bytes` is occupied
    times replicas. `stored_bytes` is what the buckets hold for it, shared packs included: so those
    of two versions may sum to more than their definition's.
    """

    provisioned_bytes: int
    occupied_bytes: int
    billed_bytes: int
    stored_bytes: int
    replicas: int


@dataclass(frozen=True, kw_only=True)
class UsageReport:
    """Usage at every level; keys are in the order of names. `limits` are those of the index."""

    galleries: dict[GalleryId, Usage]
    definitions: dict[DefinitionId, Usage]
    versions: dict[VersionId, Usage]
    version_regions: dict[VersionId, dict[str, Usage]]
    regions: dict[str, Usage]
    total: Usage
    limits: tuple[LimitUse, ...] = ()


class _Counted(NamedTuple):
    """One version: its shares, what each region has of it, and their sum."""

    version: VersionId
    shares: list[RegionShare]
    regions: dict[str, Usage]
    usage: Usage


def report(ctx: Context, gallery_id: GalleryId | None = None) -> UsageReport:
    """Usage of one gallery or of all. Raises `NotFound` (`GalleryNotFound`)."""
    sees = allowing.seeing(ctx, Action.VERSION_READ, gallery_id)
    with ctx.index.read() as tx:
        shares = [one for one in usage.shares(tx, gallery_id) if sees(one.version)]
        limits = limits_used.of_index(tx, ctx.limits) if sees(None) else ()
    counted = list(_versions(shares))
    regions = _by_region(shares)
    return UsageReport(
        galleries=_rolled_up(counted, lambda one: one.version.gallery),
        definitions=_rolled_up(counted, lambda one: one.version.definition),
        versions={one.version: one.usage for one in counted},
        version_regions={one.version: one.regions for one in counted},
        regions=regions,
        total=_sum(counted, sum(one.stored_bytes for one in regions.values())),
        limits=limits,
    )


def _versions(shares: Iterable[RegionShare]) -> Iterator[_Counted]:
    """Shares come version by version."""
    for _number, group in groupby(shares, attrgetter("number")):
        mine = list(group)
        regions = _regions(mine)
        first = mine[0]
        whole = Usage(
            provisioned_bytes=first.provisioned_bytes,
            occupied_bytes=first.occupied_bytes,
            billed_bytes=sum([one.billed_bytes for one in regions.values()]),
            stored_bytes=sum([one.stored_bytes for one in regions.values()]),
            replicas=sum([one.replicas for one in regions.values()]),
        )
        yield _Counted(first.version, mine, regions, whole)


def _regions(shares: Sequence[RegionShare]) -> dict[str, Usage]:
    """One version's usage by region."""
    first = shares[0]
    names = [share.region for share in shares]
    stored = first.holdings.bytes_in(names, (first.number,))
    found: dict[str, Usage] = {}
    for share in shares:
        region = share.region
        mine = Usage(
            share.provisioned_bytes,
            share.occupied_bytes,
            share.billed_bytes,
            stored[region],
            share.replicas_completed,
        )
        found[region] = _joined(found[region], mine) if region in found else mine
    return found


def _joined(one: Usage, other: Usage) -> Usage:
    """Two ways in which a region keeps the same version, in the same packs."""
    return one._replace(
        billed_bytes=one.billed_bytes + other.billed_bytes,
        replicas=one.replicas + other.replicas,
    )


def _rolled_up(counted: Iterable[_Counted], key: Callable[[_Counted], K]) -> dict[K, Usage]:
    """Versions under what they belong to; they come in the order of names."""
    found = {}
    for name, group in groupby(counted, key):
        mine = list(group)
        shares = (share for one in mine for share in one.shares)
        found[name] = _sum(mine, usage.stored_bytes(shares))
    return found


def _sum(counted: Sequence[_Counted], stored_bytes: int) -> Usage:
    columns = zip(*(one.usage for one in counted), strict=True)
    summed = Usage(*map(sum, columns)) if counted else Usage(0, 0, 0, 0, 0)
    return summed._replace(stored_bytes=stored_bytes)


def _by_region(shares: Iterable[RegionShare]) -> dict[str, Usage]:
    groups: dict[str, list[RegionShare]] = {}
    for share in shares:
        groups.setdefault(share.region, []).append(share)
    stored = usage.stored_bytes_by_region(share for group in groups.values() for share in group)
    return {name: _of_region(group, stored[name]) for name, group in sorted(groups.items())}


def _of_region(shares: Sequence[RegionShare], stored_bytes: int) -> Usage:
    once = {share.number: share for share in shares}.values()
    return Usage(
        provisioned_bytes=sum([share.provisioned_bytes for share in once]),
        occupied_bytes=sum([share.occupied_bytes for share in once]),
        billed_bytes=sum([share.billed_bytes for share in shares]),
        stored_bytes=stored_bytes,
        replicas=sum([share.replicas_completed for share in shares]),
    )
