"""Before the plan: what places that lack a pack really need of it.

A place that needs less than half of a pack's bytes, for all contents that stand in it or will, gets
those frames alone. Most plans are told by the index; manifests and footers are read only where the
rows cannot exclude it.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from imgrepl.engine.context import Engine
from imgrepl.engine.partial_needs import Candidate, partial_needs
from imgrepl.engine.planner import Needs
from imgrepl.gallery import contents, moved, packs
from imgrepl.gallery import places as place_rows
from imgrepl.model.ids import ContentId, PackId, PlaceId
from imgrepl.model.region import Place

FRAMES_BELOW = 0.5
"""A place that needs less than this share of a pack's bytes gets frames of it."""


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
        candidates: list[Candidate] = []
        for target in targets:
            lacking = moved.lacking(tx, target.id, content_ids)
            here = packs.present_in(tx, target.id, wanted)
            met.update((target.id, pack) for pack in wanted.keys() - lacking - here.keys())
            candidates += _candidates(tx, target, wanted, lacking, by_id)
    partial = partial_needs(engine, candidates, home_region=home_region, below=FRAMES_BELOW)
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
) -> Iterable[Candidate]:
    """Packs of which this place may need less than half, as far as the rows tell."""
    standing = moved.users(tx, target.id, lacking)
    holders = packs.holders(tx, lacking)
    sizes = contents.pack_bytes_of(tx, lacking)
    for pack_id in (pack for pack in wanted if pack in lacking):
        whole = tuple(by_id[row.place_id] for row in holders[pack_id])
        uses = {**standing.get(pack_id, {}), **wanted[pack_id]}
        on_this_server = any(p.endpoint.server == target.endpoint.server for p in whole)
        if whole and (on_this_server or max(uses.values()) >= FRAMES_BELOW * sizes[pack_id]):
            continue
        through = () if whole else moved.places_meeting(tx, pack_id, wanted[pack_id])
        yield Candidate(
            place=target,
            pack_id=pack_id,
            pack_bytes=sizes[pack_id],
            uses=uses,
            wanted=frozenset(wanted[pack_id]),
            whole=whole,
            through=tuple(by_id[place_id] for place_id in through),
        )
