"""Which region a bucket is, for who comes without an index."""

from imgrepl.engine import takeover
from imgrepl.engine.context import Engine
from imgrepl.engine.places import read_region_mark
from imgrepl.engine.rebuild_records import read_all
from imgrepl.engine.region_records import list_records
from imgrepl.errors import Invalid
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.region import Place


def name_of(engine: Engine, place: Place) -> str:
    """The name of the region whose first place this is.

    Buckets that an early release filled do not say it; there it is the region in which all versions
    stand that have a record. Raises `NotFound` (`StoreMissing`) where nothing is stored and
    `Invalid` (`RegionNotNamed`) where several regions may be meant.
    """
    takeover.look(engine, place)
    mark = read_region_mark(engine.stores.of(place))
    return mark.name if mark is not None else _only_candidate(engine, place)


def marked_name(engine: Engine, place: Place) -> str | None:
    """The name that the bucket states; None where it states none, and of an empty one."""
    mark = read_region_mark(engine.stores.of(place))
    return None if mark is None else mark.name


def _only_candidate(engine: Engine, place: Place) -> str:
    store = engine.stores.of(place)
    found = read_all(engine, {place.id: list_records(store)}, {place.id: store})
    candidates = [
        {target.name for target in version.target_regions}
        for version in found.living
        if isinstance(version, ImageVersion)
    ]
    common = set.intersection(*candidates) if candidates else set()
    if len(common) == 1:
        return common.pop()
    may_be = f"may be {', '.join(sorted(common))}" if common else "tells no region's name"
    raise Invalid(
        f"{store.url} {may_be}",
        code="RegionNotNamed",
        target=store.url,
        hint="name it with --bucket-region",
    )
