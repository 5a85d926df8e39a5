"""How a resource's names lead to its row, and what to say when they do not."""

from typing import NoReturn

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    and_,
    bindparam,
    func,
    or_,
    select,
)

from imgrepl.errors import NotFound
from imgrepl.gallery.schema import definitions, galleries, versions
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId, VersionName
from imgrepl.model.references import options_naming


def fold(name: str) -> str:
    """Names compare without case."""
    return name.lower()


def resource_key(resource: GalleryId | DefinitionId | VersionId) -> str:
    """One text per resource, for all spellings of its names."""
    gallery, rest = _parts(resource)
    return fold("/".join([gallery.subscription, gallery.group, gallery.gallery, *rest]))


def _parts(resource: GalleryId | DefinitionId | VersionId) -> tuple[GalleryId, list[str]]:
    match resource:
        case GalleryId():
            return resource, []
        case DefinitionId():
            return resource.gallery, [resource.definition]
        case VersionId():
            names = [resource.definition.definition, str(resource.version)]
            return resource.gallery, names


def is_gallery(gallery: GalleryId) -> ColumnElement[bool]:
    """The condition that a row of `galleries` is this one.

    Galleries have no dash in their own names: one with a dash is a unique or a public name, by
    which consumers know a gallery of any subscription and group.
    """
    if "-" in gallery.gallery:
        return _is_known_as(fold(gallery.gallery))
    return and_(
        galleries.c.subscription_key == fold(gallery.subscription),
        galleries.c.name_key == fold(gallery.gallery),
        galleries.c.group_key == fold(gallery.group),
    )


def _is_known_as(name: str) -> ColumnElement[bool]:
    unique = galleries.c.subscription_key + "-" + galleries.c.name_key
    public = galleries.c.sharing[("community", "public_name")].as_string()
    return or_(unique == name, func.lower(public) == name)


def gallery_row(gallery: GalleryId) -> ScalarSelect[int]:
    """The number of the gallery's row, as a subquery."""
    return select(galleries.c.id).where(is_gallery(gallery)).scalar_subquery()


def definition_row(definition: DefinitionId) -> ScalarSelect[int]:
    """The number of the definition's row, as a subquery."""
    return (
        select(definitions.c.id)
        .where(
            definitions.c.gallery_id == gallery_row(definition.gallery),
            definitions.c.name_key == fold(definition.definition),
        )
        .scalar_subquery()
    )


def keys_of(definition: DefinitionId) -> dict[str, str] | None:
    """The values of `bound_definition_row`; None for a gallery that is not called by its own name.

    See `is_gallery`.
    """
    gallery = definition.gallery
    if "-" in gallery.gallery:
        return None
    return {
        "subscription_key": fold(gallery.subscription),
        "group_key": fold(gallery.group),
        "gallery_key": fold(gallery.gallery),
        "definition_key": fold(definition.definition),
    }


def bound_definition_row() -> ScalarSelect[int]:
    """As `definition_row`, for a statement that is made once: `keys_of` gives its values."""
    gallery = (
        select(galleries.c.id)
        .where(
            galleries.c.subscription_key == bindparam("subscription_key"),
            galleries.c.name_key == bindparam("gallery_key"),
            galleries.c.group_key == bindparam("group_key"),
        )
        .scalar_subquery()
    )
    return (
        select(definitions.c.id)
        .where(
            definitions.c.gallery_id == gallery,
            definitions.c.name_key == bindparam("definition_key"),
        )
        .scalar_subquery()
    )


def is_version(name: VersionName) -> ColumnElement[bool]:
    """The condition that a row of `versions` carries this number."""
    return and_(
        versions.c.major == name.major,
        versions.c.minor == name.minor,
        versions.c.patch == name.patch,
    )


def version_row(version: VersionId) -> ScalarSelect[int]:
    """The number of the version's row, as a subquery."""
    return (
        select(versions.c.id)
        .where(
            versions.c.definition_id == definition_row(version.definition),
            is_version(version.version),
        )
        .scalar_subquery()
    )


def gallery_number(tx: Connection, gallery: GalleryId) -> int:
    """The gallery's row. Raises `NotFound` (`GalleryNotFound`)."""
    number: int | None = tx.scalar(select(gallery_row(gallery)))
    return number if number is not None else no_gallery(gallery)


def definition_number(tx: Connection, definition: DefinitionId) -> int:
    """The definition's row. Raises `NotFound` (`GalleryNotFound`, `DefinitionNotFound`)."""
    number: int | None = tx.scalar(select(definition_row(definition)))
    return number if number is not None else no_definition(tx, definition)


def version_number(tx: Connection, version: VersionId) -> int:
    """The version's row. Raises `NotFound`, naming the outermost thing that is missing."""
    number: int | None = tx.scalar(select(version_row(version)))
    return number if number is not None else no_version(tx, version)


def no_gallery(gallery: GalleryId) -> NoReturn:
    """Raises `NotFound` (`GalleryNotFound`)."""
    raise NotFound(
        f"there is no gallery {gallery}",
        code="GalleryNotFound",
        target=str(gallery),
        hint="`imgrepl gallery list` shows those there are",
    )


def no_definition(tx: Connection, definition: DefinitionId) -> NoReturn:
    """Raises `NotFound` (`GalleryNotFound` or `DefinitionNotFound`)."""
    gallery_number(tx, definition.gallery)
    raise NotFound(
        f"there is no image definition {definition.definition} in gallery {definition.gallery}",
        code="DefinitionNotFound",
        target=str(definition),
        hint=f"`imgrepl image-definition list {options_naming(definition.gallery)}` shows its own",
    )


def no_version(tx: Connection, version: VersionId) -> NoReturn:
    """Raises `NotFound` (`GalleryNotFound`, `DefinitionNotFound` or `VersionNotFound`)."""
    definition_number(tx, version.definition)
    raise NotFound(
        f"there is no version {version.version} of {version.definition}",
        code="VersionNotFound",
        target=str(version),
        hint=f"`imgrepl image-version list {options_naming(version.definition)}` shows those there"
        " are",
    )
