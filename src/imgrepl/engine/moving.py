"""Writes what became of a pack in a place, so that no two writers forget one another's slots.

Write orders of the format: the packs that `moved` leads to come first (F-19), a revision goes on
from the one before it (F-67), and the row follows the object.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from imgrepl.engine.context import Engine
from imgrepl.engine.moved_objects import read_current
from imgrepl.errors import Conflict, Corrupt, NotFound
from imgrepl.gallery import moved as rows
from imgrepl.gallery import packs
from imgrepl.gallery.moved import MovedPack
from imgrepl.layout import keys
from imgrepl.layout.moved import Moved, MovedRun, decode_moved, encode_moved
from imgrepl.model.ids import ContentId, OperationId, PackId
from imgrepl.model.region import Place
from imgrepl.model.slots import SlotRange, union, without

_ATTEMPTS = 8

_Runs = tuple[MovedRun, ...]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is to be said of a pack in a place.

    `runs` are slots that came to other packs there just now; with those that were there already
    they give all `needed` slots, which is what `uses` (contents, with the generation of their
    manifest) need of it.
    """

    pack_id: PackId
    runs: _Runs
    needed: tuple[SlotRange, ...]
    uses: Mapping[ContentId, int]


@dataclass(frozen=True, kw_only=True)
class _Base:
    """What is known before a change. `runs` are those that lead to healthy packs, `dropped` not."""

    revision: int | None
    next_revision: int
    runs: _Runs
    dropped: _Runs


def note_moved(engine: Engine, operation_id: OperationId, place: Place, change: Change) -> None:
    """Makes `change` durable in the place, with all that was moved of the pack there before.

    The packs it leads to are pinned. Raises `Conflict`: `PacksNotLive` when slots that were there
    are gone, `ChangedMeanwhile` when others write the same all the time.
    """
    for _ in range(_ATTEMPTS):
        base = _base(engine, place, change.pack_id)
        runs = _merged(base.runs, change.runs)
        if without(change.needed, _slots(runs)):
            raise Conflict(
                f"frames of pack {change.pack_id} are gone from {place.name}",
                code="PacksNotLive",
                target=change.pack_id,
                hint="run the same command again",
            )
        if change.runs or base.dropped or base.revision is None:
            moved = _put(engine, place, change.pack_id, runs, base.next_revision)
        else:
            moved = Moved(pack_id=change.pack_id, revision=base.revision, runs=runs)
        if _commit(engine, operation_id, place, change, base, moved):
            return
    raise Conflict(
        f"what became of pack {change.pack_id} in {place.name} was changed {_ATTEMPTS} times",
        code="ChangedMeanwhile",
        target=change.pack_id,
        hint="run the same command again",
    )


def write_anew(engine: Engine, place: Place, pack_id: PackId) -> None:
    """What became of a pack, under a revision that no index before this one can have given up.

    Raises `Corrupt` and `NotFound` where it cannot be read: then it meets no need any more.
    """
    found = read_current(engine, place, pack_id)
    if found is None:
        return
    with engine.index.read() as tx:
        revision = rows.next_revision(tx, place.id, pack_id)
    moved = _put(engine, place, pack_id, found.runs, revision)
    parts = frozenset(run.pack_id for run in moved.runs)
    row = MovedPack(place_id=place.id, pack_id=pack_id, revision=moved.revision, parts=parts)
    with engine.index.begin() as tx:
        rows.note(tx, row, {}, replaces=found.revision, keeps_uses=True)


def _base(engine: Engine, place: Place, pack_id: PackId) -> _Base:
    with engine.index.read() as tx:
        revision = rows.revision_of(tx, place.id, pack_id)
        next_revision = rows.next_revision(tx, place.id, pack_id)
    try:
        found = read_current(engine, place, pack_id)
    except (Corrupt, NotFound):
        found = None
    runs, dropped = _sorted_out(engine, place, found)
    return _Base(revision=revision, next_revision=next_revision, runs=runs, dropped=dropped)


def _sorted_out(engine: Engine, place: Place, found: Moved | None) -> tuple[_Runs, _Runs]:
    """Runs that lead to healthy packs, and the others."""
    if found is None:
        return (), ()
    with engine.index.read() as tx:
        present = packs.present_in(tx, place.id, {run.pack_id for run in found.runs})
    kept = tuple(run for run in found.runs if run.pack_id in present)
    return kept, tuple(run for run in found.runs if run.pack_id not in present)


def _put(engine: Engine, place: Place, pack_id: PackId, runs: _Runs, revision: int) -> Moved:
    """Puts the first revision that is free, with what those in between had: none is forgotten."""
    store = engine.stores.of(place)
    for attempt in range(revision, revision + _ATTEMPTS):
        moved = Moved(pack_id=pack_id, revision=attempt, runs=runs)
        key, body = keys.moved_key(pack_id, attempt), encode_moved(moved)
        try:
            store.put(key, body, if_absent=True)
        except Conflict:
            other = store.get(key)
            if other != body:
                runs = _merged(_runs_of(engine, place, pack_id, other), runs)
                continue
        return moved
    raise Conflict(
        f"{store.url} holds {_ATTEMPTS} other revisions of what became of pack {pack_id}",
        code="ChangedMeanwhile",
        target=pack_id,
        hint="run the same command again",
    )


def _runs_of(engine: Engine, place: Place, pack_id: PackId, body: bytes) -> _Runs:
    """What somebody else wrote, as far as it can be read and leads to healthy packs."""
    try:
        found = decode_moved(body, pack_id)
    except Corrupt:
        return ()
    return _sorted_out(engine, place, found)[0]


def _commit(
    engine: Engine,
    operation_id: OperationId,
    place: Place,
    change: Change,
    base: _Base,
    moved: Moved,
) -> bool:
    """Writes the rows; False where they, or the packs, are not what they were for `base`."""
    parts = {run.pack_id for run in moved.runs}
    with engine.index.begin() as tx:
        if packs.pin_present(tx, operation_id, place.id, parts) != parts:
            return False
        if moved.revision == base.revision:
            found = rows.find(tx, place.id, [change.pack_id]).get(change.pack_id)
            if found is None or found.revision != moved.revision:
                return False
            rows.add_uses(tx, place.id, change.pack_id, change.uses)
            return True
        row = MovedPack(
            place_id=place.id,
            pack_id=change.pack_id,
            revision=moved.revision,
            parts=frozenset(parts),
        )
        kept = not without(_slots(base.dropped), _slots(moved.runs))
        return rows.note(tx, row, change.uses, replaces=base.revision, keeps_uses=kept)


def _merged(old: Sequence[MovedRun], new: Sequence[MovedRun]) -> _Runs:
    """All slots of both in order; what both have is where `new` says."""
    taken = _slots(new)
    runs = list(new)
    for run in old:
        for left in without([SlotRange(run.first_slot, run.slots)], taken):
            into = left.first_slot - run.first_slot
            runs.append(MovedRun(left.first_slot, left.slots, run.pack_id, run.target_slot + into))
    return tuple(sorted(runs))


def _slots(runs: Iterable[MovedRun]) -> tuple[SlotRange, ...]:
    return union(SlotRange(run.first_slot, run.slots) for run in runs)
