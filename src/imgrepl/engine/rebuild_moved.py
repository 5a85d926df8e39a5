"""What a place has through other packs becomes rows: for which contents it does, manifests tell."""

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from imgrepl.engine.context import Engine
from imgrepl.engine.exporter import read_manifest
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Corrupt, Invalid, NotFound, Unavailable
from imgrepl.gallery import contents, moved, packs
from imgrepl.gallery.moved import MovedPack
from imgrepl.layout import keys
from imgrepl.layout.moved import Moved, decode_moved
from imgrepl.model.ids import ContentId, PackId
from imgrepl.model.region import Place
from imgrepl.model.slots import SlotRange


def read_moved(engine: Engine, place: Place) -> int:
    """Notes the highest revision of every moved object in a place; tells how many lead somewhere.

    Versions, manifests and packs were read before. One that cannot be read, or that leads to a
    pack which is not there, meets no need: its revision is not used again. Rows that are as new
    stay as they are.
    """
    latest: dict[PackId, int] = {}
    for info in engine.stores.of(place).list(keys.MOVED_PREFIX):
        key = keys.parse_moved_key(info.key)
        if key is not None:
            latest[key.pack_id] = max(key.revision, latest.get(key.pack_id, 0))
    with engine.index.read() as tx:
        known = contents.pack_bytes_of(tx, latest)
        newer = {
            p: r for p, r in latest.items() if _is_newer(moved.revision_of(tx, place.id, p), r)
        }
        users = moved.users(tx, place.id, newer)
    wanted = sorted(newer.keys() & known.keys())
    with ThreadPoolExecutor(engine.options.heads_in_flight, "moved") as pool:
        bodies = pool.map(lambda pack_id: _read(engine, place, pack_id, newer[pack_id]), wanted)
        found = dict(zip(wanted, bodies, strict=True))
    slots = _slots_named(engine, place, {p: set(users.get(p, ())) for p in wanted})
    for pack_id, body in found.items():
        _note(engine, place, pack_id, newer[pack_id], body, slots.get(pack_id, {}))
    return sum(body is not None for body in found.values())


def _is_newer(known: int | None, revision: int) -> bool:
    return known is None or known < revision


def _read(engine: Engine, place: Place, pack_id: PackId, revision: int) -> Moved | None:
    check_stop(engine.stop)
    try:
        body = engine.stores.of(place).get(keys.moved_key(pack_id, revision))
        found = decode_moved(body, pack_id)
    except (Corrupt, Invalid, NotFound):
        return None
    return found if found.revision == revision else None


def _slots_named(
    engine: Engine, place: Place, naming: Mapping[PackId, set[ContentId]]
) -> dict[PackId, dict[ContentId, list[SlotRange]]]:
    """The slots that each content needs of those packs, as far as its manifest is here."""
    found: dict[PackId, dict[ContentId, list[SlotRange]]] = defaultdict(dict)
    for content_id in sorted(set().union(*naming.values())):
        check_stop(engine.stop)
        try:
            manifest = read_manifest(engine, content_id, [place])
        except (Corrupt, NotFound, Unavailable):
            continue
        for run in manifest.runs:
            pack_id = manifest.packs[run.pack].pack_id
            if pack_id in naming:
                ranges = found[pack_id].setdefault(content_id, [])
                ranges.append(SlotRange(run.first_slot, run.slots))
    return dict(found)


def _note(
    engine: Engine,
    place: Place,
    pack_id: PackId,
    revision: int,
    body: Moved | None,
    slots: Mapping[ContentId, list[SlotRange]],
) -> None:
    parts = {run.pack_id for run in body.runs} if body is not None else set()
    with engine.index.begin() as tx:
        known = moved.revision_of(tx, place.id, pack_id)
        if not _is_newer(known, revision):
            return
        here = packs.present_in(tx, place.id, parts).keys() == parts
        met = [c for c, ranges in slots.items() if body is not None and _covers(body, ranges)]
        rows = [contents.get(tx, content_id) for content_id in met] if here else []
        moved.note(
            tx,
            MovedPack(
                place_id=place.id,
                pack_id=pack_id,
                revision=revision,
                parts=frozenset(parts if here else ()),
            ),
            {row.content_id: row.generation for row in rows if row is not None},
            replaces=known,
            keeps_uses=False,
        )


def _covers(body: Moved, ranges: list[SlotRange]) -> bool:
    return all(body.locate(each) is not None for each in ranges)
