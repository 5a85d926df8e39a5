"""One version in one region, number k, with a state."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from imgrepl.model.gallery import TargetRegion
from imgrepl.model.proof import ProofLevel
from imgrepl.model.region import StorageAccountType


class ReplicaState(StrEnum):
    """A replica's, and a region's, replication state; Azure's words."""

    UNKNOWN = "Unknown"
    REPLICATING = "Replicating"
    COMPLETED = "Completed"
    FAILED = "Failed"


class AggregatedState(StrEnum):
    """All regions of a version together; Azure's words."""

    UNKNOWN = "Unknown"
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"


@dataclass(frozen=True, kw_only=True)
class Replica:
    """What is known of one replica. `detail` is the reason where it failed.

    `proof` how it was proven at `verified_at`.
    """

    region: str
    number: int
    storage_account_type: StorageAccountType
    state: ReplicaState = ReplicaState.UNKNOWN
    bytes_done: int = 0
    bytes_total: int | None = None
    detail: str = ""
    proof: ProofLevel | None = None
    verified_at: datetime | None = None


def replicas_of(targets: Iterable[TargetRegion]) -> list[Replica]:
    """The replicas that make the targets true, none of them there yet."""
    return [
        Replica(
            region=target.name,
            number=number,
            storage_account_type=target.storage_account_type,
        )
        for target in targets
        for number in range(target.replica_count)
    ]


@dataclass(frozen=True, kw_only=True)
class RegionStatus:
    """A region's part in a version: the sum of its replicas. `progress` is 0 to 100."""

    region: str
    state: ReplicaState
    progress: int
    details: str


def region_statuses(replicas: Iterable[Replica]) -> tuple[RegionStatus, ...]:
    """One status per region, in the order of first appearance.

    A region is `Completed` when all its replicas are, `Failed` when one failed, else `Replicating`
    or `Unknown`.
    """
    by_region: dict[str, list[Replica]] = {}
    for replica in replicas:
        by_region.setdefault(replica.region, []).append(replica)
    return tuple(_region_status(region, group) for region, group in by_region.items())


def _region_status(region: str, replicas: list[Replica]) -> RegionStatus:
    states = {replica.state for replica in replicas}
    if states == {ReplicaState.COMPLETED}:
        state = ReplicaState.COMPLETED
    elif ReplicaState.FAILED in states:
        state = ReplicaState.FAILED
    elif states == {ReplicaState.UNKNOWN}:
        state = ReplicaState.UNKNOWN
    else:
        state = ReplicaState.REPLICATING
    done = sum(_percent(replica) for replica in replicas) // len(replicas)
    details = "; ".join(dict.fromkeys(r.detail for r in replicas if r.detail))
    return RegionStatus(region=region, state=state, progress=done, details=details)


def _percent(replica: Replica) -> int:
    if replica.state is ReplicaState.COMPLETED:
        return 100
    if not replica.bytes_total:
        return 0
    return min(99, 100 * replica.bytes_done // replica.bytes_total)


def aggregated_state(statuses: Iterable[RegionStatus]) -> AggregatedState:
    """All regions in one word: `Failed` as soon as one failed and none still works.

    A region that is `Unknown` beside a failed one is held back by it, and does not work.
    """
    states = {status.state for status in statuses}
    if not states or states == {ReplicaState.UNKNOWN}:
        return AggregatedState.UNKNOWN
    if states == {ReplicaState.COMPLETED}:
        return AggregatedState.COMPLETED
    if ReplicaState.FAILED in states and ReplicaState.REPLICATING not in states:
        return AggregatedState.FAILED
    return AggregatedState.IN_PROGRESS
