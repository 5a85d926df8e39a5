"""`--create-parents`: the gallery and the definition that a first version lacks."""

from sqlalchemy import Connection

from imgrepl.actions import definitions, galleries
from imgrepl.actions.context import Context
from imgrepl.actions.definitions import CreateDefinition
from imgrepl.actions.version_requests import CreateVersion
from imgrepl.errors import NotFound
from imgrepl.gallery import definitions as definition_rows
from imgrepl.gallery import galleries as gallery_rows
from imgrepl.gallery import regions
from imgrepl.model.gallery import ImageIdentifier, OsType


def default_location(tx: Connection) -> str:
    """The only region there is, or the one that was registered first by name.

    Raises `NotFound` (`RegionNotFound`) when there is none.
    """
    known = regions.list_all(tx)
    if not known:
        raise NotFound(
            "no region is registered",
            code="RegionNotFound",
            hint="`imgrepl lab up` starts some on this machine; `imgrepl region add` registers one",
        )
    return known[0].name


def create_missing(ctx: Context, request: CreateVersion) -> None:
    """Makes the gallery and the definition of `request` where they are missing.

    Publisher, offer and SKU come from their names; the guest is taken to be a generalized Linux.
    """
    gallery_id, definition_id = request.id.gallery, request.id.definition
    with ctx.index.read() as tx:
        gallery = gallery_rows.find(tx, gallery_id)
        definition = definition_rows.find(tx, definition_id) if gallery is not None else None
        home = request.location or (gallery.location if gallery is not None else None)
        location = home or default_location(tx)
    if gallery is None:
        galleries.create(ctx, gallery_id, location=location)
    if definition is None:
        identifier = ImageIdentifier(gallery_id.gallery, definition_id.definition, "default")
        definitions.create(
            ctx,
            CreateDefinition(
                id=definition_id, identifier=identifier, os_type=OsType.LINUX, location=location
            ),
        )
