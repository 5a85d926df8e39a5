"""`imgrepl operation`: work that goes on by itself."""

from typing import Annotated

from cyclopts import Parameter

from imgrepl.cli.answer import Answer
from imgrepl.cli.blocks import Column
from imgrepl.cli.fact_page import fact_page, list_page
from imgrepl.cli.noun import noun
from imgrepl.cli.run import Injected
from imgrepl.model.ids import OperationId

app = noun("operation")

COLUMNS = {
    "Operation": "id",
    "Kind": "kind",
    "Target": "target",
    "State": "state",
    "Started": "createdAt",
    "Ended": "endedAt",
}
LIST_PAGE = list_page(
    Column("Operation", "id"),
    Column("Kind", "kind", spare=2),
    Column("Target", "target"),
    Column("State", "state"),
    Column("Started", "createdAt", spare=1),
    Column("Ended", "endedAt", spare=3),
)
PAGE = fact_page(
    {
        "Operation": "id",
        "Kind": "kind",
        "Target": "target",
        "State": "state",
        "Started": "createdAt",
        "Ended": "endedAt",
        "Host": "owner.host",
        "Process": "owner.pid",
        "Lease until": "leaseUntil",
        "Sent": "result.sentBytes",
        "Time": "result.seconds",
        "Code": "error.code",
        "Error": "error.message",
        "Failed regions": "error.regions",
    }
)

Id = Annotated[str, Parameter(help="The operation, as `operation list` names it.")]


@app.command(name="list")
def list_operations(*, run: Injected) -> Answer:
    """List operations, newest first. One without a living owner shows as Stalled.

    For example:

        imgrepl operation list --query "[?state=='Running'].id" -o tsv

    Exit codes: 0 done.
    """
    from imgrepl.actions import operations
    from imgrepl.azure import shapes

    with run.open() as ctx:
        return Answer(
            [shapes.operation(entry) for entry in operations.list_all(ctx)], COLUMNS, page=LIST_PAGE
        )


@app.command
def show(operation: Id, /, *, run: Injected) -> Answer:
    """Show one operation: who owns it, how far it is, how it ended.

    For example:

        imgrepl operation show 01JC2Z

    Exit codes: 0 done; 3 no such operation.
    """
    from imgrepl.actions import operations
    from imgrepl.azure import shapes

    with run.open() as ctx:
        return Answer(shapes.operation(operations.show(ctx, OperationId(operation))), page=PAGE)


@app.command
def cancel(operation: Id, /, *, run: Injected) -> Answer:
    """Ask an operation to stop. What is durable stays, and `image-version retry` goes on.

    For example:

        imgrepl operation cancel 01JC2Z

    Exit codes: 0 asked; 3 no such operation; 4 it has ended.
    """
    from imgrepl.actions import operations
    from imgrepl.azure import shapes

    with run.open() as ctx:
        return Answer(shapes.operation(operations.cancel(ctx, OperationId(operation))), page=PAGE)


@app.command(name="run")
def run_operation(operation: Id, /, *, run: Injected) -> Answer:
    """Do an operation's work in this process, if nobody else is at it.

    For example:

        imgrepl operation run 01JC2Z --verbose

    Exit codes: 0 done; 3 no such operation; 4 it has an owner or has ended; 7 an endpoint stayed
    away; 8 some regions are complete and some are not; 130 interrupted.
    """
    from imgrepl.actions import operations
    from imgrepl.azure import shapes

    with run.open() as ctx:
        return Answer(shapes.operation(operations.run(ctx, OperationId(operation))), page=PAGE)
