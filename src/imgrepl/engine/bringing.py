"""Brings all packs of contents into one place, from wherever they are, and pins them there."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from imgrepl.engine.context import Engine
from imgrepl.engine.executor import PackMover
from imgrepl.engine.frame_mover import FrameMover
from imgrepl.engine.lease import Lease
from imgrepl.engine.planner import PACK_LOST, plan_replication
from imgrepl.engine.stopping import check_stop
from imgrepl.engine.surveying import survey
from imgrepl.errors import Corrupt, NotFound
from imgrepl.gallery import contents, moved, packs
from imgrepl.gallery import places as place_rows
from imgrepl.model.ids import ContentId
from imgrepl.model.plan import FramesMove, Move
from imgrepl.model.region import Place


def bring(engine: Engine, lease: Lease, content_ids: Sequence[ContentId], place: Place) -> None:
    """Makes every pack that these contents name present in `place`, or its frames, and pins it.

    A holder that turns out to be damaged is marked and another one asked. Raises `Corrupt`
    (`PackLost`) where no place has a healthy copy of one.
    """
    with engine.index.read() as tx:
        attempts = len(place_rows.list_all(tx))
    for _ in range(attempts):
        try:
            return _bring(engine, lease, content_ids, place)
        except (Corrupt, NotFound) as error:
            if error.code == PACK_LOST:
                raise
    return _bring(engine, lease, content_ids, place)


def _bring(engine: Engine, lease: Lease, content_ids: Sequence[ContentId], place: Place) -> None:
    with engine.index.begin() as tx:
        moved.pin(tx, lease.operation.id, place.id, content_ids)
        missing = moved.lacking(tx, place.id, content_ids)
        lacking = [pack_id for pack_id in contents.packs_of(tx, content_ids) if pack_id in missing]
        sizes = contents.pack_bytes_of(tx, lacking)
        by_id = {place.id: place for place in place_rows.list_all(tx)}
        holders = packs.holders(tx, lacking)
    having = {p: [by_id[row.place_id] for row in rows] for p, rows in holders.items()}
    needs = survey(engine, content_ids, [place], home_region=place.region)
    wanted = {pack_id: sizes[pack_id] for pack_id in lacking}
    plan = plan_replication(wanted, [place], having, home_region=place.region, needs=needs)
    mover = PackMover(engine, lease.operation.id, by_id, plan.moves)
    frame_mover = FrameMover(engine, lease.operation.id, by_id, content_ids)

    def move_one(move: Move) -> None:
        check_stop(engine.stop)
        if isinstance(move, FramesMove):
            frame_mover.deliver(place.region, move, frame_mover.read(move))
            return
        body = mover.read(move) if move.read_from is not None else None
        mover.deliver(place.region, move, body)

    try:
        with ThreadPoolExecutor(engine.options.region_uploads, "bring") as pool:
            list(pool.map(move_one, plan.all_moves))
    finally:
        mover.confirm(place.region)
