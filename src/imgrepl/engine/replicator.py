"""Stages 6 to 9: a committed version reaches every place of every region it is published to.

Each region goes its own way: it is prepared, filled, sealed and published as soon as its packs are
there, or it fails with its reason, and neither waits for another.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from imgrepl.engine import places, resume, sealer
from imgrepl.engine.bookkeeping import Bookkeeper
from imgrepl.engine.context import Engine
from imgrepl.engine.executor import PackMover
from imgrepl.engine.fanout import Fanout, reason
from imgrepl.engine.frame_mover import FrameMover
from imgrepl.engine.lease import Lease
from imgrepl.engine.planner import PACK_LOST, plan_replication
from imgrepl.engine.reporting import Reporter
from imgrepl.engine.second_look import finds_whole_packs
from imgrepl.engine.surveying import survey
from imgrepl.errors import Corrupt, ImgreplError, NotFound, Unavailable
from imgrepl.gallery import contents, moved, operations, packs, replicas, versions
from imgrepl.gallery import places as place_rows
from imgrepl.gallery import regions as region_rows
from imgrepl.model.events import Notice
from imgrepl.model.gallery import ImageVersion, ProvisioningState, VersionId
from imgrepl.model.ids import PackId, PlaceId
from imgrepl.model.plan import FramesMove, Move, PackMove, ReplicationPlan
from imgrepl.model.region import Place, PlaceRole, roles_of
from imgrepl.model.replica import Replica, ReplicaState

_ROWS_INTERVAL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class RegionPart:
    """What one region gets: its replicas and, in their order, the places each stands in."""

    region: str
    replicas: tuple[Replica, ...]
    places: tuple[tuple[Place, ...], ...]

    @property
    def all_places(self) -> list[Place]:
        """Every place, the first replica's first."""
        return list({place.id: place for group in self.places for place in group}.values())


def region_parts(engine: Engine, version_id: VersionId) -> list[RegionPart]:
    """The regions of a version with the places their replicas stand in.

    Makes rows for new places. A region that the index does not know (it was rebuilt, and the region
    not added yet) has no places and is left out.
    """
    with engine.index.read() as tx:
        wanted = replicas.of_version(tx, version_id)
        known = _places_of(tx, wanted)
    if known is None:
        return supposed_parts(engine, wanted)
    return _grouped(wanted, known)


def supposed_parts(engine: Engine, wanted: Sequence[Replica]) -> list[RegionPart]:
    """The same for replicas that are not planned yet."""
    with engine.index.begin() as tx:
        known = {region.name: region for region in region_rows.list_all(tx)}
        return _grouped(
            wanted,
            {
                (r.region, role, r.number): place_rows.ensure(tx, known[r.region], role, r.number)
                for r in wanted
                if r.region in known
                for role in roles_of(r.storage_account_type)
            },
        )


_Places = dict[tuple[str, PlaceRole, int], Place]


def _places_of(tx: Connection, wanted: Sequence[Replica]) -> _Places | None:
    """Where these replicas stand, in regions that are known; None where a place is new."""
    regions = {region.name for region in region_rows.list_all(tx)}
    every = {(p.region, p.role, p.number): p for p in place_rows.list_all(tx)}
    needed = [
        (r.region, role, r.number)
        for r in wanted
        if r.region in regions
        for role in roles_of(r.storage_account_type)
    ]
    return {key: every[key] for key in needed} if every.keys() >= set(needed) else None


def _grouped(wanted: Sequence[Replica], places: _Places) -> list[RegionPart]:
    """By region, in the order of first appearance; regions without places are left out."""
    by_region: dict[str, list[Replica]] = {}
    for replica in wanted:
        by_region.setdefault(replica.region, []).append(replica)
    here = {region for region, _, _ in places}
    return [
        RegionPart(
            region=name,
            replicas=tuple(group),
            places=tuple(
                tuple(places[name, role, r.number] for role in roles_of(r.storage_account_type))
                for r in group
            ),
        )
        for name, group in by_region.items()
        if name in here
    ]


def plan_version(
    engine: Engine,
    version: ImageVersion,
    parts: Sequence[RegionPart],
    trusted: set[tuple[PlaceId, PackId]],
) -> tuple[ReplicationPlan, dict[PlaceId, Place]]:
    """What is missing where, and every place that the plan names. Writes nothing."""
    targets = [place for part in parts for place in part.all_places]
    with engine.index.read() as tx:
        by_id = {place.id: place for place in place_rows.list_all(tx)}
        needed = contents.packs_of(tx, version.content_ids)
        sizes = contents.pack_bytes_of(tx, needed)
        holders = packs.holders(tx, needed)
    holding = {pack_id: [by_id[row.place_id] for row in rows] for pack_id, rows in holders.items()}
    plan = plan_replication(
        {pack_id: sizes[pack_id] for pack_id in needed},
        targets,
        holding,
        home_region=version.location,
        trusted=trusted,
        needs=survey(engine, version.content_ids, targets, home_region=version.location),
        parents=version.parents,
    )
    return plan, by_id


def _planned(
    engine: Engine,
    version: ImageVersion,
    parts: Sequence[RegionPart],
    trusted: set[tuple[PlaceId, PackId]],
) -> tuple[ReplicationPlan, dict[PlaceId, Place]]:
    """As `plan_version`; packs that seem lost are looked at again."""
    try:
        return plan_version(engine, version, parts, trusted)
    except Corrupt as error:
        if error.code != PACK_LOST or not finds_whole_packs(engine, version):
            raise
    return plan_version(engine, version, parts, trusted)


def replicate(
    engine: Engine,
    lease: Lease,
    version: ImageVersion,
    *,
    trusted: set[tuple[PlaceId, PackId]],
    only: set[str] | None = None,
) -> dict[str, str]:
    """Brings `version` to its regions (those in `only`, when given); gives the failed ones and why.

    Raises `Interrupted` when asked to stop; what is durable by then is found again by the next
    attempt.
    """
    parts = [
        part for part in region_parts(engine, version.id) if only is None or part.region in only
    ]
    plan, by_id = _planned(engine, version, parts, trusted)
    mover = PackMover(engine, lease.operation.id, by_id, plan.moves)
    put_at_home = sum(by_id[place_id].region == version.location for place_id, _pack in trusted)
    book = Bookkeeper(engine, version, put_at_home)
    frame_mover = FrameMover(engine, lease.operation.id, by_id, version.content_ids)
    work = _RegionWork(engine, lease, version, parts, mover, frame_mover, book)
    fanout = Fanout(work, engine.options, engine.clock, engine.stop, mover.regions_of)
    with engine.index.begin() as tx:
        operations.assert_held(tx, lease.operation.id, lease.fence)
        versions.set_state(tx, version.id, ProvisioningState.UPDATING)
    work.begin(plan)
    try:
        errors = fanout.run(plan.all_moves, [part.region for part in parts])
    finally:
        for part in parts:
            mover.confirm(part.region)
    for region in fanout.detached:
        text = f"{region} was slower than the others and was served apart"
        engine.events(Notice(level="warning", text=text, subject=region))
    failures = {region: reason(error) for region, error in errors.items()}
    for region, why in failures.items():
        work.failed(region, why)
    return failures | _fail_unknown(engine, version, only)


def _fail_unknown(engine: Engine, version: ImageVersion, only: set[str] | None) -> dict[str, str]:
    """Regions that the index does not know get nothing, and their replicas say why."""
    with engine.index.begin() as tx:
        known = {region.name for region in region_rows.list_all(tx)}
        lost = [r for r in replicas.of_version(tx, version.id) if r.region not in known]
        failures = {
            replica.region: f"region {replica.region} is not in the gallery index: add it with"
            f" `imgrepl region add {replica.region}`"
            for replica in lost
            if only is None or replica.region in only
        }
        for replica in lost:
            if replica.region in failures:
                replicas.set_state(
                    tx,
                    version.id,
                    replica.region,
                    replica.number,
                    state=ReplicaState.FAILED,
                    detail=failures[replica.region],
                )
    return failures


class _RegionWork:
    """What the fan-out does for each region. Called from the threads of all lanes."""

    def __init__(
        self,
        engine: Engine,
        lease: Lease,
        version: ImageVersion,
        parts: Sequence[RegionPart],
        mover: PackMover,
        frame_mover: FrameMover,
        book: Bookkeeper,
    ) -> None:
        self._engine = engine
        self._lease = lease
        self._version = version
        self._parts = {part.region: part for part in parts}
        self._mover = mover
        self._frame_mover = frame_mover
        self._book = book
        self._reporters = {
            part.region: Reporter(engine, "replicate", part.region) for part in parts
        }
        self._ready: set[str] = set()
        self._locks = {part.region: threading.Lock() for part in parts}
        self._told: dict[str, float] = {}
        self._totals: dict[PlaceId, int] = {}

    def begin(self, plan: ReplicationPlan) -> None:
        """Marks what lacks something as replicating and says how much each region will get."""
        for move in plan.all_moves:
            for target in move.targets():
                self._totals[target] = self._totals.get(target, 0) + move.pack_bytes
        for part in self._parts.values():
            self._write_replicas(part, ReplicaState.REPLICATING)
            total = sum(self._totals.get(place.id, 0) for place in part.all_places)
            self._reporters[part.region].begin(total)

    def read(self, move: Move) -> bytes:
        """The pack from the place that the plan names, else from any other holder."""
        if isinstance(move, FramesMove):
            return self._frame_mover.read(move)
        try:
            return self._mover.read(move)
        except (Corrupt, NotFound, Unavailable) as error:
            return self._read_elsewhere(move, region=None, error=error)

    def read_apart(self, move: Move, region: str) -> bytes:
        """The pack for one region, from whichever holder is nearest to it by now."""
        if isinstance(move, FramesMove):
            return self._frame_mover.read(move, region)
        return self._read_elsewhere(move, region=region, error=None)

    def _read_elsewhere(
        self, move: PackMove, *, region: str | None, error: ImgreplError | None
    ) -> bytes:
        for place in self._holders(move.pack_id, region):
            if error is not None and place.id == move.read_from:
                continue
            try:
                return self._mover.read_at(place, move)
            except (Corrupt, NotFound, Unavailable) as failure:
                error = error or failure
        raise error or NotFound(
            f"no place has pack {move.pack_id}", code="PackLost", target=move.pack_id
        )

    def _holders(self, pack_id: PackId, region: str | None) -> list[Place]:
        with self._engine.index.read() as tx:
            rows = packs.holders(tx, [pack_id]).get(pack_id, [])
            found = [place_rows.get(tx, row.place_id) for row in rows]
        near = {region, self._version.parents.get(region or "")}
        return sorted(
            found, key=lambda p: (p.region not in near, p.region == self._version.location, p.id)
        )

    def deliver(self, region: str, move: Move, body: bytes | None) -> None:
        """Gives the region its part of a pack, preparing its places first."""
        self._prepare(region)
        if isinstance(move, FramesMove):
            assert body is not None, "frames are read"
            self._frame_mover.deliver(region, move, body)
        else:
            self._mover.deliver(region, move, body)
        part = self._parts[region]
        done = self._done_bytes(part.all_places)
        self._reporters[region].advance(done)
        now = self._engine.clock.monotonic()
        if now - self._told.get(region, 0.0) >= _ROWS_INTERVAL_SECONDS:
            self._told[region] = now
            self._write_replicas(part, ReplicaState.REPLICATING)

    def region_delivered(self, region: str) -> None:
        """All packs are there: seals every place, writes the records, publishes the replicas."""
        self._prepare(region)
        self._mover.confirm(region)
        part = self._parts[region]
        with self._engine.index.begin() as tx:
            for place in part.all_places:
                moved.retire(tx, place.id)
        proof = sealer.seal_region(self._engine, self._version, part.all_places)
        with self._engine.index.begin() as tx:
            operations.assert_held(tx, self._lease.operation.id, self._lease.fence)
            for replica in part.replicas:
                replicas.set_state(
                    tx,
                    self._version.id,
                    region,
                    replica.number,
                    state=ReplicaState.COMPLETED,
                    detail="",
                    bytes_done=self._total_of(part, replica),
                    proof=proof.level,
                    verified_at=proof.at,
                )
            was_complete = any(r.state is ReplicaState.COMPLETED for r in part.replicas)
            self._book.note(tx, region, is_first=not was_complete)
        self._reporters[region].end("Completed")

    def failed(self, region: str, why: str) -> None:
        """The region's replicas say that they failed, and why."""
        self._write_replicas(self._parts[region], ReplicaState.FAILED, why)
        with self._engine.index.begin() as tx:
            self._book.note(tx, region, is_first=False)
        self._reporters[region].end("Failed", why)

    def _done_bytes(self, within: Sequence[Place]) -> int:
        movers = (self._mover, self._frame_mover)
        return sum(mover.done_bytes[place.id] for mover in movers for place in within)

    def _total_of(self, part: RegionPart, replica: Replica) -> int:
        group = part.places[part.replicas.index(replica)]
        return sum(self._totals.get(place.id, 0) for place in group)

    def _prepare(self, region: str) -> None:
        with self._locks[region]:
            if region in self._ready:
                return
            within = self._parts[region].all_places
            for place in within:
                places.prepare(self._engine, place)
            resume.settle_intents(self._engine, self._lease.operation.id, within)
            self._ready.add(region)

    def _write_replicas(self, part: RegionPart, state: ReplicaState, detail: str = "") -> None:
        with self._engine.index.begin() as tx:
            for replica, group in zip(part.replicas, part.places, strict=True):
                total = sum(self._totals.get(place.id, 0) for place in group)
                if replica.state is ReplicaState.COMPLETED and not total:
                    continue  # it lacks nothing, and goes on serving
                replicas.set_state(
                    tx,
                    self._version.id,
                    part.region,
                    replica.number,
                    state=state,
                    detail=detail,
                    bytes_done=self._done_bytes(group),
                    bytes_total=total,
                )
