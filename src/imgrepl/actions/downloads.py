"""Gets a version's disk out of a region, as a file or as a digest."""

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imgrepl.actions import allowing, pointed_reads, versions
from imgrepl.actions.context import Context
from imgrepl.actions.mending import heal_reads
from imgrepl.actions.pointed_reads import ReadableDisk
from imgrepl.disks.writers.writer import open_writer
from imgrepl.engine import exporter, streaming
from imgrepl.engine.fetching import BadRead
from imgrepl.engine.replicator import RegionPart, region_parts
from imgrepl.engine.reporting import Reporter
from imgrepl.errors import Invalid, NotFound
from imgrepl.gallery import contents
from imgrepl.gallery import places as place_rows
from imgrepl.gallery import versions as rows
from imgrepl.model import soft_deletion
from imgrepl.model.gallery import DefinitionId, ImageVersion, VersionDisk, VersionId
from imgrepl.model.ids import ContentId
from imgrepl.model.policy import Action
from imgrepl.model.region import Place, normal_region_name
from imgrepl.model.replica import ReplicaState
from imgrepl.model.transfer import moved_since

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class DownloadRequest:
    """Which disk, from where, to where. `lun` None is the OS disk; `name` may be `latest`."""

    definition: DefinitionId
    name: str
    file: str
    format: str = "raw"
    lun: int | None = None
    region: str | None = None
    replica: int | None = None
    overwrite: bool = False


def download(ctx: Context, request: DownloadRequest) -> dict[str, Any]:
    """Writes a disk to its file, which appears only once it is whole and durable.

    Without `region` the home region is asked first, then the others that are complete; within
    a region readers spread over its complete replicas. Every chunk is proven; a replica that gives
    a wrong one is left for the next, marked, and mended afterwards where this user may write:
    `damaged` of the report says so of each object. The report says what each region served. A
    shallow version is read from its source, if that is what it was. Raises `NotFound`, `Conflict`
    (`TargetExists`, `ConsumptionEnded`), `Corrupt` where no replica has a healthy copy or the
    source is another one, `Unavailable`.
    """
    allowing.check(ctx, Action.VERSION_READ, versions.scope_of(request.definition, request.name))
    started, moved_before = ctx.clock.monotonic(), ctx.stores.moved()
    where = None if request.region is None else normal_region_name(request.region)
    with ctx.index.read() as tx:
        version = rows.get(tx, versions.resolve_name(tx, request.definition, request.name, where))
    soft_deletion.check_usable(version, ctx.clock.now())
    disk = versions.disk_of(version, request.lun)
    opened = pointed_reads.opened if version.is_shallow else _opened
    with opened(ctx, version, disk, where, request.replica) as readable:
        served = _write(ctx, request, readable, str(version.id))
    moved = moved_since(moved_before, ctx.stores.moved())
    seconds = round(ctx.clock.monotonic() - started, 3)
    return {
        "version": str(version.id),
        **_served(served, asked=readable.region),
        "lun": disk.lun,
        "file": str(Path(request.file).absolute()),
        "format": request.format,
        "provisionedBytes": readable.size_bytes,
        "occupiedBytes": served.total() if version.is_shallow else readable.occupied_bytes,
        "receivedBytes": sum(part.received_bytes for part in moved),
        "contentId": disk.content_id if not version.is_shallow else None,
        "sha256": disk.sha256,
        "seconds": seconds,
        "damaged": heal_reads(ctx, version, readable.bad),
    }


def _write(
    ctx: Context, request: DownloadRequest, readable: ReadableDisk, subject: str
) -> Counter[str]:
    """Writes the file; gives how many bytes each region served."""
    writer = open_writer(
        Path(request.file).absolute(),
        request.format,
        readable.size_bytes,
        identity=uuid.uuid4().bytes,
        created_seconds=int((ctx.clock.now() - _EPOCH).total_seconds()),
        overwrite=request.overwrite,
    )
    reporter = Reporter(ctx.engine, "download", subject)
    try:
        with reporter:
            reporter.begin(readable.occupied_bytes)
            served = readable.export(writer, reporter.advance)
            writer.finish()
    except BaseException:
        writer.abort()
        raise
    return served


@contextmanager
def _opened(
    ctx: Context, version: ImageVersion, disk: VersionDisk, region: str | None, number: int | None
) -> Iterator[ReadableDisk]:
    """The disk as its packs give it."""
    chosen, sources = sources_of(ctx, version, disk, region, number)
    bad: list[BadRead] = []
    manifest = exporter.read_manifest(ctx.engine, content_of(disk), sources, bad.append)

    def export(writer: exporter.Writes, progress: Callable[[int], None]) -> Counter[str]:
        return exporter.export_disk(ctx.engine, manifest, sources, writer, progress, bad.append)

    def digest(progress: Callable[[int], None]) -> tuple[str, Counter[str]]:
        found = hashlib.sha256()
        served = streaming.stream_disk(
            ctx.engine, manifest, sources, found.update, progress, bad.append
        )
        return found.hexdigest(), served

    yield ReadableDisk(chosen, manifest.size_bytes, manifest.occupied_bytes, export, digest, bad)


def checksum(ctx: Context, version_id: VersionId, disk_lun: int | None) -> dict[str, Any]:
    """The SHA-256 of a disk as its guest sees it, computed from a region's packs.

    What `sha256sum` says of its raw file.
    """
    allowing.check(ctx, Action.VERSION_READ, version_id)
    with ctx.index.read() as tx:
        version = rows.get(tx, version_id)
    soft_deletion.check_usable(version, ctx.clock.now())
    disk = versions.disk_of(version, disk_lun)
    opened = pointed_reads.opened if version.is_shallow else _opened
    reporter = Reporter(ctx.engine, "checksum", str(version_id))
    with opened(ctx, version, disk, None, None) as readable, reporter:
        reporter.begin(readable.size_bytes)
        sha256, served = readable.digest(reporter.advance)
    return {
        "version": str(version_id),
        "lun": disk.lun,
        **_served(served, asked=readable.region),
        "sha256": sha256,
        "contentId": disk.content_id if not version.is_shallow else None,
        "provisionedBytes": readable.size_bytes,
        "damaged": heal_reads(ctx, version, readable.bad),
    }


def _served(served: Counter[str], *, asked: str) -> dict[str, Any]:
    """Which region was asked first, which gave the most, and what each gave."""
    ordered = served.most_common()
    return {
        "askedRegion": asked,
        "region": ordered[0][0] if ordered else asked,
        "regions": [{"region": name, "servedBytes": count} for name, count in ordered],
    }


def content_of(disk: VersionDisk) -> ContentId:
    """The disk's content. Raises `NotFound` (`VersionStaged`) while it is not durable."""
    if disk.source_state is not None:
        raise Invalid(
            f"a shallow version has no content of its own: it points at {disk.source}",
            code="ShallowRule",
            target=disk.source,
            hint="`imgrepl image-version update --replication-mode Full` gives it copies",
        )
    if disk.content_id is None:
        raise NotFound(
            "the version is still being published",
            code="VersionStaged",
            hint="`imgrepl image-version wait` waits for it",
        )
    return disk.content_id


def sources_of(
    ctx: Context,
    version: ImageVersion,
    disk: VersionDisk,
    region: str | None,
    number: int | None,
) -> tuple[str, list[Place]]:
    """The region to read from, and every place in the order in which it is asked.

    A region or replica that was named is asked first; the others serve what it cannot. Raises
    `NotFound` (`NotAvailableInRegion`, `ReplicaNotFound`).
    """
    parts = region_parts(ctx.engine, version.id)
    ready = [p for p in parts if any(r.state is ReplicaState.COMPLETED for r in p.replicas)]
    ready.sort(key=lambda part: part.region != version.location)
    if region is not None:
        named = [part for part in ready if part.region == region]
        if not named:
            raise NotFound(
                f"{version.id} is not complete in {region}; it is in"
                f" {', '.join(part.region for part in ready) or 'no region yet'}",
                code="NotAvailableInRegion",
                target=region,
                hint="name one of these, or none for the nearest;"
                f" `imgrepl image-version update --add-regions {region}` adds it",
            )
        ready = [*named, *(part for part in ready if part.region != region)]
    if not ready:
        raise NotFound(
            f"{version.id} is complete in no region yet",
            code="NotAvailableInRegion",
            target=str(version.id),
            hint="`imgrepl image-version status` shows how far it is",
        )
    first = _first_places(ctx, ready[0], number)
    with ctx.index.read() as tx:
        holding = contents.sealed_places(tx, content_of(disk))
        sealed = [place_rows.get(tx, place_id) for place_id in holding]
    others = [place for part in ready for place in part.all_places]
    return ready[0].region, list({p.id: p for p in [*first, *others, *sealed]}.values())


def _first_places(ctx: Context, part: RegionPart, number: int | None) -> list[Place]:
    """The places of the replica that was named.

    Else those of every complete one, beginning with one of `ctx.choose`, so that many readers
    spread over them.
    """
    if number is None:
        complete = [
            group
            for replica, group in zip(part.replicas, part.places, strict=True)
            if replica.state is ReplicaState.COMPLETED
        ]
        first = ctx.choose(len(complete))
        return [place for group in complete[first:] + complete[:first] for place in group]
    for replica, group in zip(part.replicas, part.places, strict=True):
        if replica.number == number:
            return list(group)
    raise NotFound(
        f"{part.region} has no replica {number}; it has 0 to {len(part.replicas) - 1}",
        code="ReplicaNotFound",
        target=str(number),
        hint="without --replica readers spread over all of them",
    )
