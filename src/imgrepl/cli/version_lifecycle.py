"""`imgrepl image-version`: promote, delete, list-soft-deleted, undelete and purge."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.blocks import Column
from imgrepl.cli.fact_page import list_page
from imgrepl.cli.options import (
    BypassSoftDelete,
    DefinitionOptions,
    DoneOnReturn,
    DryRun,
    IfMatch,
    VersionOptions,
    Yes,
    options,
    truth,
)
from imgrepl.cli.run import Injected
from imgrepl.cli.verdicts import verdict_of
from imgrepl.cli.version_options import AllowRegionDeletion, WaitOptions
from imgrepl.cli.version_page import version_page

BIN_COLUMNS = {
    "Version": "name",
    "Deleted": "softDeletedTime",
    "Usable until": "consumptionEndTime",
    "Purged at": "hardDeletionTargetTime",
    "Regions": "imgrepl.replicas[].region",
}
BIN_PAGE = list_page(*(Column(name, path) for name, path in BIN_COLUMNS.items()))


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PromoteOptions(VersionOptions):
    """What `image-version promote` takes."""

    regions: Annotated[
        tuple[str, ...],
        options("--regions", text="In these regions only; elsewhere it stays.", metavar="REGION"),
    ] = ()
    if_match: IfMatch = None
    dry_run: DryRun = False


def promote(*, options: PromoteOptions, run: Injected) -> Answer:
    """Let a staged version become latest: everywhere, or in some regions first.

    Without --regions the common exclusion is lifted; a region that excludes it by itself goes on
    doing so. With --regions these take it whatever the common exclusion says.

    For example:

        imgrepl image-version promote -r golden -i debian -e 1.0.0 --regions eastus

    Exit codes: 0 done, or it was not excluded; 3 no such version; 4 it is still being published,
    has changed meanwhile, or lies in the bin; 5 a region is none of its targets.
    """
    from imgrepl.actions import updating
    from imgrepl.actions.version_requests import UpdateVersion
    from imgrepl.azure import shapes

    if options.regions:
        request = UpdateVersion(exclude_from_latest_in=dict.fromkeys(options.regions, False))
    else:
        request = UpdateVersion(exclude_from_latest=False)
    with run.open() as ctx:
        view = updating.update(
            ctx, options.version_id, request, if_match=options.if_match, dry_run=options.dry_run
        )
    return Answer(shapes.version(view), page=version_page)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DeleteOptions(VersionOptions):
    """What `image-version delete` takes."""

    bypass_soft_delete: BypassSoftDelete = False
    if_match: IfMatch = None
    dry_run: DryRun = False
    yes: Yes = False
    no_wait: DoneOnReturn = False


def delete(*, options: DeleteOptions, run: Injected) -> Answer:
    """Delete a version in all its regions. `collect` frees the bytes that nothing else names.

    In a gallery with soft deletion it goes to the bin: it is never latest again, can be used by its
    number until its consumption ends, and undelete brings it back.

    For example:

        imgrepl image-version delete -r golden -i debian -e 1.0.0 --yes

    Exit codes: 0 done; 2 nobody could be asked and --yes was not given; 3 no such version; 4 it
    is in use, has changed meanwhile, or is guarded by its end of life; 7 the home region stayed
    away.
    """
    from imgrepl.actions import version_deleting

    if not options.dry_run:
        past = " for good" if options.bypass_soft_delete else ""
        run.confirm(f"Delete image version {options.version_id}{past}?", yes=options.yes)
    with run.open() as ctx:
        return Answer(
            version_deleting.delete(
                ctx,
                options.version_id,
                bypass_soft_delete=options.bypass_soft_delete,
                if_match=options.if_match,
                dry_run=options.dry_run,
            )
        )


def list_soft_deleted(*, options: DefinitionOptions, run: Injected) -> Answer:
    """List the versions of a definition that lie in the bin, newest first.

    For example:

        imgrepl image-version list-soft-deleted -r golden -i debian -o table

    Exit codes: 0 done; 3 no such gallery or definition.
    """
    from imgrepl.actions import version_bin
    from imgrepl.azure import shapes

    with run.open() as ctx:
        views = version_bin.list_of(ctx, options.definition_id)
    return Answer([shapes.soft_deleted(view) for view in views], BIN_COLUMNS, page=BIN_PAGE)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class UndeleteOptions(WaitOptions, VersionOptions):
    """What `image-version undelete` takes."""

    allow_replicated_location_deletion: AllowRegionDeletion = None
    if_match: IfMatch = None
    dry_run: DryRun = False


def undelete(*, options: UndeleteOptions, run: Injected) -> Answer:
    """Bring a deleted version back as it was, and refill its regions.

    It serves at once, from the replica of each region that never left. One that was not deleted is
    a success.

    For example:

        imgrepl image-version undelete -r golden -i debian -e 1.0.0

    Exit codes: 0 done; 3 no such version, or it was purged; 4 its time in the bin is over, or it
    has changed meanwhile; 7 an endpoint stayed away; 8 some regions are complete and some are not;
    130 interrupted.
    """
    from imgrepl.actions import version_bin
    from imgrepl.azure import shapes

    with run.open() as ctx:
        view = version_bin.undelete(
            ctx,
            options.version_id,
            allow_deletion_of_replicated_locations=truth(
                options.allow_replicated_location_deletion
            ),
            if_match=options.if_match,
            wait=options.milestone,
            dry_run=options.dry_run,
        )
    return Answer(shapes.version(view), error=verdict_of(view.replicas), page=version_page)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PurgeOptions(VersionOptions):
    """What `image-version purge` takes."""

    if_match: IfMatch = None
    dry_run: DryRun = False
    yes: Yes = False


def purge(*, options: PurgeOptions, run: Injected) -> Answer:
    """Delete for good what lies in the bin, before its time. `collect` frees the bytes.

    For example:

        imgrepl image-version purge -r golden -i debian -e 1.0.0 --yes

    Exit codes: 0 done; 2 nobody could be asked and --yes was not given; 3 no such version; 4 it
    does not lie in the bin, or has changed meanwhile; 7 the home region stayed away.
    """
    from imgrepl.actions import version_bin

    if not options.dry_run:
        run.confirm(f"Delete image version {options.version_id} for good?", yes=options.yes)
    with run.open() as ctx:
        return Answer(
            version_bin.purge(
                ctx, options.version_id, if_match=options.if_match, dry_run=options.dry_run
            )
        )
