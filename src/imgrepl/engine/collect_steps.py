"""What is to go from one place, decided step by step, each in its caller's transaction.

Every step looks at the rows of its moment and at what was read of the place before; none makes a
request. So a rehearsal takes the same steps in a transaction that is rolled back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection

from imgrepl.engine import resume
from imgrepl.engine.collect_report import Kept
from imgrepl.engine.collect_roots import Roots
from imgrepl.engine.collect_survey import Survey
from imgrepl.engine.resume import LookedAt
from imgrepl.gallery import contents, moved, packs, unneeded
from imgrepl.gallery.packs import CONDEMNED, DAMAGED, DELETING, PRESENT, PlacePack
from imgrepl.gallery.schema import PackState
from imgrepl.gallery.types import database_now
from imgrepl.layout.keys import ManifestKey, MovedKey, SealKey
from imgrepl.model.ids import OperationId, PackId, PlaceId
from imgrepl.model.region import Place

BATCH_MAX = 1_000
"""Packs decided in one transaction, and keys deleted in one request."""

INTENTS_MAX = 10_000
"""Abandoned intents that one run looks at in one place."""

_LEFTOVERS_MAX = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """What was read of a place. `given_up` are operations that will be ended, or were."""

    place: Place
    survey: Survey
    roots: Roots
    intents: Sequence[LookedAt]
    given_up: frozenset[OperationId]


@dataclass
class Decided:
    """What the steps came to: sizes of packs, one entry each."""

    condemned: list[int] = field(default_factory=list)
    recorded: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)


class Steps:
    """The steps of one place, to be taken in the order in which they stand here."""

    def __init__(self, inspected: Inspected, *, grace_seconds: float) -> None:
        self._inspected = inspected
        self._grace = timedelta(seconds=grace_seconds)
        self.decided = Decided()

    @property
    def _place_id(self) -> PlaceId:
        return self._inspected.place.id

    def settle_intents(self, tx: Connection) -> None:
        """Intents that still belong to nobody become present, or go."""
        still = unneeded.abandoned_intents(
            tx, self._place_id, INTENTS_MAX, of=self._inspected.given_up
        )
        nobodys = {(row.pack_id, row.generation) for row in still}
        looked = self._inspected.intents
        resume.settle(
            tx, [one for one in looked if (one.row.pack_id, one.row.generation) in nobodys]
        )

    def retire_seals(self, tx: Connection) -> list[SealKey]:
        """Seals of what no version has here any more, and superseded ones."""
        rooted = self._inspected.roots.contents_in(self._inspected.place.region)
        idle = {
            seal.content_id: seal.next_revision
            for seal in unneeded.seals_in(tx, self._place_id)
            if seal.content_id not in rooted
        }
        contents.unsealed(tx, self._place_id, idle)
        listed = self._inspected.survey.seals
        latest = contents.seal_standing(tx, self._place_id, {key.content_id for key in listed})
        self.decided.unknown += [
            size for key, size in listed.items() if key.content_id not in latest
        ]
        return [
            key
            for key in listed
            if key.revision < idle.get(key.content_id, latest.get(key.content_id, 0))
        ]

    def retired_manifests(self, tx: Connection) -> list[ManifestKey]:
        """Manifests of contents that were given up, and those that a later one here replaced."""
        listed = self._inspected.survey.manifests
        standing = contents.standing(tx, {key.content_id for key in listed})
        rooted = self._inspected.roots.contents
        retired = []
        for key, size in listed.items():
            current = standing.get(key.content_id)
            if current is None or key.generation > current.generation:
                self.decided.unknown.append(size)
            elif current.removed:
                retired += [key] if key.content_id not in rooted else []
            elif key.generation < current.generation:
                replaced = ManifestKey(key.content_id, current.generation) in listed
                retired += [key] if replaced else []
        return retired

    def retired_moved(self, tx: Connection) -> list[MovedKey]:
        """What leads to other packs for nobody's good any more, and superseded revisions.

        It goes before the packs that it leads to.
        """
        moved.retire(tx, self._place_id)
        rooted = self._inspected.roots.contents_in(self._inspected.place.region)
        needed = moved.forget_idle(tx, self._place_id, rooted)
        current = moved.revisions_in(tx, self._place_id)
        listed = self._inspected.survey.moved
        self.decided.unknown += [size for key, size in listed.items() if key.pack_id not in current]
        return [
            key
            for key in listed
            if key.revision < current.get(key.pack_id, -1)
            or (key.revision == current.get(key.pack_id) and key.pack_id not in needed)
        ]

    def leftovers(self, tx: Connection) -> list[PlacePack]:
        """What an earlier run, or a repair, gave up and nobody deleted yet.

        Not a damaged pack that is needed here and whose successor has not come: most of it may be
        whole, and nobody knows whether the successor comes.
        """
        rows = packs.in_state(tx, self._place_id, DELETING, _LEFTOVERS_MAX)
        ids: list[PackId] = [row.pack_id for row in rows]
        replaced = packs.present_in(tx, self._place_id, ids).keys()
        needless = unneeded.among(tx, self._place_id, ids, (DELETING,))
        return [row for row in rows if row.pack_id in replaced or row.pack_id in needless]

    def condemn(self, tx: Connection, after: str) -> tuple[str | None, list[PlacePack]]:
        """One page behind `after`: present packs that nothing needs are condemned.

        Gives where the next page begins, None behind the last, and what was condemned.
        """
        rows, idle = self._unneeded(tx, after, (PRESENT,))
        ids = [row.pack_id for row in idle]
        packs.set_state(tx, self._place_id, ids, (PRESENT,), CONDEMNED)
        self.decided.condemned += [row.pack_bytes for row in idle]
        return _next(rows), idle

    def doom(self, tx: Connection, after: str) -> tuple[str | None, list[PlacePack]]:
        """One page: what was condemned long enough, and is still unneeded, is to be deleted.

        Damaged packs that nothing needs are given up likewise: nobody can take them back.
        """
        rows, idle = self._unneeded(tx, after, (CONDEMNED, DAMAGED))
        before = database_now(tx) - self._grace
        ripe = [row for row in idle if row.changed_at <= before]
        ids = [row.pack_id for row in ripe]
        packs.set_state(tx, self._place_id, ids, (CONDEMNED, DAMAGED), DELETING)
        self.decided.waiting += [row.pack_bytes for row in idle if row.changed_at > before]
        return _next(rows), ripe

    def kept(self, tx: Connection) -> tuple[Kept, ...]:
        """What stays, and why, once all other steps were taken."""
        everything = unneeded.stored(tx, self._place_id)
        reasons = [
            Kept(reason=f"pinned by operation {operation}", packs=held.packs, bytes=held.bytes)
            for operation, held in unneeded.pins_on_unneeded(tx, self._place_id).items()
        ]
        for reason, sizes in (
            ("named by a record that the gallery index does not know", self.decided.recorded),
            ("condemned, within the grace period", self.decided.waiting),
        ):
            if sizes:
                reasons.append(Kept(reason=reason, packs=len(sizes), bytes=sum(sizes)))
        needed = everything.packs - sum(kept.packs for kept in reasons)
        needed_bytes = everything.bytes - sum(kept.bytes for kept in reasons)
        if needed <= 0:
            return tuple(reasons)
        return (Kept(reason="named by a version", packs=needed, bytes=needed_bytes), *reasons)

    def _unneeded(
        self, tx: Connection, after: str, states: Sequence[PackState]
    ) -> tuple[list[PlacePack], list[PlacePack]]:
        """A page of what the index does not need, and of that what no record needs either."""
        rows = unneeded.packs_in(tx, self._place_id, BATCH_MAX, after=after, states=states)
        ids: list[PackId] = [row.pack_id for row in rows]
        rooted = self._inspected.roots.needed(tx, self._inspected.place, ids)
        self.decided.recorded += [row.pack_bytes for row in rows if row.pack_id in rooted]
        return rows, [row for row in rows if row.pack_id not in rooted]


def _next(rows: Sequence[PlacePack]) -> str | None:
    return rows[-1].pack_id if len(rows) == BATCH_MAX else None
