"""Out of the records of several regions: what there is, what was deleted, what cannot be told.

The highest revision of an incarnation wins over all regions, and a tombstone is a revision. Of
several incarnations of one name that live, the newest is the resource.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from imgrepl.engine.context import Engine
from imgrepl.engine.region_records import RecordListing, Resource, read_record, resource_of
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Corrupt, ImgreplError, Invalid, NotFound, Unavailable
from imgrepl.layout import keys
from imgrepl.layout.keys import RecordKey
from imgrepl.layout.records import Record
from imgrepl.model.gallery import (
    DefinitionId,
    GalleryId,
    ImageVersion,
    VersionId,
    VersionName,
)
from imgrepl.model.ids import IncarnationId, PlaceId
from imgrepl.store.protocols import Reads

ResourceId = GalleryId | DefinitionId | VersionId
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class FoundRecords:
    """Everything that the records say. `damaged` are keys that nobody gave whole, and why."""

    living: tuple[Resource, ...]
    buried: tuple[RecordKey, ...]
    damaged: tuple[str, ...]


def read_all(
    engine: Engine, listings: Mapping[PlaceId, RecordListing], stores: Mapping[PlaceId, Reads]
) -> FoundRecords:
    """Reads every record that may count, from any place that lists it.

    `stores` are those of the listed places. Raises `Unavailable` where none of those answers, and
    `Interrupted`.
    """
    newest: dict[tuple[tuple[str, ...], IncarnationId], int] = {}
    holders: dict[RecordKey, list[PlaceId]] = defaultdict(list)
    for place_id, listing in listings.items():
        for key in listing.newest:
            newest[key[:2]] = max(key.revision, newest.get(key[:2], 0))
            holders[key].append(place_id)

    def read(key: RecordKey) -> Resource | RecordKey | str:
        check_stop(engine.stop)
        try:
            record = _from_any(key, [stores[place_id] for place_id in holders[key]])
            return key if record.deleted else resource_of(record)
        except (Corrupt, Invalid) as error:
            return f"{keys.record_key(*key)}: {error.message}"

    wanted = [RecordKey(*name, revision) for name, revision in newest.items()]
    with ThreadPoolExecutor(engine.options.heads_in_flight, "records") as pool:
        found = list(pool.map(read, wanted))
    return FoundRecords(
        living=tuple(one for one in found if isinstance(one, Resource)),
        buried=tuple(one for one in found if isinstance(one, RecordKey)),
        damaged=tuple(one for one in found if isinstance(one, str)),
    )


def _from_any(key: RecordKey, stores: Iterable[Reads]) -> Record:
    failures: list[ImgreplError] = []
    for store in stores:
        try:
            return read_record(store, key)
        except (Corrupt, Invalid, NotFound, Unavailable) as error:
            failures.append(error)
    away = [error for error in failures if isinstance(error, Unavailable)]
    if away:
        raise away[0]
    if isinstance(failures[0], NotFound):
        raise Corrupt("it is listed and cannot be read", code="RecordDamaged") from failures[0]
    raise failures[0]


def id_of_path(path: tuple[str, ...]) -> ResourceId:
    """The id that leads to these records; its names are folded."""
    subscription, group, gallery, *rest = path
    gallery_id = GalleryId(subscription=subscription, group=group, gallery=gallery)
    if not rest:
        return gallery_id
    definition = gallery_id.definition(rest[0])
    return definition if len(rest) == 1 else definition.version(VersionName.parse(rest[1]))


def moment_of(resource: Resource) -> tuple[datetime, int, IncarnationId]:
    """What tells which of two incarnations is the newer."""
    at = resource.published_at if isinstance(resource, ImageVersion) else resource.created_at
    return at or _LONG_AGO, resource.revision, resource.incarnation
