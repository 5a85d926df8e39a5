"""Which states a version and a replica go through, and the only moves between them.

version   (new) ─▶ Creating ─▶ Updating ⇄ Succeeded | Failed ─▶ Deleting ─▶ (gone)
replica   (new) ─▶ Unknown ─▶ Replicating ⇄ Completed | Failed; what is complete never fails at once
"""

from collections.abc import Mapping

from imgrepl.errors import Conflict
from imgrepl.model.gallery import ProvisioningState
from imgrepl.model.replica import ReplicaState

PROVISIONING_MOVES: Mapping[ProvisioningState, frozenset[ProvisioningState]] = {
    ProvisioningState.CREATING: frozenset(
        {
            ProvisioningState.UPDATING,
            ProvisioningState.SUCCEEDED,
            ProvisioningState.FAILED,
            ProvisioningState.DELETING,
        }
    ),
    ProvisioningState.UPDATING: frozenset(
        {ProvisioningState.SUCCEEDED, ProvisioningState.FAILED, ProvisioningState.DELETING}
    ),
    ProvisioningState.SUCCEEDED: frozenset(
        {ProvisioningState.UPDATING, ProvisioningState.FAILED, ProvisioningState.DELETING}
    ),
    ProvisioningState.FAILED: frozenset(
        {ProvisioningState.UPDATING, ProvisioningState.SUCCEEDED, ProvisioningState.DELETING}
    ),
    ProvisioningState.DELETING: frozenset(),
}
"""Where a version may go from each state, other than to stay.

`Succeeded` to `Failed` is what a rebuild finds that a region lacks, or work that was given up
before it began; `Failed` to `Succeeded` what a rebuild finds complete. Nothing leaves `Deleting`.
"""

REPLICA_MOVES: Mapping[ReplicaState, frozenset[ReplicaState]] = {
    ReplicaState.UNKNOWN: frozenset(
        {ReplicaState.REPLICATING, ReplicaState.COMPLETED, ReplicaState.FAILED}
    ),
    ReplicaState.REPLICATING: frozenset({ReplicaState.COMPLETED, ReplicaState.FAILED}),
    ReplicaState.COMPLETED: frozenset({ReplicaState.REPLICATING}),
    ReplicaState.FAILED: frozenset({ReplicaState.REPLICATING, ReplicaState.COMPLETED}),
}
"""The same of a replica. One that was begun is never `Unknown` again."""


def check_provisioning(subject: str, now: ProvisioningState, then: ProvisioningState) -> None:
    """That a version may go on to `then`.

    Raises `Conflict`: `MarkedForDeletion` for one that is being deleted, else `IllegalStateMove`.
    """
    if now is then or then in PROVISIONING_MOVES[now]:
        return
    if now is ProvisioningState.DELETING:
        raise Conflict(
            f"{subject} is being deleted and cannot become {then}: all that can be done is to"
            " delete it again",
            code="MarkedForDeletion",
            target=subject,
            hint="`imgrepl image-version delete` ends what was begun",
        )
    raise _illegal(subject, now, then, PROVISIONING_MOVES[now])


def check_replica(subject: str, now: ReplicaState, then: ReplicaState) -> None:
    """That a replica may go on to `then`. Raises `Conflict` (`IllegalStateMove`)."""
    if now is not then and then not in REPLICA_MOVES[now]:
        raise _illegal(subject, now, then, REPLICA_MOVES[now])


def _illegal(subject: str, now: str, then: str, allowed: frozenset[str]) -> Conflict:
    return Conflict(
        f"{subject} is {now} and cannot become {then}; it can become {', '.join(sorted(allowed))}",
        code="IllegalStateMove",
        target=subject,
        hint="look at it again: another process has changed it",
    )
