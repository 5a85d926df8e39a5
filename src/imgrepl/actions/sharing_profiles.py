"""How a gallery may be shared beside roles: what is asked for, and the rules of what is shared."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from imgrepl.errors import Conflict, Invalid
from imgrepl.gallery import definitions, versions
from imgrepl.model import rules
from imgrepl.model.gallery import Gallery
from imgrepl.model.sharing import PRIVATE, CommunityInfo, SharingPermission, SharingProfile

_PREFIX = re.compile(r"[A-Za-z0-9]{5,16}")
_CONTACT = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
_DETAILS_MAX = 20


@dataclass(frozen=True, kw_only=True)
class SharingRequest:
    """How a gallery is to be shareable; the four texts are a community gallery's, all of them."""

    permissions: SharingPermission
    publisher_uri: str | None = None
    publisher_contact: str | None = None
    eula: str | None = None
    public_name_prefix: str | None = None


def profile_of(request: SharingRequest) -> SharingProfile:
    """What a gallery's sharing becomes; a community gallery is not public before it is enabled.

    Raises `Invalid` (`CommunityInfoMissing`, `InvalidUri`, `InvalidContact`, `InvalidPrefix`,
    `CommunityInfoUnused`).
    """
    texts = {
        "publisherUri": request.publisher_uri,
        "publisherContact": request.publisher_contact,
        "eula": request.eula,
        "publicNamePrefix": request.public_name_prefix,
    }
    if request.permissions is not SharingPermission.COMMUNITY:
        _refuse_unused([name for name, text in texts.items() if text is not None])
        return SharingProfile(permissions=request.permissions)
    missing = [name for name, text in texts.items() if not text]
    if missing:
        raise Invalid(
            f"a community gallery tells everybody all of {', '.join(texts)}; missing:"
            f" {', '.join(missing)}",
            code="CommunityInfoMissing",
            target=missing[0],
            hint="--publisher-uri, --publisher-email, --eula and --public-name-prefix",
        )
    return SharingProfile(permissions=request.permissions, community=_community(texts))


def _refuse_unused(stated: Sequence[str]) -> None:
    if stated:
        raise Invalid(
            f"{', '.join(stated)}: only a community gallery has that",
            code="CommunityInfoUnused",
            target=stated[0],
            hint="say --permissions Community as well",
        )


def _community(texts: dict[str, str | None]) -> CommunityInfo:
    uri, contact, eula, prefix = (text or "" for text in texts.values())
    rules.check_uri("publisherUri", uri)
    if not _CONTACT.fullmatch(contact):
        raise Invalid(
            f"publisherContact {contact!r} is no e-mail address",
            code="InvalidContact",
            target="publisherContact",
            hint="everybody sees it: name one where mail is read",
        )
    if not _PREFIX.fullmatch(prefix):
        raise Invalid(
            f"publicNamePrefix {prefix!r} is not 5 to 16 ASCII letters and digits",
            code="InvalidPrefix",
            target="publicNamePrefix",
            hint="a dash and a GUID follow it in the public name",
        )
    return CommunityInfo(
        publisher_uri=uri,
        publisher_contact=contact,
        eula=eula,
        public_name_prefix=prefix,
        public_name=f"{prefix}-{uuid.uuid4()}",
    )


def changed(gallery: Gallery, request: SharingRequest) -> SharingProfile:
    """A gallery's sharing after it is asked to be shareable so; the same again changes nothing.

    Raises `Conflict` (`ImmutableProperty`) where it is shared in another way already.
    """
    present = gallery.sharing
    if is_said(present, request):
        return present
    if present == PRIVATE:
        return profile_of(request)
    raise Conflict(
        f"gallery {gallery.id} is shared as {present.permissions}: that does not change while it"
        " is shared",
        code="ImmutableProperty",
        target="sharingProfile",
        hint="`imgrepl share reset` makes it private first; its public name is gone then",
    )


def is_said(profile: SharingProfile, request: SharingRequest) -> bool:
    """Whether a request says of a gallery's sharing what is so already."""
    return _said(profile) == _said(profile_of(request))


def check_member(gallery: Gallery, location: str, *, has_plan: bool, target: str) -> None:
    """That what is to be made in a shared gallery may be shared. Raises `Invalid`."""
    if gallery.sharing.permissions is SharingPermission.PRIVATE:
        return
    if location != gallery.location:
        raise _not_shareable(
            gallery, [f"{target} is in {location}, the gallery in {gallery.location}"]
        )
    if has_plan and gallery.sharing.permissions is SharingPermission.COMMUNITY:
        raise _not_shareable(gallery, [f"{target} has a purchase plan"])


def check_shareable(tx: Connection, gallery: Gallery) -> None:
    """That all that is in a gallery may be public. Raises `Invalid` (`NotShareable`)."""
    wrong: list[str] = []
    for definition in definitions.list_all(tx, gallery=gallery.id):
        if definition.location != gallery.location:
            wrong.append(f"{definition.id} is in {definition.location}")
        if definition.purchase_plan is not None:
            wrong.append(f"{definition.id} has a purchase plan")
        wrong += [
            f"{version.id} is in {version.location}"
            for version in versions.list_of(tx, definition.id)
            if version.location != gallery.location
        ]
    if wrong:
        raise _not_shareable(gallery, wrong)


def refuse_public(gallery: Gallery) -> None:
    """That the gallery may be deleted. Raises `Conflict` (`GalleryShared`)."""
    if gallery.sharing.is_public:
        raise Conflict(
            f"gallery {gallery.id} is public: others may rely on it",
            code="GalleryShared",
            target=str(gallery.id),
            hint="`imgrepl share reset` makes it private first",
        )


def _said(profile: SharingProfile) -> object:
    """What a request can say of a profile."""
    info = profile.community
    texts = info and (info.publisher_uri, info.publisher_contact, info.eula)
    return profile.permissions, texts, info and info.public_name_prefix


def _not_shareable(gallery: Gallery, wrong: Sequence[str]) -> Invalid:
    return Invalid(
        f"gallery {gallery.id} is shared as {gallery.sharing.permissions}: all in it has its home"
        f" in {gallery.location}, and what everybody gets has no purchase plan",
        code="NotShareable",
        target=str(gallery.id),
        details=wrong[:_DETAILS_MAX],
        hint="keep that in a gallery of its own",
    )
