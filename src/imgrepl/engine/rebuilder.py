"""Restores the gallery index, or completes it, out of what lies in regions.

The index becomes the owner of the store first. Then records, manifests, packs and seals become
rows, and nothing is taken from what is there and newer: so it may be run again, after a crash or
with further regions, and gives the same.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count

from sqlalchemy import Connection

from imgrepl.engine import places, rebuild_doubts, rebuild_places, rebuild_rows, takeover
from imgrepl.engine.context import Engine
from imgrepl.engine.rebuild_places import Listed
from imgrepl.engine.rebuild_records import read_all
from imgrepl.engine.rebuild_report import PlaceRebuilt, RebuildReport, RegionRebuilt
from imgrepl.engine.rebuild_rows import Written
from imgrepl.engine.region_records import RecordListing, list_records
from imgrepl.engine.reporting import Reporter
from imgrepl.engine.stopping import check_stop
from imgrepl.engine.takeover import Claimed
from imgrepl.errors import ImgreplError, Interrupted, NotFound
from imgrepl.gallery import contents, replicas, versions
from imgrepl.gallery import places as place_rows
from imgrepl.gallery import regions as region_rows
from imgrepl.model.events import Notice
from imgrepl.model.gallery import ImageVersion, ProvisioningState
from imgrepl.model.ids import PlaceId
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Place, PlaceRole, Region, StorageAccountType, roles_of
from imgrepl.model.replica import Replica, ReplicaState

_MAY_COMPLETE = {ReplicaState.UNKNOWN, ReplicaState.FAILED}


@dataclass
class _RegionWork:
    """One region that was named, as far as it got; `places` are those that are this index's now."""

    engine: Engine
    region: Region
    record_place: Place
    claimed: Claimed | None = None
    listing: RecordListing | None = None
    places: list[Place] = field(default_factory=list)
    rebuilt: list[PlaceRebuilt] = field(default_factory=list)
    error: ImgreplError | None = None

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """What fails inside leaves out a part of this region, and nothing of another one."""
        check_stop(self.engine.stop)
        try:
            yield
        except Interrupted:
            raise
        except ImgreplError as error:
            self.error = self.error or error
            text = f"{self.region.name} could not be read whole: {error.message}"
            self.engine.events(Notice(level="warning", text=text, subject=self.region.name))


def rebuild(engine: Engine, region_names: Sequence[str]) -> RebuildReport:
    """Restores what the records of these regions say, and what lies in their places.

    A region, or a place of one, that does not answer is left out and named. Raises `NotFound`
    (`RegionNotFound`, `StoreMissing`), `Conflict` (`IndexNotEmpty`, `BucketOfAnotherStore`,
    `NotOwner`), and what the stores raise where no region answers.
    """
    return _rebuild(engine, region_names, owning=True, doubting=True)


def load(engine: Engine, region_names: Sequence[str]) -> RebuildReport:
    """Makes an empty index know what these regions say, for reading them, and writes to none.

    The index takes the identity of the one that owns them. Raises as `rebuild`.
    """
    return _rebuild(engine, region_names, owning=False, doubting=False)


def go_on(engine: Engine, region_name: str) -> RebuildReport:
    """As `rebuild`, for a region from which nobody ever deletes: whatever lies there counts."""
    return _rebuild(engine, [region_name], owning=True, doubting=False)


def _rebuild(
    engine: Engine, region_names: Sequence[str], *, owning: bool, doubting: bool
) -> RebuildReport:
    work = [_named(engine, name) for name in dict.fromkeys(region_names)]
    _claim(engine, work, owning=owning)
    for one in work:
        if one.claimed is not None:
            with one.attempt():
                if owning:
                    _seize(engine, one.record_place, one.claimed)
                one.listing = list_records(engine.stores.of(one.record_place))
    listings = {one.record_place.id: one.listing for one in work if one.listing is not None}
    if not listings:
        raise next(one.error for one in work if one.error is not None)
    stores = {one.record_place.id: engine.stores.of(one.record_place) for one in work}
    found = read_all(engine, listings, stores)
    written = rebuild_rows.write(engine, found)
    for place_id, listing in listings.items():
        rebuild_rows.note_records(engine, place_id, listing)
    manifests = _take_places(engine, work, written, owning=owning)
    lost = _read_manifests(engine, work, written, manifests)
    if owning:
        _take_idle_places(engine, work)
    if doubting:
        rebuild_doubts.give_up_contents(engine)
    for one in work:
        _read_places(engine, one)
        if doubting:
            with one.attempt():
                rebuild_doubts.settle(engine, one.places)
    named = [one.region.name for one in work]
    completed = sum(
        _complete(engine, version, named, elsewhere_counts=owning) for version in written.versions
    )
    identity = engine.index.identity
    return RebuildReport(
        store_id=identity.store_id,
        epoch=identity.epoch,
        regions=tuple(_region_report(one) for one in work),
        galleries=written.galleries,
        definitions=written.definitions,
        versions=len(written.versions),
        tombstones=written.tombstones,
        replicas_completed=completed,
        other_regions=_other_regions(written, named),
        unregistered=_unregistered(engine, written),
        damaged=(*found.damaged, *lost),
        skipped=tuple(written.skipped),
        elsewhere=tuple(written.elsewhere),
    )


def _named(engine: Engine, name: str) -> _RegionWork:
    with engine.index.begin() as tx:
        region = region_rows.get(tx, name)
        place = place_rows.ensure(tx, region, PlaceRole.STANDARD, 0)
    return _RegionWork(engine=engine, region=region, record_place=place)


def _check_name(engine: Engine, place: Place) -> None:
    """Warns of a region that called itself otherwise in the index that was lost."""
    mark = places.read_region_mark(engine.stores.of(place))
    if mark is not None and mark.name != place.region:
        text = (
            f"the bucket of {place.region} was region {mark.name} before: versions that stand in"
            f" {mark.name} are looked for there, not in {place.region}"
        )
        engine.events(Notice(level="warning", text=text, subject=place.region))


def _claim(engine: Engine, work: Sequence[_RegionWork], *, owning: bool) -> None:
    """Makes the store this index's; a region that is of another store is no accident."""
    for one in work:
        with one.attempt():
            one.claimed = _look(engine, one)
    claimed = [one.claimed for one in work if one.claimed is not None]
    if not claimed:
        raise next(one.error for one in work if one.error is not None)
    if owning:
        takeover.adopt_store(engine, claimed)
    else:
        takeover.stand_in(engine, claimed)


def _look(engine: Engine, one: _RegionWork) -> Claimed:
    """Whose the region is, by its first place, which has the records.

    Where packs came there and their process died before any record, by another place. Raises as
    `takeover.look` does of the first.
    """
    try:
        return takeover.look(engine, one.record_place)
    except NotFound:
        for place in _other_first_places(engine, one.region):
            with suppress(NotFound):
                return takeover.look(engine, place)
            with engine.index.begin() as tx:
                place_rows.forget(tx, place.id)
            engine.readable.discard(place.id)  # the next place may get its number
        raise


def _other_first_places(engine: Engine, region: Region) -> list[Place]:
    """Number 0 of each role but the first, as far as the region offers it and none is known."""
    roles = [role for role in _roles_of(region) if role is not PlaceRole.STANDARD]
    with engine.index.begin() as tx:
        return [place_rows.ensure(tx, region, role, 0) for role in roles]


def _roles_of(region: Region) -> list[PlaceRole]:
    kinds = [kind for kind in StorageAccountType if region.offers(kind)]
    return list(dict.fromkeys(role for kind in kinds for role in roles_of(kind)))


def _seize(engine: Engine, record_place: Place, claimed: Claimed) -> None:
    """Makes the place of a region's records this index's own."""
    if claimed.place != record_place:
        places.prepare(engine, record_place)
        return
    takeover.seize(engine, record_place)
    _check_name(engine, record_place)


def _take_places(
    engine: Engine, work: Sequence[_RegionWork], written: Written, *, owning: bool
) -> dict[PlaceId, Listed]:
    """Takes over every place in which a replica may stand, and lists its manifests."""
    listed: dict[PlaceId, Listed] = {}
    take = rebuild_places.take if owning else rebuild_places.look_into
    for one in work:
        if one.listing is None:
            continue
        with engine.index.begin() as tx:
            known = _places_of(tx, one.region, written.versions)
        for place in known:
            with one.attempt():
                if take(engine, place):
                    listed[place.id] = rebuild_places.list_manifests(engine, place)
                    one.places.append(place)
    return listed


def _take_idle_places(engine: Engine, work: Sequence[_RegionWork]) -> None:
    for one in work:
        if one.listing is not None:
            with one.attempt():
                _take_idle(engine, one)


def _take_idle(engine: Engine, one: _RegionWork) -> None:
    """Places that had replicas once: who owned them is fenced out there too, and packs collected.

    Their manifests are not read: their packs may be gone already. Replicas are numbered from 0 on,
    so the first place in which nobody has been ends the search.
    """
    with engine.index.read() as tx:
        known = {(p.role, p.number) for p in place_rows.of_region(tx, one.region.name)}
    for role in _roles_of(one.region):
        for number in count():
            if (role, number) in known:
                continue
            with engine.index.begin() as tx:
                place = place_rows.ensure(tx, one.region, role, number)
            if not rebuild_places.take(engine, place):
                with engine.index.begin() as tx:
                    place_rows.forget(tx, place.id)
                engine.readable.discard(place.id)  # the next place may get its number
                break
            one.places.append(place)


def _places_of(tx: Connection, region: Region, known: Sequence[ImageVersion]) -> list[Place]:
    """The places of a region: those that are known, and those that its replicas stand in."""
    for version in known:
        for replica in replicas.of_version(tx, version.id):
            if replica.region == region.name and region.offers(replica.storage_account_type):
                for role in roles_of(replica.storage_account_type):
                    place_rows.ensure(tx, region, role, replica.number)
    return place_rows.of_region(tx, region.name)


def _read_manifests(
    engine: Engine,
    work: Sequence[_RegionWork],
    written: Written,
    listed: dict[PlaceId, Listed],
) -> list[str]:
    """Makes contents known; versions whose contents are not there go again, with the reason."""
    wanted = {content_id for version in written.versions for content_id in version.content_ids}
    taken = [place for one in work for place in one.places]
    lost = rebuild_places.read_manifests(engine, taken, listed, wanted)
    read = {one.region.name for one in work if one.error is None}
    damaged, kept = [], []
    for version in written.versions:
        missing = [content_id for content_id in version.content_ids if content_id in lost]
        if not missing:
            kept.append(version)
            continue
        with engine.index.begin() as tx:
            versions.remove(tx, version.id)
        elsewhere = {target.name for target in version.target_regions} - read
        if elsewhere:
            where = ", ".join(sorted(elsewhere))
            written.elsewhere.append(f"{version.id}: it stands in {where}, which was not read")
        else:
            damaged += [f"{version.id}: manifest of {c}: {lost[c]}" for c in missing]
    written.versions = kept
    return damaged


def _read_places(engine: Engine, one: _RegionWork) -> None:
    reporter = Reporter(engine, "rebuild", one.region.name)
    with reporter:
        reporter.begin(items_total=len(one.places))
        for place in one.places:
            with one.attempt():
                one.rebuilt.append(rebuild_places.read_place(engine, place))


def _complete(
    engine: Engine, version: ImageVersion, named: Sequence[str], *, elsewhere_counts: bool
) -> int:
    """Replicas of which every place holds all are complete again; tells how many are.

    A version of which some replica is not failed; those of regions that were not read count where
    `elsewhere_counts`.
    """
    with engine.index.begin() as tx:
        present = replicas.of_version(tx, version.id)
        for replica in present:
            if replica.region in named and replica.state in _MAY_COMPLETE:
                proof = _proof(tx, version, replica)
                if proof is not None:
                    replicas.set_state(
                        tx,
                        version.id,
                        replica.region,
                        replica.number,
                        state=ReplicaState.COMPLETED,
                        detail="",
                        proof=proof.level,
                        verified_at=proof.at,
                    )
        done = [r for r in replicas.of_version(tx, version.id) if r.state is ReplicaState.COMPLETED]
        current = versions.get(tx, version.id).provisioning_state
        deleting = current is ProvisioningState.DELETING
        if versions.operation_of(tx, version.id) is None and not deleting:
            counted = [r for r in present if elsewhere_counts or r.region in named]
            whole = len(done) == len(counted)
            state = ProvisioningState.SUCCEEDED if whole else ProvisioningState.FAILED
            versions.set_state(tx, version.id, state)
    return sum(replica.region in named for replica in done)


def _proof(tx: Connection, version: ImageVersion, replica: Replica) -> Proof | None:
    """The weakest and latest among the seals of a replica; None where one is not there.

    A shallow version has none: its record is all there is of it.
    """
    if version.is_shallow:
        assert version.published_at is not None, "a version that has a record was published"
        return Proof(ProofLevel.LISTED, version.published_at)
    by_role = {
        place.role: place
        for place in place_rows.of_region(tx, replica.region)
        if place.number == replica.number
    }
    proofs: list[Proof] = []
    for role in roles_of(replica.storage_account_type):
        if role not in by_role:
            return None
        sealed = contents.sealed_in(tx, by_role[role].id, version.content_ids)
        if set(version.content_ids) - sealed.keys():
            return None
        proofs += [seal.proof for seal in sealed.values()]
    return Proof(min(one.level for one in proofs), max(one.at for one in proofs))


def _region_report(one: _RegionWork) -> RegionRebuilt:
    return RegionRebuilt(
        region=one.region.name,
        records=one.listing.all if one.listing is not None else 0,
        places=tuple(one.rebuilt),
        error=one.error,
    )


def _other_regions(written: Written, named: Sequence[str]) -> dict[str, int]:
    counts = Counter(
        target.name for version in written.versions for target in version.target_regions
    )
    return {name: counts[name] for name in sorted(counts.keys() - set(named))}


def _unregistered(engine: Engine, written: Written) -> tuple[str, ...]:
    with engine.index.read() as tx:
        known = {region.name for region in region_rows.list_all(tx)}
    targets = {target.name for version in written.versions for target in version.target_regions}
    homes = {version.location for version in written.versions}
    return tuple(sorted((targets | homes) - known))
