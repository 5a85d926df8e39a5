"""What a publication would do, shown without doing it."""

from collections.abc import Sequence
from dataclasses import replace

from imgrepl.actions import disk_sources, publishing
from imgrepl.actions.context import Context
from imgrepl.actions.disk_sources import VERSION_SCHEME, DiskRequest
from imgrepl.actions.version_requests import VersionView
from imgrepl.engine import pointing, rehearsal
from imgrepl.engine.ingest import IngestCounts
from imgrepl.engine.reading import allocated_bytes
from imgrepl.engine.replicator import plan_version, supposed_parts
from imgrepl.engine.sealer import IngestedDisk
from imgrepl.gallery import places
from imgrepl.model.gallery import ImageVersion, ReplicationMode, VersionDisk
from imgrepl.model.ids import ContentId, PackId
from imgrepl.model.region import Place, StorageAccountType, roles_of
from imgrepl.model.replica import replicas_of
from imgrepl.model.transfer import RegionTransfer, Transfer


def content_ids(
    ctx: Context, wanted: ImageVersion, disks: Sequence[DiskRequest]
) -> list[ContentId]:
    """What the disks' content is; reads and cuts all of it, writes nothing."""
    if disks[0].source.startswith(VERSION_SCHEME):
        return list(wanted.content_ids)
    ingested, _counts, _packs = _read(ctx, wanted, disks)
    return [disk.manifest.content_id for disk in ingested]


def is_same_content(
    ctx: Context, existing: ImageVersion, wanted: ImageVersion, disks: Sequence[DiskRequest]
) -> bool:
    """Whether the disks that are named have the content, or are the sources, of `existing`."""
    if not existing.is_shallow:
        return list(existing.content_ids) == content_ids(ctx, wanted, disks)
    pointers = _pointers(ctx, wanted, disks)
    return [(d.lun, d.source, d.source_state) for d in pointers] == [
        (d.lun, d.source, d.source_state) for d in existing.disks
    ]


def with_content(ctx: Context, version: ImageVersion) -> ImageVersion:
    """A shallow version with what its sources hold; reads and cuts all of it, writes nothing.

    Raises `Corrupt` (`ShallowSourceChanged`), `NotFound` (`ShallowSourceMissing`).
    """
    if not version.is_shallow:
        return version
    as_full = replace(version, replication_mode=ReplicationMode.FULL)
    disks = [disk_sources.pointed_at(disk) for disk in version.disks]
    return rehearse(ctx, as_full, disks).version


def rehearse(ctx: Context, wanted: ImageVersion, disks: Sequence[DiskRequest]) -> VersionView:
    """The report that a real run would give.

    Everything is read, cut and compressed, nothing is sent.
    """
    if disks[0].source.startswith(VERSION_SCHEME):
        return _planned(wanted, IngestCounts(), {})
    if wanted.is_shallow:
        pointers = tuple(_pointers(ctx, wanted, disks))
        return _planned(replace(wanted, disks=pointers), IngestCounts(), {})
    ingested, counts, packs = _read(ctx, wanted, disks)
    by_lun = {disk.lun: disk for disk in ingested}
    found = [
        replace(
            disk,
            format=by_lun[disk.lun].format,
            provisioned_bytes=by_lun[disk.lun].manifest.size_bytes,
            occupied_bytes=by_lun[disk.lun].manifest.occupied_bytes,
            stored_bytes=by_lun[disk.lun].manifest.stored_bytes,
            content_id=by_lun[disk.lun].manifest.content_id,
            chunks=by_lun[disk.lun].manifest.chunks,
            sha256=by_lun[disk.lun].sha256,
        )
        for disk in wanted.disks
    ]
    return _planned(replace(wanted, disks=tuple(found)), counts, packs)


def estimate(ctx: Context, wanted: ImageVersion, disks: Sequence[DiskRequest]) -> VersionView:
    """An upper bound from the formats' tables: what they call allocated, no content read."""
    if wanted.is_shallow:
        return rehearse(ctx, wanted, disks)
    files = [disk for disk in disks if not disk.source.startswith(VERSION_SCHEME)]
    counts, found = IngestCounts(), list(wanted.disks)
    with disk_sources.opened(ctx, files) as opened:
        for number, source in enumerate(opened):
            allocated = allocated_bytes(source.disk)
            counts.read_bytes += allocated
            counts.occupied_bytes += allocated
            counts.new_bytes += allocated
            found[number] = replace(
                found[number],
                format=source.disk.format,
                provisioned_bytes=source.disk.size_bytes,
                occupied_bytes=allocated,
            )
    return _planned(replace(wanted, disks=tuple(found)), counts, {})


def replication(ctx: Context, wanted: ImageVersion, only: Sequence[str] | None = None) -> Transfer:
    """What would move if a published version had these target regions, or to `only` those named.

    Raises `Corrupt` (`PackLost`) where no place has a pack any more.
    """
    targets = [t for t in wanted.target_regions if only is None or t.name in only]
    parts = supposed_parts(ctx.engine, replicas_of(targets))
    plan, _places = plan_version(ctx.engine, wanted, parts, trusted=set())
    sent, copied, puts = plan.sent_bytes(), plan.server_copied_bytes(), plan.puts()
    by_region = {part.region: [place.id for place in part.all_places] for part in parts}
    moved = tuple(
        RegionTransfer(
            region=region,
            sent_bytes=sum(sent[place_id] for place_id in place_ids),
            server_copied_bytes=sum(copied[place_id] for place_id in place_ids),
            puts=sum(puts[place_id] for place_id in place_ids),
        )
        for region, place_ids in by_region.items()
    )
    return Transfer(
        sent_bytes=sum(part.sent_bytes for part in moved),
        server_copied_bytes=sum(part.server_copied_bytes for part in moved),
        puts=sum(part.puts for part in moved),
        regions=moved,
    )


def _read(
    ctx: Context, wanted: ImageVersion, disks: Sequence[DiskRequest]
) -> tuple[list[IngestedDisk], IngestCounts, dict[PackId, int]]:
    home = existing_home(ctx, wanted)
    with disk_sources.opened(ctx, disks) as opened:
        ingested, counts, sink = rehearsal.rehearse(ctx.engine, home, opened, str(wanted.id))
    return ingested, counts, sink.packs


def _pointers(
    ctx: Context, wanted: ImageVersion, disks: Sequence[DiskRequest]
) -> list[VersionDisk]:
    """The disks as a shallow version has them; no content is read but for digests asked for."""
    with disk_sources.opened(ctx, disks, shallow=True) as opened:
        return [
            pointing.pointer(ctx.engine, disk, source)
            for disk, source in zip(wanted.disks, opened, strict=True)
        ]


def existing_home(ctx: Context, wanted: ImageVersion) -> Place | None:
    """The place that the content would go to first; None where it does not exist yet."""
    role = roles_of(publishing.home_type(wanted))[0]
    with ctx.index.read() as tx:
        for place in places.of_region(tx, wanted.location):
            if place.role is role and place.number == 0:
                return place
    return None


def _planned(version: ImageVersion, counts: IngestCounts, packs: dict[PackId, int]) -> VersionView:
    """The transfer that new packs of these lengths would cause in every target region."""
    new = sum(packs.values())
    parts = []
    for target in version.target_regions:
        zones = len(roles_of(StorageAccountType(target.storage_account_type)))
        parts.append(
            RegionTransfer(
                region=target.name,
                sent_bytes=new,
                server_copied_bytes=new * (target.replica_count * zones - 1),
                puts=len(packs) * target.replica_count * zones,
            )
        )
    transfer = Transfer(
        read_bytes=counts.read_bytes,
        occupied_bytes=counts.occupied_bytes,
        new_bytes=counts.new_bytes,
        deduplicated_bytes=counts.deduplicated_bytes,
        sent_bytes=sum(part.sent_bytes for part in parts),
        server_copied_bytes=sum(part.server_copied_bytes for part in parts),
        packs_written=len(packs),
        puts=sum(part.puts for part in parts),
        regions=tuple(parts),
    )
    return VersionView(
        version=version,
        replicas=tuple(replicas_of(version.target_regions)),
        transfer=transfer,
        planned=True,
    )
