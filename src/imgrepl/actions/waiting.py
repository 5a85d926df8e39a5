"""Waits until a version is where somebody wants it."""

from collections.abc import Callable

from imgrepl.actions import allowing, targets, versions
from imgrepl.actions.context import Context
from imgrepl.actions.version_requests import VersionView
from imgrepl.engine.owner import is_gone
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Unavailable
from imgrepl.gallery import operations, replicas
from imgrepl.gallery import versions as rows
from imgrepl.model.gallery import ProvisioningState, VersionId
from imgrepl.model.operation import OperationState
from imgrepl.model.policy import Action
from imgrepl.model.replica import ReplicaState, region_statuses
from imgrepl.model.waiting import Milestone, WaitFor

POLL_SECONDS = 0.5
"""How often is looked."""
_PENDING_SECONDS_MAX = 120.0


def wait(
    ctx: Context,
    version_id: VersionId,
    until: WaitFor,
    timeout_seconds: float | None = None,
    interval_seconds: float = POLL_SECONDS,
) -> VersionView:
    """Returns once the version has reached a milestone, or cannot reach it any more.

    Raises `Unavailable` (`WaitTimedOut`) after `timeout_seconds`, and (`OperationStalled`) when
    nobody works on it; `Invalid` (`InvalidWaitFor`) for a region that is no target.
    """
    allowing.check(ctx, Action.VERSION_READ, version_id)
    with ctx.index.read() as tx:
        targets.check_reachable(rows.get(tx, version_id).target_regions, until)
    goal = f"{version_id} did not reach {until}"
    taken_up = _TakenUp(ctx, version_id)
    _poll(
        *(ctx, goal, timeout_seconds, interval_seconds),
        lambda: _reached(ctx, version_id, until) or taken_up.check(),
    )
    return versions.view(ctx, version_id)


def until_there(
    ctx: Context,
    version_id: VersionId,
    timeout_seconds: float | None = None,
    interval_seconds: float = POLL_SECONDS,
) -> VersionView:
    """Returns once somebody has begun the version. Raises `Unavailable` (`WaitTimedOut`)."""
    allowing.check(ctx, Action.VERSION_READ, version_id)
    goal = f"{version_id} was not made"
    _poll(ctx, goal, timeout_seconds, interval_seconds, lambda: _is_there(ctx, version_id))
    return versions.view(ctx, version_id)


def until_it_holds(
    ctx: Context,
    version_id: VersionId,
    holds: Callable[[VersionView], bool],
    timeout_seconds: float | None = None,
    interval_seconds: float = POLL_SECONDS,
) -> VersionView:
    """Returns once `holds` says so of the version, or it has failed; it need not be there yet.

    Raises `Unavailable` (`WaitTimedOut`), and (`OperationStalled`) when nobody takes up its work.
    """
    allowing.check(ctx, Action.VERSION_READ, version_id)
    taken_up = _TakenUp(ctx, version_id)

    def reached() -> bool:
        if not _is_there(ctx, version_id):
            return False
        view = versions.view(ctx, version_id)
        failed = view.version.provisioning_state is ProvisioningState.FAILED
        return failed or holds(view) or taken_up.check()

    goal = f"{version_id} did not become what was waited for"
    _poll(ctx, goal, timeout_seconds, interval_seconds, reached)
    return versions.view(ctx, version_id)


def until_gone(
    ctx: Context,
    version_id: VersionId,
    timeout_seconds: float | None = None,
    interval_seconds: float = POLL_SECONDS,
) -> None:
    """Returns once there is no such version, or it lies in the bin.

    Raises `Unavailable` (`WaitTimedOut`).
    """
    allowing.check(ctx, Action.VERSION_READ, version_id)
    goal = f"{version_id} was not deleted"
    _poll(ctx, goal, timeout_seconds, interval_seconds, lambda: not _is_active(ctx, version_id))


def _poll(
    ctx: Context,
    goal: str,
    timeout_seconds: float | None,
    interval_seconds: float,
    reached: Callable[[], bool],
) -> None:
    give_up_at = None if timeout_seconds is None else ctx.clock.monotonic() + timeout_seconds
    while not reached():
        check_stop(ctx.engine.stop)
        if give_up_at is not None and ctx.clock.monotonic() >= give_up_at:
            raise Unavailable(
                f"{goal} within {timeout_seconds:g} s",
                code="WaitTimedOut",
                target=goal.partition(" ")[0],
                hint="it goes on; wait again, or look with `imgrepl image-version status`",
            )
        ctx.clock.sleep(interval_seconds)


def _is_there(ctx: Context, version_id: VersionId) -> bool:
    with ctx.index.read() as tx:
        return rows.find(tx, version_id) is not None


def _is_active(ctx: Context, version_id: VersionId) -> bool:
    with ctx.index.read() as tx:
        version = rows.find(tx, version_id)
    return version is not None and version.deletion is None


class _TakenUp:
    """Watches that an operation which waits for a process does not do so for ever."""

    def __init__(self, ctx: Context, version_id: VersionId) -> None:
        self._ctx = ctx
        self._version_id = version_id
        self._idle_since = ctx.clock.monotonic()

    def check(self) -> bool:
        """False. Raises `Unavailable` (`OperationStalled`) where no worker came."""
        with self._ctx.index.read() as tx:
            operation_id = rows.operation_of(tx, self._version_id)
            operation = operations.get(tx, operation_id) if operation_id is not None else None
        now = self._ctx.clock.monotonic()
        if operation is None or operation.state is not OperationState.PENDING:
            self._idle_since = now
        if now - self._idle_since >= _PENDING_SECONDS_MAX:
            raise Unavailable(
                f"no worker has taken up the work on {self._version_id} for"
                f" {_PENDING_SECONDS_MAX:g} s",
                code="OperationStalled",
                target=str(self._version_id),
                hint="`imgrepl image-version retry` takes it up; the worker's log is in the state"
                " directory",
            )
        return False


def _reached(ctx: Context, version_id: VersionId, until: WaitFor) -> bool:
    with ctx.index.read() as tx:
        version = rows.get(tx, version_id)
        statuses = region_statuses(replicas.of_version(tx, version_id))
        operation_id = rows.operation_of(tx, version_id)
        operation = operations.get(tx, operation_id) if operation_id is not None else None
    states = {status.region: status.state for status in statuses}
    completed = {name for name, state in states.items() if state is ReplicaState.COMPLETED}
    reached = {
        Milestone.NONE: True,
        Milestone.SOURCE: version.committed,
        Milestone.ANY: bool(completed),
        Milestone.REGION: until.region in completed,
        Milestone.ALL: len(completed) == len(states),
    }[until.milestone]
    becomes_full = version.is_shallow and operation is not None and "promotion" in operation.request
    if operation is None or (reached and not becomes_full):
        return True
    stalled = operation.state is OperationState.STALLED or (
        operation.owner is not None and is_gone(operation.owner)
    )
    if stalled:
        raise Unavailable(
            f"nobody works on {version_id} any more: operation {operation.id} is stalled",
            code="OperationStalled",
            target=str(version_id),
            hint=f"`imgrepl operation run {operation.id}` takes it up",
        )
    return False
