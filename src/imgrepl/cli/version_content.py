"""`imgrepl image-version`: checksum, download, verify and repair."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.bucket_options import BucketOptions
from imgrepl.cli.health_page import health_page
from imgrepl.cli.options import DryRun, VersionOrLatestOptions, choice, option
from imgrepl.cli.plain import plain
from imgrepl.cli.read_page import checksum_page, download_page
from imgrepl.cli.run import Injected
from imgrepl.errors import Corrupt, ImgreplError, NotFound, UsageError

if TYPE_CHECKING:
    from imgrepl.actions.downloads import DownloadRequest

DiskText = Annotated[
    str, option("--disk", text="The OS disk, or a data disk's LUN.", metavar="os|LUN")
]
RegionText = Annotated[str | None, option("--region", text="Only this region.", metavar="REGION")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LookingOptions(BucketOptions, VersionOrLatestOptions):
    """Names a version to look at, in the index's gallery or in a bucket."""


def lun_of(disk: str) -> int | None:
    """The LUN that `--disk` names; None is the OS disk."""
    if disk == "os":
        return None
    if not disk.isdecimal():
        raise UsageError(
            f"--disk {disk!r} is neither os nor a LUN",
            target=disk,
            hint="--disk os, or the number of a data disk as in --disk 0",
        )
    return int(disk)


def checksum(*, options: LookingOptions, disk: DiskText = "os", run: Injected) -> Answer:
    """Digest a disk of a version as the guest sees it, all its bytes, read from its region.

    For example:

        imgrepl image-version checksum -r golden -i debian -e 1.0.0

    Exit codes: 0 done; 3 no such version or disk; 6 stored bytes are damaged; 7 no region that
    has it answers.
    """
    from imgrepl.actions import downloads

    with options.opened(run) as ctx:
        found = downloads.checksum(ctx, options.found(ctx), lun_of(disk))
    return Answer(found, page=checksum_page)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DownloadOptions(BucketOptions, VersionOrLatestOptions):
    """What `image-version download` takes."""

    region: Annotated[
        str | None,
        option(
            "--region", text="Read there; the nearest complete one if absent.", metavar="REGION"
        ),
    ] = None
    replica: Annotated[
        int | None, option("--replica", text="Read this replica first.", metavar="K")
    ] = None
    disk: DiskText = "os"
    format: Annotated[
        str,
        choice("--format", text="Format of the file.", of=("raw", "vhd", "vhd-dynamic", "qcow2")),
    ] = "raw"
    file: Annotated[str, option("--file", text="Where to write it.", metavar="OUT")]
    overwrite: Annotated[
        bool, option("--overwrite", text="Replace the file if it is there already.")
    ] = False

    def request(self) -> "DownloadRequest":
        """What these options ask for."""
        from imgrepl.actions.downloads import DownloadRequest

        return DownloadRequest(
            definition=self.definition_id,
            name=self.version,
            file=self.file,
            format=self.format,
            lun=lun_of(self.disk),
            region=self.region,
            replica=self.replica,
            overwrite=self.overwrite,
        )


def download(*, options: DownloadOptions, run: Injected) -> Answer:
    r"""Write a disk of a version to a file. Every chunk is verified; holes stay holes.

    With --from-bucket any region's bucket serves, while index and home region are gone.

    For example:

        imgrepl image-version download -r golden -i debian -e latest \
            --format qcow2 --file debian.qcow2

    Exit codes: 0 done; 3 no such version, disk or replica; 4 the file exists; 6 stored bytes are
    damaged in every replica that was tried; 7 no region that has it answers; 130 interrupted.
    """
    from imgrepl.actions import downloads

    with options.opened(run) as ctx:
        done = downloads.download(ctx, options.request())
    return Answer(done, page=download_page)


def verify(
    *,
    options: LookingOptions,
    region: RegionText = None,
    deep: Annotated[
        bool, option("--deep", text="Read and check every byte of every pack.")
    ] = False,
    run: Injected,
) -> Answer:
    """Prove a version's replicas: their packs are there and are what was written.

    For example:

        imgrepl image-version verify -r golden -i debian -e 1.0.0 --deep

    Exit codes: 0 all healthy; 3 no such version or region; 6 damage found; 7 an endpoint stayed
    away; 130 interrupted.
    """
    from imgrepl.actions import verifying

    with options.opened(run) as ctx:
        report = plain(verifying.verify(ctx, options.found(ctx, region), region, deep))
    return Answer(report, error=damage(report["replicas"]), page=health_page)


_REPAIR = "`imgrepl image-version repair` mends a replica from another one"
_BEYOND_REPAIR = (
    "each problem's reason says what keeps it from being mended: see to that, with `imgrepl region"
    " check`, and repair again; what no copy is left of must be published anew"
)


def damage(replicas: list[dict[str, object]], hint: str = _REPAIR) -> ImgreplError | None:
    """What the exit status says of a report on replicas; None where all of them are healthy."""
    if not replicas:
        return NotFound(
            "no replica is complete yet, so there was nothing to look at",
            code="NotAvailableInRegion",
            hint="`imgrepl image-version status` shows how far they are, `retry` goes on",
        )
    bad = [
        f"{replica['region']}, replica {replica['replica']}: {replica['state']}"
        for replica in replicas
        if replica["state"] != "healthy"
    ]
    if not bad:
        return None
    return Corrupt(
        f"{len(bad)} of {len(replicas)} replicas are not healthy",
        code="DamageFound",
        details=bad,
        hint=hint,
    )


def repair(
    *,
    options: VersionOrLatestOptions,
    region: RegionText = None,
    dry_run: DryRun = False,
    run: Injected,
) -> Answer:
    """Mend damaged or missing packs of a version's replicas from replicas that have them.

    With --dry-run it reads as much, says what is to be mended, and mends nothing.

    For example:

        imgrepl image-version repair -r golden -i debian -e 1.0.0 --region eastus

    Exit codes: 0 all healthy afterwards, or already with --dry-run; 3 no such version or region; 6
    no intact copy was found; 7 an endpoint stayed away; 130 interrupted.
    """
    from imgrepl.actions import verifying

    with run.open() as ctx:
        version = options.found(ctx, region)
        if dry_run:
            report = plain(verifying.verify(ctx, version, region, deep=True))
        else:
            report = plain(verifying.repair(ctx, version, region))
    error = damage(report["replicas"], _REPAIR if dry_run else _BEYOND_REPAIR)
    return Answer(report, error=error, page=health_page)
