"""Reading what a region's records say, without trusting a row: for collecting and rebuilding."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from imgrepl.engine.context import Engine
from imgrepl.engine.record_fields import definition_of, gallery_of, version_of
from imgrepl.engine.record_types import fault_of
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Corrupt, Invalid
from imgrepl.layout import keys
from imgrepl.layout.documents import shown
from imgrepl.layout.keys import RecordKey
from imgrepl.layout.records import Record, RecordKind, decode_record
from imgrepl.model.gallery import Gallery, ImageDefinition, ImageVersion
from imgrepl.model.ids import IncarnationId
from imgrepl.store.protocols import Lists, Reads

Resource = Gallery | ImageDefinition | ImageVersion
VERSION_NAMES = 5
"""Names in the path of a version's records."""


@dataclass(frozen=True, kw_only=True)
class RecordListing:
    """A region's records by key: the highest revision of each incarnation, and how many in all.

    Objects among them whose key is no record's are left alone.
    """

    newest: tuple[RecordKey, ...]
    all: int


def list_records(store: Lists) -> RecordListing:
    """Every record of a place, by its key alone."""
    newest: dict[tuple[tuple[str, ...], IncarnationId], RecordKey] = {}
    count = 0
    for info in store.list(keys.RECORDS_PREFIX):
        found = keys.parse_record_key(info.key)
        if found is None:
            continue
        count += 1
        known = newest.get(found[:2])
        if known is None or known.revision < found.revision:
            newest[found[:2]] = found
    return RecordListing(newest=tuple(newest.values()), all=count)


def list_of_path(store: Lists, path: tuple[str, ...]) -> list[RecordKey]:
    """Every record of one resource, of all its incarnations and revisions."""
    found = (keys.parse_record_key(info.key) for info in store.list(keys.record_prefix(path)))
    folded = tuple(name.lower() for name in path)
    return [key for key in found if key is not None and key.path == folded]


def read_records(
    engine: Engine, store: Reads, wanted: Iterable[RecordKey]
) -> dict[RecordKey, Record | Corrupt | Invalid]:
    """Each record, or what is wrong with it. Raises what the store raises, and `Interrupted`."""

    def read(key: RecordKey) -> Record | Corrupt | Invalid:
        check_stop(engine.stop)
        try:
            return read_record(store, key)
        except (Corrupt, Invalid) as error:
            return error

    listed = list(wanted)
    with ThreadPoolExecutor(engine.options.heads_in_flight, "records") as pool:
        return dict(zip(listed, pool.map(read, listed), strict=True))


def read_record(store: Reads, key: RecordKey) -> Record:
    """One record, proven to be the one of its key. Raises `Corrupt`, `Invalid` and `NotFound`."""
    return decode_record(store.get(keys.record_key(*key)), at=key)


def resource_of(record: Record) -> Resource:
    """What a record, or a tombstone, is of. Raises `Corrupt` (`RecordDamaged`)."""
    try:
        names = [name.lower() for name in record.fields["names"] if name.isascii()]
        resource = _made(record)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, Invalid) as error:
        raise _damaged(record, f"{type(error).__name__}: {shown(str(error))}") from error
    if tuple(names) != record.path:
        raise _damaged(record, f"its names are {shown(record.fields['names'])}")
    fault = fault_of(resource) or _double(resource)
    if fault is not None:
        raise _damaged(record, f"it has {fault}")
    return resource


def _double(resource: Resource) -> str | None:
    """What a version has twice and can have once."""
    if not isinstance(resource, ImageVersion):
        return None
    regions = [target.name for target in resource.target_regions]
    luns = [disk.lun for disk in resource.disks]
    if len(set(regions)) < len(regions):
        return "a region twice"
    return "a LUN twice" if len(set(luns)) < len(luns) else None


def _made(record: Record) -> Resource:
    fields = dict(record.fields)
    match record.kind:
        case RecordKind.GALLERY:
            return gallery_of(fields, record.incarnation, record.revision)
        case RecordKind.DEFINITION:
            return definition_of(fields, record.incarnation, record.revision)
        case RecordKind.VERSION:
            return version_of(fields, record.incarnation, record.revision)


def _damaged(record: Record, why: str) -> Corrupt:
    path = "/".join(record.path)
    return Corrupt(
        f"the record of {path}, revision {record.revision}, does not say what a {record.kind}"
        f" is: {why}",
        code="RecordDamaged",
        target=path,
    )
