"""`imgrepl gallery`: the top of the published hierarchy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.fact_page import fact_page
from imgrepl.cli.noun import noun
from imgrepl.cli.options import (
    DryRun,
    GalleryOptions,
    SetWords,
    Tags,
    Yes,
    option,
    optional_pairs,
    pairs,
    refuse_paths,
    tags_set,
)
from imgrepl.cli.run import Injected

if TYPE_CHECKING:
    from imgrepl.actions.galleries import GalleryChanges

app = noun("gallery")

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
    }
)

Description = Annotated[str | None, option("--description", text="For people.", metavar="TEXT")]


@app.command
def create(
    *,
    options: GalleryOptions,
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
        )
    return Answer(shapes.gallery(made), page=PAGE)


@app.command(name="list")
def list_galleries(
    *,
    group: Annotated[
        str | None, option("--resource-group", "-g", text="Of this group only.", metavar="GROUP")
    ] = None,
    subscription: Annotated[
        str | None, option("--subscription", text="Of this subscription only.", metavar="NAME")
    ] = None,
    run: Injected,
) -> Answer:
    """List galleries by name.

    For example:

        imgrepl gallery list --query "[].name" -o tsv

    Exit codes: 0 done.
    """
    from imgrepl.actions import galleries
    from imgrepl.azure import shapes

    with run.open() as ctx:
        found = galleries.list_all(ctx, subscription=subscription, group=group)
    return Answer([shapes.gallery(gallery) for gallery in found], COLUMNS)


@app.command
def show(*, options: GalleryOptions, run: Injected) -> Answer:
    """Show a gallery.

    For example:

        imgrepl gallery show -r golden

    Exit codes: 0 done; 3 no such gallery.
    """
    from imgrepl.actions import galleries
    from imgrepl.azure import shapes

    with run.open() as ctx:
        return Answer(shapes.gallery(galleries.show(ctx, options.gallery_id)), page=PAGE)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class UpdateGalleryOptions(GalleryOptions):
    """What `gallery update` takes; what is not named stays as it is."""

    description: Description = None
    tags: Tags = None
    set_words: SetWords = ()

    def changes(self, present_tags: Mapping[str, str]) -> "GalleryChanges":
        """The changes asked for; `present_tags` are what `--set tags.NAME=…` adds to."""
        from imgrepl.actions.galleries import GalleryChanges

        words = pairs(self.set_words, "--set")
        refuse_paths(words, ["description"])
        tags = optional_pairs(self.tags, "--tags")
        return GalleryChanges(
            description=words.get("description", self.description),
            tags=tags_set(words, present_tags if tags is None else tags) or tags,
        )


@app.command
def update(*, options: UpdateGalleryOptions, run: Injected) -> Answer:
    """Change a gallery's description or tags. An empty description clears it.

    For example:

        imgrepl gallery update -r golden --description "Hardened images" --set tags.tier=prod

    Exit codes: 0 done; 3 no such gallery; 4 a field that --set names cannot change; 5 a rule.
    """
    from imgrepl.actions import galleries
    from imgrepl.azure import shapes

    with run.open() as ctx:
        present = galleries.show(ctx, options.gallery_id)
        changed = galleries.update(ctx, options.gallery_id, options.changes(present.tags))
    return Answer(shapes.gallery(changed), page=PAGE)


@app.command
def delete(
    *,
    options: GalleryOptions,
    recursive: Annotated[
        bool, option("--recursive", text="With all its definitions and versions.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    run: Injected,
) -> Answer:
    """Delete a gallery. One that is not empty is refused, unless --recursive is given.

    For example:

        imgrepl gallery delete -r golden --recursive --dry-run

    Exit codes: 0 done; 2 nobody could be asked and --yes was not given; 3 no such gallery; 4 it is
    not empty, or a version is in use or guarded; 7 a home region stayed away; 130 interrupted.
    """
    from imgrepl.actions import deleting

    if not dry_run:
        what = " and everything in it" if recursive else ""
        run.confirm(f"Delete gallery {options.gallery_id}{what}?", yes=yes)
    with run.open() as ctx:
        return Answer(
            deleting.delete_gallery(ctx, options.gallery_id, recursive=recursive, dry_run=dry_run)
        )
