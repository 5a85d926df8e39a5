"""`imgrepl collect`: remove what nothing names."""

from typing import Annotated

from imgrepl.cli.answer import Answer
from imgrepl.cli.collect_page import collect_page
from imgrepl.cli.noun import lone_command
from imgrepl.cli.options import DryRun, Yes, option
from imgrepl.cli.run import Injected

app = lone_command("collect")


@app.default
def collect(
    *,
    grace: Annotated[
        float | None,
        option(
            "--grace",
            text="Delete only what has been condemned for so long, or longer."
            " Else the setting collect_grace_seconds.",
            metavar="SECONDS",
        ),
    ] = None,
    compact: Annotated[
        bool,
        option(
            "--compact",
            text="Also free what is dead in packs of which less than 30 % is needed:"
            " what lives is read, and written into new packs.",
        ),
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    run: Injected,
) -> Answer:
    """Remove stored bytes that no version names any more.

    What the gallery index does not need and no record in any bucket names is condemned, looked at
    again, and deleted. A region in which a record or a listing cannot be read loses nothing.
    Publications that nobody goes on with are ended, and objects that the index does not know are
    counted but never deleted.

    For example:

        imgrepl collect --dry-run

    Exit codes: 0 done; 4 this index does not own the store, its server cannot keep others out, or
    another process collects; 6 a record cannot be read; 7 an endpoint stayed away; 130 interrupted.
    """
    from imgrepl.actions import collecting

    if not dry_run:
        run.confirm("Delete what no version names any more, in all regions?", yes=yes)
    seconds = run.settings.collect_grace_seconds if grace is None else grace
    with run.open() as ctx:
        report = collecting.collect(ctx, dry_run=dry_run, grace_seconds=seconds, compacts=compact)
        return Answer(report.as_json(), error=report.error, page=collect_page)
