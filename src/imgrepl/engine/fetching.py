"""What is needed of one pack, from the first place that gives it whole.

A place that has not the pack itself may have its frames in other packs: there `moved` is followed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from imgrepl.engine.context import Engine
from imgrepl.engine.footers import its_footer, read_footer
from imgrepl.engine.moved_objects import locate, read_current
from imgrepl.engine.pack_reading import blame, pack_in, pack_key, read_whole_pack
from imgrepl.engine.places import TOO_NEW, check_features
from imgrepl.engine.salvaging import salvage
from imgrepl.errors import Conflict, Corrupt, ImgreplError, NotFound, Unavailable
from imgrepl.gallery import contents, packs
from imgrepl.layout.pack import FrameEntry, PackFooter, decode_footer, decode_frame
from imgrepl.model.events import Notice
from imgrepl.model.ids import ContentId, PackId
from imgrepl.model.manifest import PackUse, Run
from imgrepl.model.region import Place
from imgrepl.model.slots import SlotRange, union

_Result = TypeVar("_Result")
_SILENT_SECONDS = 60.0


class Piece(NamedTuple):
    """Consecutive slots of a pack, in the pack in which they were found.

    They are the slots from `there` on of `footer`; `parts` of that pack's body were read, as
    (offset, bytes).
    """

    first_slot: int
    slots: int
    footer: PackFooter
    there: int
    parts: list[tuple[int, memoryview]]


class BadRead(NamedTuple):
    """A place that did not give what it should: damaged or missing, `reason` says what.

    `pack_id` is None for a manifest, `content_id` for a pack.
    """

    place: Place
    pack_id: PackId | None
    content_id: ContentId | None
    reason: str


OnDamage = Callable[[BadRead], object]
"""Told of every bad read, from several threads; it must not raise."""


def unheeded(_bad: BadRead) -> None:
    """For who reads only what others look after."""


class Fetched(NamedTuple):
    """What was asked for of a pack, or more of it, from `region`. Pieces are in slot order."""

    pack_id: PackId
    region: str
    pieces: list[Piece]


class _Part(NamedTuple):
    """A piece cut to what is wanted of it now."""

    piece: Piece
    slots: slice


def with_pack(
    engine: Engine,
    use: PackUse,
    slots: Sequence[SlotRange],
    sources: Sequence[Place],
    consume: Callable[[Fetched], _Result],
    on_damage: OnDamage = unheeded,
) -> _Result:
    """`consume` with `slots` of a pack, from the first source that gives them all.

    A source whose pack turns out damaged or missing, while it is fetched or consumed, is marked and
    the next one is asked; `consume` may so be called more than once. Where no source has all, what
    the damaged copies give together is the last resort.
    """

    def attempt(place: Place) -> _Result:
        try:
            return consume(_fetch(engine, place, use, union(slots), on_damage))
        except (Corrupt, NotFound) as error:
            is_frame = error.code == "FrameCorrupt" and error.target is not None
            culprit = PackId(str(error.target)) if is_frame else use.pack_id
            _mark(engine, place, culprit, error, on_damage)
            raise

    try:
        return from_first(engine, sources, f"pack {use.pack_id}", attempt)
    except Corrupt as error:
        found = salvage(engine, use.pack_id)
        if found.body is None or found.damage.footer is None:
            raise
        parts = [(0, memoryview(found.body))]
        try:
            pieces = [_whole(_Body(found.damage.footer, parts))]
            return consume(Fetched(use.pack_id, sources[0].region, pieces))
        except Corrupt:
            raise (found.unasked or error) from None


def _mark(
    engine: Engine, place: Place, pack_id: PackId, error: ImgreplError, on_damage: OnDamage
) -> None:
    blame(engine, place, pack_id, error)
    if error.code != "BucketMissing":
        on_damage(BadRead(place, pack_id, None, error.message))


def from_first(
    engine: Engine, sources: Sequence[Place], what: str, attempt: Callable[[Place], _Result]
) -> _Result:
    """`attempt` with the first place that does not fail; says which ones did.

    A place that did not answer within the last minute is asked after all others: its patience is
    paid for once, and not for every pack. Where all fail, raises `Unavailable` if one of them may
    have it and did not answer, `Conflict` if one is of a later release, else `Corrupt`
    (`PackLost`): what was published is gone.
    """
    failures: list[ImgreplError] = []
    for place in _silent_last(engine, sources):
        try:
            check_features(engine, place)
            return attempt(place)
        except (Conflict, Corrupt, NotFound, Unavailable) as error:
            if isinstance(error, Conflict) and error.code != TOO_NEW:
                raise
            if isinstance(error, Unavailable):
                engine.silent[place.id] = engine.clock.monotonic()
            failures.append(error)
            text = f"{what} could not be read from {place.name}: {error.message}"
            engine.events(Notice(level="warning", text=text, subject=place.region))
    for failure in failures:
        if isinstance(failure, Conflict | Unavailable):
            raise failure
    raise Corrupt(
        f"none of {len(failures)} places gives a healthy copy of {what}",
        code="PackLost",
        details=[f"{error.code}: {error.message}" for error in failures],
        hint="`imgrepl image-version repair` mends what any region still has",
    )


def _silent_last(engine: Engine, sources: Sequence[Place]) -> list[Place]:
    now = engine.clock.monotonic()
    heard = {
        place_id: now - since >= _SILENT_SECONDS for place_id, since in list(engine.silent.items())
    }
    return sorted(sources, key=lambda place: not heard.get(place.id, True))


def chunks_of(engine: Engine, fetched: Fetched, run: Run) -> Iterator[bytes]:
    """The plain chunks of a run, each proven by its id.

    Raises `Corrupt` (`FrameCorrupt`, `ManifestCorrupt`) before it gives a byte too many.
    """
    parts = _cut(fetched, SlotRange(run.first_slot, run.slots))
    plain_bytes = sum(int(part.piece.footer.plain_bytes[part.slots].sum()) for part in parts)
    if plain_bytes != run.length_bytes:
        raise Corrupt(
            f"the slots of pack {fetched.pack_id} do not give the {run.length_bytes} bytes of a run"
            f" at disk offset {run.disk_offset}",
            code="ManifestCorrupt",
        )
    for part in parts:
        footer = part.piece.footer
        for slot, frame in _stored(part):
            yield decode_frame(footer, slot, frame, chunk_key=engine.domain.chunk_key)


def plain_lengths(fetched: Fetched, wanted: SlotRange) -> list[int]:
    """The plain length of each slot of a range. Raises `Corrupt` (`ManifestCorrupt`)."""
    parts = _cut(fetched, wanted)
    return [length for p in parts for length in p.piece.footer.plain_bytes[p.slots].tolist()]


def frames_of(
    engine: Engine, fetched: Fetched, wanted: SlotRange
) -> Iterator[tuple[FrameEntry, memoryview]]:
    """The frames of a range as they are stored, each proven by decoding it.

    Raises `Corrupt` (`FrameCorrupt`, `ManifestCorrupt`).
    """
    for part in _cut(fetched, wanted):
        footer = part.piece.footer
        for slot, frame in _stored(part):
            decode_frame(footer, slot, frame, chunk_key=engine.domain.chunk_key)
            yield footer.entry(slot), frame


def needed_ranges(
    footer: PackFooter, slots: Sequence[SlotRange], gap_bytes: int
) -> list[tuple[int, int]]:
    """Byte ranges of a pack that hold `slots`; those closer than `gap_bytes` are one.

    Raises `Corrupt` (`ManifestCorrupt`) for slots that the pack does not have.
    """
    ranges: list[tuple[int, int]] = []
    for each in union(slots):
        last = each.end - 1
        if last >= footer.slots:
            raise _unknown_slot(footer.pack_id, last)
        start = int(footer.offsets[each.first_slot])
        end = int(footer.offsets[last] + footer.stored_bytes[last])
        if ranges and start - ranges[-1][1] <= gap_bytes:
            ranges[-1] = (ranges[-1][0], max(end, ranges[-1][1]))
        else:
            ranges.append((start, end))
    return ranges


def slots_of(runs: Iterable[Run]) -> list[SlotRange]:
    """The slots that runs of one pack name."""
    return [SlotRange(run.first_slot, run.slots) for run in runs]


def _fetch(
    engine: Engine, place: Place, use: PackUse, slots: Sequence[SlotRange], on_damage: OnDamage
) -> Fetched:
    with engine.index.read() as tx:
        is_here = bool(packs.present_in(tx, place.id, [use.pack_id]))
    moved = None if is_here else read_current(engine, place, use.pack_id)
    if moved is None:
        return Fetched(use.pack_id, place.region, [_whole(_read(engine, place, use, slots))])
    by_pack: dict[PackId, list[SlotRange]] = {}
    located = locate(moved, slots)
    for run in located:
        by_pack.setdefault(run.pack_id, []).append(SlotRange(run.target_slot, run.slots))
    read = {
        pack_id: _read_part(engine, place, pack_id, by_pack[pack_id], on_damage)
        for pack_id in by_pack
    }
    pieces = [
        Piece(run.first_slot, run.slots, read[run.pack_id].footer, run.target_slot, parts)
        for run in located
        for parts in [read[run.pack_id].parts]
    ]
    return Fetched(use.pack_id, place.region, pieces)


class _Body(NamedTuple):
    """A footer, and parts of the pack's body."""

    footer: PackFooter
    parts: list[tuple[int, memoryview]]


def _whole(body: _Body) -> Piece:
    return Piece(0, body.footer.slots, body.footer, 0, body.parts)


def _read(engine: Engine, place: Place, use: PackUse, slots: Sequence[SlotRange]) -> _Body:
    """One GET where half of the pack or more is needed, else the footer and some ranges.

    A pack whose footer is not known yet is read whole: its name is the only proof then.
    """
    store = engine.stores.of(place)
    row = pack_in(engine, place, use.pack_id)
    if row.footer_digest is None:
        body = memoryview(read_whole_pack(engine, place, use.pack_id))
        return _Body(decode_footer(body, row.pack_bytes, pack_id=use.pack_id), [(0, body)])
    if 2 * use.used_bytes >= use.pack_bytes:
        body = memoryview(store.get(pack_key(row)))
        footer = decode_footer(body, row.pack_bytes, pack_id=use.pack_id)
        return _Body(its_footer(row, footer), [(0, body)])
    footer = read_footer(store, row)
    parts = []
    for start, end in needed_ranges(footer, slots, engine.options.range_gap_bytes):
        part = store.get(pack_key(row), offset=start, length=end - start)
        parts.append((start, memoryview(part)))
    return _Body(footer, parts)


def _read_part(
    engine: Engine,
    place: Place,
    pack_id: PackId,
    slots: Sequence[SlotRange],
    on_damage: OnDamage,
) -> _Body:
    """Some slots of a pack that `moved` leads to; one that does not give them is marked."""
    with engine.index.read() as tx:
        pack_bytes = contents.pack_bytes_of(tx, [pack_id]).get(pack_id)
    if pack_bytes is None:
        raise NotFound(
            f"no pack {pack_id} is known, to which `moved` leads in {place.name}",
            code="PackMissing",
            target=pack_id,
        )
    try:
        return _read(engine, place, PackUse(pack_id, pack_bytes, 0), slots)
    except (Corrupt, NotFound) as error:
        _mark(engine, place, pack_id, error, on_damage)
        raise


def _cut(fetched: Fetched, wanted: SlotRange) -> list[_Part]:
    """The pieces that hold `wanted`. Raises `Corrupt` (`ManifestCorrupt`) where there are none."""
    parts: list[_Part] = []
    slot = wanted.first_slot
    for piece in fetched.pieces:
        if slot == wanted.end:
            break
        into = slot - piece.first_slot
        if not 0 <= into < piece.slots:
            continue
        slots = min(wanted.end - slot, piece.slots - into)
        parts.append(_Part(piece, slice(piece.there + into, piece.there + into + slots)))
        slot += slots
    if slot < wanted.end:
        raise _unknown_slot(fetched.pack_id, slot)
    return parts


def _stored(part: _Part) -> Iterator[tuple[int, memoryview]]:
    """Slots and their frames, in order."""
    footer = part.piece.footer
    part_start, body = _part_with(part.piece.parts, int(footer.offsets[part.slots.start]))
    starts = (footer.offsets[part.slots] - part_start).tolist()
    lengths = footer.stored_bytes[part.slots].tolist()
    numbers = range(part.slots.start, part.slots.stop)
    for slot, start, length in zip(numbers, starts, lengths, strict=True):
        yield slot, body[start : start + length]


def _part_with(parts: list[tuple[int, memoryview]], offset: int) -> tuple[int, memoryview]:
    for start, part in parts:
        if start <= offset < start + len(part):
            return start, part
    raise AssertionError("every needed range was fetched")


def _unknown_slot(pack_id: PackId | None, slot: int) -> Corrupt:
    return Corrupt(
        f"slot {slot} of pack {pack_id} is named, which the pack does not have",
        code="ManifestCorrupt",
    )
