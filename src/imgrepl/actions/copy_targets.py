"""Where a copy stands: as asked, else as its source does in regions that this index knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from imgrepl.actions import parents, targets
from imgrepl.actions.context import Context
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.gallery import galleries, regions
from imgrepl.model.gallery import ImageVersion, TargetRegion
from imgrepl.model.region import Region, StorageAccountType, normal_region_name

if TYPE_CHECKING:
    from imgrepl.actions.copying import CopyVersion


@dataclass(frozen=True, kw_only=True)
class Stand:
    """The home region and the targets of a copy, and what applies where a target states nothing."""

    location: str
    targets: tuple[TargetRegion, ...]
    replica_count: int
    storage_account_type: StorageAccountType


def resolve(ctx: Context, tx: Connection, request: "CopyVersion", source: ImageVersion) -> Stand:
    """The regions of a copy, with every rule of targets checked. Raises as `targets.resolve`."""
    known = {region.name: region for region in regions.list_all(tx)}
    count = request.replica_count or source.replica_count
    ctx.limits.check_replica_count(count, str(request.id))
    asked = list(request.target_regions or _inherited(request, source, known))
    location = _location(tx, request, source, [normal_region_name(one.name) for one in asked])
    kind = request.storage_account_type or _offered(known[location], source.storage_account_type)
    if request.target_regions is None and location not in {one.name for one in asked}:
        asked.insert(0, TargetRequest(location, count, kind))
    chosen = targets.resolve(
        ctx, tx, asked, location=location, replica_count=count, storage_account_type=kind
    )
    own = {t.name: t.exclude_from_latest for t in source.target_regions}
    return Stand(
        location=location,
        targets=targets.with_exclusions(
            chosen, {t.name: own[t.name] for t in chosen if own.get(t.name) is not None}
        ),
        replica_count=count,
        storage_account_type=kind,
    )


def _inherited(
    request: "CopyVersion", source: ImageVersion, known: dict[str, Region]
) -> list[TargetRequest]:
    """The source's targets in regions of these names; the home alone where another is named."""
    if request.location is not None:
        return []
    return [
        TargetRequest(
            target.name,
            request.replica_count or target.replica_count,
            request.storage_account_type
            or _offered(known[target.name], target.storage_account_type),
        )
        for target in source.target_regions
        if target.name in known
    ]


def _offered(region: Region, kind: StorageAccountType) -> StorageAccountType:
    """The storage type of the source, where a region of this index offers it as well."""
    return kind if region.offers(kind) else StorageAccountType.STANDARD_LRS


def _location(
    tx: Connection, request: "CopyVersion", source: ImageVersion, asked: Sequence[str]
) -> str:
    if request.location is not None:
        return regions.get(tx, normal_region_name(request.location)).name
    if asked:
        home = source.location if source.location in asked else asked[0]
        return regions.get(tx, home).name
    gallery = galleries.find(tx, request.id.gallery)
    return gallery.location if gallery is not None else parents.default_location(tx)
