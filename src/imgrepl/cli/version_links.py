"""`imgrepl image-version`: signed links to one disk, and what they lead to."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.blocks import Column
from imgrepl.cli.fact_page import fact_page, list_page
from imgrepl.cli.options import DryRun, VersionOptions, VersionOrLatestOptions, Yes, choice, option
from imgrepl.cli.run import Injected
from imgrepl.cli.version_content import DiskText, lun_of
from imgrepl.errors import UsageError

if TYPE_CHECKING:
    from imgrepl.actions.links import LinkRequest

PAGE = fact_page(
    {
        "Link": "url",
        "Good until": "expiresAt",
        "Version": "version",
        "Disk": "lun",
        "Region": "region",
        "Format": "format",
        "File": "fileBytes",
        "SHA-256 of the file": "sha256",
        "Made before": "reused",
        "File is kept until": "keptUntil",
    }
)
LIST_PAGE = list_page(
    Column("Region", "region"),
    Column("Disk", "lun"),
    Column("Format", "format"),
    Column("File", "fileBytes"),
    Column("Kept until", "keptUntil"),
    Column("SHA-256", "sha256", spare=1),
)
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LinkOptions(VersionOrLatestOptions):
    """What `image-version link` takes."""

    region: Annotated[
        str | None,
        option(
            "--region",
            text="Where the link leads; the home region, or the next on an S3 server, if absent.",
            metavar="REGION",
        ),
    ] = None
    disk: DiskText = "os"
    format: Annotated[
        str,
        choice("--format", text="Format of the file.", of=("raw", "vhd", "vhd-dynamic", "qcow2")),
    ] = "qcow2"
    expires_in: Annotated[
        str,
        option(
            "--expires-in",
            text="How long the link is good: 30m, 24h, at most 7d.",
            metavar="DURATION",
        ),
    ] = "24h"

    def request(self) -> "LinkRequest":
        """What these options ask for."""
        from imgrepl.actions.links import LinkRequest

        return LinkRequest(
            definition=self.definition_id,
            name=self.version,
            lun=lun_of(self.disk),
            format=self.format,
            region=self.region,
            expires_in=_duration(self.expires_in),
        )


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UsageError(
            f"--expires-in {text!r} is no time: a number with s, m, h or d",
            target=text,
            hint="write 30m, 24h or 7d",
        )
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def link(*, options: LinkOptions, dry_run: DryRun = False, run: Injected) -> Answer:
    """Make a link by which anybody downloads one disk, with curl or a browser, until it expires.

    The disk is written to the region's bucket once for each format, as an image file that the next
    link finds again; `collect` frees it when no link can lead to it any more. Whoever has the link
    has the disk: revoke-links ends all links to a version's disks. A dry run makes neither.

    For example:

        imgrepl image-version link -r golden -i debian -e 1.0.0 --expires-in 2h --query url -o tsv

    Exit codes: 0 done; 3 no such version, disk or region; 4 its time in the bin is over; 5 only
    directories have it, or the time is out of bounds; 6 stored bytes are damaged everywhere; 7 a
    region or the local disk stayed away; 9 not allowed; 130 interrupted.
    """
    from imgrepl.actions import links
    from imgrepl.azure import sharing_shapes

    with run.open() as ctx:
        made = links.create(ctx, options.request(), dry_run=dry_run)
    return Answer(sharing_shapes.link(made), page=PAGE)


def list_links(*, options: VersionOptions, run: Injected) -> Answer:
    """List the image files that links to a version's disks lead to. Links are not remembered.

    For example:

        imgrepl image-version list-links -r golden -i debian -e 1.0.0

    Exit codes: 0 done; 3 no such version; 7 a region stayed away; 9 not allowed.
    """
    from imgrepl.actions import links
    from imgrepl.azure import sharing_shapes

    with run.open() as ctx:
        found = links.list_of(ctx, options.version_id)
    return Answer([sharing_shapes.linked_file(one) for one in found], page=LIST_PAGE)


def revoke_links(*, options: VersionOptions, yes: Yes = False, run: Injected) -> Answer:
    """Delete the image files of a version's disks: every link to them is dead at once.

    For example:

        imgrepl image-version revoke-links -r golden -i debian -e 1.0.0 --yes

    Exit codes: 0 done; 2 nobody could be asked and --yes was not given; 3 no such version; 7 a
    region stayed away; 9 not allowed.
    """
    from imgrepl.actions import links
    from imgrepl.azure import sharing_shapes

    run.confirm(f"End all links to {options.version_id}?", yes=yes)
    with run.open() as ctx:
        gone = links.revoke(ctx, options.version_id)
    return Answer([sharing_shapes.linked_file(one) for one in gone], page=LIST_PAGE)
