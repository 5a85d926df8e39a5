"""`imgrepl index`: the gallery index itself."""

from typing import Annotated

from imgrepl.cli.answer import Answer
from imgrepl.cli.index_pages import check_page, rebuild_page
from imgrepl.cli.noun import noun
from imgrepl.cli.options import Yes, options
from imgrepl.cli.run import Injected

app = noun("index")


@app.command
def check(*, run: Injected) -> Answer:
    """Check that what the gallery index names lies in its regions.

    Records, manifests, seals and packs are listed and compared with the index; nothing is read or
    written. Objects and records that the index does not know are told of, and are no fault.

    For example:

        imgrepl index check

    Exit codes: 0 all is there; 6 something is missing, details on stdout; 7 a region stayed away.
    """
    from imgrepl.actions import index

    with run.open() as ctx:
        report = index.check(ctx)
        return Answer(report.as_json(), error=report.error, page=check_page)


@app.command
def rebuild(
    *,
    regions: Annotated[
        tuple[str, ...],
        options("--from", text="Regions to rebuild from, added to the index.", metavar="REGION"),
    ],
    yes: Yes = False,
    run: Injected,
) -> Answer:
    """Restore a lost gallery index from what lies in one region, or in several.

    Name a new index with --index, add the regions with `imgrepl region add`, then rebuild: it takes
    the store over, and the index before it can no longer write. Of several regions the highest
    revision counts; what one of them says was deleted stays deleted. Run it again with regions that
    were away: it completes the index. Credentials, pins and running operations do not come back.

    For example:

        imgrepl index rebuild --from eastus westeurope --yes

    Exit codes: 0 done; 3 no such region, or no store in its bucket; 4 the index holds another
    store; 6 a record or manifest cannot be read, the rest is restored; 7 a region stayed away; 9
    its credentials were refused; 130 interrupted.
    """
    from imgrepl.actions import index

    named = ", ".join(regions)
    run.confirm(
        f"Take over the store in {named} with {run.settings.index}?", yes=yes, rehearsable=False
    )
    with run.open() as ctx:
        report = index.rebuild(ctx, regions)
        return Answer(report.as_json(), error=report.error, page=rebuild_page)


@app.command
def upgrade(*, run: Injected) -> Answer:
    """Bring the gallery index to the schema of this release. A backup is kept beside a SQLite file.

    Any command does so when it opens an older index; this one keeps the backup, and tells.

    For example:

        imgrepl index upgrade

    Exit codes: 0 it is up to date now; 3 there is no index; 4 it was written by a newer release; 7
    it cannot be reached.
    """
    from imgrepl.actions import index
    from imgrepl.clock import SystemClock

    return Answer(index.upgrade(run.settings.index, SystemClock()))
