"""How little of a pack a place needs: out of manifests and footers, where rows cannot tell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imgrepl.engine.context import Engine
from imgrepl.engine.exporter import read_manifest
from imgrepl.engine.fetching import from_first
from imgrepl.engine.footers import read_footer
from imgrepl.engine.moved_objects import read_current
from imgrepl.engine.pack_reading import blame, pack_in
from imgrepl.errors import Corrupt, NotFound, Unavailable
from imgrepl.gallery import contents, packs
from imgrepl.gallery import places as place_rows
from imgrepl.layout.pack import HEADER_BYTES, PackFooter, footer_bytes
from imgrepl.model.ids import ContentId, PackId, PlaceId
from imgrepl.model.plan import PartialNeed
from imgrepl.model.region import Place
from imgrepl.model.slots import SlotRange, count, union, without

_Slots = tuple[SlotRange, ...]


@dataclass(frozen=True, kw_only=True)
class Candidate:
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


def partial_needs(
    engine: Engine, candidates: Sequence[Candidate], *, home_region: str, below: float
) -> dict[tuple[PlaceId, PackId], PartialNeed]:
    """What those candidates need in frames that need less than `below` (0 to 1) of their pack.

    What cannot be told, because a manifest cannot be read, is taken for all. Raises what reading a
    footer raises where no holder gives it.
    """
    slots = _slots_named(engine, candidates, home_region)
    needs: dict[tuple[PlaceId, PackId], PartialNeed] = {}
    for candidate in candidates:
        need = _need(engine, candidate, slots, below)
        if need is not None:
            needs[candidate.place.id, candidate.pack_id] = need
    return needs


class _Named(NamedTuple):
    """Slots that contents name, by pack and content."""

    slots: Mapping[tuple[PackId, ContentId], _Slots]

    def of(self, pack_id: PackId, content_ids: Iterable[ContentId]) -> _Slots | None:
        """The slots that any of these contents needs; None where one could not be read."""
        found = [self.slots.get((pack_id, content_id)) for content_id in content_ids]
        if None in found:
            return None
        return union(each for ranges in found for each in ranges or ())


def _slots_named(engine: Engine, candidates: Sequence[Candidate], home_region: str) -> _Named:
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


def _need(engine: Engine, candidate: Candidate, named: _Named, below: float) -> PartialNeed | None:
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
        if _packed_bytes(all_bytes, everything) >= below * candidate.pack_bytes:
            return None
    else:
        frame_bytes = sum(candidate.uses[content_id] for content_id in candidate.wanted)
    sources = tuple(place.id for place in candidate.whole or candidate.through)
    return PartialNeed(needed, lacking, frame_bytes, sources) if sources else None


def _packed_bytes(frame_bytes: int, slots: _Slots) -> int:
    """Length of a pack of these frames. Of a short pack most is header and footer."""
    return HEADER_BYTES + frame_bytes + footer_bytes(count(slots))


def _slots_here(engine: Engine, candidate: Candidate) -> _Slots:
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
    engine: Engine, candidate: Candidate, everything: _Slots, lacking: _Slots
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


def _footer(engine: Engine, place: Place, candidate: Candidate) -> PackFooter:
    row = pack_in(engine, place, candidate.pack_id)
    try:
        return read_footer(engine.stores.of(place), row)
    except (Corrupt, NotFound) as error:
        blame(engine, place, candidate.pack_id, error)
        raise


def _stored_bytes(footer: PackFooter, slots: _Slots) -> int:
    return sum(int(footer.stored_bytes[each.first_slot : each.end].sum()) for each in slots)
