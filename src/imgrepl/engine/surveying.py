"""Before the plan: what places that lack a pack really need of it.

A place that needs less than half of a pack's bytes, for all contents that stand in it or will, gets
those frames alone. Most plans are told by the index; manifests and footers are read only where the
rows cannot exclude it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from imgrepl.engine.context import Engine
from imgrepl.engine.exporter import read_manifest
from imgrepl.engine.fetching import from_first
from imgrepl.engine.footers import read_footer
from imgrepl.engine.moved_objects import read_current
from imgrepl.engine.pack_reading import pack_key_in, set_damaged
from imgrepl.engine.planner import Needs
from imgrepl.errors import Corrupt, NotFound, Unavailable
from imgrepl.gallery import contents, moved, packs
from imgrepl.gallery import places as place_rows
from imgrepl.layout.pack import PackFooter
from imgrepl.model.ids import ContentId, PackId, PlaceId
from imgrepl.model.plan import PartialNeed
from imgrepl.model.region import Place
from imgrepl.model.slots import SlotRange, union, without

_Slots = tuple[SlotRange, ...]


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """A place that may need but frames of a pack.

    `uses` are bytes used by each content that counts, `wanted` those contents that are planned for.
    `whole` are places that have the pack itself; without one `through` have what is wanted of it.
    """

    place: Place
    pack_id: PackId
    pack_bytes: int
    uses: Mapping[ContentId, int]
    wanted: frozenset[ContentId]
    whole: tuple[Place, ...]
    through: tuple[Place, ...]


def survey(
    engine: Engine, content_ids: Sequence[ContentId], targets: Sequence[Place], *, home_region: str
) -> Needs:
    """What each of `targets` needs of the packs that `content_ids` name. Writes nothing.

    What cannot be told, because a manifest cannot be read, is taken for all. Raises what reading a
    footer raises where no holder gives it.
    """
    with engine.index.read() as tx:
        by_id = {place.id: place for place in place_rows.list_all(tx)}
        wanted = moved.uses(tx, content_ids)
        met: set[tuple[PlaceId, PackId]] = set()
        candidates: list[_Candidate] = []
        for target in targets:
            lacking = moved.lacking(tx, target.id, content_ids)
            here = packs.present_in(tx, target.id, wanted)
            met.update((target.id, pack) for pack in wanted.keys() - lacking - here.keys())
            candidates += _candidates(tx, target, wanted, lacking, by_id)
    slots = _slots_named(engine, candidates, home_region)
    partial: dict[tuple[PlaceId, PackId], PartialNeed] = {}
    for candidate in candidates:
        need = _need(engine, candidate, slots)
        if need is not None:
            partial[candidate.place.id, candidate.pack_id] = need
    return Needs(
        met=met,
        partial=partial,
        sources=tuple(by_id.values()),
        pack_bytes_target=engine.options.pack_bytes_target,
    )


def _candidates(
    tx: Connection,
    target: Place,
    wanted: Mapping[PackId, Mapping[ContentId, int]],
    lacking: set[PackId],
    by_id: Mapping[PlaceId, Place],
) -> Iterable[_Candidate]:
    """Packs of which this place may need less than half, as far as the rows tell."""
    standing = moved.users(tx, target.id, lacking)
    holders = packs.holders(tx, lacking)
    sizes = contents.pack_bytes_of(tx, lacking)
    for pack_id in (pack for pack in wanted if pack in lacking):
        whole = tuple(by_id[row.place_id] for row in holders[pack_id])
        uses = {**standing.get(pack_id, {}), **wanted[pack_id]}
        on_this_server = any(p.endpoint.server == target.endpoint.server for p in whole)
        if whole and (on_this_server or 2 * max(uses.values()) >= sizes[pack_id]):
            continue
        through = () if whole else moved.places_meeting(tx, pack_id, wanted[pack_id])
        yield _Candidate(
            place=target,
            pack_id=pack_id,
            pack_bytes=sizes[pack_id],
            uses=uses,
            wanted=frozenset(wanted[pack_id]),
            whole=whole,
            through=tuple(by_id[place_id] for place_id in through),
        )


class _Named(NamedTuple):
    """Slots that contents name, by pack and content."""

    slots: Mapping[tuple[PackId, ContentId], _Slots]

    def of(self, pack_id: PackId, content_ids: Iterable[ContentId]) -> _Slots | None:
        """The slots that any of these contents needs; None where one could not be read."""
        found = [self.slots.get((pack_id, content_id)) for content_id in content_ids]
        if None in found:
            return None
        return union(each for ranges in found for each in ranges or ())


def _slots_named(engine: Engine, candidates: Sequence[_Candidate], home_region: str) -> _Named:
    """The slots of the candidates' packs, out of the manifests that name them."""
    packs_of: dict[ContentId, set[PackId]] = {}
    for candidate in candidates:
        for content_id in candidate.uses:
            packs_of.setdefault(content_id, set()).add(candidate.pack_id)
    found: dict[tuple[PackId, ContentId], _Slots] = {}
    for content_id, wanted in packs_of.items():
        try:
            sources = _manifest_sources(engine, content_id, home_region)
            manifest = read_manifest(engine, content_id, sources)
        except (Corrupt, NotFound, Unavailable):
            continue
        ranges: dict[PackId, list[SlotRange]] = {pack_id: [] for pack_id in wanted}
        for run in manifest.runs:
            pack_id = manifest.packs[run.pack].pack_id
            if pack_id in wanted:
                ranges[pack_id].append(SlotRange(run.first_slot, run.slots))
        found.update(((pack_id, content_id), union(ranges[pack_id])) for pack_id in wanted)
    return _Named(found)


def _manifest_sources(engine: Engine, content_id: ContentId, home_region: str) -> list[Place]:
    """Where the content is sealed, then the home region: there a manifest comes first."""
    with engine.index.read() as tx:
        sealed = [
            place_rows.get(tx, place_id) for place_id in contents.sealed_places(tx, content_id)
        ]
        at_home = place_rows.of_region(tx, home_region)
    return list({place.id: place for place in [*sealed, *at_home]}.values())


def _need(engine: Engine, candidate: _Candidate, named: _Named) -> PartialNeed | None:
    """What the place needs in frames; None where it had better get all of the pack."""
    needed = named.of(candidate.pack_id, candidate.wanted)
    everything = named.of(candidate.pack_id, candidate.uses)
    if needed is None:
        return None
    lacking = without(needed, _slots_here(engine, candidate))
    if candidate.whole:
        if everything is None:
            return None
        all_bytes, frame_bytes = _bytes_of(engine, candidate, everything, lacking)
        if 2 * all_bytes >= candidate.pack_bytes:
            return None
    else:
        frame_bytes = sum(candidate.uses[content_id] for content_id in candidate.wanted)
    sources = tuple(place.id for place in candidate.whole or candidate.through)
    return PartialNeed(needed, lacking, frame_bytes, sources) if sources else None


def _slots_here(engine: Engine, candidate: _Candidate) -> _Slots:
    """The slots that the place has in other packs, as far as those are healthy."""
    try:
        found = read_current(engine, candidate.place, candidate.pack_id)
    except (Corrupt, NotFound):
        return ()
    if found is None:
        return ()
    with engine.index.read() as tx:
        present = packs.present_in(tx, candidate.place.id, {run.pack_id for run in found.runs})
    runs = [run for run in found.runs if run.pack_id in present]
    return union(SlotRange(run.first_slot, run.slots) for run in runs)


def _bytes_of(
    engine: Engine, candidate: _Candidate, everything: _Slots, lacking: _Slots
) -> tuple[int, int]:
    """Stored bytes of all that the place needs, and of what it lacks."""
    if len(candidate.uses) == 1 and everything == lacking:
        (used_bytes,) = candidate.uses.values()
        return used_bytes, used_bytes
    what = f"the footer of pack {candidate.pack_id}"
    footer = from_first(
        engine, candidate.whole, what, lambda place: _footer(engine, place, candidate)
    )
    return _stored_bytes(footer, everything), _stored_bytes(footer, lacking)


def _footer(engine: Engine, place: Place, candidate: _Candidate) -> PackFooter:
    key = pack_key_in(engine, place, candidate.pack_id)
    try:
        store = engine.stores.of(place)
        return read_footer(store, key, candidate.pack_id, candidate.pack_bytes)
    except (Corrupt, NotFound) as error:
        set_damaged(engine, place, candidate.pack_id, error.message)
        raise


def _stored_bytes(footer: PackFooter, slots: _Slots) -> int:
    return sum(int(footer.stored_bytes[each.first_slot : each.end].sum()) for each in slots)
