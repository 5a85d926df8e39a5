"""Stages 5, 8 and 9: manifest, home record (the commit), seals.

Write orders of the format: all packs before the manifest, the manifest before the record; the home
region's record is the commit, and the row follows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import Connection

from imgrepl.engine import places, records
from imgrepl.engine.bringing import bring
from imgrepl.engine.context import Engine
from imgrepl.engine.exporter import read_manifest
from imgrepl.engine.lease import Lease
from imgrepl.errors import Conflict, Corrupt, ImgreplError, NotFound, Unavailable
from imgrepl.gallery import contents, moved, operations, packs, replicas, versions
from imgrepl.gallery import places as place_rows
from imgrepl.layout import keys
from imgrepl.layout.manifest import decode_manifest, encode_manifest
from imgrepl.layout.seals import Seal, encode_seal
from imgrepl.model.gallery import (
    ImageVersion,
    ReplicationMode,
    TargetRegion,
    VersionDisk,
    VersionId,
)
from imgrepl.model.ids import ContentId
from imgrepl.model.manifest import Manifest
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Place, roles_of
from imgrepl.model.replica import replicas_of
from imgrepl.store.protocols import Store

_ATTEMPTS = 8
_WAIT_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class IngestedDisk:
    """What became of one disk. `manifest` is of packs that are all in the home place."""

    lun: int | None
    format: str
    manifest: Manifest
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """Where a shallow version is to stand once it has its content."""

    target_regions: tuple[TargetRegion, ...]
    replica_count: int


def commit(
    engine: Engine,
    lease: Lease,
    version_id: VersionId,
    home: Place,
    disks: Sequence[IngestedDisk],
    promotion: Promotion | None = None,
) -> ImageVersion:
    """Makes a staged version the version: from here on its content is its own for good.

    With a `promotion` it was committed before, as a shallow one, and is full from now on.
    Raises `Conflict`: `OperationLost` when somebody else took over, `PacksNotLive` when a pack was
    collected meanwhile, `NotOwner` when another index took the store over.
    """
    for attempt in range(_ATTEMPTS):
        fresh = _claim(engine, lease, version_id, disks)
        manifests = [
            _home_manifest(
                engine, lease, version_id, home, disk.manifest, patient=attempt < _ATTEMPTS // 2
            )
            if disk.manifest.content_id not in fresh
            else _put_at_home(engine, home, disk.manifest, fresh[disk.manifest.content_id])
            for disk in disks
        ]
        version = _name(engine, lease, version_id, home, manifests)
        if version is not None:
            break
        engine.clock.sleep(_WAIT_SECONDS * attempt)
    else:
        raise Conflict(
            f"the contents of {version_id} were named otherwise {_ATTEMPTS} times while it was"
            " published",
            code="ChangedMeanwhile",
            target=str(version_id),
            hint="run the same command again",
        )
    if promotion is not None:
        version = _promoted(version, promotion)
    places.check_owner(engine.stores.of(home), home, engine.index.identity)
    records.put_hierarchy(engine, version, home.region)
    # who was fenced out while the record was on its way must not report what nobody will see
    places.expect_owner(engine.stores.of(home), home, engine.index.identity)
    with engine.index.begin() as tx:
        operations.assert_held(tx, lease.operation.id, lease.fence)
        assert version.published_at is not None
        if promotion is None:
            versions.commit(tx, version_id, version.published_at, version.revision)
        else:
            versions.make_full(tx, version)
            replicas.plan(tx, version_id, replicas_of(version.target_regions))
    return version


def _promoted(version: ImageVersion, promotion: Promotion) -> ImageVersion:
    """The version with content of its own, which points at nothing any more."""
    return replace(
        version,
        replication_mode=ReplicationMode.FULL,
        target_regions=promotion.target_regions,
        replica_count=promotion.replica_count,
        disks=tuple(replace(disk, source_state=None) for disk in version.disks),
    )


def _claim(
    engine: Engine, lease: Lease, version_id: VersionId, disks: Sequence[IngestedDisk]
) -> dict[ContentId, int]:
    """Makes the staged row name its contents, so that none of them is removed from here on.

    Who names a content first says which packs it has, before any manifest is written: so no two
    manifests of a content ever share a generation. Gives what was named first here, by generation.
    """
    fresh: dict[ContentId, int] = {}
    with engine.index.begin() as tx:
        operations.assert_held(tx, lease.operation.id, lease.fence)
        for disk in disks:
            content_id = disk.manifest.content_id
            if contents.get(tx, content_id) is None:
                fresh[content_id] = contents.next_generation(tx, content_id)
                contents.add(tx, disk.manifest, fresh[content_id])
        by_lun = {disk.lun: disk for disk in disks}
        staged = versions.get(tx, version_id)
        found = [_found(disk, by_lun[disk.lun]) for disk in staged.disks]
        versions.set_disks(tx, version_id, found)
    return fresh


def _name(
    engine: Engine,
    lease: Lease,
    version_id: VersionId,
    home: Place,
    manifests: Sequence["_DurableManifest | None"],
) -> ImageVersion | None:
    """Pins the packs of the manifests that are durable at home; gives the version to be.

    None where a content has other packs by now than its manifest here.
    """
    with engine.index.begin() as tx:
        operations.assert_held(tx, lease.operation.id, lease.fence)
        if not all(one is not None and _is_current(tx, one) for one in manifests):
            return None
        revision = versions.next_revision(tx, version_id)
        staged = versions.get(tx, version_id)
        moved.pin(tx, lease.operation.id, home.id, staged.content_ids)
        lost = moved.lacking(tx, home.id, staged.content_ids)
    if lost:
        raise Conflict(
            f"{len(lost)} packs of {version_id} are gone from {home.name}",
            code="PacksNotLive",
            target=str(version_id),
            hint="run the same command again",
        )
    published_at = staged.published_at or engine.clock.now()
    return replace(staged, committed=True, revision=revision, published_at=published_at)


def seal_region(engine: Engine, version: ImageVersion, within: Sequence[Place]) -> Proof:
    """Writes what makes each place whole by itself: manifests, then seals, then the records.

    Gives the weakest proof among the packs. Raises `Conflict` (`PacksNotLive`) when a place lacks a
    pack after all.
    """
    proofs = [
        _seal_content(engine, version, place, content_id)
        for place in within
        for content_id in version.content_ids
    ]
    if within:
        records.put_hierarchy(engine, version, within[0].region)
    weakest = min((proof.level for proof in proofs), default=ProofLevel.FULL_READ)
    return Proof(weakest, engine.clock.now())


def replace_manifest(engine: Engine, place: Place, manifest: Manifest) -> None:
    """Writes a damaged or missing manifest of `place` again."""
    with engine.index.read() as tx:
        row = contents.get(tx, manifest.content_id)
    assert row is not None, "a manifest that is mended is known"
    key = keys.manifest_key(manifest.content_id, row.generation)
    engine.stores.of(place).put(key, encode_manifest(manifest))


class _DurableManifest(NamedTuple):
    manifest: Manifest
    generation: int


def _home_manifest(
    engine: Engine,
    lease: Lease,
    version_id: VersionId,
    home: Place,
    manifest: Manifest,
    *,
    patient: bool,
) -> _DurableManifest | None:
    """Makes the manifest that a content has already durable at home, with its packs.

    Only where nobody has it, or a pack of it is lost everywhere, does `manifest` take its place.
    None where that must wait: another publication has named the content and not put it yet, or did
    so by now.
    """
    content_id = manifest.content_id
    with engine.index.read() as tx:
        row = contents.get(tx, content_id)
        rivals = versions.naming(tx, content_id, but=version_id)
        awaited = patient and versions.is_published_now(tx, content_id, but=version_id)
        mine = _is_named(tx, manifest)
    assert row is not None, "a content that was claimed is known"
    try:
        bring(engine, lease, [content_id], home)
        existing = _existing(engine, content_id, home)
    except (Corrupt, NotFound):
        if awaited:
            return None
        if mine:
            return _put_at_home(engine, home, manifest, row.generation)
    else:
        return _put_at_home(engine, home, existing, row.generation)
    with engine.index.begin() as tx:
        operations.assert_held(tx, lease.operation.id, lease.fence)
        if contents.get(tx, content_id) != row:
            return None
        if versions.naming(tx, content_id, but=version_id) != rivals:
            return None
        contents.add(tx, manifest, row.generation + 1)
    return _put_at_home(engine, home, manifest, row.generation + 1)


def _put_at_home(
    engine: Engine, home: Place, manifest: Manifest, generation: int
) -> _DurableManifest:
    """Puts the manifest; what else lies under its key is of no publication that counts."""
    store = engine.stores.of(home)
    if not _put_manifest(store, manifest, generation):
        store.put(keys.manifest_key(manifest.content_id, generation), encode_manifest(manifest))
    return _DurableManifest(manifest, generation)


def _is_current(tx: Connection, durable: _DurableManifest) -> bool:
    """Whether the content still has this generation and these packs."""
    row = contents.get(tx, durable.manifest.content_id)
    same = row is not None and row.generation == durable.generation
    return same and _is_named(tx, durable.manifest)


def _existing(engine: Engine, content_id: ContentId, home: Place) -> Manifest:
    """The manifest that the content already has; every place gets the same bytes.

    A place may hold another one, of a publication that was not the first to name the content: it
    counts for nothing. Raises `Unavailable` where a place that may have it does not answer, else
    `Corrupt` or `NotFound`.
    """
    with engine.index.read() as tx:
        holding = [*contents.sealed_places(tx, content_id), *versions.homes_of(tx, content_id)]
        sources = [place_rows.get(tx, place_id) for place_id in holding if place_id != home.id]
    failure: ImgreplError | None = None
    for place in {place.id: place for place in [home, *sources]}.values():
        try:
            manifest = read_manifest(engine, content_id, [place])
            with engine.index.read() as tx:
                if _is_named(tx, manifest):
                    return manifest
            failure = failure or NotFound(f"{place.name} has another manifest of {content_id}")
        except (Corrupt, NotFound) as error:
            failure = failure or error
        except Unavailable as error:
            failure = error if not isinstance(failure, Unavailable) else failure
    assert failure is not None
    raise failure


def _is_named(tx: Connection, manifest: Manifest) -> bool:
    """Whether the index names the manifest's packs for its content: exactly these."""
    named = contents.packs_of(tx, [manifest.content_id])
    return named.keys() == {use.pack_id for use in manifest.packs}


def _put_manifest(
    store: Store, manifest: Manifest, generation: int, *, mends: bool = False
) -> bool:
    """Whether the manifest is there afterwards: False when another one has its key.

    One that cannot be read is written again where this `mends`.
    """
    key = keys.manifest_key(manifest.content_id, generation)
    try:
        store.put(key, encode_manifest(manifest), if_absent=True)
    except Conflict:
        # equal manifests need not have equal bytes: another release may compress otherwise
        try:
            return decode_manifest(store.get(key), manifest.content_id) == manifest
        except Corrupt:
            if not mends:
                return False
            store.put(key, encode_manifest(manifest))
    return True


def _seal_content(
    engine: Engine, version: ImageVersion, place: Place, content_id: ContentId
) -> Proof:
    with engine.index.read() as tx:
        row = contents.get(tx, content_id)
        sealed = contents.sealed_in(tx, place.id, [content_id])
    assert row is not None, "a committed version's contents are known"
    proof = _proof(engine, place, content_id)
    if content_id in sealed:
        return proof
    store = engine.stores.of(place)
    manifest = read_manifest(engine, content_id, _manifest_sources(engine, version, place))
    if not _put_manifest(store, manifest, row.generation, mends=True):
        raise Corrupt(
            f"{store.url} holds another manifest of {content_id}",
            code="ManifestDamaged",
            target=content_id,
            hint="run `imgrepl image-version repair`",
        )
    with engine.index.begin() as tx:
        revision = contents.next_seal_revision(tx, place.id, content_id)
    seal = Seal(content_id=content_id, revision=revision, proof=proof)
    store.put(keys.seal_key(content_id, revision), encode_seal(seal), if_absent=True)
    with engine.index.begin() as tx:
        contents.set_sealed(tx, place.id, content_id, revision, proof, generation=row.generation)
    return proof


def _proof(engine: Engine, place: Place, content_id: ContentId) -> Proof:
    """The weakest among the packs that give the place this content, themselves or for others.

    Raises `Conflict` (`PacksNotLive`) where it lacks some of it.
    """
    with engine.index.read() as tx:
        named = contents.packs_of(tx, [content_id])
        lacking = moved.lacking(tx, place.id, [content_id])
        through = moved.find(tx, place.id, named)
        parts = {part for row in through.values() for part in row.parts}
        present = packs.present_in(tx, place.id, [*named, *parts])
    if lacking:
        raise Conflict(
            f"{place.name} lacks {len(lacking)} of {len(named)} packs",
            code="PacksNotLive",
            details=sorted(lacking)[:10],
            hint="run `imgrepl image-version retry`",
        )
    levels = [row.proof.level for row in present.values() if row.proof is not None]
    return Proof(min(levels, default=ProofLevel.FULL_READ), engine.clock.now())


def _manifest_sources(engine: Engine, version: ImageVersion, place: Place) -> list[Place]:
    """Where a manifest may be read: where the content came to first, then where it is sealed."""
    kinds = [t.storage_account_type for t in version.target_regions if t.name == version.location]
    roles = {role for kind in kinds for role in roles_of(kind)}
    with engine.index.read() as tx:
        at_home = [p for p in place_rows.of_region(tx, version.location) if p.role in roles]
        sealed = {
            place_id for c in version.content_ids for place_id in contents.sealed_places(tx, c)
        }
        others = [place_rows.get(tx, place_id) for place_id in sorted(sealed)]
    found = {candidate.id: candidate for candidate in [*at_home, *others, place]}
    return list(found.values())


def _found(staged: VersionDisk, disk: IngestedDisk) -> VersionDisk:
    return replace(
        staged,
        format=disk.format,
        provisioned_bytes=disk.manifest.size_bytes,
        occupied_bytes=disk.manifest.occupied_bytes,
        stored_bytes=disk.manifest.stored_bytes,
        content_id=disk.manifest.content_id,
        chunks=disk.manifest.chunks,
        sha256=disk.sha256,
    )
