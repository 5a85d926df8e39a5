"""Mends a replica from another.

What is damaged or missing in a place is brought from where it is whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from imgrepl.engine import places, sealer
from imgrepl.engine.bringing import bring
from imgrepl.engine.context import Engine
from imgrepl.engine.exporter import read_manifest
from imgrepl.engine.fetching import from_first
from imgrepl.engine.lease import Lease
from imgrepl.engine.losses import Losses, LostRange
from imgrepl.engine.moved_checks import content_fault
from imgrepl.engine.pack_reading import read_whole_pack
from imgrepl.engine.place_documents import documents_of, records_of
from imgrepl.engine.planner import PACK_LOST
from imgrepl.engine.replicator import RegionPart
from imgrepl.engine.reporting import Reporter
from imgrepl.engine.salvaging import lost_error, salvage
from imgrepl.engine.stopping import check_stop
from imgrepl.engine.uploads import put_pack
from imgrepl.engine.verifier import Fault, Health, ReplicaHealth, verify_version
from imgrepl.errors import (
    Conflict,
    Corrupt,
    ImgreplError,
    NotAllowed,
    NotFound,
    Unavailable,
)
from imgrepl.gallery import moved, packs
from imgrepl.gallery import places as place_rows
from imgrepl.layout import keys
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.ids import ContentId, PackId
from imgrepl.model.manifest import Manifest
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Place

_FIRST = (keys.STORE_KEY, keys.OWNER_KEY)
"""Mended before all else: nothing is written to a place that may not be ours."""


@dataclass(frozen=True, kw_only=True)
class RepairOutcome:
    """What a repair did.

    `beyond` are faults that could not be mended, with the reason; where no copy gives all of the
    object, their harm is what no place has any more. `lost` is the same of all versions, not of the
    one alone that was looked at.
    """

    verdicts: tuple[ReplicaHealth, ...]
    mended: tuple[Fault, ...]
    beyond: tuple[Fault, ...]
    lost: tuple[LostRange, ...] = ()


def repair_version(
    engine: Engine, lease: Lease, version: ImageVersion, parts: Sequence[RegionPart]
) -> RepairOutcome:
    """Reads every replica in `parts` deeply, mends each fault from any healthy place.

    And seals again.

    A damaged pack is not overwritten: it gets a new generation and the old object is left to the
    collector, so that a reader never meets a half-mended one. Documents are.
    """
    verdicts = verify_version(engine, version, parts, deep=True)
    mended: list[Fault] = []
    beyond: list[Fault] = []
    gone: list[Fault] = []
    losses = Losses(engine)
    for part, place_faults in _by_part(parts, verdicts):
        reporter = Reporter(engine, "repair", part.region)
        with reporter:
            reporter.begin(items_total=len(place_faults))
            for fault in place_faults:
                check_stop(engine.stop)
                try:
                    mend(engine, lease, version, fault)
                    mended.append(fault)
                except (Conflict, Corrupt, NotFound, NotAllowed, Unavailable) as error:
                    left = fault._replace(reason=f"{fault.reason}; {_why(error)}")
                    if isinstance(error, Corrupt | NotFound):
                        left = left._replace(harm=losses.harm(version, left))
                        gone.append(left)
                    beyond.append(left)
        if not any(fault.place in part.all_places for fault in beyond):
            sealer.seal_region(engine, version, part.all_places)
    return RepairOutcome(
        verdicts=tuple(_after(verdict, mended, beyond) for verdict in verdicts),
        mended=tuple(mended),
        beyond=tuple(beyond),
        lost=losses.ranges(gone),
    )


def _by_part(
    parts: Sequence[RegionPart], verdicts: Sequence[ReplicaHealth]
) -> list[tuple[RegionPart, list[Fault]]]:
    faults: dict[str, dict[tuple[str, str], Fault]] = {part.region: {} for part in parts}
    for verdict in verdicts:
        for fault in verdict.faults:
            faults[verdict.region][fault.place.name, fault.key] = fault
    return [
        (part, sorted(faults[part.region].values(), key=lambda fault: fault.key not in _FIRST))
        for part in parts
        if faults[part.region]
    ]


def mend(engine: Engine, lease: Lease, version: ImageVersion, fault: Fault) -> None:
    """Brings the object of a fault back, from any healthy place.

    Raises `Corrupt` (`PackLost`…) and `NotFound` where there is none, `Conflict` (`NotOwner`) where
    another index owns the place, and what its store raises.
    """
    if not fault.key:
        raise Unavailable("nothing can be mended there until it answers", target=fault.place.name)
    if fault.pack_id is None:
        return _mend_document(engine, version, fault)
    places.prepare(engine, fault.place)
    with engine.index.read() as tx:
        has_row = bool(packs.live_in(tx, fault.place.id, [fault.pack_id]))
        served = moved.served_by(tx, fault.place.id, [fault.pack_id])
        elsewhere = any(
            row.place_id != fault.place.id
            for row in packs.holders(tx, [fault.pack_id])[fault.pack_id]
        )
    if keys.parse_moved_key(fault.key) or not has_row or (served and not elsewhere):
        affected = {fault.pack_id, *served.get(fault.pack_id, ())}
        try:
            return _bring_again(engine, lease, version, fault.place, affected)
        except Corrupt as error:
            if error.code != PACK_LOST:
                raise
    return _mend_pack(engine, lease, fault.place, fault.pack_id)


def _mend_document(engine: Engine, version: ImageVersion, fault: Fault) -> None:
    parsed = keys.parse_manifest_key(fault.key)
    if parsed is not None:
        places.prepare(engine, fault.place)
        _mend_manifest(engine, fault.place, parsed.content_id)
        return
    if fault.key.startswith(keys.FEATURES_PREFIX):
        raise Conflict(
            f"{fault.key} is not ours to remove: a later release may need it",
            code="PlaceNeedsNewerVersion",
            target=fault.place.name,
            hint="use a later release, or delete the object if none ever wrote it",
        )
    of_place = documents_of(engine, version, fault.place)
    of_region = records_of(engine, version, fault.place.region)
    for document in (*of_place, *of_region):
        if document.key == fault.key:
            document.mend()


def _bring_again(
    engine: Engine, lease: Lease, version: ImageVersion, place: Place, pack_ids: set[PackId]
) -> None:
    """What the place lacks of these packs, for all contents that stand there, in whatever way."""
    with engine.index.read() as tx:
        standing = {c for users in moved.users(tx, place.id, pack_ids).values() for c in users}
    bring(engine, lease, list(dict.fromkeys([*version.content_ids, *sorted(standing)])), place)


def _mend_pack(engine: Engine, lease: Lease, place: Place, pack_id: PackId) -> None:
    body = _healthy_body(engine, pack_id, place)
    with engine.index.begin() as tx:
        row = packs.intend(tx, lease.operation.id, place.id, pack_id, len(body))
    if row.state == packs.PRESENT:
        return
    key = keys.pack_key(pack_id, row.generation)
    put_pack(engine.stores.of(place), key, pack_id, body)
    with engine.index.begin() as tx:
        proof = Proof(ProofLevel.PUT_CHECKSUM, engine.clock.now())
        packs.confirm(tx, place.id, pack_id, proof)


def _healthy_body(engine: Engine, pack_id: PackId, but: Place) -> bytes:
    """The pack from any other place, those in the same region first; else what all copies give.

    Raises `Corrupt` (`PackLost`), or `Unavailable` where a place that may have it is away.
    """
    failure: ImgreplError | None = None
    for place in _other_holders(engine, pack_id, but):
        try:
            return read_whole_pack(engine, place, pack_id)
        except (Corrupt, NotFound, Unavailable) as error:
            failure = error
    found = salvage(engine, pack_id)
    if found.is_whole:
        assert found.body is not None
        return found.body
    raise lost_error(found, failure)


def _other_holders(engine: Engine, pack_id: PackId, but: Place) -> list[Place]:
    with engine.index.read() as tx:
        rows = packs.holders(tx, [pack_id]).get(pack_id, [])
        found = [place_rows.get(tx, row.place_id) for row in rows if row.place_id != but.id]
    return sorted(found, key=lambda place: (place.region != but.region, place.id))


def _mend_manifest(engine: Engine, place: Place, content_id: ContentId) -> None:
    """Writes the manifest again from another place, where it gives the content that it names.

    The object is replaced, its content is fixed. A place that lacks packs cannot tell, and counts.
    """
    with engine.index.read() as tx:
        others = [other for other in place_rows.list_all(tx) if other.id != place.id]

    def proven(other: Place) -> Manifest:
        manifest = read_manifest(engine, content_id, [other])
        with engine.index.read() as tx:
            lacks_packs = bool(moved.lacking(tx, other.id, [content_id]))
        reason = None if lacks_packs else content_fault(engine, other, manifest)
        if reason is not None:
            raise Corrupt(
                f"its manifest of {content_id}: {reason}", code="ManifestCorrupt", target=content_id
            )
        return manifest

    manifest = from_first(engine, others, f"the manifest of {content_id}", proven)
    sealer.replace_manifest(engine, place, manifest)


def _after(
    verdict: ReplicaHealth, mended: Sequence[Fault], beyond: Sequence[Fault]
) -> ReplicaHealth:
    lost = {(fault.place.id, fault.key): fault for fault in beyond}
    left = tuple(
        lost[fault.place.id, fault.key]
        for fault in verdict.faults
        if (fault.place.id, fault.key) in lost
    )
    if not left and mended:
        return replace(verdict, health=Health.HEALTHY, faults=())
    return replace(verdict, faults=left)


def _why(error: ImgreplError) -> str:
    return f"{error.code}: {error.message}"
