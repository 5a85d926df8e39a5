"""`imgrepl region`: buckets and directories that keep replicas."""

from typing import Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.noun import noun
from imgrepl.cli.options import IfMatch, Yes, option
from imgrepl.cli.region_options import RegionOptions
from imgrepl.cli.region_page import check_page, region_page
from imgrepl.cli.run import Injected
from imgrepl.model.region import normal_region_name

app = noun("region")

COLUMNS = {
    "Region": "name",
    "Display name": "displayName",
    "URL": "url",
    "Endpoint": "endpoint",
    "Storage": "storageAccountTypes",
}

Name = Annotated[str, Parameter(help="The region; `East US` and `eastus` are one.")]


@app.command
def add(
    name: Name,
    /,
    *,
    url: Annotated[
        str, option("--url", text="s3://BUCKET[/PREFIX] or file:///PATH.", metavar="URL")
    ],
    options: RegionOptions | None = None,
    create_bucket: Annotated[
        bool, option("--create-bucket", text="Make the buckets and directories it lacks.")
    ] = False,
    run: Injected,
) -> Answer:
    r"""Register a bucket or a directory as a region.

    Credentials are referred to, by profile, file or variables, and never kept in the index.

    For example:

        imgrepl region add eastus --url s3://golden --endpoint http://10.0.0.4:9000 \
            --credentials-env EAST --addressing path --create-bucket

    Exit codes: 0 done; 4 the name is taken; 5 a URL or a rule; 7 the endpoint stayed away; 9 its
    credentials were refused.
    """
    from imgrepl.actions import regions
    from imgrepl.azure import shapes

    asked = (options or RegionOptions()).region(name, url)
    with run.open() as ctx:
        if create_bucket:
            from imgrepl.actions import region_checks

            region_checks.create_buckets(ctx, asked)
        return Answer(shapes.region(regions.add(ctx, asked)), page=region_page)


@app.command(name="list")
def list_regions(*, run: Injected) -> Answer:
    """List regions by name.

    For example:

        imgrepl region list -o table

    Exit codes: 0 done.
    """
    from imgrepl.actions import regions
    from imgrepl.azure import shapes

    with run.open() as ctx:
        return Answer([shapes.region(region) for region in regions.list_all(ctx)], COLUMNS)


@app.command
def show(name: Name, /, *, run: Injected) -> Answer:
    """Show a region: its places and the storage account types it offers.

    For example:

        imgrepl region show eastus

    Exit codes: 0 done; 3 no such region.
    """
    from imgrepl.actions import regions
    from imgrepl.azure import shapes

    with run.open() as ctx:
        return Answer(shapes.region(regions.show(ctx, name)), page=region_page)


@app.command
def check(name: Name, /, *, run: Injected) -> Answer:
    """Try what a region's servers can do: conditional writes, checksums, server-side copies.

    For example:

        imgrepl region check eastus

    Exit codes: 0 all places can be used, warnings among the results; 3 no such region or bucket; 4
    a place is another store's; 7 an endpoint stayed away; 9 its credentials were refused.
    """
    from imgrepl.actions import region_checks

    with run.open() as ctx:
        checked = region_checks.check(ctx, name)
        return Answer(checked.report, error=checked.error, page=check_page)


@app.command
def update(
    name: Name,
    /,
    *,
    url: Annotated[
        str | None, option("--url", text="s3://BUCKET[/PREFIX] or file:///PATH.", metavar="URL")
    ] = None,
    options: RegionOptions | None = None,
    if_match: IfMatch = None,
    run: Injected,
) -> Answer:
    """Change how a region is reached, or add places to it. What is not named stays as it is.

    For example:

        imgrepl region update eastus --endpoint https://10.0.0.4:9000 --ca-file /etc/ca.pem

    Exit codes: 0 done; 3 no such region; 4 a place that holds packs would move, or it has changed
    meanwhile; 5 a URL or a rule.
    """
    from imgrepl.actions import regions
    from imgrepl.azure import shapes
    from imgrepl.model import etags

    with run.open() as ctx:
        present = regions.show(ctx, name)
        asked = (options or RegionOptions()).changed(present, url)
        seen = if_match or etags.etag_of(present)
        return Answer(shapes.region(regions.update(ctx, asked, if_match=seen)), page=region_page)


@app.command
def remove(
    name: Name,
    /,
    *,
    if_match: IfMatch = None,
    yes: Yes = False,  # noqa: ARG001
    run: Injected,
) -> Answer:
    """Forget a region that no version stands in. Nothing in its buckets is touched.

    So nothing is asked either; --yes is taken for scripts that give it to every removal.

    For example:

        imgrepl region remove eastus

    Exit codes: 0 done; 3 no such region; 4 a version or a gallery is there, or it has changed
    meanwhile.
    """
    from imgrepl.actions import regions

    with run.open() as ctx:
        regions.remove(ctx, name, if_match=if_match)
    return Answer({"region": normal_region_name(name), "removed": True})
