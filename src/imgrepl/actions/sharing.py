"""Galleries shared directly with subscriptions and tenants, or with everybody."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from imgrepl.actions import allowing, record_spreading
from imgrepl.actions.context import Context
from imgrepl.actions.sharing_profiles import check_shareable
from imgrepl.errors import Conflict, Invalid, NotFound
from imgrepl.gallery import activity, galleries
from imgrepl.model import etags
from imgrepl.model.gallery import Gallery, GalleryId
from imgrepl.model.policy import Action
from imgrepl.model.references import options_naming
from imgrepl.model.sharing import (
    PRIVATE,
    ConsumerKind,
    Invitation,
    InvitationState,
    SharingPermission,
    SharingProfile,
    check_principal,
)

Change = Callable[[Connection, Gallery], SharingProfile]


@dataclass(frozen=True, kw_only=True)
class Consumers:
    """Whom a gallery is, or was, shared with directly."""

    subscriptions: Sequence[str] = ()
    tenants: Sequence[str] = ()

    def named(self) -> list[tuple[ConsumerKind, str]]:
        """Each once, checked. Raises `Invalid` (`InvalidPrincipal`)."""
        named = [(ConsumerKind.SUBSCRIPTION, check_principal(one)) for one in self.subscriptions]
        named += [(ConsumerKind.TENANT, check_principal(one)) for one in self.tenants]
        return list({(kind, one.lower()): (kind, one) for kind, one in named}.values())


def invite(
    ctx: Context, gallery_id: GalleryId, consumers: Consumers, *, if_match: str | None = None
) -> Gallery:
    """Shares a gallery with subscriptions and tenants; each has to accept before it can read.

    Who is invited already stays as it is; who rejected is invited again. Raises `NotFound`;
    `Conflict` (`SharingNotEnabled`, `ChangedMeanwhile`); `Invalid` (`LimitExceeded`,
    `InvalidPrincipal`).
    """
    allowing.check(ctx, Action.GALLERY_SHARE, gallery_id)
    named = consumers.named()

    def invited(_tx: Connection, gallery: Gallery) -> SharingProfile:
        _check_direct(gallery)
        standing = [
            one
            for one in gallery.sharing.invitations
            if one.state is not InvitationState.REJECTED or not _among(one, named)
        ]
        now = ctx.clock.now()
        fresh = [
            Invitation(kind=kind, consumer=name, invited_by=ctx.principal, invited_at=now)
            for kind, name in named
            if not any(one.is_for(kind, name) for one in standing)
        ]
        _check_room(ctx, gallery, [*standing, *fresh])
        return replace(gallery.sharing, invitations=(*standing, *fresh))

    detail = {"invited": [f"{kind.noun} {name}" for kind, name in named]}
    return update_profile(ctx, gallery_id, invited, ("share.add", detail), if_match)


def uninvite(
    ctx: Context, gallery_id: GalleryId, consumers: Consumers, *, if_match: str | None = None
) -> Gallery:
    """Ends direct shares, accepted or not.

    Raises `NotFound` (`InvitationNotFound`, and for the gallery); `Conflict` (`ChangedMeanwhile`).
    """
    allowing.check(ctx, Action.GALLERY_SHARE, gallery_id)
    named = consumers.named()

    def left(_tx: Connection, gallery: Gallery) -> SharingProfile:
        present = gallery.sharing.invitations
        for kind, name in named:
            if not any(one.is_for(kind, name) for one in present):
                raise not_invited(gallery.id, f"{kind.noun} {name}")
        kept = tuple(one for one in present if not _among(one, named))
        return replace(gallery.sharing, invitations=kept)

    detail = {"removed": [f"{kind.noun} {name}" for kind, name in named]}
    return update_profile(ctx, gallery_id, left, ("share.remove", detail), if_match)


def reset(ctx: Context, gallery_id: GalleryId, *, if_match: str | None = None) -> Gallery:
    """Makes a gallery private: ends all direct shares, and its public name for good.

    Roles stay. Raises `NotFound`; `Conflict` (`ChangedMeanwhile`).
    """
    allowing.check(ctx, Action.GALLERY_SHARE, gallery_id)
    return update_profile(
        ctx, gallery_id, lambda _tx, _gallery: PRIVATE, ("share.reset", {}), if_match
    )


def enable_community(
    ctx: Context, gallery_id: GalleryId, *, if_match: str | None = None
) -> Gallery:
    """Makes a community gallery public, under its public name.

    Raises `NotFound`; `Conflict` (`SharingNotEnabled`, `ChangedMeanwhile`); `Invalid`
    (`NotShareable`) where something in it is in another region or has a purchase plan.
    """
    allowing.check(ctx, Action.GALLERY_SHARE, gallery_id)

    def public(tx: Connection, gallery: Gallery) -> SharingProfile:
        community = gallery.sharing.community
        if community is None:
            raise _not_enabled(gallery, SharingPermission.COMMUNITY)
        check_shareable(tx, gallery)
        return replace(gallery.sharing, community=replace(community, enabled=True))

    return update_profile(ctx, gallery_id, public, ("share.enable-community", {}), if_match)


def update_profile(
    ctx: Context,
    gallery_id: GalleryId,
    change: Change,
    logged: tuple[str, Mapping[str, object]],
    if_match: str | None,
) -> Gallery:
    """Changes how a gallery is shared, with its record; `logged` is the action and its details."""
    with ctx.index.begin() as tx:
        before = galleries.get(tx, gallery_id)
        etags.check_match(before, if_match)
        profile = change(tx, before)
        after = before
        if profile != before.sharing:
            revision = galleries.next_revision(tx, before.id)
            after = replace(before, sharing=profile, revision=revision)
            galleries.update(tx, after)
            action, detail = logged
            activity.log(tx, action, str(after.id), "Succeeded", detail, ctx.principal)
    record_spreading.publish(ctx, after)  # a region may have been away when it was changed before
    return after


def _among(one: Invitation, named: Iterable[tuple[ConsumerKind, str]]) -> bool:
    return any(one.is_for(kind, name) for kind, name in named)


def _check_direct(gallery: Gallery) -> None:
    if gallery.sharing.permissions is not SharingPermission.GROUPS:
        raise _not_enabled(gallery, SharingPermission.GROUPS)


def _check_room(ctx: Context, gallery: Gallery, wanted: Sequence[Invitation]) -> None:
    limits = ctx.limits
    most = {
        ConsumerKind.SUBSCRIPTION: limits.shared_subscriptions_max,
        ConsumerKind.TENANT: limits.shared_tenants_max,
    }
    for kind, allowed in most.items():
        count = sum(one.kind is kind for one in wanted)
        if count > allowed:
            raise Invalid(
                f"gallery {gallery.id} would be shared with {count} {kind.noun}s; at most"
                f" {allowed} are allowed",
                code="LimitExceeded",
                target=str(gallery.id),
                hint="`imgrepl share remove` ends some, or raise the limit in the configuration",
            )


def _not_enabled(gallery: Gallery, wanted: SharingPermission) -> Conflict:
    present = gallery.sharing.permissions
    needs_reset = present is not SharingPermission.PRIVATE
    named = options_naming(gallery.id)
    way = f"`imgrepl gallery update {named} --permissions {wanted}` allows it"
    return Conflict(
        f"gallery {gallery.id} is {present}: this needs {wanted}",
        code="SharingNotEnabled",
        target=str(gallery.id),
        hint=f"`imgrepl share reset` first, then {way}" if needs_reset else way,
    )


def not_invited(gallery: GalleryId, who: str) -> NotFound:
    """The error of an invitation that is not there."""
    return NotFound(
        f"gallery {gallery.unique_name} invites nobody from {who}",
        code="InvitationNotFound",
        target=gallery.unique_name,
        hint="`imgrepl invitation list` shows invitations; --principal NAME,subscription=ID says"
        " where you come from",
    )
