"""Pack footers: read by one range request each, and what rebuilds the dedup cache."""

from concurrent.futures import ThreadPoolExecutor

from imgrepl.engine.context import Engine
from imgrepl.engine.dedup_cache import DedupCache
from imgrepl.engine.pack_reading import blame, pack_key
from imgrepl.errors import Corrupt, NotFound
from imgrepl.gallery import packs
from imgrepl.gallery.packs import PlacePack
from imgrepl.layout.pack import TAIL_BYTES_GUESS, PackFooter, decode_footer, footer_length
from imgrepl.model.events import Notice
from imgrepl.model.region import Place
from imgrepl.store.protocols import Reads

_BATCH = 256


def read_footer(store: Reads, row: PlacePack) -> PackFooter:
    """What is in a pack, proven by the footer's own digest, which must be that of this pack.

    Raises `Corrupt` and `NotFound`.
    """
    key = pack_key(row)
    tail = store.get(key, offset=-min(TAIL_BYTES_GUESS, row.pack_bytes))
    needed = footer_length(tail)
    if needed > len(tail):
        tail = store.get(key, offset=-min(needed, row.pack_bytes))
    return its_footer(row, decode_footer(tail, row.pack_bytes, pack_id=row.pack_id))


def its_footer(row: PlacePack, footer: PackFooter) -> PackFooter:
    """`footer`, if it is the pack's own; one that this index does not know yet passes.

    A footer proves its frames and itself, not whose it is: that the pack's name proves, and who
    read the whole pack has noted it. Raises `Corrupt` (`PackCorrupt`) for another pack's.
    """
    if row.footer_digest not in (None, footer.digest):
        raise Corrupt(f"{pack_key(row)} holds another pack", code="PackCorrupt", target=row.pack_id)
    return footer


def fill_cache(engine: Engine, place: Place, cache: DedupCache) -> None:
    """Makes the dedup cache know every pack that `place` has, by reading what it lacks.

    Costs nothing when the cache is whole. A pack whose footer is damaged is marked so and left out.
    """
    known = cache.pack_ids()
    with engine.index.read() as tx:
        unknown = packs.present_ids(tx, place.id) - known
        lacking = list(packs.present_in(tx, place.id, unknown).values())
    if not lacking:
        return
    text = f"reading {len(lacking)} pack footers to know what {place.name} has"
    engine.events(Notice(level="info", text=text, subject=place.region))
    store = engine.stores.of(place)
    with ThreadPoolExecutor(engine.options.heads_in_flight, "footers") as pool:
        for start in range(0, len(lacking), _BATCH):
            batch = lacking[start : start + _BATCH]
            footers = pool.map(lambda row: _footer_or_none(engine, place, store, row), batch)
            for row, footer in zip(batch, footers, strict=True):
                if footer is not None:
                    cache.add_pack(row.pack_id, footer)


def _footer_or_none(
    engine: Engine, place: Place, store: Reads, row: PlacePack
) -> PackFooter | None:
    try:
        return read_footer(store, row)
    except (Corrupt, NotFound) as error:
        blame(engine, place, row.pack_id, error)
        return None
