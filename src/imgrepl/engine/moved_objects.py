"""What became of a pack that is not in a place itself: the `moved` object, read and located."""

from collections.abc import Iterable
from contextlib import suppress

from imgrepl.engine.context import Engine
from imgrepl.errors import Corrupt, NotFound, Unavailable
from imgrepl.gallery import moved as moved_rows
from imgrepl.gallery.moved import MovedPack
from imgrepl.layout import keys
from imgrepl.layout.moved import Moved, MovedRun, decode_moved
from imgrepl.model.ids import PackId
from imgrepl.model.region import Place
from imgrepl.model.slots import SlotRange


def read_current(engine: Engine, place: Place, pack_id: PackId) -> Moved | None:
    """The object that counts for this pack here; None where nothing leads elsewhere.

    One that is missing or damaged meets no need any more. Raises `NotFound` and `Corrupt`.
    """
    row = _row(engine, place, pack_id)
    if row is None:
        return None
    try:
        return _read(engine, place, row)
    except NotFound:
        later = _row(engine, place, pack_id)
        if later is not None and later.revision > row.revision:
            return _read(engine, place, later)  # it was replaced while we asked
        raise


def locate(moved: Moved, ranges: Iterable[SlotRange]) -> list[MovedRun]:
    """Where each of `ranges` is now, in order.

    Raises `NotFound` (`PackMissing`) for a slot that is not in this place.
    """
    found: list[MovedRun] = []
    for each in ranges:
        runs = moved.locate(each)
        if runs is None:
            raise NotFound(
                f"not all of slots {each.first_slot} to {each.end - 1} of pack {moved.pack_id} are"
                " in this place",
                code="PackMissing",
                target=moved.pack_id,
            )
        found += runs
    return found


def _row(engine: Engine, place: Place, pack_id: PackId) -> MovedPack | None:
    with engine.index.read() as tx:
        return moved_rows.find(tx, place.id, [pack_id]).get(pack_id)


def _read(engine: Engine, place: Place, row: MovedPack) -> Moved:
    try:
        return _decoded(engine, place, row)
    except (Corrupt, NotFound):
        with suppress(Unavailable), engine.index.begin() as tx:
            moved_rows.lose(tx, place.id, row.pack_id, row.revision)
        raise


def _decoded(engine: Engine, place: Place, row: MovedPack) -> Moved:
    key = keys.moved_key(row.pack_id, row.revision)
    found = decode_moved(engine.stores.of(place).get(key), row.pack_id)
    if found.revision != row.revision:
        raise Corrupt(
            f"{key} holds revision {found.revision}", code="DocumentCorrupt", target=row.pack_id
        )
    return found
