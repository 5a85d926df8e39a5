"""The other side of sharing: invitations, and galleries that others share."""

from dataclasses import replace

from sqlalchemy import Connection

from imgrepl.actions import allowing, sharing
from imgrepl.actions.context import Context
from imgrepl.errors import NotFound
from imgrepl.gallery import galleries
from imgrepl.model.gallery import Gallery, GalleryId
from imgrepl.model.policy import Action
from imgrepl.model.region import normal_region_name
from imgrepl.model.sharing import Invitation, InvitationState, SharingPermission, SharingProfile


def answer(
    ctx: Context, gallery_id: GalleryId, *, accept: bool
) -> list[tuple[Gallery, Invitation]]:
    """Accepts or rejects what the caller's subscription and tenant are invited to.

    An accepted share can be rejected later: that leaves it. Raises `NotFound`
    (`InvitationNotFound`).
    """
    allowing.check(ctx, Action.INVITATION_ANSWER, gallery_id)
    state = InvitationState.ACCEPTED if accept else InvitationState.REJECTED

    def answered(_tx: Connection, gallery: Gallery) -> SharingProfile:
        present = gallery.sharing.invitations
        if not any(one.invites(ctx.caller) for one in present):
            raise sharing.not_invited(gallery.id, "where you come from")
        now = ctx.clock.now()
        said = [
            replace(one, state=state, answered_by=ctx.principal, answered_at=now)
            if one.invites(ctx.caller) and one.state is not state
            else one
            for one in present
        ]
        return replace(gallery.sharing, invitations=tuple(said))

    what = "accept" if accept else "reject"
    gallery = sharing.update_profile(ctx, gallery_id, answered, (f"invitation.{what}", {}), None)
    mine = [one for one in gallery.sharing.invitations if one.invites(ctx.caller)]
    return [(gallery, one) for one in mine]


def list_invitations(ctx: Context) -> list[tuple[Gallery, Invitation]]:
    """What the caller's subscription and tenant are invited to; the index's owner sees all."""
    with ctx.index.read() as tx:
        every = [
            (gallery, one)
            for gallery in galleries.list_all(tx)
            for one in gallery.sharing.invitations
        ]
    caller = ctx.caller
    return allowing.of_oneself(
        ctx, [found for found in every if caller.owns_index or found[1].invites(caller)]
    )


def list_shared(
    ctx: Context, permissions: SharingPermission, location: str | None = None
) -> list[Gallery]:
    """The galleries that are shared in this way and that the caller may read, as consumers do.

    Those of one home region, where one is named.
    """
    sees = allowing.seeing(ctx, Action.GALLERY_READ)
    with ctx.index.read() as tx:
        found = galleries.list_all(tx)
    return [
        _without_insides(gallery)
        for gallery in found
        if _is_shared(gallery, permissions, location) and sees(gallery.id)
    ]


def _is_shared(gallery: Gallery, permissions: SharingPermission, location: str | None) -> bool:
    here = location is None or normal_region_name(location) == gallery.location
    return here and gallery.sharing.permissions is permissions and _in_force(gallery)


def show_shared(
    ctx: Context,
    gallery_id: GalleryId,
    permissions: SharingPermission,
    location: str | None = None,
) -> Gallery:
    """A gallery that is shared in this way, by its unique or public name, as consumers see it.

    Raises `NotFound` (`GalleryNotFound`).
    """
    allowing.check(ctx, Action.GALLERY_READ, gallery_id)
    with ctx.index.read() as tx:
        gallery = galleries.get(tx, gallery_id)
    if not _is_shared(gallery, permissions, location):
        where = "" if location is None else f" in {normal_region_name(location)}"
        raise NotFound(
            f"gallery {gallery_id} is not shared as {permissions}{where}",
            code="GalleryNotFound",
            target=str(gallery_id),
        )
    return _without_insides(gallery)


def _in_force(gallery: Gallery) -> bool:
    return gallery.sharing.permissions is SharingPermission.GROUPS or gallery.sharing.is_public


def _without_insides(gallery: Gallery) -> Gallery:
    return replace(gallery, grants=(), sharing=replace(gallery.sharing, invitations=()))
