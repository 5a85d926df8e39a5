"""`imgrepl doctor`: is everything fit for use."""

from imgrepl.cli.answer import Answer
from imgrepl.cli.noun import lone_command
from imgrepl.cli.run import Injected
from imgrepl.errors import Unavailable
from imgrepl.model.wording import counted

app = lone_command("doctor")

COLUMNS = {"Check": "name", "State": "state", "Message": "message", "Way out": "hint"}


@app.default
def doctor(*, run: Injected) -> Answer:
    """Check this machine, the gallery index and every region.

    For example:

        imgrepl doctor -o table

    Exit codes: 0 all is well, or warnings only; 7 a check failed, details on stdout.
    """
    from imgrepl.actions import doctor as checks

    with run.open() as ctx:
        findings = checks.doctor(ctx)
    failed = [
        f"{entry['name']}: {entry['message']}" for entry in findings if entry["state"] == "failed"
    ]
    error = Unavailable(
        f"{counted(len(failed), 'check')} failed", code="ChecksFailed", details=failed
    )
    return Answer(findings, COLUMNS, error if failed else None)
