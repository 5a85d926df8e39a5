"""Brings all packs of contents into one place, from wherever they are, and pins them there."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from imgrepl.engine.context import Engine
from imgrepl.engine.executor import PackMover
from imgrepl.engine.lease import Lease
from imgrepl.engine.planner import PACK_LOST, plan_replication
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Corrupt, NotFound
from imgrepl.gallery import contents, packs
from imgrepl.gallery import places as place_rows
from imgrepl.model.ids import ContentId
from imgrepl.model.plan import PackMove
from imgrepl.model.region import Place


def bring(engine: Engine, lease: Lease, content_ids: Sequence[ContentId], home: Place) -> None:
    """Makes every pack that these contents name present in `home`, and pins it.

    A holder that turns out to be damaged is marked and another one asked. Raises `Corrupt`
    (`PackLost`) where no place has a healthy copy of one.
    """
    with engine.index.read() as tx:
        attempts = len(place_rows.list_all(tx))
    for _ in range(attempts):
        try:
            return _bring(engine, lease, content_ids, home)
        except (Corrupt, NotFound) as error:
            if error.code == PACK_LOST:
                raise
    return _bring(engine, lease, content_ids, home)


def _bring(engine: Engine, lease: Lease, content_ids: Sequence[ContentId], home: Place) -> None:
    with engine.index.begin() as tx:
        needed = contents.packs_of(tx, content_ids)
        packs.pin_present(tx, lease.operation.id, home.id, needed)
        sizes = contents.pack_bytes_of(tx, needed)
        by_id = {place.id: place for place in place_rows.list_all(tx)}
        holders = packs.holders(tx, needed)
    having = {p: [by_id[row.place_id] for row in rows] for p, rows in holders.items()}
    plan = plan_replication(sizes, [home], having, home_region=home.region)
    mover = PackMover(engine, lease.operation.id, by_id, plan.moves)

    def move_one(move: PackMove) -> None:
        check_stop(engine.stop)
        body = mover.read(move) if move.read_from is not None else None
        mover.deliver(home.region, move, body)

    try:
        with ThreadPoolExecutor(engine.options.region_uploads, "bring") as pool:
            list(pool.map(move_one, plan.moves))
    finally:
        mover.confirm(home.region)
