"""`imgrepl index`: the gallery index itself."""

from typing import Annotated

from imgrepl.cli.answer import Answer
from imgrepl.cli.endpoints import EndpointOptions
from imgrepl.cli.noun import noun
from imgrepl.cli.options import Yes, option
from imgrepl.cli.run import Injected

app = noun("index")


@app.command
def check(*, run: Injected) -> Answer:
    """Check that the gallery index agrees with itself and with the records in its regions.

    For example:

        imgrepl index check

    Exit codes: 0 it does; 6 it does not, details on stdout; 7 the index cannot be reached.
    """
    from imgrepl.actions import index

    with run.open() as ctx:
        return Answer(index.check(ctx))


@app.command
def rebuild(
    *,
    url: Annotated[str, option("--from", text="The region to rebuild from.", metavar="URL")],
    endpoint: EndpointOptions = EndpointOptions(),  # noqa: B008 - frozen
    yes: Yes = False,
    run: Injected,
) -> Answer:
    """Make a new gallery index from the records that stand in a region.

    The new index takes the store over: an older one can no longer write. Credentials and pins are
    not in the records; regions other than this one are named for you to add.

    For example:

        imgrepl index rebuild --from s3://golden-eastus --endpoint http://10.0.0.4:9000

    Exit codes: 0 done; 4 the index is not empty; 6 a record cannot be read; 7 the region stayed
    away; 9 its credentials were refused.
    """
    from imgrepl.actions import index

    run.confirm(f"Take over the store in {url} with the index of this machine?", yes=yes)
    with run.events() as events:
        return Answer(index.rebuild(run.settings, endpoint.endpoint_of(url), events))


@app.command
def upgrade(*, run: Injected) -> Answer:
    """Bring the gallery index to the schema of this release. A backup is kept beside a SQLite file.

    For example:

        imgrepl index upgrade

    Exit codes: 0 it is up to date now; 4 it was written by a newer release; 7 it cannot be reached.
    """
    from imgrepl.actions import index

    return Answer(index.upgrade(run.settings))
