"""A bucket that a gallery is exported to: a store of its own, which no index keeps."""

from imgrepl.engine import places, rebuilder
from imgrepl.engine.context import Engine
from imgrepl.errors import Conflict, NotFound
from imgrepl.gallery import places as place_rows
from imgrepl.gallery import regions
from imgrepl.model.region import PlaceRole


def open_store(engine: Engine, region: str, *, rehearse: bool) -> None:
    """Makes an empty index that of the export in `region`, or leaves it for a new one.

    With `rehearse` nothing is written. Raises `Conflict` (`NotAnExport`) for a bucket that is the
    region of an index, and what a rebuild raises.
    """
    with engine.index.begin() as tx:
        place = place_rows.ensure(tx, regions.get(tx, region), PlaceRole.STANDARD, 0)
    store = engine.stores.of(place)
    try:
        places.read_header(store)
    except NotFound as error:
        if error.code == "BucketMissing" and not place.endpoint.url.startswith("file:"):
            raise  # a directory is made when it is first written to, a bucket is not
        if not rehearse:
            places.mark_portable(store, region)
        return
    mark = places.read_region_mark(store)
    if mark is None or not mark.portable:
        raise Conflict(
            f"{store.url} is the region of a gallery index, not an export",
            code="NotAnExport",
            target=store.url,
            hint="export to a directory, a bucket or a prefix of its own",
        )
    if rehearse:
        rebuilder.load(engine, [region])
    else:
        rebuilder.go_on(engine, region)
