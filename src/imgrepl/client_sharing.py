"""The Python door's side of sharing: `client.sharing`."""

from collections.abc import Iterable

from imgrepl.actions import consuming, galleries, granting, sharing, sharing_status
from imgrepl.actions.context import Context
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.granting import Access, ResourceId
from imgrepl.actions.sharing import Consumers
from imgrepl.actions.sharing_profiles import SharingRequest
from imgrepl.actions.sharing_status import RegionSharing
from imgrepl.model.gallery import Gallery, VersionName
from imgrepl.model.policy import Decision, parse_action
from imgrepl.model.references import parse_gallery_reference
from imgrepl.model.sharing import Assignee, Caller, Grant, Invitation, Role, SharingPermission


class Sharing:
    """Who may do what in one gallery index, asked and answered as who connected.

    A gallery is named `GALLERY`, with `GROUP/` and `SUBSCRIPTION/` before it where they are not
    `default`; with `image`, and with `version`, one thing in it is meant. Somebody is named `alice`
    or `group:operators`. What is refused raises `NotAllowed`, which says why.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def grant(
        self,
        gallery: str,
        assignee: str,
        role: Role | str,
        *,
        image: str | None = None,
        version: str | None = None,
    ) -> Grant:
        """Gives somebody a role there and on all that lies in it; the same again is a success."""
        scope = _scope(gallery, image, version)
        return granting.grant(self._ctx, scope, Assignee.parse(assignee), Role.parse(role))

    def revoke(
        self,
        gallery: str,
        assignee: str,
        role: Role | str | None = None,
        *,
        image: str | None = None,
        version: str | None = None,
    ) -> list[Role]:
        """Takes a role away where it was given, or all that somebody has there; gives those."""
        taken = None if role is None else Role.parse(role)
        scope = _scope(gallery, image, version)
        return granting.revoke(self._ctx, scope, Assignee.parse(assignee), taken)

    def access(
        self, gallery: str, *, image: str | None = None, version: str | None = None
    ) -> list[Access]:
        """Everybody who reaches it, and by which way."""
        return granting.list_of(self._ctx, _scope(gallery, image, version))

    def mine(self) -> list[Access]:
        """All that who connected reaches, and what invites them."""
        return granting.list_mine(self._ctx)

    def check(
        self,
        principal: str,
        gallery: str | None = None,
        *,
        image: str | None = None,
        version: str | None = None,
        action: str | None = None,
    ) -> list[Decision]:
        """Explains what `NAME[,group=GROUP …][,subscription=ID][,tenant=ID]` may do, and why.

        Each action, or one of them; without a gallery those of the index. Does nothing in their
        name, and raises nothing where something is refused.
        """
        chosen = () if action is None else (parse_action(action),)
        scope = None if gallery is None else _scope(gallery, image, version)
        return granting.explain(self._ctx, Caller.parse(principal), scope, chosen)

    def permit(
        self,
        gallery: str,
        permissions: SharingPermission | str,
        *,
        publisher_uri: str | None = None,
        publisher_contact: str | None = None,
        eula: str | None = None,
        public_name_prefix: str | None = None,
    ) -> Gallery:
        """Says how a gallery may be shared beside roles: `Private`, `Groups` or `Community`.

        The four texts are a community gallery's, all of them.
        """
        request = SharingRequest(
            permissions=SharingPermission(permissions),
            publisher_uri=publisher_uri,
            publisher_contact=publisher_contact,
            eula=eula,
            public_name_prefix=public_name_prefix,
        )
        named = parse_gallery_reference(gallery)
        return galleries.update(self._ctx, named, GalleryChanges(sharing=request))

    def invite(
        self, gallery: str, *, subscriptions: Iterable[str] = (), tenants: Iterable[str] = ()
    ) -> Gallery:
        """Shares a gallery with subscriptions and tenants, who have to accept before they read."""
        consumers = Consumers(subscriptions=tuple(subscriptions), tenants=tuple(tenants))
        return sharing.invite(self._ctx, parse_gallery_reference(gallery), consumers)

    def uninvite(
        self, gallery: str, *, subscriptions: Iterable[str] = (), tenants: Iterable[str] = ()
    ) -> Gallery:
        """Ends direct shares, accepted or not."""
        consumers = Consumers(subscriptions=tuple(subscriptions), tenants=tuple(tenants))
        return sharing.uninvite(self._ctx, parse_gallery_reference(gallery), consumers)

    def invitations(self) -> list[tuple[Gallery, Invitation]]:
        """What who connected is invited to; the index's owner sees all."""
        return consuming.list_invitations(self._ctx)

    def accept(self, gallery: str) -> list[Invitation]:
        """Accepts an invitation, by the gallery's unique name (`default-GOLDEN`)."""
        return self._answer(gallery, accept=True)

    def reject(self, gallery: str) -> list[Invitation]:
        """Declines an invitation, or leaves later."""
        return self._answer(gallery, accept=False)

    def publish(self, gallery: str) -> str:
        """Lets everybody read a gallery that is permitted as `Community`; gives its public name."""
        public = sharing.enable_community(self._ctx, parse_gallery_reference(gallery))
        assert public.sharing.community is not None, "only such a gallery becomes public"
        return public.sharing.community.public_name

    def reset(self, gallery: str) -> Gallery:
        """Makes a gallery private: ends direct shares and its public name, for good. Roles stay."""
        return sharing.reset(self._ctx, parse_gallery_reference(gallery))

    def status(self, gallery: str) -> list[RegionSharing]:
        """Whether each region's record says how the gallery is shared now; none if private."""
        named = parse_gallery_reference(gallery)
        return sharing_status.regions_told(self._ctx, galleries.show(self._ctx, named))

    def shared_galleries(self) -> list[Gallery]:
        """Galleries that are shared directly with who connected, as consumers see them."""
        return consuming.list_shared(self._ctx, SharingPermission.GROUPS)

    def community_galleries(self) -> list[Gallery]:
        """Galleries that everybody may read, by `sharing.community.public_name`."""
        return consuming.list_shared(self._ctx, SharingPermission.COMMUNITY)

    def _answer(self, gallery: str, *, accept: bool) -> list[Invitation]:
        named = parse_gallery_reference(gallery)
        return [one for _gallery, one in consuming.answer(self._ctx, named, accept=accept)]


def _scope(gallery: str, image: str | None, version: str | None) -> ResourceId:
    named = parse_gallery_reference(gallery)
    if image is None:
        if version is not None:
            raise TypeError("version names a version of an image: give image as well")
        return named
    definition = named.definition(image)
    return definition if version is None else definition.version(VersionName.parse(version))
