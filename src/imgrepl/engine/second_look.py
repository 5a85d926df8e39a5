"""Packs of which every copy was called damaged, looked at again before they are called lost.

A reader calls a pack damaged for one wrong answer, which may have been wrong on its way.
"""

import hashlib
from contextlib import suppress

from imgrepl.engine.context import Engine
from imgrepl.engine.pack_reading import pack_key
from imgrepl.engine.stopping import check_stop
from imgrepl.engine.unreadable import read_whole
from imgrepl.errors import Conflict, Corrupt, NotFound, Unavailable
from imgrepl.gallery import contents, packs
from imgrepl.gallery import places as place_rows
from imgrepl.gallery.packs import PlacePack
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.proof import Proof, ProofLevel


def finds_whole_packs(engine: Engine, version: ImageVersion) -> bool:
    """Reads what no place has but as damaged; whether any is whole, and counts as such again."""
    with engine.index.read() as tx:
        needed = contents.packs_of(tx, version.content_ids)
        holders = packs.holders(tx, needed)
        doubted = [packs.copies(tx, pack_id) for pack_id in needed if not holders.get(pack_id)]
    found = [any(_is_whole(engine, row) for row in copies) for copies in doubted]
    return any(found)


def _is_whole(engine: Engine, row: PlacePack) -> bool:
    check_stop(engine.stop)
    if row.state != packs.DAMAGED:
        return False
    with engine.index.read() as tx:
        place = place_rows.get(tx, row.place_id)
    try:
        body = read_whole(engine, place, pack_key(row))
    except (Corrupt, NotFound, Unavailable):
        return False
    if hashlib.sha256(body).hexdigest() != row.pack_id:
        return False
    proof = Proof(ProofLevel.FULL_READ, engine.clock.now())
    with suppress(Conflict), engine.index.begin() as tx:
        packs.confirm(tx, row.place_id, row.pack_id, proof)
    return True
