"""Records: what a region's first place says of galleries, definitions and versions.

Revision by revision.

A record is written once under a key that carries its revision; what is known to be there is not
written again. The highest revision wins, and a tombstone is a revision like any other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from imgrepl.engine import places
from imgrepl.engine.context import Engine
from imgrepl.engine.record_fields import fields_of
from imgrepl.errors import Conflict, Corrupt, ImgreplError
from imgrepl.gallery import definitions, galleries, place_records, regions
from imgrepl.gallery import places as place_rows
from imgrepl.layout import keys
from imgrepl.layout.records import Record, RecordKind, encode_record
from imgrepl.model.events import Notice
from imgrepl.model.gallery import (
    DefinitionId,
    Gallery,
    GalleryId,
    ImageDefinition,
    ImageVersion,
    VersionId,
)
from imgrepl.model.ids import IncarnationId
from imgrepl.model.region import Place, PlaceRole

Resource = Gallery | ImageDefinition | ImageVersion
ResourceId = GalleryId | DefinitionId | VersionId


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A record to be: a resource's, or a tombstone's (`fields` empty)."""

    id: ResourceId
    incarnation: IncarnationId
    revision: int
    deleted: bool
    fields: Mapping[str, Any]


def entry_of(resource: Resource) -> Entry:
    """The record of a living resource."""
    return Entry(
        id=resource.id,
        incarnation=resource.incarnation,
        revision=resource.revision,
        deleted=False,
        fields=fields_of(resource),
    )


def tombstone_of(resource: Resource, revision: int) -> Entry:
    """The record that says that a resource was deleted; it still says what it was."""
    return Entry(
        id=resource.id,
        incarnation=resource.incarnation,
        revision=revision,
        deleted=True,
        fields=fields_of(resource),
    )


def path_of(resource_id: ResourceId) -> tuple[str, ...]:
    """The names that lead to a resource's records."""
    match resource_id:
        case GalleryId():
            return (resource_id.subscription, resource_id.group, resource_id.gallery)
        case DefinitionId():
            return (*path_of(resource_id.gallery), resource_id.definition)
        case VersionId():
            return (*path_of(resource_id.definition), str(resource_id.version))


def record_place(engine: Engine, region: str) -> Place:
    """Where a region keeps its records: its first standard place, ready to be written."""
    with engine.index.begin() as tx:
        place = place_rows.ensure(tx, regions.get(tx, region), PlaceRole.STANDARD, 0)
    places.prepare(engine, place)
    return place


def put_hierarchy(engine: Engine, version: ImageVersion, region: str) -> None:
    """Writes what makes a version stand alone in a region: its gallery, definition and itself.

    In this order (F-4), and in the home region the last one is the commit: who made the gallery may
    have died before its record was written.
    """
    place = record_place(engine, region)
    with engine.index.read() as tx:
        gallery = galleries.get(tx, version.id.gallery)
        definition = definitions.get(tx, version.id.definition)
    for resource in (gallery, definition, version):
        put(engine, place, entry_of(resource))


def put(engine: Engine, place: Place, entry: Entry) -> None:
    """Writes one record, unless this place is known to have it or a later one.

    Raises `Corrupt` (`RecordDamaged`) when something else has its key.
    """
    with engine.index.read() as tx:
        known = place_records.revision_in(tx, place.id, entry.id, entry.incarnation)
    if known is not None and known >= entry.revision:
        return
    body = encode_record(_record(entry))
    key = keys.record_key(path_of(entry.id), entry.incarnation, entry.revision)
    store = engine.stores.of(place)
    try:
        store.put(key, body, if_absent=True)
    except Conflict:
        if store.get(key) != body:
            raise Corrupt(
                f"{store.url}/{key} holds another record than this index wrote",
                code="RecordDamaged",
                target=str(entry.id),
                hint="run `imgrepl index check`",
            ) from None
    with engine.index.begin() as tx:
        place_records.note(tx, place.id, entry.id, entry.incarnation, entry.revision)


def put_again(engine: Engine, place: Place, entry: Entry) -> None:
    """Writes a record whatever lies under its key: what it says was decided long ago."""
    key = keys.record_key(path_of(entry.id), entry.incarnation, entry.revision)
    engine.stores.of(place).put(key, encode_record(_record(entry)))
    with engine.index.begin() as tx:
        place_records.note(tx, place.id, entry.id, entry.incarnation, entry.revision)


def spread(engine: Engine, entry: Entry, to_regions: Iterable[str]) -> dict[str, str]:
    """Writes a record in many regions; gives those that could not be reached, and why.

    They get it with the next operation that reaches them: the home region's record is the one that
    counts.
    """
    failed = {}
    for region in to_regions:
        try:
            put(engine, record_place(engine, region), entry)
        except ImgreplError as error:
            failed[region] = f"{error.code}: {error.message}"
            text = f"the record of {entry.id} could not be written in {region}: {error.message}"
            engine.events(Notice(level="warning", text=text, subject=region))
    return failed


def _record(entry: Entry) -> Record:
    kind = {
        GalleryId: RecordKind.GALLERY,
        DefinitionId: RecordKind.DEFINITION,
        VersionId: RecordKind.VERSION,
    }[type(entry.id)]
    return Record(
        kind=kind,
        path=path_of(entry.id),
        incarnation=entry.incarnation,
        revision=entry.revision,
        deleted=entry.deleted,
        fields=dict(entry.fields),
    )
