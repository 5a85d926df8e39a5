"""`imgrepl gallery`: what others share, directly or with everybody."""

from collections.abc import Callable
from typing import Annotated

from imgrepl.cli.answer import Answer
from imgrepl.cli.options import choice, option
from imgrepl.cli.run import Injected
from imgrepl.model.gallery import GalleryId

Location = Annotated[
    str | None,
    option("--location", "-l", text="Only of this home region.", metavar="REGION"),
]
SharedTo = Annotated[
    str | None,
    choice("--shared-to", text="As az; both are listed here.", of=("subscription", "tenant")),
]
SHARED_COLUMNS = {
    "Gallery": "name",
    "Location": "location",
    "Publisher": "communityMetadata.publisherUri",
    "Description": "description",
}


def list_shared(
    *,
    location: Location = None,
    shared_to: SharedTo = None,  # noqa: ARG001 - as az, and needless
    run: Injected,
) -> Answer:
    """List galleries that are shared directly and that you may read, by their unique names.

    For example:

        imgrepl gallery list-shared --principal bob,subscription=contoso

    Exit codes: 0 done.
    """
    from imgrepl.actions import consuming
    from imgrepl.azure import sharing_shapes
    from imgrepl.model.sharing import SharingPermission

    with run.open() as ctx:
        found = consuming.list_shared(ctx, SharingPermission.GROUPS, location)
    return Answer([sharing_shapes.shared_gallery(one) for one in found], SHARED_COLUMNS)


def show_shared(
    *,
    unique_name: Annotated[
        str, option("--gallery-unique-name", text="As invitation list has it.", metavar="NAME")
    ],
    location: Location = None,
    run: Injected,
) -> Answer:
    """Show a gallery that is shared directly, as its consumers see it.

    For example:

        imgrepl gallery show-shared --gallery-unique-name default-GOLDEN

    Exit codes: 0 done; 3 no such gallery; 9 not allowed.
    """
    from imgrepl.actions import consuming
    from imgrepl.azure import sharing_shapes
    from imgrepl.model.sharing import SharingPermission

    with run.open() as ctx:
        found = consuming.show_shared(
            ctx, GalleryId(gallery=unique_name), SharingPermission.GROUPS, location
        )
    return Answer(sharing_shapes.shared_gallery(found))


def list_community(*, location: Location = None, run: Injected) -> Answer:
    """List community galleries, which everybody may read, by their public names.

    For example:

        imgrepl gallery list-community --query "[].name" -o tsv

    Exit codes: 0 done.
    """
    from imgrepl.actions import consuming
    from imgrepl.azure import sharing_shapes
    from imgrepl.model.sharing import SharingPermission

    with run.open() as ctx:
        found = consuming.list_shared(ctx, SharingPermission.COMMUNITY, location)
    return Answer([sharing_shapes.community_gallery(one) for one in found], SHARED_COLUMNS)


def show_community(
    *,
    public_name: Annotated[
        str, option("--public-gallery-name", text="As list-community has it.", metavar="NAME")
    ],
    location: Location = None,
    run: Injected,
) -> Answer:
    """Show a community gallery, as everybody sees it.

    For example:

        imgrepl gallery show-community --public-gallery-name contoso-0b7c

    Exit codes: 0 done; 3 no such gallery; 9 not allowed.
    """
    from imgrepl.actions import consuming
    from imgrepl.azure import sharing_shapes
    from imgrepl.model.sharing import SharingPermission

    with run.open() as ctx:
        found = consuming.show_shared(
            ctx, GalleryId(gallery=public_name), SharingPermission.COMMUNITY, location
        )
    return Answer(sharing_shapes.community_gallery(found))


COMMANDS: dict[str, Callable[..., Answer]] = {
    "list-shared": list_shared,
    "show-shared": show_shared,
    "list-community": list_community,
    "show-community": show_community,
}
