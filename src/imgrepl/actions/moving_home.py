"""Moves the home of a gallery, and of all that is in it, to another region.

The home's records are what counts. So the new home gets every record before the index goes by them,
and the old one loses its role last: whatever stops in between, one region has all that is needed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from imgrepl.actions import allowing
from imgrepl.actions.context import Context
from imgrepl.errors import Conflict
from imgrepl.gallery import (
    activity,
    definitions,
    galleries,
    operations,
    place_records,
    places,
    regions,
    replicas,
    versions,
)
from imgrepl.model.gallery import Gallery, GalleryId, ImageDefinition, ImageVersion, VersionId
from imgrepl.model.policy import Action
from imgrepl.model.region import normal_region_name
from imgrepl.model.replica import ReplicaState

Resource = Gallery | ImageDefinition | ImageVersion
_NAMED_MAX = 20


@dataclass(frozen=True, kw_only=True)
class HomeMove:
    """What moves and what does not. `left` are versions that stay at their home, and why.

    `late` are regions that could not be told yet, and why; they are with the next change.
    """

    gallery: GalleryId
    home_before: str
    home: str
    planned: bool
    galleries: int = 0
    definitions: int = 0
    versions: int = 0
    tombstones: int = 0
    left: tuple[tuple[VersionId, str], ...] = ()
    late: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Resources as they stand, the gallery first, versions last."""

    moving: tuple[Resource, ...]
    left: tuple[tuple[VersionId, str], ...]


def move_home(
    ctx: Context,
    gallery_id: GalleryId,
    region: str,
    *,
    skip_missing: bool = False,
    dry_run: bool = False,
) -> HomeMove:
    """Makes `region` the home of a gallery, its definitions and its versions.

    A version must be complete there, unless `skip_missing` leaves those that are not at their home.
    The home before may be out of reach. Raises `NotFound`; `Conflict` (`NotAtNewHome`,
    `OperationBusy`, `ChangedMeanwhile`); `Invalid` (`LimitExceeded`); and what the new home's store
    raises. Run again it goes on.
    """
    allowing.check(ctx, Action.GALLERY_WRITE, gallery_id)
    home = normal_region_name(region)
    with ctx.index.read() as tx:
        regions.get(tx, home)
        before = galleries.get(tx, gallery_id)
        plan = _plan(tx, before, home)
        _check_room(ctx, tx, plan, home)
    if plan.left and not skip_missing:
        raise _not_there(home, plan.left)
    done = HomeMove(
        gallery=before.id,
        home_before=before.location,
        home=home,
        planned=dry_run,
        galleries=_count(plan, Gallery),
        definitions=_count(plan, ImageDefinition),
        versions=_count(plan, ImageVersion),
        left=plan.left,
    )
    return done if dry_run else _moved(ctx, plan, done)


def _plan(tx: Connection, gallery: Gallery, home: str) -> _Plan:
    inner = definitions.list_all(tx, gallery=gallery.id)
    leaves = [
        version
        for definition in inner
        for version in versions.list_of(tx, definition.id, include_staged=True)
    ]
    above: list[Resource] = [gallery, *inner]
    moving = [one for one in above if one.location != home]
    left: list[tuple[VersionId, str]] = []
    for version in leaves:
        why = None if version.location == home else _obstacle(tx, version, home)
        if why is not None:
            left.append((version.id, why))
        elif version.location != home:
            moving.append(version)
    return _Plan(moving=tuple(moving), left=tuple(left))


def _obstacle(tx: Connection, version: ImageVersion, home: str) -> str | None:
    """Why a version cannot have its home there."""
    if not version.committed:
        return "it is still being published"
    operation_id = versions.operation_of(tx, version.id)
    if operation_id is not None and operations.get(tx, operation_id).owner is not None:
        return f"operation {operation_id} is working on it"
    if home not in {target.name for target in version.target_regions}:
        return f"{home} is none of its target regions"
    there = [one for one in replicas.of_version(tx, version.id) if one.region == home]
    if not any(one.state is ReplicaState.COMPLETED for one in there):
        return f"it is not complete in {home}"
    return None


def _not_there(home: str, left: Sequence[tuple[VersionId, str]]) -> Conflict:
    return Conflict(
        f"{len(left)} versions cannot have their home in {home}",
        code="NotAtNewHome",
        target=home,
        details=[f"{version}: {why}" for version, why in left[:_NAMED_MAX]],
        hint=f"`imgrepl image-version update --add-regions {home}` brings a version there;"
        " --skip-missing leaves these at the home they have",
    )


def _check_room(ctx: Context, tx: Connection, plan: _Plan, home: str) -> None:
    for resource in plan.moving[:1]:
        subscription = _gallery_of(resource).subscription
        where = f"subscription {subscription} in {home}"
        counted = (
            ("galleries", Gallery, galleries.count, ctx.limits.galleries_max),
            ("image definitions", ImageDefinition, definitions.count, ctx.limits.definitions_max),
            ("image versions", ImageVersion, versions.count, ctx.limits.versions_max),
        )
        for what, kind, count, most in counted:
            more = _count(plan, kind)
            if more:
                present = count(tx, subscription, home)
                ctx.limits.check_room(what, present + more - 1, most, where)


def _gallery_of(resource: Resource) -> GalleryId:
    return resource.id if isinstance(resource, Gallery) else resource.id.gallery


def _count(plan: _Plan, kind: type[Resource]) -> int:
    return sum(isinstance(one, kind) for one in plan.moving)


def _moved(ctx: Context, plan: _Plan, done: HomeMove) -> HomeMove:
    """New home first, then the index, then everybody else."""
    from imgrepl.engine import homes
    from imgrepl.engine.reporting import Reporter

    after = _with_home(ctx, plan.moving, done.home)
    reporter = Reporter(ctx.engine, "move-home", done.home)
    with reporter:
        reporter.begin(items_total=len(after))
        stones = homes.write_tombstones(ctx.engine, done.home, done.gallery)
        homes.write_living(ctx.engine, done.home, after, reporter.add_item)
    with ctx.index.begin() as tx:
        for old, new in zip(plan.moving, after, strict=True):
            _take(tx, old, new)
        detail = {"from": done.home_before, "to": done.home, "versions": done.versions}
        activity.log(tx, "gallery.move-home", str(done.gallery), "Succeeded", detail, ctx.principal)
    return replace(done, tombstones=stones, late=tuple(_tell_others(ctx, after, done.home)))


def _with_home(ctx: Context, moving: Sequence[Resource], home: str) -> list[Resource]:
    """What the new records say, under revisions that no record has carried."""
    with ctx.index.begin() as tx:
        return [replace(one, location=home, revision=_next_revision(tx, one)) for one in moving]


def _next_revision(tx: Connection, resource: Resource) -> int:
    match resource:
        case Gallery():
            return galleries.next_revision(tx, resource.id)
        case ImageDefinition():
            return definitions.next_revision(tx, resource.id)
        case ImageVersion():
            return versions.next_revision(tx, resource.id)


def _take(tx: Connection, old: Resource, new: Resource) -> None:
    """The index goes by the new home from here on. Raises `Conflict` (`ChangedMeanwhile`)."""
    if _current(tx, old) != (old.incarnation, old.revision):
        raise Conflict(
            f"{old.id} was changed while its home was moved",
            code="ChangedMeanwhile",
            target=str(old.id),
            hint="run the same command again",
        )
    match new:
        case Gallery():
            galleries.set_home(tx, new.id, new.location, new.revision)
        case ImageDefinition():
            definitions.set_home(tx, new.id, new.location, new.revision)
        case ImageVersion():
            versions.set_home(tx, new.id, new.location, new.revision)


def _current(tx: Connection, resource: Resource) -> tuple[str, int]:
    found: Resource
    match resource:
        case Gallery():
            found = galleries.get(tx, resource.id)
        case ImageDefinition():
            found = definitions.get(tx, resource.id)
        case ImageVersion():
            found = versions.get(tx, resource.id)
    return found.incarnation, found.revision


def _tell_others(ctx: Context, after: Sequence[Resource], home: str) -> Iterator[tuple[str, str]]:
    """Writes the new records wherever an earlier one is; gives the regions that did not answer."""
    from imgrepl.engine import records

    late: dict[str, str] = {}
    for resource in after:
        with ctx.index.read() as tx:
            held = place_records.places_with(tx, resource.id, resource.incarnation)
            others = {places.get(tx, place_id).region for place_id in held} - {home, *late}
        late |= records.spread(ctx.engine, records.entry_of(resource), sorted(others))
    yield from late.items()
