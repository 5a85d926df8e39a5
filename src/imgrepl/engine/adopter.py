"""A version made from another version: no byte is read from a file, only packs may move."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from imgrepl.engine import places, resume, sealer
from imgrepl.engine.context import Engine
from imgrepl.engine.executor import PackMover
from imgrepl.engine.exporter import read_manifest
from imgrepl.engine.ingest import IngestCounts
from imgrepl.engine.lease import Lease
from imgrepl.engine.planner import plan_replication
from imgrepl.engine.sealer import IngestedDisk
from imgrepl.engine.stopping import check_stop
from imgrepl.gallery import contents, packs, versions
from imgrepl.gallery import places as place_rows
from imgrepl.model.gallery import VersionDisk, VersionId
from imgrepl.model.ids import ContentId, PackId, PlaceId
from imgrepl.model.plan import PackMove
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
    _bring(engine, lease, staged.content_ids, home)
    disks = [_ingested(engine, disk) for disk in staged.disks]
    sealer.commit(engine, lease, version_id, home, disks)
    counts = IngestCounts(occupied_bytes=sum(disk.manifest.occupied_bytes for disk in disks))
    return counts, set()


def _bring(engine: Engine, lease: Lease, content_ids: Sequence[ContentId], home: Place) -> None:
    with engine.index.begin() as tx:
        needed = contents.packs_of(tx, content_ids)
        packs.pin_present(tx, lease.operation.id, home.id, needed)
        sizes = contents.pack_bytes_of(tx, needed)
        by_id = {place.id: place for place in place_rows.list_all(tx)}
        holders = packs.holders(tx, needed)
    having = {p: [by_id[row.place_id] for row in rows] for p, rows in holders.items()}
    plan = plan_replication(sizes, [home], having, home_region=home.region)
    mover = PackMover(engine, lease.operation.id, by_id, plan.moves)

    def move_one(move: PackMove) -> None:
        check_stop(engine.stop)
        body = mover.read(move) if move.read_from is not None else None
        mover.deliver(home.region, move, body)

    with ThreadPoolExecutor(engine.options.region_uploads, "adopt") as pool:
        list(pool.map(move_one, plan.moves))
    mover.confirm(home.region)


def _ingested(engine: Engine, disk: VersionDisk) -> IngestedDisk:
    assert disk.content_id is not None, "a disk that is adopted has its content"
    with engine.index.read() as tx:
        sealed = [place_rows.get(tx, p) for p in contents.sealed_places(tx, disk.content_id)]
    manifest = read_manifest(engine, disk.content_id, sealed)
    return IngestedDisk(
        lun=disk.lun, format=disk.format or "raw", manifest=manifest, sha256=disk.sha256
    )
