"""Proves what was proven longest ago, within a budget, and mends what is found damaged.

There is no other state than the proofs in the index: a scrub that was stopped, killed or has used
up its budget is gone on with by the next.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from imgrepl.engine import healing, resume, sealer
from imgrepl.engine.context import Engine
from imgrepl.engine.damage import LOST, harm_of
from imgrepl.engine.healing import Healed, Outcome
from imgrepl.engine.lease import Lease
from imgrepl.engine.losses import Losses, LostRange
from imgrepl.engine.moved_checks import MISSING
from imgrepl.engine.pack_checks import BadPack, by_reading, outcome_of, record
from imgrepl.engine.pack_reading import pack_key
from imgrepl.engine.replicator import RegionPart, region_parts
from imgrepl.engine.reporting import Reporter
from imgrepl.engine.stopping import check_stop
from imgrepl.engine.verifier import Fault, document_faults, named_disks
from imgrepl.errors import Corrupt, ImgreplError, Interrupted, NotFound
from imgrepl.gallery import moved, packs, proofs, replicas
from imgrepl.gallery import places as place_rows
from imgrepl.gallery.packs import PlacePack
from imgrepl.layout import keys
from imgrepl.layout.pack import PACK_BYTES_MAX
from imgrepl.model.gallery import ImageVersion, VersionId
from imgrepl.model.ids import PlaceId
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Place
from imgrepl.model.replica import ReplicaState

BUDGET_BYTES_MIN = PACK_BYTES_MAX
"""With less, a scrub might never get past a pack."""

_PACKS_AT_ONCE = 16
_REPLICAS_AT_ONCE = 8
_KNOWN_MAX = 1_000
"""Packs of a place that are known to be damaged, and that one scrub tries to mend."""


@dataclass(frozen=True, kw_only=True)
class ScrubBounds:
    """How much at most, and where. None sets no bound.

    `bytes_max` is what may be received; it is never exceeded by a pack, but by the few KiB of the
    small objects of one replica, and by what mending takes.
    """

    region: str | None = None
    bytes_max: int | None = None
    seconds_max: float | None = None


class Found(NamedTuple):
    """One damaged object, which versions need it, and what became of it."""

    healed: Healed
    versions: tuple[VersionId, ...]


@dataclass(frozen=True, kw_only=True)
class ScrubReport:
    """What a scrub did.

    `packs` and `replicas` were proven; `found` was damaged, `lost` is what no place has any more.
    `unread` are regions that did not answer. `is_complete` says that nothing is left whose proof is
    older than the scrub's beginning; else `oldest` is the oldest proof now.
    """

    packs: int
    replicas: int
    received_bytes: int
    found: tuple[Found, ...]
    lost: tuple[LostRange, ...]
    unread: tuple[tuple[str, ImgreplError], ...]
    is_complete: bool
    oldest: Proof | None

    @property
    def error(self) -> ImgreplError | None:
        """`Corrupt` where something stays damaged, else why a region was not read."""
        left = [one.healed for one in self.found if one.healed.outcome is Outcome.LEFT]
        if left:
            return Corrupt(
                f"{len(left)} damaged objects could not be mended",
                code="DamageFound",
                details=[
                    f"{one.fault.place.name}: {one.fault.key}: {one.detail}" for one in left[:20]
                ],
                hint="`imgrepl image-version repair` tells of a version what is lost",
            )
        return self.unread[0][1] if self.unread else None


def scrub(engine: Engine, lease: Lease, bounds: ScrubBounds) -> ScrubReport:
    """Reads packs and looks at small objects, those that were proven longest ago first.

    What is damaged is marked and mended from any healthy place. A region that does not answer is
    left for another time. Raises `Interrupted`.
    """
    return _Scrub(engine, lease, bounds).run()


class _Scrub:
    def __init__(self, engine: Engine, lease: Lease, bounds: ScrubBounds) -> None:
        self._engine = engine
        self._lease = lease
        self._bounds = bounds
        self._began_at = engine.clock.now()
        self._began = engine.clock.monotonic()
        self._received_before = self._received()
        with engine.index.read() as tx:
            every = place_rows.list_all(tx)
        chosen = [p for p in every if bounds.region is None or p.region == bounds.region]
        self._places = {place.id: place for place in chosen}
        self._packs = 0
        self._replicas = 0
        self._found: list[Found] = []
        self._unread: dict[str, ImgreplError] = {}
        self._unhealthy: set[tuple[VersionId, str]] = set()
        self._reporter = Reporter(engine, "scrub", bounds.region or "all regions")

    def run(self) -> ScrubReport:
        """A few packs and the small objects of a few replicas in turn, until nothing is left."""
        with self._reporter:
            self._reporter.begin(self._bounds.bytes_max)
            places = list(self._places.values())
            resume.settle_intents(self._engine, self._lease.operation.id, places)
            self._mend_known()
            while not self._is_spent():
                did_packs = self._scrub_packs()
                did_replicas = not self._is_spent() and self._scrub_replicas()
                if not did_packs and not did_replicas:
                    break
        return self._report()

    def _report(self) -> ScrubReport:
        with self._engine.index.read() as tx:
            left = bool(proofs.oldest_packs(tx, list(self._places), self._began_at, 1))
            left = left or bool(proofs.oldest_replicas(tx, self._regions(), self._began_at, 1))
            oldest = proofs.ages(tx, list(self._places), self._began_at).oldest
        gone = [one.healed.fault for one in self._found if one.healed.is_lost]
        return ScrubReport(
            packs=self._packs,
            replicas=self._replicas,
            received_bytes=self._received() - self._received_before,
            found=tuple(self._found),
            lost=Losses(self._engine).ranges(gone),
            unread=tuple(self._unread.items()),
            is_complete=not left and not self._unread,
            oldest=oldest,
        )

    def _mend_known(self) -> None:
        """What readers and earlier looks found damaged, and did not or could not mend."""
        for place in self._places.values():
            with self._engine.index.read() as tx:
                rows = packs.in_state(tx, place.id, packs.DAMAGED, _KNOWN_MAX)
            for row in rows:
                if self._is_spent():
                    return
                check_stop(self._engine.stop)
                reason = row.reason or "it is damaged"
                self._mend_pack(place, BadPack(pack_key(row), row.pack_id, reason, LOST))

    def _scrub_packs(self) -> bool:
        """Reads the next packs; False where none is left, or none that the budget allows."""
        ids = [place.id for place in self._open_places()]
        with self._engine.index.read() as tx:
            rows = proofs.oldest_packs(tx, ids, self._began_at, _PACKS_AT_ONCE)
        rows = list(self._affordable(rows))
        for place_id, group in groupby(sorted(rows, key=_place_id), key=_place_id):
            self._scrub_place(self._places[place_id], list(group))
        return bool(rows)

    def _affordable(self, rows: Iterable[PlacePack]) -> Iterator[PlacePack]:
        left = self._bytes_left()
        for row in rows:
            if left is not None:
                left -= row.pack_bytes
                if left < 0:
                    return
            yield row

    def _scrub_place(self, place: Place, rows: Sequence[PlacePack]) -> None:
        store, check = self._engine.stores.of(place), by_reading(self._engine, place)

        def look(row: PlacePack) -> ProofLevel | BadPack:
            check_stop(self._engine.stop)
            outcome = outcome_of(store, row, check)
            self._reporter.add(row.pack_bytes)
            return outcome

        try:
            with ThreadPoolExecutor(self._engine.options.downloads_in_flight, "scrub") as pool:
                looked = list(pool.map(look, rows))
        except Interrupted:
            raise
        except ImgreplError as error:
            self._unread[place.region] = error
            return
        if any(isinstance(one, BadPack) and not one.noted for one in looked):
            self._unread[place.region] = NotFound(
                f"{place.name} is not there at all", code="BucketMissing", target=place.name
            )
            return
        by_id = {row.pack_id: row for row in rows}
        record(self._engine, place, by_id, dict(zip(by_id, looked, strict=True)))
        self._packs += len(rows)
        bad = [one for one in looked if isinstance(one, BadPack)]
        with self._engine.index.read() as tx:
            here = packs.live_in(tx, place.id, [one.pack_id for one in bad])
        for one in bad:
            row = here.get(one.pack_id)
            if row is not None and pack_key(row) == one.key:  # else it was collected meanwhile
                self._mend_pack(place, one)

    def _mend_pack(self, place: Place, bad: BadPack) -> None:
        with self._engine.index.read() as tx:
            served = moved.served_by(tx, place.id, [bad.pack_id])
            wanted = {bad.pack_id, *served.get(bad.pack_id, ())}
            needing = proofs.versions_here(tx, place.id, wanted)
        fault = Fault(place, bad.key, bad.pack_id, bad.reason)
        if not needing:
            self._found.append(Found(Healed(fault, Outcome.UNNEEDED), ()))
            return
        disks = named_disks(self._engine, needing[0])
        fault = fault._replace(harm=harm_of(bad.damage, bad.pack_id, disks, {}))
        (healed,) = healing.heal(self._engine, self._lease, needing[0], [fault])
        self._found.append(Found(healed, tuple(version.id for version in needing)))

    def _scrub_replicas(self) -> bool:
        """Looks at the small objects of the next replicas; False where none is left."""
        limit = _REPLICAS_AT_ONCE + len(self._unhealthy)
        with self._engine.index.read() as tx:
            oldest = proofs.oldest_replicas(tx, self._regions(), self._began_at, limit)
        chosen = [(v, r) for v, r in oldest if (v.id, r) not in self._unhealthy]
        for version, region in chosen:
            check_stop(self._engine.stop)
            if region in self._unread:
                continue
            try:
                self._scrub_replica(version, region)
            except Interrupted:
                raise
            except ImgreplError as error:
                self._unread[region] = error
        return bool(chosen)

    def _scrub_replica(self, version: ImageVersion, region: str) -> None:
        parts = [p for p in region_parts(self._engine, version.id) if p.region == region]
        if not parts:
            self._unhealthy.add((version.id, region))  # it has no places any more
        for part in parts:
            faults = [
                *self._lacking(version, part),
                *document_faults(self._engine, version, region, _complete_places(part)),
            ]
            healed = healing.heal(self._engine, self._lease, version, faults)
            self._found += [Found(one, (version.id,)) for one in healed]
            self._replicas += len(part.replicas)
            if any(one.outcome is Outcome.LEFT for one in healed):
                self._unhealthy.add((version.id, region))
                continue
            if faults:
                sealer.seal_region(self._engine, version, _complete_places(part))
            self._looked_at(version, region)

    def _lacking(self, version: ImageVersion, part: RegionPart) -> list[Fault]:
        """Packs of which a complete replica has not even a damaged object left.

        What is intended is not there: who intended it may have died.
        """
        faults = []
        for place in _complete_places(part):
            with self._engine.index.read() as tx:
                lacking = moved.lacking(tx, place.id, version.content_ids)
                rows = packs.live_in(tx, place.id, lacking)
            damaged = {pack_id for pack_id, row in rows.items() if row.state == packs.DAMAGED}
            faults += [
                Fault(place, keys.pack_key(pack_id, 0), pack_id, MISSING)
                for pack_id in sorted(lacking - damaged)
            ]
        return faults

    def _looked_at(self, version: ImageVersion, region: str) -> None:
        now = self._engine.clock.now()
        with self._engine.index.begin() as tx:
            for replica in replicas.of_version(tx, version.id):
                if replica.region == region and replica.state is ReplicaState.COMPLETED:
                    replicas.set_state(
                        tx,
                        version.id,
                        region,
                        replica.number,
                        state=replica.state,
                        verified_at=now,
                    )

    def _open_places(self) -> list[Place]:
        return [place for place in self._places.values() if place.region not in self._unread]

    def _regions(self) -> list[str]:
        return sorted({place.region for place in self._open_places()})

    def _is_spent(self) -> bool:
        left, seconds = self._bytes_left(), self._bounds.seconds_max
        if left is not None and left <= 0:
            return True
        return seconds is not None and self._engine.clock.monotonic() - self._began >= seconds

    def _bytes_left(self) -> int | None:
        if self._bounds.bytes_max is None:
            return None
        return self._bounds.bytes_max - (self._received() - self._received_before)

    def _received(self) -> int:
        return sum(part.received_bytes for part in self._engine.stores.moved())


def _complete_places(part: RegionPart) -> list[Place]:
    """The places of those replicas that are complete."""
    return [
        place
        for replica, group in zip(part.replicas, part.places, strict=True)
        for place in group
        if replica.state is ReplicaState.COMPLETED
    ]


def _place_id(row: PlacePack) -> PlaceId:
    return row.place_id
