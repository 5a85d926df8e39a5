"""Signed, expiring links to one disk of a version, for whoever has no other way to it."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from imgrepl.actions import allowing, downloads, versions
from imgrepl.actions.context import Context
from imgrepl.disks.writers.writer import check_writable, file_bytes_max
from imgrepl.engine import exporter, linking, records
from imgrepl.engine.collect_report import FreedFiles
from imgrepl.engine.linking import Export
from imgrepl.engine.reporting import Reporter
from imgrepl.errors import ImgreplError, Interrupted, Invalid, NotFound
from imgrepl.gallery import activity, ledger
from imgrepl.gallery import places as place_rows
from imgrepl.gallery import regions as region_rows
from imgrepl.gallery import versions as rows
from imgrepl.gallery.ledger import Brought
from imgrepl.layout import keys
from imgrepl.model import soft_deletion
from imgrepl.model.gallery import DefinitionId, ImageVersion, VersionDisk, VersionId
from imgrepl.model.ids import ContentId
from imgrepl.model.manifest import Manifest
from imgrepl.model.policy import Action
from imgrepl.model.region import Place, PlaceRole, normal_region_name

EXPIRY_MIN = timedelta(minutes=1)
EXPIRY_MAX = timedelta(days=7)
"""What a signature of S3 can be good for."""

_KEPT_MIN, _KEPT_LONGER = timedelta(days=1), timedelta(hours=6)
"""How long an image file is kept at least, so that the next link finds it; and for how much longer
than the link that it is made for, which begins when the file is there."""


@dataclass(frozen=True, kw_only=True)
class LinkRequest:
    """Which disk, in which format, from which region, and for how long."""

    definition: DefinitionId
    name: str
    lun: int | None = None
    format: str = "qcow2"
    region: str | None = None
    expires_in: timedelta = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Link:
    """A signed address, or None where it was only planned. Who has it gets the image, until then.

    `kept_until` is when the image file may be freed; `reused` whether it was there already.
    """

    version: VersionId
    lun: int | None
    region: str
    format: str
    url: str | None
    expires_at: datetime
    kept_until: datetime
    reused: bool
    provisioned_bytes: int
    file_bytes: int
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class LinkedFile:
    """An image file that links may lead to."""

    region: str
    lun: int | None
    export: Export


def create(ctx: Context, request: LinkRequest, *, dry_run: bool = False) -> Link:
    """Makes a signed address of one disk, as an image file that any HTTP client downloads.

    The file is made once for its content and format, and reused. Raises `NotFound`; `Invalid`
    (`LinkNotPossible` where only directories have the version, `OutOfRange`, `FormatUnknown`);
    `Conflict` (`ConsumptionEnded`, `TargetInUse`), and as a download does.
    """
    scope = versions.scope_of(request.definition, request.name)
    allowing.check(ctx, Action.VERSION_LINK, scope)
    _check_expiry(request.expires_in)
    where = None if request.region is None else normal_region_name(request.region)
    with ctx.index.read() as tx:
        version = rows.get(tx, versions.resolve_name(tx, request.definition, request.name, where))
    soft_deletion.check_usable(version, ctx.clock.now())
    disk = versions.disk_of(version, request.lun)
    region, sources = _region(ctx, version, disk, where)
    manifest = exporter.read_manifest(ctx.engine, downloads.content_of(disk), sources)
    check_writable(request.format, manifest.size_bytes)
    place = records.record_place(ctx.engine, region)
    now = ctx.clock.now()
    export = _standing(ctx, place, manifest.content_id, request, now)
    reused = export is not None
    kept_until = now + max(request.expires_in + _KEPT_LONGER, _KEPT_MIN)
    if export is None and not dry_run:
        export = _made(ctx, place, manifest, sources, version, request.format, kept_until)
    if export is not None:
        kept_until = datetime.fromtimestamp(export.key.until, UTC)
    expires_in = min(request.expires_in, kept_until - ctx.clock.now())
    expires_at = ctx.clock.now() + expires_in
    url = None
    if export is not None and not dry_run:
        url = _signed(ctx, place, export, version, replace(request, expires_in=expires_in))
    return Link(
        version=version.id,
        lun=disk.lun,
        region=region,
        format=request.format,
        url=url,
        expires_at=expires_at,
        kept_until=kept_until,
        reused=reused,
        provisioned_bytes=manifest.size_bytes,
        file_bytes=_expected_bytes(manifest, request) if export is None else export.size_bytes,
        sha256=None if export is None else export.key.sha256,
    )


def list_of(ctx: Context, version_id: VersionId) -> list[LinkedFile]:
    """The image files of a version's disks in all its regions. Raises `NotFound`."""
    allowing.check(ctx, Action.VERSION_LINK, version_id)
    with ctx.index.read() as tx:
        version = rows.get(tx, version_id)
    luns = {disk.content_id: disk.lun for disk in reversed(version.disks)}
    return [
        LinkedFile(region=place.region, lun=luns[content_id], export=export)
        for place in _places_of(ctx, version)
        for content_id in luns
        if content_id is not None
        for export in linking.list_exports(ctx.stores.of(place), content_id)
    ]


def revoke(ctx: Context, version_id: VersionId) -> list[LinkedFile]:
    """Deletes the image files of a version's disks: every link to them is dead at once.

    Versions with equal disks share them. Raises `NotFound`; `Unavailable` (`DeletionFailed`), and
    what the stores raise; the same call again goes on.
    """
    found = list_of(ctx, version_id)
    with ctx.index.read() as tx:
        places = {place.region: place for place in _places_of(ctx, rows.get(tx, version_id))}
    for region, place in places.items():
        here = [one.export for one in found if one.region == region]
        linking.delete(ctx.engine, place, here)
    detail = {"files": len(found)}
    _log(ctx, "image-version.revoke-links", version_id, detail)
    return found


def free(ctx: Context, *, dry_run: bool) -> list[FreedFiles]:
    """Frees the image files whose time is over, region by region, for a collection.

    A region that fails stops no other. Raises `Interrupted`.
    """
    with ctx.index.read() as tx:
        names = [region.name for region in region_rows.list_all(tx)]
    return [found for name in names if (found := _freed(ctx, name, dry_run=dry_run)) is not None]


def _freed(ctx: Context, region: str, *, dry_run: bool) -> FreedFiles | None:
    try:
        place = _link_place(ctx, region)
        if place is None:
            return None
        links = ctx.links_of(place)
        assert links is not None, f"{region} has links"
        gone = linking.free(
            ctx.engine, place, links, lambda some: _needed(ctx, some), dry_run=dry_run
        )
    except Interrupted:
        raise
    except ImgreplError as error:
        return FreedFiles(region=region, error=error)
    return FreedFiles(region=region, files=len(gone), bytes=sum(one.size_bytes for one in gone))


def _needed(ctx: Context, exports: Collection[Export]) -> set[ContentId]:
    with ctx.index.read() as tx:
        return rows.contents_in_use(tx, {one.key.content_id for one in exports})


def _check_expiry(expires_in: timedelta) -> None:
    if not EXPIRY_MIN <= expires_in <= EXPIRY_MAX:
        raise Invalid(
            f"a link cannot be good for {expires_in.total_seconds():.0f} seconds: from"
            f" {EXPIRY_MIN.total_seconds():.0f} to {EXPIRY_MAX.total_seconds():.0f} (7 days)",
            code="OutOfRange",
            target="expiresIn",
            hint="make another one when it is over: the image file is kept for a day and found",
        )


def _region(
    ctx: Context, version: ImageVersion, disk: VersionDisk, region: str | None
) -> tuple[str, list[Place]]:
    """Where the link is to lead, and what the image file is made from."""
    others = [target.name for target in version.target_regions]
    candidates = [region] if region else list(dict.fromkeys([version.location, *others]))
    linkable = [name for name in candidates if _link_place(ctx, name) is not None]
    if not linkable:
        raise Invalid(
            f"{', '.join(candidates)} is a directory: only an S3 server gives out signed links",
            code="LinkNotPossible",
            target=str(version.id),
            hint="add a region on an S3 server with `imgrepl image-version update --add-regions`,"
            " or use `imgrepl image-version download`",
        )
    failure: NotFound | None = None
    for name in linkable:
        try:
            return downloads.sources_of(ctx, version, disk, name, None)
        except NotFound as error:
            failure = failure or error
    assert failure is not None, "some region was tried"
    raise failure


def _link_place(ctx: Context, region: str) -> Place | None:
    """Where a region keeps image files: where its records are. None for a directory."""
    with ctx.index.begin() as tx:
        place = place_rows.ensure(tx, region_rows.get(tx, region), PlaceRole.STANDARD, 0)
    return None if ctx.links_of(place) is None else place


def _places_of(ctx: Context, version: ImageVersion) -> list[Place]:
    found = (_link_place(ctx, target.name) for target in version.target_regions)
    return [place for place in found if place is not None]


def _standing(
    ctx: Context, place: Place, content_id: ContentId, request: LinkRequest, now: datetime
) -> Export | None:
    """An image file that is kept for as long as the link is good, if there is one."""
    needed_until = (now + request.expires_in).timestamp()
    for export in linking.list_exports(ctx.stores.of(place), content_id):
        if export.key.format == request.format and export.key.until > needed_until + 1:
            return export
    return None


def _expected_bytes(manifest: Manifest, request: LinkRequest) -> int:
    """How large the file will be; of a format with holes about as large as what is occupied."""
    if request.format in {"raw", "vhd"}:
        return file_bytes_max(request.format, manifest.size_bytes)
    return manifest.occupied_bytes


def _made(
    ctx: Context,
    place: Place,
    manifest: Manifest,
    sources: list[Place],
    version: ImageVersion,
    image_format: str,
    kept_until: datetime,
) -> Export:
    links = ctx.links_of(place)
    assert links is not None, f"{place.region} has links"
    reporter = Reporter(ctx.engine, "link", str(version.id))
    with reporter:
        reporter.begin(manifest.occupied_bytes)
        made = linking.make(
            ctx.engine,
            place,
            links,
            linking.Image(manifest, tuple(sources), image_format),
            until=math.ceil(kept_until.timestamp()),
            scratch=ctx.state_dir / "exports",
            progress=reporter.advance,
        )
    _note(ctx, place, version, made)
    return made


def _note(ctx: Context, place: Place, version: ImageVersion, made: Export) -> None:
    """What making the file took; how often it is fetched is known to the bucket's server alone."""
    brought = Brought(
        from_region=place.region,
        to_region=place.region,
        is_first=False,
        egress_bytes=0,
        sent_bytes=made.size_bytes,
        requests=linking.requests_of(made.size_bytes),
    )
    with ctx.index.begin() as tx:
        ledger.note(tx, version.id, brought, ctx.clock.now())


def _signed(
    ctx: Context, place: Place, export: Export, version: ImageVersion, request: LinkRequest
) -> str:
    links = ctx.links_of(place)
    assert links is not None, f"{place.region} has links"
    seconds = int(request.expires_in.total_seconds())
    url = links.signed_url(
        keys.export_key(export.key), seconds=seconds, filename=_filename(version, request)
    )
    detail = {
        "region": place.region,
        "lun": request.lun,
        "format": request.format,
        "expiresInSeconds": seconds,
        "object": keys.export_key(export.key),
    }
    _log(ctx, "image-version.link", version.id, detail)
    return url


def _filename(version: ImageVersion, request: LinkRequest) -> str:
    named = [version.id.gallery.gallery, version.id.definition.definition, str(version.id.version)]
    disk = [] if request.lun is None else [f"lun{request.lun}"]
    extension = {"raw": "img", "qcow2": "qcow2"}.get(request.format, "vhd")
    return f"{'-'.join([*named, *disk])}.{extension}"


def _log(ctx: Context, action: str, version_id: VersionId, detail: Mapping[str, object]) -> None:
    with ctx.index.begin() as tx:
        activity.log(tx, action, str(version_id), "Succeeded", detail, ctx.principal)
