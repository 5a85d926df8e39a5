"""What is used: provisioned, occupied, billed and really stored, told apart at every level."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, TypeVar

from imgrepl.actions import allowing, limits_used
from imgrepl.actions.context import Context
from imgrepl.actions.limits_used import LimitUse
from imgrepl.gallery import usage
from imgrepl.gallery.holdings import Holdings
from imgrepl.gallery.usage import Shares, VersionShare
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
    """One version, what each region has of it, and their sum."""

    share: VersionShare
    regions: dict[str, Usage]
    usage: Usage


def report(ctx: Context, gallery_id: GalleryId | None = None) -> UsageReport:
    """Usage of one gallery or of all. Raises `NotFound` (`GalleryNotFound`)."""
    sees = allowing.seeing(ctx, Action.VERSION_READ, gallery_id)
    with ctx.index.read() as tx:
        found = usage.shares(tx, gallery_id)
        limits = limits_used.of_index(tx, ctx.limits) if sees(None) else ()
    shares = found.of([one for one in found.versions if sees(one.version)])
    counted = [_counted(one, shares.held) for one in shares.versions]
    regions = _by_region(shares)
    return UsageReport(
        galleries=_rolled_up(shares, counted, lambda one: one.gallery),
        definitions=_rolled_up(shares, counted, lambda one: one.definition),
        versions={one.share.version: one.usage for one in counted},
        version_regions={one.share.version: one.regions for one in counted},
        regions=regions,
        total=_sum(counted, sum(one.stored_bytes for one in regions.values())),
        limits=limits,
    )


def _counted(share: VersionShare, held: Holdings) -> _Counted:
    stored = held.bytes_in([one.region for one in share.kept], (share.number,))
    provisioned, occupied = share.provisioned_bytes, share.occupied_bytes
    regions: dict[str, Usage] = {}
    for region, _kind, completed, billed in share.kept:
        mine = Usage(provisioned, occupied, occupied * billed, stored[region], completed)
        regions[region] = _joined(regions[region], mine) if region in regions else mine
    whole = Usage(
        provisioned_bytes=provisioned,
        occupied_bytes=occupied,
        billed_bytes=sum([one.replicas_billed for one in share.kept]) * occupied,
        stored_bytes=sum(stored.values()),
        replicas=sum([one.replicas_completed for one in share.kept]),
    )
    return _Counted(share, regions, whole)


def _joined(one: Usage, other: Usage) -> Usage:
    """Two ways in which a region keeps the same version, in the same packs."""
    return one._replace(
        billed_bytes=one.billed_bytes + other.billed_bytes,
        replicas=one.replicas + other.replicas,
    )


def _rolled_up(
    shares: Shares, counted: Iterable[_Counted], key: Callable[[VersionId], K]
) -> dict[K, Usage]:
    """Versions under what they belong to; they come in the order of names."""
    found = {}
    for name, group in groupby(counted, lambda one: key(one.share.version)):
        mine = list(group)
        found[name] = _sum(mine, shares.of([one.share for one in mine]).stored_bytes())
    return found


def _sum(counted: Sequence[_Counted], stored_bytes: int) -> Usage:
    columns = zip(*(one.usage for one in counted), strict=True)
    summed = Usage(*map(sum, columns)) if counted else Usage(0, 0, 0, 0, 0)
    return summed._replace(stored_bytes=stored_bytes)


def _by_region(shares: Shares) -> dict[str, Usage]:
    stored = shares.stored_bytes_by_region()
    found: dict[str, Usage] = {}
    for kept, versions in shares.alike():
        provisioned = sum([one.provisioned_bytes for one in versions])
        occupied = sum([one.occupied_bytes for one in versions])
        seen: dict[str, Usage] = {}
        for region, _kind, completed, billed in kept:
            replicas = completed * len(versions)
            mine = Usage(provisioned, occupied, occupied * billed, stored[region], replicas)
            seen[region] = _joined(seen[region], mine) if region in seen else mine
        for region, mine in seen.items():
            found[region] = _added(found[region], mine) if region in found else mine
    return dict(sorted(found.items()))


def _added(one: Usage, other: Usage) -> Usage:
    """Other versions in the same region, whose packs are counted already."""
    summed = Usage(*map(sum, zip(one, other, strict=True)))
    return summed._replace(stored_bytes=one.stored_bytes)
