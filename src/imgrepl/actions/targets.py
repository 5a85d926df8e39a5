"""From what a user asks of regions to a version's targets and replicas, with every rule checked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from imgrepl.actions.context import Context
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.errors import Invalid
from imgrepl.gallery import regions
from imgrepl.model.gallery import StorageAccountStrategy, TargetRegion
from imgrepl.model.region import Region, StorageAccountType, normal_region_name
from imgrepl.model.waiting import WaitFor


def resolve(
    ctx: Context,
    tx: Connection,
    requests: Sequence[TargetRequest],
    *,
    location: str,
    replica_count: int,
    storage_account_type: StorageAccountType,
    strategy: StorageAccountStrategy | None = None,
) -> tuple[TargetRegion, ...]:
    """Targets in the order asked for; the home region alone when nothing was asked.

    A region that states no type has the common one, or what the strategy finds there.

    Raises `Invalid` (`InvalidTargetRegions`, `OutOfRange`, `StorageTypeNotOffered`) and `NotFound`
    (`RegionNotFound`).
    """
    asked = list(requests) or [TargetRequest(location)]
    targets = []
    for request in asked:
        region = regions.get(tx, normal_region_name(request.name))
        kind = request.storage_account_type or _type_in(region, storage_account_type, strategy)
        count = replica_count if request.replica_count is None else request.replica_count
        ctx.limits.check_replica_count(count, region.name)
        check_offered(region, kind)
        _check_parent(region, request.parent)
        targets.append(
            TargetRegion(
                name=region.name,
                replica_count=count,
                storage_account_type=kind,
                parent=region.parent,
            )
        )
    check_targets(targets, location)
    return tuple(targets)


def _type_in(
    region: Region, common: StorageAccountType, strategy: StorageAccountStrategy | None
) -> StorageAccountType:
    match strategy:
        case None:
            return common
        case StorageAccountStrategy.DEFAULT_STANDARD_LRS:
            return StorageAccountType.STANDARD_LRS
        case StorageAccountStrategy.PREFER_STANDARD_ZRS:
            zonal = region.offers(StorageAccountType.STANDARD_ZRS)
            return StorageAccountType.STANDARD_ZRS if zonal else StorageAccountType.STANDARD_LRS


def with_exclusions(
    targets: Sequence[TargetRegion], exclusions: Mapping[str, bool | None]
) -> tuple[TargetRegion, ...]:
    """The targets with the regions' own exclusions from `latest` set; None unsets one.

    Raises `Invalid` (`InvalidTargetRegions`) for a region that is no target.
    """
    wanted = {normal_region_name(name): value for name, value in exclusions.items()}
    unknown = sorted(wanted.keys() - {target.name for target in targets})
    if unknown:
        raise Invalid(
            f"{', '.join(unknown)} is none of the target regions"
            f" {', '.join(target.name for target in targets)}",
            code="InvalidTargetRegions",
            target=unknown[0],
            hint="name a target region, or add this one with --add-regions",
        )
    return tuple(
        replace(target, exclude_from_latest=wanted.get(target.name, target.exclude_from_latest))
        for target in targets
    )


def check_targets(targets: Iterable[TargetRegion], location: str) -> None:
    """No region twice, the home region among them, and the region of every edge zone.

    Raises `Invalid` (`InvalidTargetRegions`).
    """
    known = list(targets)
    names = [target.name for target in known]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Invalid(
            f"target region {', '.join(twice)} is named more than once",
            code="InvalidTargetRegions",
            target=twice[0],
            hint='name each region once; "East US" and eastus are one',
        )
    if location not in names:
        raise Invalid(
            f"the home region {location} is not among the target regions {', '.join(names)}",
            code="InvalidTargetRegions",
            target=location,
            hint=f"name {location} as well; a new version may have another home region with -l",
        )
    for zone in known:
        if zone.parent is not None and zone.parent not in names:
            raise Invalid(
                f"edge zone {zone.name} belongs to {zone.parent}, which is none of the target"
                f" regions {', '.join(names)}",
                code="InvalidTargetRegions",
                target=zone.name,
                hint=f"name {zone.parent} as well: an edge zone is filled from its region",
            )


def home_region(tx: Connection, name: str) -> Region:
    """The region that is to be a home. Raises `Invalid` (`EdgeZoneAsHome`), `NotFound`."""
    region = regions.get(tx, normal_region_name(name))
    if region.is_edge_zone:
        raise Invalid(
            f"{region.name} is an edge zone of {region.parent}: nothing has its home there",
            code="EdgeZoneAsHome",
            target=region.name,
            hint=f"the home may be {region.parent}",
        )
    return region


def _check_parent(region: Region, parent: str | None) -> None:
    """That the region named for an edge zone is its own. Raises `Invalid`."""
    if parent is not None and region.parent != parent:
        what = f"an edge zone of {region.parent}" if region.is_edge_zone else "no edge zone"
        raise Invalid(
            f"{region.name} is {what}, not one of {parent}",
            code="InvalidTargetRegions",
            target=region.name,
            hint=f"`imgrepl region add {region.name} --parent {parent}` makes one",
        )


def check_reachable(targets: Iterable[TargetRegion], wait: WaitFor) -> None:
    """Raises `Invalid` (`InvalidWaitFor`) for a wait for a region that is no target."""
    names = [target.name for target in targets]
    if wait.region is not None and wait.region not in names:
        raise Invalid(
            f"{wait.region} cannot be waited for: the target regions are {', '.join(names)}",
            code="InvalidWaitFor",
            target=wait.region,
            hint="name one of them, or add the region with --add-regions",
        )


def check_offered(region: Region, kind: StorageAccountType) -> None:
    """Raises `Invalid` (`StorageTypeNotOffered`) when the region keeps no replicas of this type."""
    if not region.offers(kind):
        offered = [other.value for other in StorageAccountType if region.offers(other)]
        raise Invalid(
            f"region {region.name} does not offer {kind}; it offers {', '.join(offered)}",
            code="StorageTypeNotOffered",
            target=region.name,
            hint=f"`imgrepl region update {region.name}` takes --zone and --premium",
        )
