"""What a user does with galleries."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from imgrepl.actions import allowing, record_spreading, targets
from imgrepl.actions.context import Context
from imgrepl.actions.sharing_profiles import SharingRequest, is_said, profile_of, refuse_public
from imgrepl.actions.sharing_profiles import changed as changed_sharing
from imgrepl.errors import Conflict, Invalid
from imgrepl.gallery import activity, definitions, galleries, records_log, versions
from imgrepl.model import etags, names, rules
from imgrepl.model.gallery import DefinitionId, Gallery, GalleryId, ImageVersion
from imgrepl.model.ids import IncarnationId
from imgrepl.model.policy import Action, Via
from imgrepl.model.region import normal_region_name
from imgrepl.model.sharing import PRIVATE

RETENTION_DAYS_MAX = 90


@dataclass(frozen=True, kw_only=True)
class GalleryChanges:
    """What an update sets: None leaves a field as it is, an empty description clears it."""

    description: str | None = None
    tags: Mapping[str, str] | None = None
    soft_delete_enabled: bool | None = None
    soft_delete_retention_days: int | None = None
    soft_delete_grace_days: int | None = None
    sharing: SharingRequest | None = None


NO_CHANGES = GalleryChanges()
INSIDERS = frozenset({Via.OWNERSHIP, Via.ROLE})


@dataclass(frozen=True, kw_only=True)
class GalleryTree:
    """All that a recursive deletion takes, versions first.

    Staged ones and those in the bin are among them.
    """

    versions: tuple[ImageVersion, ...] = field(default=())
    definitions: tuple[DefinitionId, ...] = field(default=())


def create(
    ctx: Context,
    gallery_id: GalleryId,
    *,
    location: str,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    bin_policy: GalleryChanges = NO_CHANGES,
    sharing: SharingRequest | None = None,
) -> Gallery:
    """Makes a gallery; one that exists with the same fields is given as it is.

    Of `bin_policy` the fields of soft deletion are taken. Raises `NotFound` (`RegionNotFound`);
    `Conflict` (`GalleryExists`); `Invalid`: `InvalidName`, `InvalidTag`, `OutOfRange`,
    `LimitExceeded`, and what is wrong with how it is to be shareable.
    """
    allowing.check(ctx, Action.GALLERY_WRITE, gallery_id)
    if sharing is not None:
        allowing.check(ctx, Action.GALLERY_SHARE, gallery_id)
    plain = Gallery(
        id=names.check_gallery(gallery_id),
        incarnation=IncarnationId(uuid.uuid4().hex),
        revision=1,
        location=normal_region_name(location),
        description=description or None,
        tags=rules.check_tags(tags or {}, ctx.limits),
        sharing=PRIVATE if sharing is None else profile_of(sharing),
        created_at=ctx.clock.now(),
    )
    asked = _with_bin(plain, bin_policy)
    with ctx.index.begin() as tx:
        targets.home_region(tx, asked.location)
        present = galleries.find(tx, asked.id)
        if present is not None:
            if sharing is None or is_said(present.sharing, sharing):
                plain = replace(plain, sharing=present.sharing)
            return _same(present, _with_bin(_with_bin_of(present, plain), bin_policy))
        count = galleries.count(tx, asked.id.subscription, asked.location)
        where = f"subscription {asked.id.subscription} in {asked.location}"
        ctx.limits.check_room("galleries", count, ctx.limits.galleries_max, where)
        galleries.create(tx, asked)
        detail = {"location": asked.location}
        activity.log(tx, "gallery.create", str(asked.id), "Succeeded", detail, ctx.principal)
    record_spreading.publish(ctx, asked)
    return asked


def show(ctx: Context, gallery_id: GalleryId) -> Gallery:
    """The gallery. Raises `NotFound` (`GalleryNotFound`).

    A consumer is not told with whom else it is shared.
    """
    decision = allowing.check(ctx, Action.GALLERY_READ, gallery_id)
    with ctx.index.read() as tx:
        found = galleries.get(tx, gallery_id)
    return found if decision.via in INSIDERS else as_consumers_see(found)


def list_all(
    ctx: Context, *, subscription: str | None = None, group: str | None = None
) -> list[Gallery]:
    """Galleries by name that the caller may read, of one subscription or group where given."""
    sees, is_inside = (
        allowing.seeing(ctx, Action.GALLERY_READ),
        allowing.seeing(ctx, Action.GRANT_READ),
    )
    with ctx.index.read() as tx:
        found = galleries.list_all(tx, subscription=subscription, group=group)
    return [one if is_inside(one.id) else as_consumers_see(one) for one in found if sees(one.id)]


def as_consumers_see(gallery: Gallery) -> Gallery:
    """Without the roles on it, and without whom else it is shared with."""
    return replace(gallery, grants=(), sharing=replace(gallery.sharing, invitations=()))


def update(
    ctx: Context, gallery_id: GalleryId, changes: GalleryChanges, *, if_match: str | None = None
) -> Gallery:
    """Changes what may change. Nothing to change: nothing is written.

    Raises `NotFound` (`GalleryNotFound`); `Conflict` (`ChangedMeanwhile`); `Invalid`: `InvalidTag`,
    `OutOfRange`.
    """
    for action in _actions_of(changes):
        allowing.check(ctx, action, gallery_id)
    with ctx.index.begin() as tx:
        before = galleries.get(tx, gallery_id)
        etags.check_match(before, if_match)
        after = _changed(ctx, before, changes)
        if after != before:
            after = replace(after, revision=galleries.next_revision(tx, gallery_id))
            galleries.update(tx, after)
            detail = {"revision": after.revision}
            activity.log(tx, "gallery.update", str(after.id), "Succeeded", detail, ctx.principal)
    record_spreading.publish(ctx, after)  # whoever made this change may have died before
    return after


def tree(ctx: Context, gallery_id: GalleryId) -> GalleryTree:
    """What is inside the gallery. Raises `NotFound` (`GalleryNotFound`)."""
    allowing.check(ctx, Action.GALLERY_READ, gallery_id)
    with ctx.index.read() as tx:
        inner = [found.id for found in definitions.list_all(tx, gallery=gallery_id)]
        leaves = [
            version
            for definition in inner
            for version in versions.list_of(tx, definition, include_staged=True)
        ]
    return GalleryTree(versions=tuple(leaves), definitions=tuple(inner))


def delete(ctx: Context, gallery_id: GalleryId, *, if_match: str | None = None) -> None:
    """Deletes an empty gallery and leaves a tombstone.

    Raises `NotFound` (`GalleryNotFound`); `Conflict`: `NotEmpty` with its definitions,
    `GalleryShared` while it is public, `ChangedMeanwhile`.
    """
    allowing.check(ctx, Action.GALLERY_DELETE, gallery_id)
    with ctx.index.begin() as tx:
        gallery = galleries.get(tx, gallery_id)
        etags.check_match(gallery, if_match)
        refuse_public(gallery)
        revision = galleries.next_revision(tx, gallery_id)
        galleries.remove(tx, gallery_id)
        records_log.bury(tx, gallery.id, gallery.incarnation, revision)
        activity.log(tx, "gallery.delete", str(gallery.id), "Succeeded", {}, ctx.principal)
    record_spreading.bury(ctx, gallery, revision)


def _same(present: Gallery, asked: Gallery) -> Gallery:
    fields = (
        "location",
        "description",
        "tags",
        "soft_delete_enabled",
        "soft_delete_retention_days",
        "soft_delete_grace_days",
        "sharing",
    )
    differ = [name for name in fields if getattr(present, name) != getattr(asked, name)]
    if not differ:
        return present
    raise Conflict(
        f"gallery {present.id} exists with another {', '.join(differ)}",
        code="GalleryExists",
        target=str(present.id),
        details=[
            f"{name}: {getattr(present, name)!r}, not {getattr(asked, name)!r}" for name in differ
        ],
        hint="a gallery stays in its region; `imgrepl gallery update` changes the rest",
    )


def _actions_of(changes: GalleryChanges) -> list[Action]:
    """What is to be allowed: the bin is not a contributor's to change."""
    others = replace(
        changes,
        soft_delete_enabled=None,
        soft_delete_retention_days=None,
        soft_delete_grace_days=None,
    )
    asked = [Action.GALLERY_SOFT_DELETE] if others != changes else []
    if changes.sharing is not None:
        asked.append(Action.GALLERY_SHARE)
        others = replace(others, sharing=None)
    return [*asked, Action.GALLERY_WRITE] if others != NO_CHANGES or not asked else asked


def _changed(ctx: Context, before: Gallery, changes: GalleryChanges) -> Gallery:
    after = before
    if changes.description is not None:
        after = replace(after, description=changes.description or None)
    if changes.tags is not None:
        after = replace(after, tags=rules.check_tags(changes.tags, ctx.limits))
    if changes.sharing is not None:
        after = replace(after, sharing=changed_sharing(after, changes.sharing))
    return _with_bin(after, changes)


def _with_bin(gallery: Gallery, changes: GalleryChanges) -> Gallery:
    enabled = changes.soft_delete_enabled
    kept, grace = changes.soft_delete_retention_days, changes.soft_delete_grace_days
    _check_days("retention", kept, 1)
    _check_days("grace period", grace, 0)
    return replace(
        gallery,
        soft_delete_enabled=gallery.soft_delete_enabled if enabled is None else enabled,
        soft_delete_retention_days=gallery.soft_delete_retention_days if kept is None else kept,
        soft_delete_grace_days=gallery.soft_delete_grace_days if grace is None else grace,
    )


def _with_bin_of(present: Gallery, asked: Gallery) -> Gallery:
    """What is asked for, with the bin that is there: what was not said differs in nothing."""
    return replace(
        asked,
        soft_delete_enabled=present.soft_delete_enabled,
        soft_delete_retention_days=present.soft_delete_retention_days,
        soft_delete_grace_days=present.soft_delete_grace_days,
    )


def _check_days(what: str, days: int | None, least: int) -> None:
    if days is not None and not least <= days <= RETENTION_DAYS_MAX:
        raise Invalid(
            f"a {what} of {days} days is not between {least} and {RETENTION_DAYS_MAX}",
            code="OutOfRange",
            target="softDeletePolicy",
            hint=f"state {least} to {RETENTION_DAYS_MAX} days; switch the bin off with"
            " --soft-delete false",
        )
