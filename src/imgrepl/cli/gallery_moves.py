"""`imgrepl gallery`: export, import and move-home."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.carrying_page import carrying_page, home_page
from imgrepl.cli.endpoints import EndpointOptions
from imgrepl.cli.options import DryRun, GalleryOptions, GroupOptions, option
from imgrepl.cli.run import Injected
from imgrepl.cli.target_options import TargetRegions
from imgrepl.cli.verdicts import unread_error, verdict_of
from imgrepl.model.peer import PeerBucket
from imgrepl.model.region import normal_region_name

if TYPE_CHECKING:
    from imgrepl.actions.portable import ImportGallery


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ExportOptions(EndpointOptions, GalleryOptions):
    """What `gallery export` takes."""

    to: Annotated[
        str,
        option("--to", text="A directory, or s3://BUCKET[/PREFIX] at --endpoint.", metavar="PLACE"),
    ]
    dry_run: DryRun = False

    @property
    def bucket(self) -> PeerBucket:
        """Where the export lies."""
        return PeerBucket(standard=(self.place_of(self.to),))


def export(*, options: ExportOptions, run: Injected) -> Answer:
    r"""Write a gallery into a directory or bucket of its own: definitions, versions, all disks.

    Run again, it sends only what is new and follows what has changed. What lies there is read like
    any region: `--from-bucket` looks into it, `gallery import` brings it into another index.

    For example:

        imgrepl gallery export -r golden --to s3://archive/golden \
            --endpoint https://s3.example --profile archive

    Exit codes: 0 done; 3 no such gallery; 4 a number has other content there, or the place is no
    export; 6 a version is damaged everywhere; 7 an endpoint stayed away; 9 credentials were
    refused; 130 interrupted, the same command goes on.
    """
    from imgrepl.actions import portable
    from imgrepl.azure import carrying_shapes

    with run.open() as ctx:
        done = portable.export(ctx, options.gallery_id, options.bucket, dry_run=options.dry_run)
    verdict = verdict_of(done.replicas)
    return Answer(carrying_shapes.carriage(done), error=verdict, page=carrying_page)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ImportOptions(EndpointOptions, GroupOptions):
    """What `gallery import` takes."""

    source: Annotated[
        str,
        option(
            "--from",
            text="The export: a directory, or s3://BUCKET[/PREFIX] at --endpoint. Any region's"
            " bucket will do.",
            metavar="PLACE",
        ),
    ]
    gallery: Annotated[
        str | None,
        option(
            "--gallery-name",
            "-r",
            "--gallery",
            text="Which gallery, where several lie there.",
            metavar="GALLERY",
        ),
    ] = None
    new_name: Annotated[
        str | None, option("--as", text="The gallery's name here.", metavar="GALLERY")
    ] = None
    bucket_region: Annotated[
        str | None,
        option(
            "--bucket-region",
            text="Which region the bucket is; what it says itself if absent.",
            metavar="REGION",
        ),
    ] = None
    location: Annotated[
        str | None, option("--location", "-l", text="Home region here.", metavar="REGION")
    ] = None
    target_regions: TargetRegions = None
    dry_run: DryRun = False

    def request(self) -> "ImportGallery":
        """What these options ask for."""
        from imgrepl.actions.portable import ImportGallery
        from imgrepl.azure import target_regions

        return ImportGallery(
            bucket=PeerBucket(
                standard=(self.place_of(self.source),),
                region=self.bucket_region and normal_region_name(self.bucket_region),
            ),
            gallery=self.gallery,
            subscription=self.subscription,
            group=self.group,
            name=self.new_name,
            location=self.location,
            target_regions=target_regions.parse(self.target_regions),
        )


def bring_in(*, options: ImportOptions, run: Injected) -> Answer:
    r"""Bring a gallery in from an export, or from the bucket of any region of another index.

    Gallery and definitions are made as they are there, versions are copied with all their fields;
    packs that are here are not sent again. Run again, it goes on and follows what has changed;
    versions that are here keep their regions.

    For example:

        imgrepl gallery import --from /mnt/disk/golden --as bronze \
            --target-regions eastus=2 westeurope=1

    Exit codes: 0 done; 3 no export there, or no such gallery or region; 4 a gallery, definition or
    version is here with other content; 5 a rule; 6 a version is damaged there, or a part of the
    bucket could not be read and the rest was brought; 7 an endpoint stayed away; 8 some regions are
    complete and some are not; 130 interrupted, the same command goes on.
    """
    from imgrepl.actions import portable
    from imgrepl.azure import carrying_shapes

    with run.open() as ctx:
        done = portable.bring_in(ctx, options.request(), dry_run=options.dry_run)
    verdict = verdict_of(done.replicas) or unread_error(done.unread)
    return Answer(carrying_shapes.carriage(done), error=verdict, page=carrying_page)


def move_home(
    *,
    options: GalleryOptions,
    to: Annotated[str, option("--to", text="The new home region.", metavar="REGION")],
    skip_missing: Annotated[
        bool,
        option("--skip-missing", text="Leave versions at their home that are not complete there."),
    ] = False,
    dry_run: DryRun = False,
    run: Injected,
) -> Answer:
    """Make another region the home of a gallery, of its definitions and versions.

    A version's home record is what makes it published. The new home gets every record before the
    old one loses its role, which may be out of reach; versions must be complete in the new home.

    For example:

        imgrepl gallery move-home -r golden --to westeurope --dry-run

    Exit codes: 0 done; 3 no such gallery or region; 4 a version is not complete there, or something
    changed meanwhile; 5 a limit; 7 the new home stayed away; 130 interrupted, the same command
    goes on.
    """
    from imgrepl.actions import moving_home
    from imgrepl.azure import carrying_shapes

    with run.open() as ctx:
        done = moving_home.move_home(
            ctx, options.gallery_id, to, skip_missing=skip_missing, dry_run=dry_run
        )
    return Answer(carrying_shapes.home_move(done), page=home_page)
