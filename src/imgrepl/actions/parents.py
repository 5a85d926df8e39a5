"""`--create-parents`: the gallery and the definition that a first version lacks."""

from dataclasses import replace

from sqlalchemy import Connection

from imgrepl.actions import definitions, galleries
from imgrepl.actions.context import Context
from imgrepl.actions.definitions import CreateDefinition
from imgrepl.actions.disk_sources import VERSION_SCHEME
from imgrepl.actions.version_requests import CreateVersion
from imgrepl.errors import NotFound
from imgrepl.gallery import definitions as definition_rows
from imgrepl.gallery import galleries as gallery_rows
from imgrepl.gallery import regions
from imgrepl.model.gallery import Gallery, ImageDefinition, ImageIdentifier, OsType
from imgrepl.model.references import parse_version_reference
from imgrepl.model.region import normal_region_name


def home_of(tx: Connection, request: CreateVersion, gallery: Gallery | None) -> str:
    """The home region that is asked for, else the gallery's, else the first that is targeted.

    Else the only region there is, or the first by name. Raises `NotFound` (`RegionNotFound`).
    """
    if request.location is not None:
        return request.location
    if gallery is not None:
        return gallery.location
    if request.target_regions:
        return normal_region_name(request.target_regions[0].name)
    return default_location(tx)


def default_location(tx: Connection) -> str:
    """The only region there is, or the one that comes first by name.

    Raises `NotFound` (`RegionNotFound`) when there is none.
    """
    known = [region for region in regions.list_all(tx) if not region.is_edge_zone]
    if not known:
        raise NotFound(
            "no region is registered",
            code="RegionNotFound",
            hint="`imgrepl lab up` starts some on this machine; `imgrepl region add` registers one",
        )
    return known[0].name


def are_there(ctx: Context, request: CreateVersion) -> bool:
    """Whether the gallery and the definition exist."""
    with ctx.index.read() as tx:
        gallery = gallery_rows.find(tx, request.id.gallery)
        return gallery is not None and definition_rows.find(tx, request.id.definition) is not None


def create_missing(ctx: Context, request: CreateVersion) -> None:
    """Makes the gallery and the definition of `request` where they are missing.

    Publisher, offer and SKU come from their names. A definition for a version that is made from
    another one is like that one's; else the guest is taken to be a generalized Linux.
    """
    gallery_id, definition_id = request.id.gallery, request.id.definition
    with ctx.index.read() as tx:
        gallery = gallery_rows.find(tx, gallery_id)
        definition = definition_rows.find(tx, definition_id) if gallery is not None else None
        location = home_of(tx, request, gallery)
        like = _source_definition(tx, request.os_disk)
    if gallery is None:
        galleries.create(ctx, gallery_id, location=location)
    if definition is None:
        identifier = ImageIdentifier(gallery_id.gallery, definition_id.definition, "default")
        plain = CreateDefinition(
            id=definition_id, identifier=identifier, os_type=OsType.LINUX, location=location
        )
        definitions.create(ctx, plain if like is None else _alike(plain, like))


def _source_definition(tx: Connection, source: str) -> ImageDefinition | None:
    if not source.startswith(VERSION_SCHEME):
        return None
    definition, _version = parse_version_reference(source.removeprefix(VERSION_SCHEME))
    return definition_rows.get(tx, definition)


def _alike(plain: CreateDefinition, like: ImageDefinition) -> CreateDefinition:
    return replace(
        plain,
        os_type=like.os_type,
        os_state=like.os_state,
        hyper_v_generation=like.hyper_v_generation,
        architecture=like.architecture,
        purchase_plan=like.purchase_plan,
        features=dict(like.features),
    )
