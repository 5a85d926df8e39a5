"""Image definitions."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from imgrepl.errors import Conflict
from imgrepl.gallery import lookups, revisions
from imgrepl.gallery.lookups import fold
from imgrepl.gallery.schema import definitions, galleries, versions
from imgrepl.gallery.shares import grant_values, granted
from imgrepl.model.gallery import (
    Architecture,
    DefinitionId,
    GalleryId,
    HyperVGeneration,
    ImageDefinition,
    ImageIdentifier,
    OsState,
    OsType,
    ProvisioningState,
    PurchasePlan,
    Range,
    VersionName,
)
from imgrepl.model.ids import IncarnationId

CHILDREN_SHOWN_MAX = 20


def create(tx: Connection, definition: ImageDefinition) -> None:
    """Adds a definition.

    Raises `NotFound` (`GalleryNotFound`); `Conflict`: `DefinitionExists`, or `IdentifierConflict`
    where another definition of the gallery has the same publisher, offer and SKU.
    """
    gallery_id = lookups.gallery_number(tx, definition.id.gallery)
    _refuse_taken(tx, gallery_id, definition)
    tx.execute(
        sa.insert(definitions).values(
            gallery_id=gallery_id,
            name=definition.id.definition,
            name_key=fold(definition.id.definition),
            revision=definition.revision,
            next_revision=definition.revision + 1,
            **_immutable(definition),
            **_mutable(definition),
        )
    )


def get(tx: Connection, definition: DefinitionId) -> ImageDefinition:
    """The definition. Raises `NotFound` (`GalleryNotFound`, `DefinitionNotFound`)."""
    return find(tx, definition) or lookups.no_definition(tx, definition)


def find(tx: Connection, definition: DefinitionId) -> ImageDefinition | None:
    """The definition, or None."""
    number = lookups.definition_row(definition)
    row = tx.execute(_chosen().where(definitions.c.id == number)).one_or_none()
    return None if row is None else _definition_of(row)


def list_all(tx: Connection, *, gallery: GalleryId | None = None) -> list[ImageDefinition]:
    """Definitions by name, of one gallery where given. Raises `NotFound` (`GalleryNotFound`)."""
    chosen = _chosen().order_by(
        galleries.c.subscription_key, galleries.c.name_key, definitions.c.name_key
    )
    if gallery is not None:
        number = lookups.gallery_number(tx, gallery)
        chosen = chosen.where(definitions.c.gallery_id == number)
    return [_definition_of(row) for row in tx.execute(chosen)]


def count(tx: Connection, subscription: str, location: str) -> int:
    """How many definitions the subscription has in this region."""
    counted = (
        sa.select(sa.func.count())
        .select_from(definitions.join(galleries, galleries.c.id == definitions.c.gallery_id))
        .where(
            galleries.c.subscription_key == fold(subscription), definitions.c.location == location
        )
    )
    return tx.execute(counted).scalar_one()


def update(tx: Connection, definition: ImageDefinition) -> None:
    """Writes what may change. Raises `NotFound`; `Conflict` (`ChangedMeanwhile`)."""
    number = lookups.definition_number(tx, definition.id)
    values = _mutable(definition)
    revisions.write(tx, definitions, number, revision=definition.revision, values=values)


def adopt(tx: Connection, definition: ImageDefinition) -> None:
    """Makes the index say what a record says: adds the definition, or follows a higher revision.

    An older or equal revision of the same incarnation changes nothing. Raises `NotFound`
    (`GalleryNotFound`) and `Conflict` (`IdentifierConflict`).
    """
    known = find(tx, definition.id)
    if known is None:
        create(tx, definition)
    elif known.incarnation != definition.incarnation or known.revision < definition.revision:
        number = lookups.definition_number(tx, definition.id)
        values = _immutable(definition) | _mutable(definition)
        revisions.overwrite(tx, definitions, number, revision=definition.revision, values=values)


def set_home(tx: Connection, definition: DefinitionId, location: str, revision: int) -> None:
    """Another home region. Raises `NotFound`; `Conflict` (`ChangedMeanwhile`)."""
    number = lookups.definition_number(tx, definition)
    revisions.write(tx, definitions, number, revision=revision, values={"location": location})


def next_revision(tx: Connection, definition: DefinitionId) -> int:
    """A revision that no record of this definition has carried. Raises `NotFound`."""
    return revisions.allocate(tx, definitions, lookups.definition_number(tx, definition))


def remove(tx: Connection, definition: DefinitionId) -> None:
    """Removes a definition without versions, staged ones included.

    Raises `NotFound`; `Conflict` (`NotEmpty`) with its versions.
    """
    number = lookups.definition_number(tx, definition)
    columns = (versions.c.major, versions.c.minor, versions.c.patch)
    children = sa.select(*columns).where(versions.c.definition_id == number)
    names = [str(VersionName(*row)) for row in tx.execute(children.order_by(*columns))]
    if names:
        raise Conflict(
            f"image definition {definition} still holds {len(names)} versions",
            code="NotEmpty",
            target=str(definition),
            details=names[:CHILDREN_SHOWN_MAX],
            hint="delete them first",
        )
    tx.execute(sa.delete(definitions).where(definitions.c.id == number))


def _refuse_taken(tx: Connection, gallery_id: int, definition: ImageDefinition) -> None:
    mine = definitions.c.gallery_id == gallery_id
    named = definitions.c.name_key == fold(definition.id.definition)
    if tx.scalar(sa.select(definitions.c.id).where(mine, named)) is not None:
        raise Conflict(
            f"image definition {definition.id} exists",
            code="DefinitionExists",
            target=str(definition.id),
        )
    same = definitions.c.identifier_key == _identifier_key(definition.identifier)
    holder = tx.scalar(sa.select(definitions.c.name).where(mine, same))
    if holder is not None:
        raise Conflict(
            f"publisher, offer and SKU {'/'.join(definition.identifier)} are those of image"
            f" definition {holder}: the three are unique in a gallery",
            code="IdentifierConflict",
            target=str(definition.id),
            hint="change at least one of the three",
        )


def _identifier_key(identifier: ImageIdentifier) -> str:
    return fold("/".join(identifier))


def _immutable(definition: ImageDefinition) -> dict[str, Any]:
    return {
        "incarnation": definition.incarnation,
        "location": definition.location,
        "publisher": definition.identifier.publisher,
        "offer": definition.identifier.offer,
        "sku": definition.identifier.sku,
        "identifier_key": _identifier_key(definition.identifier),
        "os_type": definition.os_type,
        "os_state": definition.os_state,
        "hyper_v_generation": definition.hyper_v_generation,
        "architecture": definition.architecture,
        "eula": definition.eula,
        "privacy_statement_uri": definition.privacy_statement_uri,
        "purchase_plan": definition.purchase_plan and list(definition.purchase_plan),
        "created_at": definition.created_at,
    }


def _mutable(definition: ImageDefinition) -> dict[str, Any]:
    return {
        "recommended_vcpus": list(definition.recommended_vcpus),
        "recommended_memory": list(definition.recommended_memory),
        "disallowed_disk_types": list(definition.disallowed_disk_types),
        "description": definition.description,
        "end_of_life_date": definition.end_of_life_date,
        "release_note_uri": definition.release_note_uri,
        "features": dict(definition.features),
        "features_start_at": {
            name: str(version) for name, version in definition.features_start_at.items()
        },
        "allow_update_image": definition.allow_update_image,
        "tags": dict(definition.tags),
        **grant_values(definition.grants),
        "provisioning_state": definition.provisioning_state,
    }


def _chosen() -> sa.Select[Any]:
    columns = (galleries.c.subscription, galleries.c.group_name, galleries.c.name)
    return sa.select(definitions, *(column.label(f"in_{column.name}") for column in columns)).join(
        galleries, galleries.c.id == definitions.c.gallery_id
    )


def _definition_of(row: Row[Any]) -> ImageDefinition:
    gallery = GalleryId(
        subscription=row.in_subscription, group=row.in_group_name, gallery=row.in_name
    )
    return ImageDefinition(
        id=gallery.definition(row.name),
        incarnation=IncarnationId(row.incarnation),
        revision=row.revision,
        location=row.location,
        identifier=ImageIdentifier(row.publisher, row.offer, row.sku),
        os_type=OsType(row.os_type),
        os_state=OsState(row.os_state),
        hyper_v_generation=HyperVGeneration(row.hyper_v_generation),
        architecture=Architecture(row.architecture),
        features=row.features,
        features_start_at={
            name: VersionName.parse(text) for name, text in row.features_start_at.items()
        },
        allow_update_image=row.allow_update_image,
        recommended_vcpus=Range(*row.recommended_vcpus),
        recommended_memory=Range(*row.recommended_memory),
        disallowed_disk_types=tuple(row.disallowed_disk_types),
        description=row.description,
        end_of_life_date=row.end_of_life_date,
        release_note_uri=row.release_note_uri,
        eula=row.eula,
        privacy_statement_uri=row.privacy_statement_uri,
        purchase_plan=PurchasePlan(*row.purchase_plan) if row.purchase_plan else None,
        tags=row.tags,
        grants=granted(row.grants),
        created_at=row.created_at,
        provisioning_state=ProvisioningState(row.provisioning_state),
    )
