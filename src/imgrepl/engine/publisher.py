"""Stages 2 to 5 of a version.

Its disks become packs in the home place, and its record the commit.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from imgrepl.disks.disk import ByteSource, Disk
from imgrepl.engine import footers, places, resume, sealer
from imgrepl.engine.context import Engine
from imgrepl.engine.dedup import Deduplicator
from imgrepl.engine.guest_digest import GuestDigest
from imgrepl.engine.ingest import Ingest, IngestCounts, PackSink
from imgrepl.engine.lease import Lease
from imgrepl.engine.reading import allocated_bytes
from imgrepl.engine.reporting import Reporter
from imgrepl.engine.sealer import IngestedDisk, Promotion
from imgrepl.engine.uploads import PackUploads
from imgrepl.errors import Corrupt
from imgrepl.gallery import packs
from imgrepl.model.gallery import VersionId
from imgrepl.model.ids import OperationId, PackId, PlaceId
from imgrepl.model.region import Place


@dataclass(frozen=True, kw_only=True)
class DiskSource:
    """One disk of a version, opened. `sha256` asks for the digest of the guest-visible disk.

    `source` is the file or object itself, None for what comes from packs; `known_sha256` is that
    digest where somebody states it, which one that is asked for must be; the last two are how it
    was opened.
    """

    lun: int | None
    disk: Disk
    source: ByteSource | None = None
    sha256: bool = False
    known_sha256: str | None = None
    ignore_checksum: bool = False
    size_from_geometry: bool = False


def publish_content(
    engine: Engine,
    lease: Lease,
    version_id: VersionId,
    home: Place,
    disks: Sequence[DiskSource],
    promotion: Promotion | None = None,
) -> tuple[IngestCounts, set[tuple[PlaceId, PackId]]]:
    """Ingests `disks` into `home` and commits the version there; gives the packs that were put.

    With a `promotion` the version is a shallow one, which becomes full.

    What an earlier attempt of the same operation made durable is found again and not sent twice.
    """
    places.prepare(engine, home)
    resume.settle_intents(engine, lease.operation.id, [home])
    store = engine.stores.of(home)
    with engine.open_cache() as cache:
        footers.fill_cache(engine, home, cache)
        reporter = Reporter(engine, "read", str(version_id))
        uploads = PackUploads(
            index=engine.index,
            operation_id=lease.operation.id,
            place=home,
            store=store,
            cache=cache,
            clock=engine.clock,
            in_flight=engine.options.uploads_in_flight,
        )
        pin = pinning(engine, lease.operation.id, home)
        try:
            with reporter:
                ingested, counts = ingest_disks(
                    engine, disks, Deduplicator(cache, pin), uploads, reporter
                )
        finally:
            uploads.close()
    sealer.commit(engine, lease, version_id, home, ingested, promotion)
    return counts, {(home.id, pack_id) for pack_id in uploads.put_packs}


PackLengths = Callable[[Iterable[PackId]], dict[PackId, int]]
"""Of packs that are named, those that a place has, with their lengths."""


def pinning(engine: Engine, operation_id: OperationId, place: Place) -> PackLengths:
    """Pins those of the packs that are present, for the operation."""

    def pin(pack_ids: Iterable[PackId]) -> dict[PackId, int]:
        with engine.index.begin() as tx:
            pinned = packs.pin_present(tx, operation_id, place.id, pack_ids)
            rows = packs.present_in(tx, place.id, pinned)
        return {pack_id: row.pack_bytes for pack_id, row in rows.items()}

    return pin


def presence(engine: Engine, place: Place | None) -> PackLengths:
    """Only looks which of the packs are present: none, where there is no place yet."""

    def present(pack_ids: Iterable[PackId]) -> dict[PackId, int]:
        if place is None:
            return {}
        with engine.index.read() as tx:
            rows = packs.present_in(tx, place.id, list(pack_ids))
        return {pack_id: row.pack_bytes for pack_id, row in rows.items()}

    return present


def ingest_disks(
    engine: Engine,
    disks: Sequence[DiskSource],
    deduplicator: Deduplicator,
    sink: PackSink,
    reporter: Reporter,
) -> tuple[list[IngestedDisk], IngestCounts]:
    """Reads all `disks` into shared packs."""
    ingest = Ingest(
        domain=engine.domain,
        options=engine.options,
        deduplicator=deduplicator,
        sink=sink,
        stop=engine.stop,
    )
    reporter.begin(sum(allocated_bytes(source.disk) for source in disks))
    builders, digests = [], []
    with ThreadPoolExecutor(engine.options.workers, "cut") as pool:
        for source in disks:
            digest = GuestDigest(source.disk, engine.stop) if source.sha256 else None
            builders.append(ingest.disk(source.disk, pool, reporter.advance))
            digests.append(source.known_sha256 if digest is None else digest.result())
            check_stated(source.lun, source.known_sha256, digests[-1])
        ingest.flush()
    ingested = [
        IngestedDisk(
            lun=source.lun, format=source.disk.format, manifest=builder.finish(), sha256=sha256
        )
        for source, builder, sha256 in zip(disks, builders, digests, strict=True)
    ]
    return ingested, ingest.counts


def check_stated(lun: int | None, stated: str | None, found: str | None) -> None:
    """A SHA-256 that was stated is the disk's. Raises `Corrupt` (`DigestWrong`)."""
    if stated is not None and stated != found:
        disk = "the OS disk" if lun is None else f"the data disk with LUN {lun}"
        raise Corrupt(
            f"{disk} has SHA-256 {found}; where it comes from {stated} is stated",
            code="DigestWrong",
            target=stated,
            hint="do not trust what lies there; ask whoever published it",
        )
