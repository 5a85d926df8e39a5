"""What a user does with operations that are there already."""

from imgrepl.actions import allowing
from imgrepl.actions.context import Context
from imgrepl.errors import Invalid
from imgrepl.gallery import activity, operations
from imgrepl.model.gallery import VersionId
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import Operation, OperationKind
from imgrepl.model.policy import Action
from imgrepl.model.references import version_id_of_json

LISTED_MAX = 100


def list_all(ctx: Context, limit: int = LISTED_MAX) -> list[Operation]:
    """The latest operations, newest first; one without a living owner is `Stalled`.

    Who does not own the index sees those on versions that it may read.
    """
    sees = allowing.seeing(ctx, Action.VERSION_READ)
    with ctx.index.read() as tx:
        return [one for one in operations.list_recent(tx, limit) if sees(_version(one))]


def show(ctx: Context, operation_id: OperationId) -> Operation:
    """The operation. Raises `NotFound` (`OperationNotFound`)."""
    operation = _get(ctx, operation_id)
    _check(ctx, operation, Action.VERSION_READ)
    return operation


def cancel(ctx: Context, operation_id: OperationId) -> Operation:
    """Asks the operation to stop; one that nobody is at ends at once, with what it was publishing.

    What is durable stays. Raises `NotFound` (`OperationNotFound`); `Conflict` (`OperationEnded`).
    """
    from imgrepl.actions import publishing

    _check(ctx, _get(ctx, operation_id), Action.VERSION_WRITE)
    with ctx.index.begin() as tx:
        operation = operations.request_cancel(tx, operation_id)
        detail = {"operation": operation_id, "state": operation.state}
        activity.log(tx, "operation.cancel", operation.target, "Succeeded", detail, ctx.principal)
        version_id = _published(operation)
        if operation.state.ended and version_id is not None:
            publishing.let_go(tx, version_id)
    if operation.state.ended and version_id is not None:
        publishing.withdraw(ctx, version_id)
    return operation


def _get(ctx: Context, operation_id: OperationId) -> Operation:
    with ctx.index.read() as tx:
        return operations.get(tx, operation_id)


def _check(ctx: Context, operation: Operation, action: Action) -> None:
    """What is on a version is asked of the version, anything else of the index."""
    version_id = _version(operation)
    allowing.check(ctx, Action.INDEX_WRITE if version_id is None else action, version_id)


def _version(operation: Operation) -> VersionId | None:
    """The version that an operation works on, if it is one."""
    version = operation.request.get("version")
    return None if version is None else version_id_of_json(version)


def _published(operation: Operation) -> VersionId | None:
    """The version that an operation publishes."""
    return _version(operation) if operation.kind is OperationKind.PUBLISH else None


def run(ctx: Context, operation_id: OperationId) -> Operation:
    """Takes an operation up in this process and works until it ends.

    Raises `NotFound` (`OperationNotFound`); `Conflict` (`OperationBusy`, `OperationEnded`);
    `Invalid` (`OperationNotResumable`) for one that is simply asked again; and what the work itself
    raises.
    """
    from imgrepl.actions import publishing

    operation = _get(ctx, operation_id)
    _check(ctx, operation, Action.VERSION_WRITE)
    if operation.kind is not OperationKind.PUBLISH:
        raise Invalid(
            f"a {operation.kind} is not taken up: ask for it again",
            code="OperationNotResumable",
            target=operation_id,
        )
    publishing.run(ctx, operation_id)
    return _get(ctx, operation_id)
