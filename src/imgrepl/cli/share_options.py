"""Options of sharing: a resource at any level, whom, and which role."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from imgrepl.cli.options import GalleryOptions, GroupOptions, choice, option, options
from imgrepl.errors import UsageError
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId, VersionName
from imgrepl.model.sharing import SharingPermission

GalleryName = Annotated[
    str | None, option("--gallery-name", "-r", "--gallery", text="Gallery.", metavar="GALLERY")
]
DefinitionName = Annotated[
    str | None,
    option(
        "--gallery-image-definition",
        "-i",
        "--image-definition",
        text="One image definition of it.",
        metavar="NAME",
    ),
]
VersionNumber = Annotated[
    str | None,
    option("--gallery-image-version", "-e", text="One version of that.", metavar="M.M.P"),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ResourceOptions(GalleryOptions):
    """Names a gallery, a definition or a version."""

    definition: DefinitionName = None
    version: VersionNumber = None

    @property
    def scope(self) -> GalleryId | DefinitionId | VersionId:
        """What was named, as deep as it was named."""
        return scope_of(self.gallery_id, self.definition, self.version)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AnyResourceOptions(GroupOptions):
    """Names a gallery, a definition, a version or nothing."""

    gallery: GalleryName = None
    definition: DefinitionName = None
    version: VersionNumber = None

    @property
    def scope(self) -> GalleryId | DefinitionId | VersionId | None:
        """What was named; None is the whole index."""
        if self.gallery is None:
            if self.definition or self.version:
                raise UsageError("-i and -e name something in a gallery: give -r as well")
            return None
        gallery = GalleryId(subscription=self.subscription, group=self.group, gallery=self.gallery)
        return scope_of(gallery, self.definition, self.version)


NOTHING_NAMED = AnyResourceOptions()


def scope_of(
    gallery: GalleryId, definition: str | None, version: str | None
) -> GalleryId | DefinitionId | VersionId:
    """The deepest resource that was named."""
    if definition is None:
        if version is not None:
            raise UsageError("-e names a version of a definition: give -i as well")
        return gallery
    named = gallery.definition(definition)
    return named if version is None else named.version(VersionName.parse(version))


Assignees = Annotated[
    tuple[str, ...],
    options(
        "--assignee", text="Users, or groups as group:NAME, to whom a role is due.", metavar="NAME"
    ),
]
RoleName = Annotated[
    str | None,
    option(
        "--role",
        text="Owner, Contributor, Reader or Compute Gallery Sharing Admin.",
        metavar="ROLE",
    ),
]
Subscriptions = Annotated[
    tuple[str, ...],
    options("--subscription-ids", text="Subscriptions to share with directly.", metavar="ID"),
]
Tenants = Annotated[
    tuple[str, ...],
    options("--tenant-ids", text="Tenants to share with directly.", metavar="ID"),
]

Permissions = Annotated[
    SharingPermission | None,
    choice(
        "--permissions",
        text="How it may be shared beside roles; Private if absent.",
        of=tuple(SharingPermission),
    ),
]
