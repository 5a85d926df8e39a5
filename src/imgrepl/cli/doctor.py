"""`imgrepl doctor`: is everything fit for use."""

from imgrepl.cli.answer import Answer
from imgrepl.cli.noun import lone_command
from imgrepl.cli.run import Injected

app = lone_command("doctor")

COLUMNS = {"Check": "name", "State": "state", "Message": "message", "Way out": "hint"}


@app.default
def doctor(*, run: Injected) -> Answer:
    """Check this machine, the gallery index and every region.

    For example:

        imgrepl doctor -o table

    Exit codes: 0 all is well, or warnings only; 6 the index or a store is damaged; 7 the index or
    a region cannot be reached; 9 credentials were refused.
    """
    from imgrepl.actions import doctor as checks

    with run.open() as ctx:
        return Answer(checks.doctor(ctx), COLUMNS)
