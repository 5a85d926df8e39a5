"""Work that outlives its process: who owns it, how far it is, how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from imgrepl.model.ids import OperationId


class OperationKind(StrEnum):
    """What an operation does."""

    PUBLISH = "publish"
    DELETE = "delete"
    VERIFY = "verify"
    REPAIR = "repair"
    COLLECT = "collect"
    REBUILD = "rebuild"
    SCRUB = "scrub"


class OperationState(StrEnum):
    """`Stalled` is never stored.

    It is what a running operation without a living owner is shown as.
    """

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    PARTIALLY_COMPLETED = "PartiallyCompleted"
    FAILED = "Failed"
    CANCELED = "Canceled"
    STALLED = "Stalled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self in {
            OperationState.SUCCEEDED,
            OperationState.PARTIALLY_COMPLETED,
            OperationState.FAILED,
            OperationState.CANCELED,
        }


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process: host name, boot id, pid and the process's start time in clock ticks.

    So that a reused pid is told apart.
    """

    host: str
    boot_id: str
    pid: int
    started_ticks: int


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation. `fence` grows with every claim: who holds an older one may no longer write.

    `request` is what was asked, enough to run it in another process; `result` and `error` are JSON
    values.
    """

    id: OperationId
    kind: OperationKind
    target: str
    state: OperationState
    request: Mapping[str, Any]
    fence: int
    owner: Owner | None
    lease_until: datetime | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None
    cancel_requested: bool = False
    progress: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
