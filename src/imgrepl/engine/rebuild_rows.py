"""Writes what the records say into the index: deletions first, then parents before children."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection

from imgrepl.engine.context import Engine
from imgrepl.engine.rebuild_records import FoundRecords, ResourceId, id_of_path, moment_of
from imgrepl.engine.region_records import RecordListing, Resource
from imgrepl.errors import Conflict, NotFound
from imgrepl.gallery import (
    definitions,
    galleries,
    place_records,
    records_log,
    replicas,
    versions,
)
from imgrepl.gallery.lookups import resource_key
from imgrepl.layout.keys import RecordKey
from imgrepl.model.gallery import (
    DefinitionId,
    Gallery,
    GalleryId,
    ImageDefinition,
    ImageVersion,
    VersionId,
)
from imgrepl.model.ids import PlaceId
from imgrepl.model.replica import replicas_of

_BATCH = 200
_Item = TypeVar("_Item")


@dataclass
class Written:
    """What was brought into the index; `skipped` are resources that were not, and why.

    `elsewhere` are those of them whose content lies in regions that were not read.
    """

    galleries: int = 0
    definitions: int = 0
    versions: list[ImageVersion] = field(default_factory=list)
    tombstones: int = 0
    skipped: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


def write(engine: Engine, found: FoundRecords) -> Written:
    """Adopts all that lives, and removes what was deleted. Nothing newer that is there is lost."""
    written = Written()
    deepest_first = sorted(found.buried, key=lambda key: -len(key.path))
    for buried in _batches(deepest_first):
        with engine.index.begin() as tx:
            for key in buried:
                _bury(tx, key, written)
    for kind in (Gallery, ImageDefinition, ImageVersion):
        chosen = _newest(one for one in found.living if isinstance(one, kind))
        for living in _batches(chosen):
            with engine.index.begin() as tx:
                for resource in living:
                    _adopt(tx, resource, written)
    return written


def _bury(tx: Connection, key: RecordKey, written: Written) -> None:
    resource_id = id_of_path(key.path)
    known = _find(tx, resource_id)
    if known is not None and known.incarnation == key.incarnation:
        try:
            _remove(tx, resource_id)
        except Conflict as error:
            written.skipped.append(f"{resource_id}: it was deleted, but {error.message}")
            return
    records_log.bury(tx, resource_id, key.incarnation, key.revision)
    written.tombstones += 1


def _remove(tx: Connection, resource_id: ResourceId) -> None:
    match resource_id:
        case GalleryId():
            galleries.remove(tx, resource_id)
        case DefinitionId():
            definitions.remove(tx, resource_id)
        case VersionId():
            versions.remove(tx, resource_id)


def note_records(engine: Engine, place_id: PlaceId, listing: RecordListing) -> None:
    """Remembers which revisions lie in a place, so that they are not written again."""
    for batch in _batches(listing.newest):
        with engine.index.begin() as tx:
            for key in batch:
                resource_id = id_of_path(key.path)
                place_records.note(tx, place_id, resource_id, key.incarnation, key.revision)


def _newest(living: Iterable[Resource]) -> Sequence[Resource]:
    """One incarnation of each name: older ones were deleted where the tombstone did not reach."""
    chosen: dict[str, Resource] = {}
    for resource in sorted(living, key=moment_of):
        chosen[resource_key(resource.id)] = resource
    return list(chosen.values())


def _adopt(tx: Connection, resource: Resource, written: Written) -> None:
    known = _find(tx, resource.id)
    why = _obstacle(tx, resource, known)
    if why is None:
        try:
            _write(tx, resource, written)
        except (Conflict, NotFound) as error:
            why = error.message
    if why is not None:
        written.skipped.append(f"{resource.id}: {why}")


def _obstacle(tx: Connection, resource: Resource, known: Resource | None) -> str | None:
    """Why the index rather stays as it is."""
    if records_log.find(tx, resource.id, resource.incarnation) is not None:
        return "it was deleted"
    if known is None or known.incarnation == resource.incarnation:
        return None
    if isinstance(known, ImageVersion) and not known.committed:
        return "it is being published anew"
    return "a newer one of this name is there" if moment_of(known) > moment_of(resource) else None


def _find(tx: Connection, resource_id: ResourceId) -> Resource | None:
    match resource_id:
        case GalleryId():
            return galleries.find(tx, resource_id)
        case DefinitionId():
            return definitions.find(tx, resource_id)
        case VersionId():
            return versions.find(tx, resource_id)


def _write(tx: Connection, resource: Resource, written: Written) -> None:
    match resource:
        case Gallery():
            galleries.adopt(tx, resource)
            written.galleries += 1
        case ImageDefinition():
            definitions.adopt(tx, resource)
            written.definitions += 1
        case ImageVersion():
            versions.adopt(tx, resource)
            current = versions.get(tx, resource.id)
            _plan(tx, current)
            written.versions.append(current)


def _plan(tx: Connection, version: ImageVersion) -> None:
    """Replicas where the version is to stand, and none elsewhere."""
    wanted = replicas_of(version.target_regions)
    counts = Counter(replica.region for replica in wanted)
    for region in {replica.region for replica in replicas.of_version(tx, version.id)}:
        replicas.drop(tx, version.id, region, counts[region])
    replicas.plan(tx, version.id, wanted)


def _batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch
