"""Whether the regions' records say how a gallery is shared now: Azure's `sharingStatus`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from imgrepl.actions import allowing, record_spreading
from imgrepl.actions.context import Context
from imgrepl.actions.galleries import INSIDERS
from imgrepl.gallery import activity, place_records, places, regions
from imgrepl.gallery.types import database_now
from imgrepl.model.gallery import Gallery
from imgrepl.model.policy import Action
from imgrepl.model.sharing import PRIVATE, SharingState


@dataclass(frozen=True, kw_only=True)
class RegionSharing:
    """Whether a region's record says how the gallery is shared now, and why not."""

    region: str
    state: SharingState
    details: str = ""


def regions_told(ctx: Context, gallery: Gallery) -> list[RegionSharing]:
    """Of every region that has a record of the gallery, whether it says how it is shared now.

    None for a private one, unless a region still says how it was shared before; and none for
    consumers, as reasons name servers.
    """
    if allowing.check(ctx, Action.GALLERY_READ, gallery.id).via not in INSIDERS:
        return []
    with ctx.index.read() as tx:
        was_shared = activity.latest_of(tx, gallery.id, "share.reset") is not None
        if gallery.sharing == PRIVATE and not was_shared:
            return []
        told = list(_told(ctx, tx, gallery))
    settled = all(one.state is SharingState.SUCCEEDED for one in told)
    return [] if gallery.sharing == PRIVATE and settled else told


def _told(ctx: Context, tx: Connection, gallery: Gallery) -> Iterator[RegionSharing]:
    known = {region.name for region in regions.list_all(tx)}
    revisions = _revisions(tx, gallery)
    failures = _failures(tx, gallery)
    for region, revision in sorted(revisions.items()):
        if revision == gallery.revision:
            yield RegionSharing(region=region, state=SharingState.SUCCEEDED)
        elif region not in known:
            details = "no region of this name is registered in this index"
            yield RegionSharing(region=region, state=SharingState.UNKNOWN, details=details)
        elif region in failures:
            yield RegionSharing(region=region, state=SharingState.FAILED, details=failures[region])
        else:
            yield _late(ctx, tx, gallery, region, revision)


def _revisions(tx: Connection, gallery: Gallery) -> dict[str, int | None]:
    """The revision that each region's record has; None where the home region has none."""
    told: dict[str, int | None] = {
        places.get(tx, place_id).region: place_records.revision_in(
            tx, place_id, gallery.id, gallery.incarnation
        )
        for place_id in place_records.places_with(tx, gallery.id, gallery.incarnation)
    }
    return {gallery.location: None} | told


def _failures(tx: Connection, gallery: Gallery) -> Mapping[str, str]:
    """Why this revision's record could not be written, by region."""
    found = activity.latest_of(tx, gallery.id, record_spreading.LOGGED_AS)
    if found is None or found.detail["revision"] != gallery.revision:
        return {}
    failed: Mapping[str, str] = found.detail["regions"]
    return failed


def _late(
    ctx: Context, tx: Connection, gallery: Gallery, region: str, revision: int | None
) -> RegionSharing:
    """Who changed it writes the records next; who has not for as long as a lease has ended."""
    details = f"its record is revision {revision or 'none'}, not {gallery.revision}"
    changed = activity.latest_of(tx, gallery.id)
    patience = timedelta(seconds=ctx.engine.options.lease_seconds)
    if changed is not None and database_now(tx) - changed.at < patience:
        return RegionSharing(region=region, state=SharingState.IN_PROGRESS, details=details)
    details += ": whoever changed the gallery ended before it was written"
    return RegionSharing(region=region, state=SharingState.FAILED, details=details)
