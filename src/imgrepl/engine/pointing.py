"""Shallow versions: committed without content, and read from the source they point at."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from imgrepl.chunking.cutter import Cutter
from imgrepl.disks.disk import Disk
from imgrepl.engine import places, records
from imgrepl.engine.context import Engine
from imgrepl.engine.exporter import Writes
from imgrepl.engine.guest_digest import GuestDigest
from imgrepl.engine.lease import Lease
from imgrepl.engine.publisher import DiskSource
from imgrepl.engine.reading import cut_windows
from imgrepl.engine.source_states import state_of
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Conflict, Corrupt, Invalid
from imgrepl.gallery import operations, versions
from imgrepl.model.gallery import ImageVersion, VersionDisk, VersionId


def publish_pointers(
    engine: Engine, lease: Lease, version_id: VersionId, disks: Sequence[DiskSource]
) -> ImageVersion:
    """Commits a version that points at `disks`; no content is read, but for digests asked for."""
    with engine.index.read() as tx:
        staged = versions.get(tx, version_id)
    by_lun = {source.lun: source for source in disks}
    found = [pointer(engine, disk, by_lun[disk.lun]) for disk in staged.disks]
    return _commit(engine, lease, version_id, found)


def publish_copied(engine: Engine, lease: Lease, version_id: VersionId) -> ImageVersion:
    """Commits a version that points at what its source pointed at; nothing of that is opened."""
    with engine.index.read() as tx:
        staged = versions.get(tx, version_id)
    return _commit(engine, lease, version_id, staged.disks)


def _commit(
    engine: Engine, lease: Lease, version_id: VersionId, disks: Sequence[VersionDisk]
) -> ImageVersion:
    """The home region's record is the commit. Raises `Conflict`: `OperationLost`, `NotOwner`."""
    with engine.index.begin() as tx:
        operations.assert_held(tx, lease.operation.id, lease.fence)
        versions.set_disks(tx, version_id, disks)
        revision = versions.next_revision(tx, version_id)
        staged = versions.get(tx, version_id)
    published_at = engine.clock.now()
    version = replace(staged, committed=True, revision=revision, published_at=published_at)
    home = records.record_place(engine, version.location)
    places.check_owner(engine.stores.of(home), home, engine.index.identity)
    records.put_hierarchy(engine, version, home.region)
    # who was fenced out while the record was on its way must not report what nobody will see
    places.expect_owner(engine.stores.of(home), home, engine.index.identity)
    with engine.index.begin() as tx:
        operations.assert_held(tx, lease.operation.id, lease.fence)
        versions.commit(tx, version_id, published_at, revision)
    return version


def pointer(engine: Engine, disk: VersionDisk, source: DiskSource) -> VersionDisk:
    """The disk as a shallow version has it. Raises `Invalid` (`ShallowRule`) for a chain."""
    if len(source.disk.sources) > 1:
        raise Invalid(
            f"{disk.source} needs {len(source.disk.sources) - 1} other files; a shallow version"
            " points at one file a disk",
            code="ShallowRule",
            target=disk.source,
            hint="publish it without --replication-mode Shallow",
        )
    assert source.source is not None, "what is pointed at is a file or an object"
    state = replace(
        state_of(source.source),
        ignore_checksum=source.ignore_checksum,
        size_from_geometry=source.size_from_geometry,
    )
    sha256 = GuestDigest(source.disk, engine.stop).result() if source.sha256 else None
    for each in source.disk.sources:
        each.check_unchanged()
    return replace(
        disk,
        format=source.disk.format,
        provisioned_bytes=source.disk.size_bytes,
        sha256=sha256,
        source_state=state,
    )


def export_source(
    engine: Engine,
    source: DiskSource,
    expected: VersionDisk,
    writer: Writes,
    progress: Callable[[int], None],
) -> int:
    """Writes every occupied byte of a disk that a shallow version points at; tells how many.

    The caller has checked the source's state. Raises `Corrupt` (`ShallowSourceChanged`) where it
    became another while it was read, or where the disk is not the one that was digested.
    """
    digest = GuestDigest(source.disk, engine.stop) if expected.sha256 else None
    occupied = _copy(engine, source.disk, writer, progress)
    found = digest.result() if digest is not None else None
    check_after_reading(source.disk, expected, found)
    return occupied


def _copy(engine: Engine, disk: Disk, writer: Writes, progress: Callable[[int], None]) -> int:
    occupied = read = 0
    cutter = Cutter(engine.domain.chunker)
    with ThreadPoolExecutor(engine.options.workers, "read") as pool:
        for window in cut_windows(disk, cutter, engine.options.window_bytes, pool):
            check_stop(engine.stop)
            for start, end in window.chunks:
                offset = window.disk_offset + start
                last = min(end, start + disk.size_bytes - offset)
                writer.write(offset, window.data[start:last])
            occupied += window.occupied_bytes
            read += window.read_bytes
            progress(read)
    return occupied


def check_after_reading(disk: Disk, expected: VersionDisk, sha256: str | None) -> None:
    """What was read is what was pointed at. Raises `Corrupt` (`ShallowSourceChanged`)."""
    try:
        for each in disk.sources:
            each.check_unchanged()
    except Conflict as error:
        raise _changed(error.message) from error
    if expected.sha256 is not None and sha256 is not None and sha256 != expected.sha256:
        raise _changed(
            f"the disk in {expected.source} has SHA-256 {sha256}; the version has {expected.sha256}"
        )


def _changed(message: str) -> Corrupt:
    return Corrupt(
        message,
        code="ShallowSourceChanged",
        hint="put the same file or object back, or publish what is there under another number",
    )


def unpointed(disk: VersionDisk) -> VersionDisk:
    """The disk without what an attempt to make it full had found."""
    return replace(disk, occupied_bytes=None, stored_bytes=None, content_id=None, chunks=None)
