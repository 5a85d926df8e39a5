"""Stages 5, 8 and 9: manifest, home record (the commit), seals.

Write orders of the format: all packs before the manifest, the manifest before the record; the home
region's record is the commit, and the row follows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from imgrepl.engine import places, records
from imgrepl.engine.bringing import bring
from imgrepl.engine.context import Engine
from imgrepl.engine.exporter import read_manifest
from imgrepl.engine.lease import Lease
from imgrepl.errors import Conflict, Corrupt, ImgreplError, NotFound, Unavailable
from imgrepl.gallery import contents, moved, operations, packs, versions
from imgrepl.gallery import places as place_rows
from imgrepl.layout import keys
from imgrepl.layout.manifest import decode_manifest, encode_manifest
from imgrepl.layout.seals import Seal, encode_seal
from imgrepl.model.gallery import ImageVersion, VersionDisk, VersionId
from imgrepl.model.ids import ContentId
from imgrepl.model.manifest import Manifest
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Place, roles_of
from imgrepl.store.protocols import Store

_GENERATIONS_TRIED = 8


@dataclass(frozen=True, kw_only=True)
class IngestedDisk:
    """What became of one disk. `manifest` is of packs that are all in the home place."""

    lun: int | None
    format: str
    manifest: Manifest
    sha256: str | None


def commit(
    engine: Engine, lease: Lease, version_id: VersionId, home: Place, disks: Sequence[IngestedDisk]
) -> ImageVersion:
    """Makes a staged version the version: from here on its content is its own for good.

    Raises `Conflict`: `OperationLost` when somebody else took over, `PacksNotLive` when a pack was
    collected meanwhile, `NotOwner` when another index took the store over.
    """
    for _ in range(_GENERATIONS_TRIED):
        manifests = [_put_home_manifest(engine, lease, home, disk.manifest) for disk in disks]
        version = _name(engine, lease, version_id, home, disks, manifests)
        if version is not None:
            break
    else:
        raise Conflict(
            f"the manifests of {version_id} were removed {_GENERATIONS_TRIED} times while it was"
            " published",
            code="ManifestRemoved",
            target=str(version_id),
            hint="run the same command again",
        )
    places.check_owner(engine.stores.of(home), home, engine.index.identity)
    records.put_version(engine, version, home.region)
    with engine.index.begin() as tx:
        operations.assert_held(tx, lease.operation.id, lease.fence)
        assert version.published_at is not None
        versions.commit(tx, version_id, version.published_at, version.revision)
    return version


def _name(
    engine: Engine,
    lease: Lease,
    version_id: VersionId,
    home: Place,
    disks: Sequence[IngestedDisk],
    manifests: Sequence["_DurableManifest"],
) -> ImageVersion | None:
    """Makes the staged row name its contents and pins their packs; gives the version to be.

    From here on nothing of it is collected. None where a content was removed since its manifest was
    put: that manifest may be deleted at any moment.
    """
    with engine.index.begin() as tx:
        operations.assert_held(tx, lease.operation.id, lease.fence)
        for manifest, generation in manifests:
            contents.add(tx, manifest, generation)
            row = contents.get(tx, manifest.content_id)
            if row is None or row.generation != generation:
                return None
        staged = versions.get(tx, version_id)
        by_lun = {disk.lun: disk for disk in disks}
        found = [_found(disk, by_lun[disk.lun]) for disk in staged.disks]
        versions.set_disks(tx, version_id, found)
        revision = versions.next_revision(tx, version_id)
        content_ids = [disk.manifest.content_id for disk in disks]
        moved.pin(tx, lease.operation.id, home.id, content_ids)
        lost = moved.lacking(tx, home.id, content_ids)
    if lost:
        raise Conflict(
            f"{len(lost)} packs of {version_id} are gone from {home.name}",
            code="PacksNotLive",
            target=str(version_id),
            hint="run the same command again",
        )
    return replace(
        staged,
        disks=tuple(found),
        committed=True,
        revision=revision,
        published_at=engine.clock.now(),
    )


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


def _put_home_manifest(
    engine: Engine, lease: Lease, home: Place, manifest: Manifest
) -> _DurableManifest:
    """Makes a manifest of this content durable at home: the one that other versions use, if any.

    Other versions' replicas have the packs of the manifest there is, so home gets what it lacks of
    them. Only where a pack of it is lost everywhere does the new manifest take its place.
    """
    content_id = manifest.content_id
    with engine.index.read() as tx:
        known = contents.get(tx, content_id)
        generation = contents.next_generation(tx, content_id)
    store = engine.stores.of(home)
    if known is not None:
        try:
            bring(engine, lease, [content_id], home)
            existing = _existing(engine, content_id, home)
        except (Corrupt, NotFound):
            generation += 1
        else:
            if not _put_manifest(store, existing, generation):
                replace_manifest(engine, home, existing)
            return _DurableManifest(existing, generation)
    for attempt in range(generation, generation + _GENERATIONS_TRIED):
        if _put_manifest(store, manifest, attempt):
            return _DurableManifest(manifest, attempt)
    raise Conflict(
        f"{store.url} holds {_GENERATIONS_TRIED} other manifests of {content_id}",
        code="ManifestExists",
        target=content_id,
    )


def _existing(engine: Engine, content_id: ContentId, home: Place) -> Manifest:
    """The manifest that the content already has; every place gets the same bytes.

    Raises `Unavailable` where a place that may have it does not answer, else `Corrupt` or
    `NotFound`.
    """
    with engine.index.read() as tx:
        sealed = contents.sealed_places(tx, content_id)
        sources = [place_rows.get(tx, place_id) for place_id in sealed]
    failure: ImgreplError | None = None
    for place in [home, *sources]:
        try:
            return read_manifest(engine, content_id, [place])
        except (Corrupt, NotFound) as error:
            failure = failure or error
        except Unavailable as error:
            failure = error if not isinstance(failure, Unavailable) else failure
    assert failure is not None
    raise failure


def _put_manifest(store: Store, manifest: Manifest, generation: int) -> bool:
    """Whether the manifest is there afterwards: False when another one has its key."""
    key = keys.manifest_key(manifest.content_id, generation)
    try:
        store.put(key, encode_manifest(manifest), if_absent=True)
    except Conflict:
        # equal manifests need not have equal bytes: another release may compress otherwise
        try:
            return decode_manifest(store.get(key), manifest.content_id) == manifest
        except Corrupt:
            return False
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
    if not _put_manifest(store, manifest, row.generation):
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
