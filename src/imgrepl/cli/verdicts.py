"""Results that are verdicts: what was reported on stdout, as the error that the exit code says."""

from collections.abc import Iterable, Sequence

from imgrepl.errors import Corrupt, ImgreplError, PartlyDone, Unavailable
from imgrepl.model.replica import Replica, ReplicaState, region_statuses


def unread_error(unread: Sequence[str]) -> ImgreplError | None:
    """That a bucket holds more than it gave; None where it gave all."""
    if not unread:
        return None
    what = "1 record or manifest" if len(unread) == 1 else f"{len(unread)} records or manifests"
    return Corrupt(
        f"{what} of the bucket could not be read: what that is of was not brought",
        code="RecordDamaged",
        details=unread[:20],
        hint="take another copy of the export, or another region's bucket, and run it again",
    )


def verdict_of(replicas: Iterable[Replica]) -> ImgreplError | None:
    """None while nothing failed; `PartlyDone` where some regions did, else `Unavailable`."""
    statuses = region_statuses(replicas)
    failed = [status for status in statuses if status.state is ReplicaState.FAILED]
    if not failed:
        return None
    done = [status.region for status in statuses if status.state is ReplicaState.COMPLETED]
    details = [f"{status.region}: {status.details or 'failed'}" for status in failed]
    held = [one for one in statuses if one.state is ReplicaState.UNKNOWN and one.details]
    details += [f"{status.region}: {status.details}" for status in held]
    hint = "`imgrepl image-version retry` goes on with the failed regions"
    if done:
        return PartlyDone(
            f"complete in {', '.join(done)}; failed in {len(failed)} of {len(statuses)} regions",
            details=details,
            hint=hint,
        )
    return Unavailable(
        f"replication failed in all {len(failed)} regions",
        code="ReplicationFailed",
        details=details,
        hint=hint,
    )
