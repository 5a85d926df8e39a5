"""`imgrepl image-version`: create, list, show and update."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.bucket_options import BucketOptions
from imgrepl.cli.list_options import VersionListOptions
from imgrepl.cli.options import VersionOrLatestOptions, choice, option
from imgrepl.cli.run import Injected
from imgrepl.cli.verdicts import verdict_of
from imgrepl.cli.version_options import CreateOptions, UpdateOptions
from imgrepl.cli.version_page import all_versions_page, version_page, versions_page
from imgrepl.errors import UsageError
from imgrepl.model.gallery import VersionId, VersionName

if TYPE_CHECKING:
    from imgrepl.actions.context import Context
    from imgrepl.actions.version_requests import UpdateVersion

PARENT_COLUMNS = {"Gallery": "imgrepl.gallery", "Definition": "imgrepl.imageDefinition"}
COLUMNS = {
    "Version": "name",
    "State": "provisioningState",
    "Replication": "replicationStatus.aggregatedState",
    "Regions": "publishingProfile.targetRegions[].name",
    "Excluded": "publishingProfile.excludeFromLatest",
    "Published": "publishingProfile.publishedDate",
    "End of life": "publishingProfile.endOfLifeDate",
}


def create(*, options: CreateOptions, run: Injected) -> Answer:
    r"""Publish a disk image as a version and replicate it to its target regions.

    The version is usable in a region as soon as that region is Completed. A version that exists
    with the same content and fields is a success, and replication goes on where it was.

    For example:

        imgrepl image-version create -r golden -i debian -e 1.0.0 \
            --os-disk debian.vhd --target-regions eastus=2 westeurope=1 \
            --create-parents -l eastus

    Exit codes: 0 done; 3 a region, a gallery or the source is missing; 4 the version has other
    content or fields; 5 the image or a rule; 7 an endpoint stayed away; 8 some regions are
    complete and some are not; 130 interrupted, the same command goes on.
    """
    from imgrepl.actions import creating
    from imgrepl.azure import shapes

    with run.open() as ctx:
        view = creating.create(
            ctx,
            options.request(_name(ctx, options)),
            wait=options.milestone,
            dry_run=options.dry_run or options.estimate,
            estimate=options.estimate,
        )
    return Answer(shapes.version(view), error=verdict_of(view.replicas), page=version_page)


def _name(ctx: "Context", options: CreateOptions) -> VersionId:
    from imgrepl.actions import versions

    definition = options.definition_id
    if (options.version is None) == (options.auto_version is None):
        raise UsageError("name the version with -e, or choose it with --auto-version; one of them")
    if options.version is not None:
        return definition.version(VersionName.parse(options.version))
    return definition.version(versions.next_name(ctx, definition, options.auto_version))


def list_versions(
    *,
    options: VersionListOptions = VersionListOptions(),  # noqa: B008 - frozen
    run: Injected,
) -> Answer:
    """List versions, newest first: of one definition, or across all galleries.

    For example:

        imgrepl image-version list --all --tag build=7 --region westeurope \
            --published-after 2026-06-01 --query "[].id" -o tsv

    Exit codes: 0 done; 3 no such gallery or definition.
    """
    from imgrepl.actions import listing
    from imgrepl.azure import shapes

    with options.opened(run) as ctx:
        views = listing.versions(ctx, options.within, options.conditions)
    one = options.gallery is not None and options.definition is not None
    columns = COLUMNS if one else PARENT_COLUMNS | COLUMNS
    page = versions_page if one else all_versions_page
    return Answer([shapes.version(view) for view in views], columns, page=page)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ShowOptions(BucketOptions, VersionOrLatestOptions):
    """What `image-version show` takes."""

    region: Annotated[
        str | None,
        option("--region", text="Resolve latest as a deployment there would.", metavar="REGION"),
    ] = None
    explain: Annotated[
        bool, option("--explain", text="Say of each candidate why it is not the latest.")
    ] = False
    expand: Annotated[
        str | None,
        choice("--expand", text="As az; always expanded here.", of=("ReplicationStatus",)),
    ] = None


def show(*, options: ShowOptions, run: Injected) -> Answer:
    """Show one version, or the one that latest resolves to.

    For example:

        imgrepl image-version show -r golden -i debian -e latest --region eastus

    Exit codes: 0 done; 3 no such version, or none is eligible as latest.
    """
    from imgrepl.actions import versions
    from imgrepl.azure import shapes

    with options.opened(run) as ctx:
        view = versions.show(
            ctx,
            options.definition_id,
            options.version,
            region=options.region,
            explain=options.explain,
        )
    return Answer(shapes.version(view), page=version_page)


def update(*, options: UpdateOptions, run: Injected) -> Answer:
    r"""Change where a version stands, or its profile. Its content never changes.

    A new list with --target-regions takes the place of the old one. What it leaves out is asked
    about, or confirmed with --yes; --dry-run shows the difference.

    For example:

        imgrepl image-version update -r golden -i debian -e 1.0.0 \
            --add-regions northeurope=2 --remove-regions eastus

    Exit codes: 0 done; 2 a region would be dropped and nobody could be asked; 3 no such version or
    region; 4 the field cannot change, it has changed meanwhile, or it lies in the bin; 5 a rule;
    7 an endpoint stayed away; 8 some regions are complete and some are not; 130 interrupted.
    """
    from imgrepl.actions import updating, versions
    from imgrepl.azure import shapes
    from imgrepl.model import etags

    with run.open() as ctx:
        present = None
        if options.edits:
            present = versions.show(ctx, options.definition_id, options.version)
        seen = None if present is None else etags.etag_of(present.version)
        asked = options.request(present)
        listed = (options.target_regions, options.target_edge_zones) != (None, None)
        if listed and not options.dry_run:
            _confirm_drops(ctx, options, asked, run)
        view = updating.update(
            ctx,
            options.version_id,
            asked,
            if_match=options.if_match or seen,
            wait=options.milestone,
            dry_run=options.dry_run,
        )
    return Answer(shapes.version(view), error=verdict_of(view.replicas), page=version_page)


def _confirm_drops(
    ctx: "Context", options: UpdateOptions, asked: "UpdateVersion", run: Injected
) -> None:
    """Asks before a new list of targets drops a region that it does not name."""
    from imgrepl.actions import updating

    dropped = updating.regions_dropped(ctx, options.version_id, asked)
    if dropped:
        run.confirm(
            f"{options.version_id} leaves {', '.join(dropped)}, which the new list does not name."
            " Go on?",
            yes=options.yes,
        )
