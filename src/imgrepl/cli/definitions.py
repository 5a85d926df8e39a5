"""`imgrepl image-definition`: what all versions of an image have in common."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.bucket_options import BucketOptions
from imgrepl.cli.definition_options import CreateDefinitionOptions, UpdateDefinitionOptions
from imgrepl.cli.fact_page import fact_page
from imgrepl.cli.list_options import DefinitionListOptions
from imgrepl.cli.noun import noun
from imgrepl.cli.options import (
    BypassSoftDelete,
    DefinitionOptions,
    DoneOnReturn,
    DryRun,
    IfMatch,
    Yes,
    option,
)
from imgrepl.cli.run import Injected

app = noun("image-definition")

COLUMNS = {
    "Definition": "name",
    "Publisher": "identifier.publisher",
    "Offer": "identifier.offer",
    "SKU": "identifier.sku",
    "OS": "osType",
    "State": "osState",
    "Location": "location",
}
GALLERY_COLUMN = {"Gallery": "imgrepl.gallery"}
PAGE = fact_page(
    {
        "Definition": "name",
        "Publisher": "identifier.publisher",
        "Offer": "identifier.offer",
        "SKU": "identifier.sku",
        "OS": "join(', ', [osType, osState])",
        "Machine": "join(', ', [architecture, hyperVGeneration])",
        "Home region": "location",
        "State": "provisioningState",
        "Features": "features[].join('=', [name, value])",
        "Description": "description",
        "End of life": "endOfLifeDate",
        "Tags": "tags",
        "ETag": "etag",
    }
)


@app.command
def create(*, options: CreateDefinitionOptions, run: Injected) -> Answer:
    r"""Make an image definition. One that exists with the same fields is a success.

    For example:

        imgrepl image-definition create -r golden -i debian -p Contoso -f Debian -s 13 \
            --os-type Linux --features SecurityType=TrustedLaunchSupported

    Exit codes: 0 done; 3 no such gallery or region; 4 it exists with other fields, or publisher,
    offer and SKU are taken; 5 a rule or a limit.
    """
    from imgrepl.actions import definitions
    from imgrepl.azure import shapes

    with run.open() as ctx:
        return Answer(shapes.definition(definitions.create(ctx, options.request())), page=PAGE)


@app.command(name="list")
def list_definitions(
    *,
    options: DefinitionListOptions = DefinitionListOptions(),  # noqa: B008 - frozen
    run: Injected,
) -> Answer:
    """List image definitions by name: of one gallery, or of all.

    For example:

        imgrepl image-definition list --subscription prod --tag team=images

    Exit codes: 0 done; 3 no such gallery.
    """
    from imgrepl.actions import listing
    from imgrepl.azure import shapes

    with options.opened(run) as ctx:
        found = listing.definitions(ctx, options.within, options.conditions)
    columns = COLUMNS if options.gallery is not None else GALLERY_COLUMN | COLUMNS
    return Answer([shapes.definition(definition) for definition in found], columns)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ShowDefinitionOptions(BucketOptions, DefinitionOptions):
    """Names an image definition to look at, in the index or in a bucket."""


@app.command
def show(*, options: ShowDefinitionOptions, run: Injected) -> Answer:
    """Show an image definition.

    For example:

        imgrepl image-definition show -r golden -i debian

    Exit codes: 0 done; 3 no such gallery or definition.
    """
    from imgrepl.actions import definitions
    from imgrepl.azure import shapes

    with options.opened(run) as ctx:
        return Answer(shapes.definition(definitions.show(ctx, options.definition_id)), page=PAGE)


@app.command
def update(*, options: UpdateDefinitionOptions, if_match: IfMatch = None, run: Injected) -> Answer:
    """Change what may change of an image definition. An empty text clears a field.

    For example:

        imgrepl image-definition update -r golden -i debian --end-of-life-date 2028-06-30

    Exit codes: 0 done; 3 no such definition; 4 a field that --set names cannot change, or it has
    changed meanwhile; 5 a rule.
    """
    from imgrepl.actions import definitions
    from imgrepl.azure import shapes
    from imgrepl.model import etags

    with run.open() as ctx:
        present = definitions.show(ctx, options.definition_id)
        seen = etags.etag_of(present) if options.edits else None
        changed = definitions.update(
            ctx, options.definition_id, options.changes(present), if_match=if_match or seen
        )
    return Answer(shapes.definition(changed), page=PAGE)


@app.command
def delete(
    *,
    options: DefinitionOptions,
    recursive: Annotated[bool, option("--recursive", text="With all its versions.")] = False,
    bypass_soft_delete: BypassSoftDelete = False,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    no_wait: DoneOnReturn = False,  # noqa: ARG001 - as az
    run: Injected,
) -> Answer:
    """Delete an image definition. One that has versions is refused, unless --recursive is given.

    What goes with its definition goes for good: where the gallery has a bin, --bypass-soft-delete
    must say so.

    For example:

        imgrepl image-definition delete -r golden -i debian --yes

    Exit codes: 0 done; 2 nobody could be asked and --yes was not given; 3 no such definition; 4 it
    has versions, or one that is in use or guarded; 7 a home region stayed away; 130 interrupted.
    """
    from imgrepl.actions import deleting

    if not dry_run:
        what = " and all its versions" if recursive else ""
        run.confirm(f"Delete image definition {options.definition_id}{what}?", yes=yes)
    with run.open() as ctx:
        how = deleting.DeleteParent(
            recursive=recursive,
            bypass_soft_delete=bypass_soft_delete,
            if_match=if_match,
            dry_run=dry_run,
        )
        return Answer(deleting.delete_definition(ctx, options.definition_id, how))
