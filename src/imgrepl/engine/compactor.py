"""Frees what is dead in packs that are needed only in part: what lives moves, then the pack goes.

The frames that versions in a place still need are copied into new packs there, `moved` says so, and
only then is the old pack condemned; from there on it is the collector's (F-16).
"""

from collections.abc import Iterator, Sequence

from imgrepl.engine.collect_report import Compacted
from imgrepl.engine.context import Engine
from imgrepl.engine.frame_mover import FrameMover
from imgrepl.engine.gathering import Gathering
from imgrepl.engine.lease import Lease
from imgrepl.engine.partial_needs import Candidate, partial_needs
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import ImgreplError, Interrupted
from imgrepl.gallery import moved, operations, pack_objects, packs, unneeded
from imgrepl.gallery.bulk import in_lists
from imgrepl.gallery.packs import CONDEMNED, PRESENT
from imgrepl.model.ids import PackId
from imgrepl.model.plan import FramesMove
from imgrepl.model.region import Place

COMPACT_BELOW = 0.3
"""A pack of which less than this share is needed is worth the reading and writing of the rest."""

_PAGE = 1_000


def rehearse(engine: Engine, place: Place) -> Compacted:
    """What `compact` would free now. Moves nothing. Raises `Interrupted`."""
    moves: list[FramesMove] = []
    try:
        for candidates in _pages(engine, place):
            moves += _moves(engine, candidates)
    except Interrupted:
        raise
    except ImgreplError as error:
        return _told(place, moves, error)
    return _told(place, moves)


def compact(engine: Engine, lease: Lease, place: Place) -> Compacted:
    """Moves what lives out of packs of which too little does, and condemns them.

    What operations hold is left alone. What fails ends it and is told. Raises `Interrupted` between
    two packs, and `Conflict` (`OperationLost`).
    """
    done: list[FramesMove] = []
    try:
        for candidates in _pages(engine, place):
            done += _do(engine, lease, place, candidates)
    except Interrupted:
        raise
    except ImgreplError as error:
        if error.code == "OperationLost":
            raise
        return _told(place, done, error)
    return _told(place, done)


def _do(
    engine: Engine, lease: Lease, place: Place, candidates: Sequence[Candidate]
) -> Iterator[FramesMove]:
    """Gives every move once it is done."""
    users = sorted({content_id for one in candidates for content_id in one.wanted})
    mover = FrameMover(engine, lease.operation.id, {place.id: place}, users)
    for move in _moves(engine, candidates):
        check_stop(engine.stop)
        mover.deliver(place.region, move, mover.read(move, place.region))
        _condemn(engine, lease, place, [frames.pack_id for frames in move.frames])
        yield move


def _pages(engine: Engine, place: Place) -> Iterator[list[Candidate]]:
    """Packs that may be worth it, as far as the rows tell.

    Not those that hold frames of other packs, nor those that operations hold.
    """
    after: str | None = ""
    while after is not None:
        check_stop(engine.stop)
        with engine.index.read() as tx:
            page = pack_objects.page(tx, place.id, after, _PAGE)
            sizes = {
                row.pack_id: row.pack_bytes
                for rows in page.values()
                for row in rows
                if row.state == PRESENT
            }
            users = moved.users(tx, place.id, sizes)
            held = set(moved.served_by(tx, place.id, sizes))
            held |= unneeded.pinned_in(tx, place.id, sizes)
        candidates = [
            Candidate(
                place=place,
                pack_id=pack_id,
                pack_bytes=sizes[pack_id],
                uses=users[pack_id],
                wanted=frozenset(users[pack_id]),
                whole=(place,),
                through=(),
            )
            for pack_id in users
            if pack_id not in held and max(users[pack_id].values()) < COMPACT_BELOW * sizes[pack_id]
        ]
        if candidates:
            yield candidates
        after = max(page) if len(page) == _PAGE else None


def _moves(engine: Engine, candidates: Sequence[Candidate]) -> tuple[FramesMove, ...]:
    place = candidates[0].place
    needs = partial_needs(engine, candidates, home_region=place.region, below=COMPACT_BELOW)
    gathering = Gathering(
        [place], home_region=place.region, bytes_target=engine.options.pack_bytes_target
    )
    for one in candidates:
        need = needs.get((place.id, one.pack_id))
        if need is not None:
            gathering.add(one.pack_id, one.pack_bytes, [(place, need)])
    return gathering.moves()


def _condemn(engine: Engine, lease: Lease, place: Place, pack_ids: Sequence[PackId]) -> None:
    """Those of the packs that nothing needs any more; a version that came meanwhile keeps its."""
    with engine.index.begin() as tx:
        operations.assert_held(tx, lease.operation.id, lease.fence)
        for batch in in_lists(pack_ids):
            idle = unneeded.packs_in(tx, place.id, len(batch), states=(PRESENT,), among=batch)
            packs.set_state(tx, place.id, [row.pack_id for row in idle], (PRESENT,), CONDEMNED)


def _told(
    place: Place, moves: Sequence[FramesMove], error: ImgreplError | None = None
) -> Compacted:
    frames = [each for move in moves for each in move.frames]
    return Compacted(
        place=place.name,
        packs=len(frames),
        pack_bytes=sum(each.pack_bytes for each in frames),
        new_packs=sum(move.pack_bytes > 0 for move in moves),
        new_bytes=sum(move.pack_bytes for move in moves),
        error=error,
    )
