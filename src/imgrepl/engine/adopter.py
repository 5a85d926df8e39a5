"""A version made from another version: no byte is read from a file, only packs may move."""

from imgrepl.engine import places, resume, sealer
from imgrepl.engine.bringing import bring
from imgrepl.engine.context import Engine
from imgrepl.engine.exporter import read_manifest
from imgrepl.engine.ingest import IngestCounts
from imgrepl.engine.lease import Lease
from imgrepl.engine.sealer import IngestedDisk
from imgrepl.gallery import contents, versions
from imgrepl.gallery import places as place_rows
from imgrepl.model.gallery import VersionDisk, VersionId
from imgrepl.model.ids import PackId, PlaceId
from imgrepl.model.region import Place


def adopt_content(
    engine: Engine, lease: Lease, version_id: VersionId, home: Place
) -> tuple[IngestCounts, set[tuple[PlaceId, PackId]]]:
    """Commits a staged version whose disks carry the content ids of another version's.

    Packs that its home place lacks are brought there first, from wherever they are.
    """
    places.prepare(engine, home)
    resume.settle_intents(engine, lease.operation.id, [home])
    with engine.index.read() as tx:
        staged = versions.get(tx, version_id)
    bring(engine, lease, staged.content_ids, home)
    disks = [_ingested(engine, disk) for disk in staged.disks]
    sealer.commit(engine, lease, version_id, home, disks)
    counts = IngestCounts(occupied_bytes=sum(disk.manifest.occupied_bytes for disk in disks))
    return counts, set()


def _ingested(engine: Engine, disk: VersionDisk) -> IngestedDisk:
    assert disk.content_id is not None, "a disk that is adopted has its content"
    with engine.index.read() as tx:
        sealed = [place_rows.get(tx, p) for p in contents.sealed_places(tx, disk.content_id)]
    manifest = read_manifest(engine, disk.content_id, sealed)
    return IngestedDisk(
        lun=disk.lun, format=disk.format or "raw", manifest=manifest, sha256=disk.sha256
    )
