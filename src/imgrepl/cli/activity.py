"""`imgrepl activity`: who did what, and who was allowed or refused what."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.blocks import Column
from imgrepl.cli.fact_page import list_page
from imgrepl.cli.noun import noun
from imgrepl.cli.options import option, point_in_time
from imgrepl.cli.run import Injected
from imgrepl.cli.share_options import AnyResourceOptions

if TYPE_CHECKING:
    from imgrepl.gallery.activity import ActivityFilter

app = noun("activity")

PAGE = list_page(
    Column("At", "at"),
    Column("Who", "principal"),
    Column("Action", "action"),
    Column("Target", "target"),
    Column("Outcome", "outcome"),
    Column("Why", "join('; ', detail.reasons || `[]`)", spare=1),
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ActivityOptions(AnyResourceOptions):
    """Which entries of the log are wanted; all that is said must hold."""

    caller: Annotated[
        str | None, option("--caller", text="Who did or wanted it.", metavar="NAME")
    ] = None
    action: Annotated[
        str | None,
        option(
            "--action", text="What: gallery.update, galleries/write, share.*.", metavar="ACTION"
        ),
    ] = None
    outcome: Annotated[
        str | None,
        option(
            "--status",
            "--outcome",
            text="How it ended: Succeeded, Failed, Allowed, Refused …",
            metavar="STATUS",
        ),
    ] = None
    since: Annotated[
        str | None, option("--start-time", "--since", text="Not before.", metavar="TIME")
    ] = None
    until: Annotated[
        str | None, option("--end-time", "--until", text="Before this time.", metavar="TIME")
    ] = None
    limit: Annotated[
        int, option("--max-events", text="At most so many. Default: 100.", metavar="N")
    ] = 100

    @property
    def wanted(self) -> "ActivityFilter":
        """The filter that these options state."""
        from imgrepl.gallery.activity import ActivityFilter

        return ActivityFilter(
            principal=self.caller,
            action=self.action,
            outcome=self.outcome,
            since=point_in_time(self.since, "--start-time"),
            until=point_in_time(self.until, "--end-time"),
        )


_EVERYTHING = ActivityOptions()


@app.command(name="list")
def list_activity(*, options: ActivityOptions = _EVERYTHING, run: Injected) -> Answer:
    """List what happened, newest first: every change, every refusal, and what others were allowed.

    With -r, -i and -e: of that resource and all that lies in it. Everybody may list their own.

    For example:

        imgrepl activity list -r golden --status Refused --since 2026-01-01

    Exit codes: 0 done; 5 more entries than can be listed; 9 not allowed.
    """
    from imgrepl.actions import activity
    from imgrepl.azure import shapes

    with run.open() as ctx:
        found = activity.list_recent(ctx, options.limit, options.wanted, options.scope)
    return Answer([shapes.activity(entry) for entry in found], page=PAGE)
