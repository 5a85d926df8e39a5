"""The regions that an update asks for: another list, or regions added, changed and removed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from imgrepl.actions import targets
from imgrepl.actions.context import Context
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion
from imgrepl.errors import Conflict, Invalid
from imgrepl.model.gallery import ImageVersion, TargetRegion
from imgrepl.model.region import normal_region_name


def of(
    ctx: Context, tx: Connection, version: ImageVersion, request: UpdateVersion
) -> tuple[TargetRegion, ...]:
    """Where `version` is to stand after the update.

    What a region says of `latest` stays with it. Raises `Invalid` (`InvalidTargetRegions` and what
    `targets.resolve` refuses) and `Conflict` (`ImmutableProperty`: another storage type).
    """
    known = {target.name: target for target in version.target_regions}
    if request.target_regions is not None and not request.target_regions:
        raise _nowhere(version)
    if request.target_regions or request.target_edge_zones is not None:
        asked = _replaced(version, request)
    else:
        asked = _amended(version, request)
    chosen = targets.resolve(
        ctx,
        tx,
        [_with_type(item, known) for item in asked],
        location=version.location,
        replica_count=_given(request.replica_count, version.replica_count),
        storage_account_type=version.storage_account_type,
        strategy=version.storage_account_strategy,
    )
    _check_types(version, known, chosen)
    return tuple(
        replace(t, exclude_from_latest=known[t.name].exclude_from_latest) if t.name in known else t
        for t in chosen
    )


def _replaced(version: ImageVersion, request: UpdateVersion) -> list[TargetRequest]:
    """The list that takes the place of the regions, of the edge zones, or of both."""
    count = request.replica_count
    standing = [
        TargetRequest(t.name, count or t.replica_count, t.storage_account_type, t.parent)
        for t in version.target_regions
    ]
    regions, zones = request.target_regions, request.target_edge_zones
    named = {normal_region_name(item.name) for item in (*(regions or ()), *(zones or ()))}
    return [
        *(regions or [item for item in standing if item.parent is None]),
        *(
            zones
            if zones is not None
            else [item for item in standing if item.parent is not None and item.name not in named]
        ),
    ]


def _amended(version: ImageVersion, request: UpdateVersion) -> list[TargetRequest]:
    """The list as it is, without what is removed and with what is added or changed."""
    gone = _removed(version, request)
    added = {normal_region_name(item.name): item for item in request.add_regions or ()}
    kept = [
        TargetRequest(
            t.name, _given(request.replica_count, t.replica_count), t.storage_account_type
        )
        for t in version.target_regions
        if t.name not in gone and t.name not in added
    ]
    return [*kept, *added.values()]


def _removed(version: ImageVersion, request: UpdateVersion) -> set[str]:
    gone = {normal_region_name(name) for name in request.remove_regions}
    if version.location in gone:
        raise Invalid(
            f"{version.id} cannot leave its home region {version.location}: its record there is"
            " what makes it published",
            code="InvalidTargetRegions",
            target=version.location,
            hint="publish it under another number with another home region (-l)",
        )
    standing = [target.name for target in version.target_regions]
    unknown = gone.difference(standing)
    if unknown:
        raise Invalid(
            f"{', '.join(sorted(unknown))} is no target region of {version.id}: those are"
            f" {', '.join(standing)}",
            code="InvalidTargetRegions",
            target=min(unknown),
            hint="name one of them, or none",
        )
    return gone


def _with_type(item: TargetRequest, known: Mapping[str, TargetRegion]) -> TargetRequest:
    """A region that is there keeps its storage type unless another is named."""
    before = known.get(normal_region_name(item.name))
    if before is None or item.storage_account_type is not None:
        return item
    return item._replace(storage_account_type=before.storage_account_type)


def _check_types(
    version: ImageVersion, known: Mapping[str, TargetRegion], chosen: Sequence[TargetRegion]
) -> None:
    for target in chosen:
        before = known.get(target.name)
        if before is not None and before.storage_account_type != target.storage_account_type:
            raise Conflict(
                f"{target.name} keeps {version.id} as {before.storage_account_type};"
                f" that cannot change to {target.storage_account_type}",
                code="ImmutableProperty",
                target=target.name,
                hint="remove the region and add it again",
            )


def _nowhere(version: ImageVersion) -> Invalid:
    return Invalid(
        f"{version.id} would have no target region: the home region {version.location} stays",
        code="InvalidTargetRegions",
        target=str(version.id),
        hint=f"name {version.location}, or delete the version",
    )


def _given(asked: int | None, present: int) -> int:
    return present if asked is None else asked
