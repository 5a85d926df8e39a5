"""What a copy would move, shown without doing it."""

from imgrepl.actions import foreign_content, rehearsing
from imgrepl.actions.context import Context
from imgrepl.actions.version_requests import VersionView
from imgrepl.engine import publisher, transplant
from imgrepl.engine.ingest import IngestCounts
from imgrepl.gallery import contents
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.region import StorageAccountType, roles_of
from imgrepl.model.replica import replicas_of
from imgrepl.model.transfer import RegionTransfer, Transfer


def plan(
    ctx: Context, wanted: ImageVersion, other: Context | None, source: ImageVersion
) -> VersionView:
    """The report that the real copy would give; of what is not known before, the most it can be.

    `other` is the gallery of the source where that is not this one.
    """
    if source.is_shallow:
        return _planned(wanted, IngestCounts(), 0, 0)
    if other is None:
        return _planned(wanted, *_inside(ctx, wanted))
    home = rehearsing.existing_home(ctx, wanted)
    found = foreign_content.look(other, source)
    counts, sink = transplant.rehearse(ctx.engine, home, found, str(wanted.id))
    new_bytes = sum(sink.packs.values()) + sink.frame_bytes
    return _planned(wanted, counts, new_bytes, sink.server_copied_bytes)


def _inside(ctx: Context, wanted: ImageVersion) -> tuple[IngestCounts, int, int]:
    """Within one index packs move only where the new home lacks them."""
    home = rehearsing.existing_home(ctx, wanted)
    counts = IngestCounts(occupied_bytes=sum(d.occupied_bytes or 0 for d in wanted.disks))
    with ctx.index.read() as tx:
        needed = contents.packs_of(tx, wanted.content_ids)
        sizes = contents.pack_bytes_of(tx, needed)
    here = publisher.presence(ctx.engine, home)(needed)
    lacking = [pack_id for pack_id in needed if pack_id not in here]
    counts.packs = len(lacking)
    return counts, sum(sizes[pack_id] for pack_id in lacking), 0


def _planned(
    version: ImageVersion, counts: IngestCounts, new_bytes: int, server_copied_bytes: int
) -> VersionView:
    parts = []
    for target in version.target_regions:
        at_home = target.name == version.location
        places = target.replica_count * len(
            roles_of(StorageAccountType(target.storage_account_type))
        )
        every = new_bytes + server_copied_bytes
        parts.append(
            RegionTransfer(
                region=target.name,
                sent_bytes=new_bytes if at_home else every,
                server_copied_bytes=every * (places - 1) + (server_copied_bytes if at_home else 0),
                puts=counts.packs * places,
            )
        )
    transfer = Transfer(
        occupied_bytes=counts.occupied_bytes,
        new_bytes=counts.new_bytes,
        deduplicated_bytes=counts.deduplicated_bytes,
        sent_bytes=sum(part.sent_bytes for part in parts),
        server_copied_bytes=sum(part.server_copied_bytes for part in parts),
        packs_written=counts.packs,
        puts=sum(part.puts for part in parts),
        regions=tuple(parts),
    )
    return VersionView(
        version=version,
        replicas=tuple(replicas_of(version.target_regions)),
        transfer=transfer,
        planned=True,
    )
