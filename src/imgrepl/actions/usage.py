"""What is used: provisioned, occupied, billed and really stored, told apart at every level."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from imgrepl.actions import allowing, limits_used
from imgrepl.actions.context import Context
from imgrepl.actions.limits_used import LimitUse
from imgrepl.gallery import usage
from imgrepl.gallery.usage import RegionShare
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId
from imgrepl.model.policy import Action

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Usage:
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
    version_regions: dict[tuple[VersionId, str], Usage]
    regions: dict[str, Usage]
    total: Usage
    limits: tuple[LimitUse, ...] = ()


def report(ctx: Context, gallery_id: GalleryId | None = None) -> UsageReport:
    """Usage of one gallery or of all. Raises `NotFound` (`GalleryNotFound`)."""
    sees = allowing.seeing(ctx, Action.VERSION_READ, gallery_id)
    with ctx.index.read() as tx:
        shares = [one for one in usage.shares(tx, gallery_id) if sees(one.version)]
        limits = limits_used.of_index(tx, ctx.limits) if sees(None) else ()
    return UsageReport(
        galleries=_by(shares, lambda share: share.version.gallery),
        definitions=_by(shares, lambda share: share.version.definition),
        versions=_by(shares, lambda share: share.version),
        version_regions=_by(shares, lambda share: (share.version, share.region)),
        regions=_by(shares, lambda share: share.region),
        total=_usage(shares),
        limits=limits,
    )


def _by(shares: Iterable[RegionShare], key: Callable[[RegionShare], K]) -> dict[K, Usage]:
    groups: dict[K, list[RegionShare]] = {}
    for share in shares:
        groups.setdefault(key(share), []).append(share)
    return {name: _usage(group) for name, group in groups.items()}


def _usage(shares: Iterable[RegionShare]) -> Usage:
    counted = list(shares)
    once = {share.version: share for share in counted}.values()
    return Usage(
        provisioned_bytes=sum(share.provisioned_bytes for share in once),
        occupied_bytes=sum(share.occupied_bytes for share in once),
        billed_bytes=sum(share.billed_bytes for share in counted),
        stored_bytes=usage.stored_bytes(counted),
        replicas=sum(share.replicas_completed for share in counted),
    )
