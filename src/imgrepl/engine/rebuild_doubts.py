"""What a rebuilt index must not rely on, though it lies there: its last owner may have doomed it.

Whoever had the store before may have sent a DELETE that is still on its way. It is for nothing that
a version names, so only that counts as there. All else is condemned under the key that it has,
which is never written or used again (F-8): who wants it puts it anew. And what rows of a restored
index tell of packs that nobody lists any more is looked at, one by one.
"""

from collections.abc import Sequence
from contextlib import suppress

from imgrepl.engine import moving
from imgrepl.engine.context import Engine
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Corrupt, NotFound
from imgrepl.gallery import contents, identity, moved, packs, unneeded
from imgrepl.gallery.bulk import in_lists
from imgrepl.gallery.packs import CONDEMNED, DELETING, PRESENT, PlacePack
from imgrepl.layout import keys
from imgrepl.model.ids import PackId
from imgrepl.model.region import Place

_PAGE = 1_000
_CONTENTS_MAX = 1_000_000


def give_up_contents(engine: Engine) -> None:
    """Contents that no version names are unknown from now on: published again, they are put again.

    Before packs are looked at; versions and manifests were read.
    """
    with engine.index.begin() as tx:
        contents.remove(tx, contents.unused(tx, _CONTENTS_MAX))


def settle(engine: Engine, places: Sequence[Place]) -> None:
    """Condemns all that nothing names in these places, which were read. May be repeated."""
    for place in places:
        _settle_rows(engine, place)
        after: str | None = ""
        while after is not None:
            check_stop(engine.stop)
            after = _condemn_page(engine, place, after)
        _rescue_named(engine, place)
        with engine.index.begin() as tx:
            moved.retire(tx, place.id)


def _settle_rows(engine: Engine, place: Place) -> None:
    """Operations ask again for what they hold; seals and `moved` that serve nothing go."""
    with engine.index.begin() as tx:
        packs.release_all_pins(tx)
        contents.unsealed(
            tx, place.id, [seal.content_id for seal in unneeded.seals_in(tx, place.id)]
        )
        moved.forget_idle(tx, place.id, ())


def _condemn_page(engine: Engine, place: Place, after: str) -> str | None:
    with engine.index.read() as tx:
        rows = unneeded.packs_in(tx, place.id, _PAGE, after=after, states=(PRESENT,))
    ids = [row.pack_id for row in rows]
    _lead_past(engine, place, ids)
    with engine.index.begin() as tx:
        for batch in in_lists(ids):
            idle = unneeded.packs_in(tx, place.id, len(batch), states=(PRESENT,), among=batch)
            packs.set_state(tx, place.id, [row.pack_id for row in idle], (PRESENT,), CONDEMNED)
    return ids[-1] if len(ids) == _PAGE else None


def _lead_past(engine: Engine, place: Place, pack_ids: Sequence[PackId]) -> None:
    """Packs that others stand for here: the last owner gave up one of the two.

    If it was the pack, its DELETE may be on its way; if it was `moved`, then that of `moved` alone,
    as it goes before what it leads to. So what leads past the pack is written under a new key.
    """
    with engine.index.read() as tx:
        floor = identity.generation_floor(tx)
        through = moved.find(tx, place.id, pack_ids)
    for pack_id, row in through.items():
        if row.revision < floor:
            with suppress(Corrupt, NotFound):  # it meets no need any more: the pack does
                moving.write_anew(engine, place, pack_id)


def _rescue_named(engine: Engine, place: Place) -> None:
    """What an earlier rebuild condemned, and a version names that has come since, counts again."""
    with engine.index.begin() as tx:
        condemned = packs.in_state(tx, place.id, CONDEMNED, _CONTENTS_MAX)
        ids = [row.pack_id for row in condemned]
        for batch in in_lists(ids):
            idle = unneeded.packs_in(tx, place.id, len(batch), states=(CONDEMNED,), among=batch)
            named = set(batch) - {row.pack_id for row in idle}
            packs.set_state(tx, place.id, named, (CONDEMNED,), PRESENT)


def look_for_unlisted(engine: Engine, place: Place, listed: set[tuple[str, int]]) -> None:
    """Rows of packs that were not `listed` here, by id and generation: one HEAD each tells."""
    for state in (PRESENT, CONDEMNED):
        with engine.index.read() as tx:
            rows = packs.in_state(tx, place.id, state, _CONTENTS_MAX)
        lost = [
            row
            for row in rows
            if (row.pack_id, row.generation) not in listed and not _is_there(engine, place, row)
        ]
        with engine.index.begin() as tx:
            if state is PRESENT:
                for row in lost:
                    packs.set_damaged(tx, place.id, row.pack_id, "it is not there any more")
            else:
                ids = [row.pack_id for row in lost]
                packs.set_state(tx, place.id, ids, (CONDEMNED,), DELETING)


def _is_there(engine: Engine, place: Place, row: PlacePack) -> bool:
    check_stop(engine.stop)
    try:
        engine.stores.of(place).head(keys.pack_key(row.pack_id, row.generation))
    except NotFound as error:
        if error.code == "BucketMissing":
            raise
        return False
    return True
