"""Makes a region know all that a home must know: records of what lives, tombstones of what went."""

from collections.abc import Callable, Iterable, Sequence

from imgrepl.engine import records
from imgrepl.engine.context import Engine
from imgrepl.engine.rebuild_records import id_of_path
from imgrepl.engine.records import Entry, Resource
from imgrepl.engine.region_records import read_record
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import ImgreplError, Interrupted
from imgrepl.gallery import place_records, records_log
from imgrepl.gallery import places as place_rows
from imgrepl.gallery.records_log import Tombstone
from imgrepl.layout.keys import RecordKey
from imgrepl.model.gallery import GalleryId
from imgrepl.model.region import Place


def write_living(
    engine: Engine, region: str, resources: Iterable[Resource], told: Callable[[], object]
) -> None:
    """Writes the record of each resource, as it is given, into a region; tells of each."""
    place = records.record_place(engine, region)
    for resource in resources:
        check_stop(engine.stop)
        records.put(engine, place, records.entry_of(resource))
        told()


def write_tombstones(engine: Engine, region: str, gallery: GalleryId) -> int:
    """Writes the tombstones of what lay in a gallery into a region; tells how many were new there.

    So what a region that was away still has as living does not come back when the index is rebuilt
    from this one and that.
    """
    place = records.record_place(engine, region)
    with engine.index.read() as tx:
        stones = records_log.below(tx, gallery)
    written = 0
    for stone in stones:
        check_stop(engine.stop)
        written += _write_tombstone(engine, place, stone)
    return written


def tell_deletions(engine: Engine, region: str) -> int:
    """Writes into a region the tombstones of what it still has as living: it was away then.

    Tells how many. Costs one query where there are none.
    """
    with engine.index.read() as tx:
        stones = [
            stone
            for place in place_rows.of_region(tx, region)
            for stone in records_log.untold(tx, place.id)
        ]
    if not stones:
        return 0
    place = records.record_place(engine, region)
    return sum(_write_tombstone(engine, place, stone) for stone in stones)


def _write_tombstone(engine: Engine, place: Place, stone: Tombstone) -> bool:
    key = RecordKey(tuple(stone.resource_key.split("/")), stone.incarnation, stone.revision)
    resource_id = id_of_path(key.path)
    with engine.index.read() as tx:
        known = place_records.revision_in(tx, place.id, resource_id, key.incarnation)
        held = place_records.places_with(tx, resource_id, key.incarnation)
        holders = [place_rows.get(tx, place_id) for place_id in held]
    if known is not None and known >= key.revision:
        return False
    entry = Entry(
        id=resource_id,
        incarnation=key.incarnation,
        revision=key.revision,
        deleted=True,
        fields=_fields(engine, holders, key),
    )
    records.put(engine, place, entry)
    return True


def _fields(engine: Engine, holders: Sequence[Place], key: RecordKey) -> dict[str, object]:
    """What the tombstone says elsewhere of what was deleted; where nobody can tell, its names."""
    for holder in holders:
        try:
            return dict(read_record(engine.stores.of(holder), key).fields)
        except Interrupted:
            raise
        except ImgreplError:
            continue
    return {"names": list(key.path)}
