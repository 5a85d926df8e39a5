"""Operations: who may work on what, decided by the database's clock.

A claim gives a fence, one higher than any before; every write of the holder shows it. So a process
that was away while another took over finds out before it does harm.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, NoReturn

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from imgrepl.errors import Conflict, NotFound
from imgrepl.gallery.packs import release_pins
from imgrepl.gallery.schema import operations
from imgrepl.gallery.types import DatabaseNow
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import Operation, OperationKind, OperationState, Owner


def create(
    tx: Connection,
    *,
    operation_id: OperationId,
    kind: OperationKind,
    target: str,
    request: Mapping[str, Any],
) -> Operation:
    """Adds a pending operation that nobody has claimed."""
    tx.execute(
        sa.insert(operations).values(
            operation_id=operation_id,
            kind=kind,
            target=target,
            state=OperationState.PENDING,
            request=dict(request),
            fence=0,
            cancel_requested=False,
        )
    )
    return get(tx, operation_id)


def claim(
    tx: Connection,
    operation_id: OperationId,
    owner: Owner,
    lease_seconds: float,
    may_replace: Callable[[Owner], bool],
) -> Operation:
    """Makes `owner` the holder until its lease ends, and raises the fence.

    `may_replace` says of a holder whose lease still runs whether it is known to be dead. Raises
    `NotFound`; `Conflict`: `OperationBusy` while another living owner's lease runs,
    `OperationEnded` when there is nothing left to do.
    """
    row = _row(tx, operation_id)
    _refuse_ended(row)
    now = _now(tx)
    holder = _owner_of(row)
    held = holder is not None and holder != owner and row.lease_until > now
    if held and holder is not None and not may_replace(holder):
        raise Conflict(
            f"operation {operation_id} is held by process {holder.pid} on {holder.host} until"
            f" {row.lease_until:%Y-%m-%d %H:%M:%S} UTC",
            code="OperationBusy",
            target=operation_id,
            hint=f"wait for it, or end process {holder.pid} on {holder.host}",
        )
    _set(
        tx,
        operation_id,
        state=OperationState.RUNNING,
        fence=row.fence + 1,
        owner=asdict(owner),
        lease_until=now + timedelta(seconds=lease_seconds),
    )
    return get(tx, operation_id)


def renew(tx: Connection, operation_id: OperationId, fence: int, lease_seconds: float) -> Operation:
    """Extends the holder's lease from now. Raises `Conflict` (`OperationLost`)."""
    _refuse_lost(_row(tx, operation_id), fence)
    _set(tx, operation_id, lease_until=_now(tx) + timedelta(seconds=lease_seconds))
    return get(tx, operation_id)


def assert_held(tx: Connection, operation_id: OperationId, fence: int) -> None:
    """Passes only for the newest claim while its lease runs.

    Raises `Conflict` (`OperationLost`). In the transaction of a commit, so that nobody can take
    over in between.
    """
    row = _row(tx, operation_id)
    _refuse_lost(row, fence)
    if row.lease_until is None or row.lease_until <= _now(tx):
        _lost(operation_id, "its lease ran out")


def progress(
    tx: Connection, operation_id: OperationId, fence: int, value: Mapping[str, Any]
) -> None:
    """Notes how far it is, for others to see. Raises `Conflict` (`OperationLost`)."""
    _refuse_lost(_row(tx, operation_id), fence)
    _set(tx, operation_id, progress=dict(value))


def release(tx: Connection, operation_id: OperationId, fence: int) -> None:
    """Gives it up unfinished, with its pins, for any process to claim.

    Raises `Conflict` (`OperationLost`).
    """
    _refuse_lost(_row(tx, operation_id), fence)
    _set(
        tx,
        operation_id,
        state=OperationState.PENDING,
        owner=None,
        lease_until=None,
        fence=fence + 1,
    )


def finish(
    tx: Connection,
    operation_id: OperationId,
    fence: int,
    state: OperationState,
    result: Mapping[str, Any] | None,
    error: Mapping[str, Any] | None,
) -> None:
    """Ends it, and releases its pins. Raises `Conflict` (`OperationLost`)."""
    assert state.ended, f"{state} is no end"
    _refuse_lost(_row(tx, operation_id), fence)
    _end(tx, operation_id, state, result=result, error=error)


def get(tx: Connection, operation_id: OperationId) -> Operation:
    """The operation. Raises `NotFound` (`OperationNotFound`)."""
    return _operation_of(_row(tx, operation_id), _now(tx))


def list_recent(tx: Connection, limit: int) -> list[Operation]:
    """The latest `limit` operations, newest first."""
    order = (operations.c.created_at.desc(), operations.c.operation_id.desc())
    rows = tx.execute(sa.select(operations).order_by(*order).limit(limit)).all()
    now = _now(tx)
    return [_operation_of(row, now) for row in rows]


def latest(tx: Connection, kind: OperationKind, target: str) -> Operation | None:
    """The newest operation of this kind on this target, whether it has ended or not."""
    mine = sa.and_(operations.c.target == target, operations.c.kind == kind)
    order = (operations.c.created_at.desc(), operations.c.operation_id.desc())
    row = tx.execute(sa.select(operations).where(mine).order_by(*order).limit(1)).one_or_none()
    return None if row is None else _operation_of(row, _now(tx))


def open_for(tx: Connection, target: str) -> list[Operation]:
    """Operations on this target that have not ended, oldest first."""
    mine = sa.and_(operations.c.target == target, operations.c.ended_at.is_(None))
    order = (operations.c.created_at, operations.c.operation_id)
    rows = tx.execute(sa.select(operations).where(mine).order_by(*order)).all()
    now = _now(tx)
    return [_operation_of(row, now) for row in rows]


def list_open(tx: Connection) -> list[Operation]:
    """Every operation that has not ended, oldest first."""
    order = (operations.c.created_at, operations.c.operation_id)
    unended = sa.select(operations).where(operations.c.ended_at.is_(None))
    rows = tx.execute(unended.order_by(*order)).all()
    now = _now(tx)
    return [_operation_of(row, now) for row in rows]


def give_up(tx: Connection, operation_id: OperationId, error: Mapping[str, Any]) -> bool:
    """Ends as failed what nobody holds, fencing out its last holder; False where somebody does.

    What has ended already stays as it is. Raises `NotFound`.
    """
    row = _row(tx, operation_id)
    if row.ended_at is not None:
        return True
    if row.lease_until is not None and row.lease_until > _now(tx):
        return False
    _set(tx, operation_id, fence=row.fence + 1)
    _end(tx, operation_id, OperationState.FAILED, result=None, error=error)
    return True


def request_cancel(tx: Connection, operation_id: OperationId) -> Operation:
    """Asks the holder to stop; ends the operation at once where it has no living holder.

    Raises `NotFound`; `Conflict` (`OperationEnded`).
    """
    row = _row(tx, operation_id)
    _refuse_ended(row)
    _set(tx, operation_id, cancel_requested=True)
    if row.lease_until is None or row.lease_until <= _now(tx):
        _set(tx, operation_id, fence=row.fence + 1)
        _end(tx, operation_id, OperationState.CANCELED, result=None, error=None)
    return get(tx, operation_id)


def _end(
    tx: Connection,
    operation_id: OperationId,
    state: OperationState,
    *,
    result: Mapping[str, Any] | None,
    error: Mapping[str, Any] | None,
) -> None:
    release_pins(tx, operation_id)
    _set(
        tx,
        operation_id,
        state=state,
        ended_at=DatabaseNow(),
        lease_until=None,
        result=None if result is None else dict(result),
        error=None if error is None else dict(error),
    )


def _set(tx: Connection, operation_id: OperationId, **values: object) -> None:
    mine = operations.c.operation_id == operation_id
    tx.execute(sa.update(operations).where(mine).values(updated_at=DatabaseNow(), **values))


def _row(tx: Connection, operation_id: OperationId) -> Row[Any]:
    mine = operations.c.operation_id == operation_id
    row = tx.execute(sa.select(operations).where(mine)).one_or_none()
    if row is None:
        raise NotFound(
            f"there is no operation {operation_id}",
            code="OperationNotFound",
            target=operation_id,
            hint="`imgrepl operation list` shows the latest",
        )
    return row


def _refuse_ended(row: Row[Any]) -> None:
    if row.ended_at is not None:
        raise Conflict(
            f"operation {row.operation_id} has ended: {row.state}",
            code="OperationEnded",
            target=row.operation_id,
        )


def _refuse_lost(row: Row[Any], fence: int) -> None:
    if row.ended_at is not None:
        _lost(row.operation_id, f"it has ended: {row.state}")
    if row.fence != fence:
        holder = _owner_of(row)
        who = f"process {holder.pid} on {holder.host}" if holder else "nobody"
        _lost(row.operation_id, f"it was taken over by {who}")


def _lost(operation_id: str, why: str) -> NoReturn:
    raise Conflict(
        f"operation {operation_id} is no longer this process's: {why}",
        code="OperationLost",
        target=operation_id,
    )


def _now(tx: Connection) -> datetime:
    return tx.execute(sa.select(DatabaseNow())).scalar_one()


def _owner_of(row: Row[Any]) -> Owner | None:
    return None if row.owner is None else Owner(**row.owner)


def _operation_of(row: Row[Any], now: datetime) -> Operation:
    values = dict(row._mapping)
    stalled = row.state == OperationState.RUNNING and row.lease_until <= now
    values |= {
        "id": OperationId(values.pop("operation_id")),
        "kind": OperationKind(row.kind),
        "state": OperationState.STALLED if stalled else OperationState(row.state),
        "owner": _owner_of(row),
    }
    return Operation(**values)
