"""Stage 8, asked again: is every replica what it was.

By the store's word or by reading all of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from imgrepl.engine import moved_checks, places
from imgrepl.engine.context import Engine
from imgrepl.engine.damage import LOST, NO_HARM, DiskRange, Harm, NamedDisk, harm_of
from imgrepl.engine.exporter import read_manifest
from imgrepl.engine.moved_checks import MISSING, Expected, expected_in
from imgrepl.engine.pack_checks import BadPack, by_asking, by_reading, outcome_of, record
from imgrepl.engine.place_documents import Document, documents_of, fault_of, records_of
from imgrepl.engine.places import check_features
from imgrepl.engine.replicator import RegionPart
from imgrepl.engine.reporting import Reporter
from imgrepl.engine.stopping import check_stop
from imgrepl.engine.unreadable import read_whole
from imgrepl.errors import Corrupt, ImgreplError, NotFound, Unavailable
from imgrepl.gallery import contents, replicas, versions
from imgrepl.gallery import places as place_rows
from imgrepl.layout import keys
from imgrepl.layout.manifest import decode_manifest
from imgrepl.layout.moved import Moved
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.ids import ContentId, PackId
from imgrepl.model.manifest import Manifest
from imgrepl.model.proof import ProofLevel
from imgrepl.model.region import Place
from imgrepl.model.replica import Replica, ReplicaState


class Health(StrEnum):
    """What a verification found of one replica."""

    HEALTHY = "healthy"
    DAMAGED = "damaged"
    MISSING = "missing"


class Fault(NamedTuple):
    """One object that is not what it should be; without a `key`, a place that does not answer.

    `pack_id` is None for a manifest or another document; for a moved object it is the pack that
    became something else. `harm` is what the damage to a pack that was read means for the version.
    """

    place: Place
    key: str
    pack_id: PackId | None
    reason: str
    harm: Harm = NO_HARM


@dataclass(frozen=True, kw_only=True)
class ReplicaHealth:
    """One replica's verdict; `packs` and `bytes` are what was looked at."""

    region: str
    number: int
    health: Health
    packs: int
    bytes: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """What was found of the packs of one place."""

    packs: int
    bytes: int
    faults: list[Fault]


def verify_version(
    engine: Engine, version: ImageVersion, parts: Sequence[RegionPart], *, deep: bool
) -> list[ReplicaHealth]:
    """Verifies each replica in `parts`, in order.

    Documents are read. Packs, shallow: each is present, has its size and, where the store states
    one, its checksum. Deep: every byte is read, every digest computed, every chunk decoded. What is
    proven and what is damaged is recorded.
    """
    verdicts = []
    for part in parts:
        reporter = Reporter(engine, "verify", part.region)
        with reporter:
            sizes = [
                pack_bytes
                for place in part.all_places
                for pack_bytes in expected_in(engine, place, version.content_ids).sizes.values()
            ]
            reporter.begin(sum(sizes), len(sizes))
            of_region = _document_faults(engine, records_of(engine, version, part.region))
            for replica, group in zip(part.replicas, part.places, strict=True):
                found = _verify_places(engine, version, group, reporter, deep)
                verdicts.append(_verdict(engine, version, replica, found, of_region, deep))
                of_region = []
    return verdicts


def _verify_places(
    engine: Engine,
    version: ImageVersion,
    group: Sequence[Place],
    reporter: Reporter,
    deep: bool,
) -> list[_Finding]:
    """What is found in each; of several zones one that is away is a fault by itself.

    Raises what the first one raised where none answers.
    """
    found: list[_Finding] = []
    silent: list[ImgreplError] = []
    for place in group:
        try:
            found.append(_verify_place(engine, version, place, reporter, deep))
        except (NotFound, Unavailable) as error:
            silent.append(error)
            fault = Fault(place, "", None, f"{error.code}: {error.message}")
            found.append(_Finding(packs=0, bytes=0, faults=[fault]))
    if len(silent) == len(group):
        raise silent[0]
    return found


def _verdict(
    engine: Engine,
    version: ImageVersion,
    replica: Replica,
    findings: Sequence[_Finding],
    of_region: Sequence[Fault],
    deep: bool,
) -> ReplicaHealth:
    """What the findings in its places make of a replica; the region's own go to its first one."""
    faults = (*of_region, *(fault for finding in findings for fault in finding.faults))
    level = ProofLevel.FULL_READ if deep else ProofLevel.SIZE
    looked_at = sum(finding.packs for finding in findings)
    if not faults and replica.state is ReplicaState.COMPLETED:
        with engine.index.begin() as tx:
            replicas.set_state(
                tx,
                version.id,
                replica.region,
                replica.number,
                state=ReplicaState.COMPLETED,
                proof=level,
                verified_at=engine.clock.now(),
            )
    return ReplicaHealth(
        region=replica.region,
        number=replica.number,
        health=_health(faults, looked_at),
        packs=looked_at,
        bytes=sum(finding.bytes for finding in findings),
        faults=faults,
    )


def _health(faults: Sequence[Fault], packs_expected: int) -> Health:
    if not faults:
        return Health.HEALTHY
    absent = [fault for fault in faults if fault.pack_id and fault.reason == MISSING]
    return Health.MISSING if len(absent) >= packs_expected > 0 else Health.DAMAGED


def _verify_place(
    engine: Engine,
    version: ImageVersion,
    place: Place,
    reporter: Reporter,
    deep: bool,
) -> _Finding:
    check_features(engine, place)
    expected = expected_in(engine, place, version.content_ids)
    sizes, rows = expected.sizes, expected.rows
    store = engine.stores.of(place)
    check = by_reading(engine, place) if deep else by_asking
    threads = engine.options.downloads_in_flight if deep else engine.options.heads_in_flight

    def look(pack_id: PackId) -> ProofLevel | BadPack:
        check_stop(engine.stop)
        row = rows.get(pack_id)
        if row is None:
            return BadPack(keys.pack_key(pack_id, 0), pack_id, MISSING, LOST)
        outcome = outcome_of(store, row, check)
        reporter.add(row.pack_bytes)
        return outcome

    with ThreadPoolExecutor(threads, "verify") as pool:
        outcomes = dict(zip(sizes, pool.map(look, sizes), strict=True))
    bad = [outcome for outcome in outcomes.values() if isinstance(outcome, BadPack)]
    record(engine, place, rows, outcomes)
    manifests, manifest_faults = _manifests(engine, version, place)
    objects: Mapping[PackId, Moved] = {}
    if deep:
        proven = () if bad else manifests
        objects, wrong = _read_moved(engine, place, expected, proven)
        manifest_faults += _content_faults(engine, version, place, () if wrong else proven)
    else:
        wrong = moved_checks.missing_objects(engine, place, expected)
    disks = named_disks(engine, version) if deep and bad else ()
    faults = [
        Fault(
            place,
            one.key,
            one.pack_id,
            one.reason,
            harm_of(one.damage, one.pack_id, disks, objects),
        )
        for one in bad
    ]
    faults += [*_moved_faults(place, expected, wrong), *manifest_faults]
    faults += _document_faults(engine, documents_of(engine, version, place))
    faults += _feature_faults(engine, place)
    return _Finding(packs=len(sizes), bytes=sum(sizes.values()), faults=faults)


def _manifests(
    engine: Engine, version: ImageVersion, place: Place
) -> tuple[list[Manifest], list[Fault]]:
    """The manifests there, and what is wrong with the others."""
    with engine.index.read() as tx:
        rows = {content_id: contents.get(tx, content_id) for content_id in version.content_ids}
    manifests: list[Manifest] = []
    faults: list[Fault] = []
    for content_id, row in rows.items():
        assert row is not None, "a committed version's contents are known"
        key = keys.manifest_key(row.content_id, row.generation)
        try:
            manifests.append(decode_manifest(read_whole(engine, place, key), content_id))
        except (Corrupt, NotFound) as error:
            reason = MISSING if isinstance(error, NotFound) else error.message
            harm = Harm(ranges=whole_disks(version, content_id))
            faults.append(Fault(place, key, None, reason, harm))
    return manifests, faults


def _content_faults(
    engine: Engine, version: ImageVersion, place: Place, manifests: Iterable[Manifest]
) -> Iterator[Fault]:
    """Those that name other chunks than their content has: of another disk, or meddled with."""
    for manifest in manifests:
        reason = moved_checks.content_fault(engine, place, manifest)
        if reason is not None:
            with engine.index.read() as tx:
                row = contents.get(tx, manifest.content_id)
            assert row is not None, "a committed version's contents are known"
            key = keys.manifest_key(manifest.content_id, row.generation)
            harm = Harm(ranges=whole_disks(version, manifest.content_id))
            yield Fault(place, key, None, reason, harm)


def whole_disks(version: ImageVersion, content_id: ContentId) -> tuple[DiskRange, ...]:
    """All bytes of the version's disks with this content: without its manifest none can be read."""
    return tuple(
        DiskRange(disk.lun, 0, disk.provisioned_bytes or 0)
        for disk in version.disks
        if disk.content_id == content_id
    )


def named_disks(engine: Engine, version: ImageVersion) -> list[NamedDisk]:
    """The disks of the version, as far as any place gives their manifests."""
    found = []
    for disk in version.disks:
        assert disk.content_id is not None, "a committed disk has its content"
        with engine.index.read() as tx:
            sealed = contents.sealed_places(tx, disk.content_id)
            holding = dict.fromkeys([*sealed, *versions.homes_of(tx, disk.content_id)])
            sources = [place_rows.get(tx, place_id) for place_id in holding]
        with suppress(Corrupt, NotFound, Unavailable):
            found.append(NamedDisk(disk.lun, read_manifest(engine, disk.content_id, sources)))
    return found


def document_faults(
    engine: Engine, version: ImageVersion, region: str, within: Sequence[Place]
) -> list[Fault]:
    """What is wrong with a version's small objects in places of a region: all but its packs."""
    faults = _document_faults(engine, records_of(engine, version, region))
    for place in within:
        faults += _manifests(engine, version, place)[1]
        faults += _document_faults(engine, documents_of(engine, version, place))
        expected = expected_in(engine, place, version.content_ids)
        _, wrong = moved_checks.read_objects(engine, place, expected)
        faults += [*_moved_faults(place, expected, wrong), *_feature_faults(engine, place)]
    return faults


def _document_faults(engine: Engine, documents: Iterable[Document]) -> list[Fault]:
    faults = []
    for document in documents:
        reason = fault_of(engine, document, MISSING)
        if reason is not None:
            faults.append(Fault(document.place, document.key, None, reason))
    return faults


def _feature_faults(engine: Engine, place: Place) -> list[Fault]:
    """Features that this release does not know, or that no release ever wrote there."""
    unknown = places.unknown_features(engine.stores.of(place))
    return [Fault(place, key, None, "this release does not know it") for key in unknown]


def _read_moved(
    engine: Engine, place: Place, expected: Expected, proven: Sequence[Manifest]
) -> tuple[Mapping[PackId, Moved], dict[PackId, str]]:
    """The moved objects, and what is wrong with them and what they make of `proven` manifests."""
    objects, unreadable = moved_checks.read_objects(engine, place, expected)
    wrong = moved_checks.wrong_objects(engine, place, expected, objects, proven)
    return objects, unreadable | wrong


def _moved_faults(place: Place, expected: Expected, wrong: Mapping[PackId, str]) -> list[Fault]:
    return [
        Fault(place, moved_checks.moved_key(expected.through[pack_id]), pack_id, reason)
        for pack_id, reason in wrong.items()
    ]


def unreachable(error: ImgreplError, part: RegionPart) -> list[ReplicaHealth]:
    """The verdict on a region that did not answer at all."""
    fault = Fault(part.all_places[0], "", None, f"{error.code}: {error.message}")
    return [
        ReplicaHealth(
            region=part.region,
            number=replica.number,
            health=Health.MISSING,
            packs=0,
            bytes=0,
            faults=(fault,),
        )
        for replica in part.replicas
    ]
