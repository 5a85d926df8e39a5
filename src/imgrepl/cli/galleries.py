"""`imgrepl gallery`: the top of the published hierarchy."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli import gallery_moves, shared_galleries
from imgrepl.cli.answer import Answer
from imgrepl.cli.bucket_options import BucketOptions
from imgrepl.cli.fact_page import fact_page
from imgrepl.cli.list_options import GalleryListOptions
from imgrepl.cli.noun import noun
from imgrepl.cli.options import (
    BypassSoftDelete,
    DoneOnReturn,
    DryRun,
    EditOptions,
    GalleryOptions,
    IfMatch,
    Tags,
    ThreeState,
    Yes,
    choice,
    option,
    optional_pairs,
    pairs,
    three_state,
    truth,
)
from imgrepl.cli.run import Injected
from imgrepl.cli.share_options import Permissions
from imgrepl.model.gallery import Gallery

if TYPE_CHECKING:
    from imgrepl.actions.galleries import GalleryChanges
    from imgrepl.actions.sharing_profiles import SharingRequest

app = noun("gallery")
app.command(gallery_moves.export, name="export")
app.command(gallery_moves.bring_in, name="import")
app.command(gallery_moves.move_home, name="move-home")

COLUMNS = {
    "Gallery": "name",
    "Resource group": "resourceGroup",
    "Location": "location",
    "State": "provisioningState",
    "Description": "description",
}

PAGE = fact_page(
    {
        "Gallery": "name",
        "Resource group": "resourceGroup",
        "Home region": "location",
        "State": "provisioningState",
        "Description": "description",
        "Tags": "tags",
        "Soft deletion": "softDeletePolicy.isSoftDeleteEnabled",
        "Kept for days": "softDeletePolicy.retentionPeriodInDays",
        "Days of grace": "softDeletePolicy.gracePeriodInDays",
        "Shared as": "sharingProfile.permissions",
        "Shared with": "sharingProfile.groups[].ids[]",
        "Public name": "sharingProfile.communityGalleryInfo.publicNames",
        "Is public": "sharingProfile.communityGalleryInfo.communityGalleryEnabled",
        "ETag": "etag",
    }
)

Description = Annotated[str | None, option("--description", text="For people.", metavar="TEXT")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class BinOptions(GalleryOptions):
    """What becomes of deleted versions, and how the gallery may be shared."""

    no_wait: DoneOnReturn = False
    soft_delete: Annotated[
        ThreeState,
        three_state("--soft-delete", text="Keep deleted versions in a bin, to bring them back."),
    ] = None
    soft_delete_retention_days: Annotated[
        int | None,
        option(
            "--soft-delete-retention-days",
            text="Days for which they can still be used, by number; 7 if absent.",
            metavar="DAYS",
        ),
    ] = None
    soft_delete_grace_days: Annotated[
        int | None,
        option(
            "--soft-delete-grace-days",
            text="Days behind those, in which they can only be brought back; 0 if absent.",
            metavar="DAYS",
        ),
    ] = None

    permissions: Permissions = None
    publisher_uri: Annotated[
        str | None, option("--publisher-uri", text="Community: the publisher.", metavar="URI")
    ] = None
    publisher_email: Annotated[
        str | None,
        option(
            "--publisher-email",
            "--publisher-contact",
            text="Community: whom to write to.",
            metavar="ADDRESS",
        ),
    ] = None
    eula: Annotated[
        str | None, option("--eula", text="Community: what users agree to.", metavar="TEXT|URI")
    ] = None
    public_name_prefix: Annotated[
        str | None,
        option(
            "--public-name-prefix",
            text="Community: what the public name begins with, 5 to 16 letters and digits.",
            metavar="PREFIX",
        ),
    ] = None

    def sharing(self) -> "SharingRequest | None":
        """How the gallery is to be shareable, where anything was said of that."""
        from imgrepl.actions.sharing_profiles import SharingRequest
        from imgrepl.model.sharing import SharingPermission

        texts = {
            "publisher_uri": self.publisher_uri,
            "publisher_contact": self.publisher_email,
            "eula": self.eula,
            "public_name_prefix": self.public_name_prefix,
        }
        if self.permissions is None and not any(texts.values()):
            return None
        return SharingRequest(permissions=self.permissions or SharingPermission.PRIVATE, **texts)

    def bin_policy(self) -> "GalleryChanges":
        """The changes of the bin that these options ask for."""
        from imgrepl.actions.galleries import GalleryChanges

        return GalleryChanges(
            soft_delete_enabled=truth(self.soft_delete),
            soft_delete_retention_days=self.soft_delete_retention_days,
            soft_delete_grace_days=self.soft_delete_grace_days,
        )


@app.command
def create(
    *,
    options: BinOptions,
    location: Annotated[str, option("--location", "-l", text="Home region.", metavar="REGION")],
    description: Description = None,
    tags: Tags = None,
    run: Injected,
) -> Answer:
    """Make a gallery. One that exists with the same fields is a success.

    For example:

        imgrepl gallery create -r golden -l eastus --tags team=images

    Exit codes: 0 done; 3 no such region; 4 it exists with other fields; 5 a rule or a limit.
    """
    from imgrepl.actions import galleries
    from imgrepl.azure import shapes

    with run.open() as ctx:
        made = galleries.create(
            ctx,
            options.gallery_id,
            location=location,
            description=description,
            tags=pairs(tags or (), "--tags"),
            bin_policy=options.bin_policy(),
            sharing=options.sharing(),
        )
    return Answer(shapes.gallery(made), page=PAGE)


@app.command(name="list")
def list_galleries(
    *,
    options: GalleryListOptions = GalleryListOptions(),  # noqa: B008 - frozen
    run: Injected,
) -> Answer:
    """List galleries by name, of all resource groups and subscriptions.

    For example:

        imgrepl gallery list --tag team=images --query "[].name" -o tsv

    Exit codes: 0 done; 3 --from-bucket names no store; 7 the bucket stayed away.
    """
    from imgrepl.actions import listing
    from imgrepl.azure import shapes

    with options.opened(run) as ctx:
        found = listing.galleries(ctx, options.within, options.conditions)
    return Answer([shapes.gallery(gallery) for gallery in found], COLUMNS)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ShowGalleryOptions(BucketOptions, GalleryOptions):
    """Names a gallery to look at, in the index or in a bucket."""

    select: Annotated[
        str | None, choice("--select", text="As az; always shown here.", of=("Permissions",))
    ] = None
    expand: Annotated[
        str | None,
        choice("--expand", text="As az; always expanded here.", of=("SharingProfile/Groups",)),
    ] = None
    sharing_groups: Annotated[
        bool, option("--sharing-groups", text="As az; always shown here.")
    ] = False


@app.command
def show(*, options: ShowGalleryOptions, run: Injected) -> Answer:
    """Show a gallery.

    For example:

        imgrepl gallery show -r golden

    Exit codes: 0 done; 3 no such gallery.
    """
    from imgrepl.actions import galleries, sharing_status
    from imgrepl.azure import shapes, sharing_shapes

    with options.opened(run) as ctx:
        found = galleries.show(ctx, options.gallery_id)
        status = sharing_shapes.status(sharing_status.regions_told(ctx, found))
    return Answer(shapes.gallery(found, sharing_status=status), page=PAGE)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class UpdateGalleryOptions(BinOptions, EditOptions):
    """What `gallery update` takes; what is not named stays as it is."""

    description: Description = None
    tags: Tags = None
    if_match: IfMatch = None

    def changes(self, present: Gallery) -> "GalleryChanges":
        """The changes asked for: by edits of what is `present`, and by options, which win."""
        from imgrepl.azure import edited, shapes

        stated = replace(self.bin_policy(), description=self.description, sharing=self.sharing())
        edits = self.edits
        tags = optional_pairs(self.tags, "--tags")
        return edited.changes(edited.gallery_changes, shapes.gallery(present), edits, stated, tags)


@app.command
def update(*, options: UpdateGalleryOptions, run: Injected) -> Answer:
    """Change a gallery's description, tags or bin. An empty description clears it.

    For example:

        imgrepl gallery update -r golden --description "Hardened images" --set tags.tier=prod

    Exit codes: 0 done; 3 no such gallery; 4 a field that --set names cannot change, or it has
    changed meanwhile; 5 a rule.
    """
    from imgrepl.actions import galleries
    from imgrepl.azure import shapes
    from imgrepl.model import etags

    with run.open() as ctx:
        present = galleries.show(ctx, options.gallery_id)
        seen = etags.etag_of(present) if options.edits else None
        changed = galleries.update(
            ctx,
            options.gallery_id,
            options.changes(present),
            if_match=options.if_match or seen,
        )
    return Answer(shapes.gallery(changed), page=PAGE)


@app.command
def delete(
    *,
    options: GalleryOptions,
    recursive: Annotated[
        bool, option("--recursive", text="With all its definitions and versions.")
    ] = False,
    bypass_soft_delete: BypassSoftDelete = False,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    no_wait: DoneOnReturn = False,  # noqa: ARG001 - as az
    run: Injected,
) -> Answer:
    """Delete a gallery. One that is not empty is refused, unless --recursive is given.

    A dry run lists everything that would go, and what stands in the way. What goes with its
    gallery goes for good: where the gallery has a bin, --bypass-soft-delete must say so.

    For example:

        imgrepl gallery delete -r golden --recursive --dry-run

    Exit codes: 0 done; 2 nobody could be asked and --yes was not given; 3 no such gallery; 4 it is
    not empty, has a bin, has changed meanwhile, or a version is in use or guarded; 7 a home region
    stayed away; 130 interrupted.
    """
    from imgrepl.actions import deleting

    if not dry_run:
        what = " and everything in it" if recursive else ""
        run.confirm(f"Delete gallery {options.gallery_id}{what}?", yes=yes)
    with run.open() as ctx:
        how = deleting.DeleteParent(
            recursive=recursive,
            bypass_soft_delete=bypass_soft_delete,
            if_match=if_match,
            dry_run=dry_run,
        )
        return Answer(deleting.delete_gallery(ctx, options.gallery_id, how))


for _name, _command in shared_galleries.COMMANDS.items():
    app.command(_command, name=_name)
