"""`imgrepl collect`: remove what nothing names."""

from imgrepl.cli.answer import Answer
from imgrepl.cli.noun import lone_command
from imgrepl.cli.options import DryRun
from imgrepl.cli.run import Injected

app = lone_command("collect")


@app.default
def collect(*, dry_run: DryRun = False, run: Injected) -> Answer:
    """Remove stored bytes that no version names any more.

    Packs are condemned first and deleted by a later run, once `collect_grace_seconds` have passed;
    until then a publication may still take them back. An unreadable record or an incomplete
    listing deletes nothing.

    For example:

        imgrepl collect --dry-run

    Exit codes: 0 done; 4 this index does not own the store; 6 a record cannot be read; 7 an
    endpoint stayed away; 130 interrupted.
    """
    from imgrepl.actions import collecting

    with run.open() as ctx:
        return Answer(collecting.collect(ctx, dry_run=dry_run))
