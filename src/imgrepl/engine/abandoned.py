"""Operations that nobody will go on with, and the versions they left half-published.

A version whose home record is durable was committed, whatever its row says: it is adopted from the
record. One that has none gets a tombstone before its row goes, so that a record which a lost
process still writes brings nothing back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from imgrepl.engine import places, records
from imgrepl.engine.context import Engine
from imgrepl.engine.lease import Lease
from imgrepl.engine.owner import is_alive
from imgrepl.engine.region_records import list_of_path, read_record, resource_of
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import ImgreplError, Interrupted
from imgrepl.gallery import operations, records_log, versions
from imgrepl.gallery import places as place_rows
from imgrepl.gallery import regions as region_rows
from imgrepl.gallery.types import database_now
from imgrepl.model.events import Notice
from imgrepl.model.gallery import ImageVersion, ProvisioningState, VersionId
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import Operation, OperationKind, OperationState
from imgrepl.model.references import version_id_of_json
from imgrepl.model.region import Place, PlaceRole

_ERROR = {"code": "Abandoned", "message": "its process ended and nobody took it up"}


@dataclass(frozen=True, kw_only=True)
class Abandoned:
    """What is to be given up. `operation_id` is None where the operation has ended by itself.

    `staged` is the version that it was publishing, where its row was never committed; `record` is
    that version as its home record says, where there is one.
    """

    operation_id: OperationId | None
    staged: ImageVersion | None = None
    record: ImageVersion | None = None

    @property
    def needs_tombstone(self) -> bool:
        """Whether a record may have been written, or be on its way."""
        return self.staged is not None and self.record is None and self.staged.may_have_record


def find(engine: Engine, but: OperationId | None, *, grace_seconds: float) -> list[Abandoned]:
    """Everything that has been abandoned for longer than `grace_seconds`; not `but`, who asks.

    A version whose home region does not answer is left for the next time.
    """
    with engine.index.read() as tx:
        found = list(_open_ones(tx, but, timedelta(seconds=grace_seconds)))
        given_up = {one.operation_id for one in found}
        found += _left_staged(tx, given_up)
    looked = (_with_record(engine, one) for one in found)
    return [one for one in looked if one is not None]


def _open_ones(tx: Connection, but: OperationId | None, grace: timedelta) -> Iterator[Abandoned]:
    now = database_now(tx)
    for operation in operations.list_open(tx):
        if operation.id == but:
            continue
        version = _version_of(tx, operation)
        silent = operation.lease_until is not None and operation.lease_until + grace <= now
        dead = (
            operation.state is OperationState.STALLED
            and silent
            and operation.owner is not None
            and not is_alive(operation.owner)
        )
        if operation.kind is OperationKind.PUBLISH:
            pointless = version is None and (dead or operation.state is OperationState.PENDING)
            if pointless or (dead and version is not None and not version.committed):
                yield Abandoned(operation_id=operation.id, staged=version)
        elif dead:
            yield Abandoned(operation_id=operation.id)


def _version_of(tx: Connection, operation: Operation) -> ImageVersion | None:
    """The version that this operation is publishing, if it still is."""
    if operation.kind is not OperationKind.PUBLISH:
        return None
    version = versions.find(tx, version_id_of_json(operation.request["version"]))
    if version is None or versions.operation_of(tx, version.id) != operation.id:
        return None
    return version


def _left_staged(tx: Connection, given_up: set[OperationId | None]) -> Iterator[Abandoned]:
    """Staged versions whose operation has ended without them."""
    for version in versions.list_all(tx, include_staged=True):
        if version.committed:
            continue
        operation_id = versions.operation_of(tx, version.id)
        if operation_id in given_up and operation_id is not None:
            continue
        if operation_id is None or operations.get(tx, operation_id).state.ended:
            yield Abandoned(operation_id=None, staged=version)


def _with_record(engine: Engine, one: Abandoned) -> Abandoned | None:
    """The same, with what the home region's record says; None where that cannot be told."""
    if one.staged is None or not one.staged.may_have_record:
        return one
    try:
        record = _home_record(engine, one.staged)
    except Interrupted:
        raise
    except ImgreplError as error:
        text = f"whether {one.staged.id} was committed cannot be told: {error.message}"
        engine.events(Notice(level="warning", text=text, subject=one.staged.location))
        return None
    return Abandoned(operation_id=one.operation_id, staged=one.staged, record=record)


def _home_record(engine: Engine, staged: ImageVersion) -> ImageVersion | None:
    store = engine.stores.of(_record_place(engine, staged))
    path = records.path_of(staged.id)
    mine = [key for key in list_of_path(store, path) if key.incarnation == staged.incarnation]
    if not mine:
        return None
    record = read_record(store, max(mine, key=lambda key: key.revision))
    if record.deleted:
        return None
    found = resource_of(record)
    assert isinstance(found, ImageVersion), "the path of a version has records of versions"
    return found


def _record_place(engine: Engine, staged: ImageVersion) -> Place:
    with engine.index.begin() as tx:
        home = region_rows.get(tx, staged.location)
        return place_rows.ensure(tx, home, PlaceRole.STANDARD, 0)


def withdraw(engine: Engine, version_id: VersionId) -> bool:
    """Gives up a version that was never committed and whose operation has ended.

    False where its home record shows that it was committed: then it is, by now, for the index too.
    Raises what the home region's store raises; the version then waits for the next attempt.
    """
    with engine.index.read() as tx:
        staged = versions.find(tx, version_id)
    if staged is None or staged.committed:
        return staged is None
    record = _home_record(engine, staged) if staged.may_have_record else None
    one = Abandoned(operation_id=None, staged=staged, record=record)
    revision = _bury(engine, staged) if one.needs_tombstone else None
    with engine.index.begin() as tx:
        give_up(tx, one, revision)
    return record is None


def settle(engine: Engine, lease: Lease, found: list[Abandoned]) -> list[Abandoned]:
    """Gives up each of `found`, and tells which really were: somebody may have taken one up."""
    settled = []
    for one in found:
        check_stop(engine.stop)
        revision = None
        if one.needs_tombstone and one.staged is not None:
            revision = _put_tombstone(engine, one.staged)
            if revision is None:
                continue
        with engine.index.begin() as tx:
            operations.assert_held(tx, lease.operation.id, lease.fence)
            if give_up(tx, one, revision):
                settled.append(one)
    return settled


def _put_tombstone(engine: Engine, staged: ImageVersion) -> int | None:
    try:
        return _bury(engine, staged)
    except Interrupted:
        raise
    except ImgreplError as error:
        text = f"{staged.id} is left half-published: {error.message}"
        engine.events(Notice(level="warning", text=text, subject=staged.location))
        return None


def _bury(engine: Engine, staged: ImageVersion) -> int:
    with engine.index.begin() as tx:
        revision = versions.next_revision(tx, staged.id)
    place = records.record_place(engine, staged.location)
    places.check_owner(engine.stores.of(place), place, engine.index.identity)
    records.put(engine, place, records.tombstone_of(staged, revision))
    return revision


def give_up(tx: Connection, one: Abandoned, tombstone: int | None) -> bool:
    """The rows of it, in one transaction. False, and nothing done, where somebody works on it."""
    if one.operation_id is not None and not operations.give_up(tx, one.operation_id, _ERROR):
        return False
    if one.staged is None:
        return True
    current = versions.find(tx, one.staged.id)
    if current is None or current.committed or current.incarnation != one.staged.incarnation:
        return True
    if one.record is not None:
        versions.adopt(tx, one.record)
        versions.set_state(tx, one.record.id, ProvisioningState.FAILED)
        return True
    versions.remove(tx, current.id)
    if tombstone is not None:
        records_log.bury(tx, current.id, current.incarnation, tombstone)
    return True
