"""Leases and fences: who may work, by the database's clock."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from gallery import samples
from imgrepl.errors import Conflict, NotFound
from imgrepl.gallery import operations, packs
from imgrepl.gallery.database import GalleryIndex
from imgrepl.gallery.schema import operations as table
from imgrepl.gallery.schema import pins
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import Operation, OperationKind, OperationState, Owner

HERE = Owner(host="here", boot_id="1", pid=10, started_ticks=100)
THERE = Owner(host="there", boot_id="2", pid=20, started_ticks=200)


def alive(_owner: Owner) -> bool:
    return False


def dead(_owner: Owner) -> bool:
    return True


def _claim(
    tx: sa.Connection, operation_id: OperationId, owner: Owner = HERE, seconds: float = 60
) -> Operation:
    return operations.claim(tx, operation_id, owner, seconds, may_replace=alive)


def test_a_new_operation_waits_for_an_owner(index: GalleryIndex) -> None:
    with index.begin() as tx:
        made = operations.create(
            tx,
            operation_id=OperationId("op"),
            kind=OperationKind.PUBLISH,
            target="g/i/1.0.0",
            request={"disks": [{"lun": None}]},
        )
        assert operations.get(tx, made.id) == made
    assert (made.state, made.fence, made.owner) == (OperationState.PENDING, 0, None)
    assert made.request == {"disks": [{"lun": None}]}
    assert made.created_at.tzinfo is not None


def test_a_claim_raises_the_fence_and_sets_the_lease(index: GalleryIndex) -> None:
    with index.begin() as tx:
        claimed = _claim(tx, samples.operation(tx))
    assert (claimed.state, claimed.fence, claimed.owner) == (OperationState.RUNNING, 1, HERE)
    assert claimed.lease_until is not None
    assert 59 < (claimed.lease_until - claimed.updated_at).total_seconds() < 61


def test_a_living_owner_keeps_others_out_and_is_named(index: GalleryIndex) -> None:
    with index.begin() as tx:
        operation_id = samples.operation(tx)
        _claim(tx, operation_id)
        with pytest.raises(Conflict, match="process 10 on here") as caught:
            _claim(tx, operation_id, THERE)
    assert caught.value.code == "OperationBusy"


def test_an_owner_known_to_be_dead_is_replaced_at_once(index: GalleryIndex) -> None:
    with index.begin() as tx:
        operation_id = samples.operation(tx)
        _claim(tx, operation_id)
        taken = operations.claim(tx, operation_id, THERE, 60, may_replace=dead)
    assert (taken.owner, taken.fence) == (THERE, 2)


def test_an_owner_whose_lease_ran_out_is_stalled_and_replaced(index: GalleryIndex) -> None:
    with index.begin() as tx:
        operation_id = samples.operation(tx)
        _claim(tx, operation_id, seconds=-1)
        assert operations.get(tx, operation_id).state is OperationState.STALLED
        assert operations.list_recent(tx, 1)[0].state is OperationState.STALLED
        assert operations.open_for(tx, "golden/debian/1.0.0")[0].state is OperationState.STALLED
        assert _claim(tx, operation_id, THERE).state is OperationState.RUNNING


def test_the_same_process_may_claim_again(index: GalleryIndex) -> None:
    with index.begin() as tx:
        operation_id = samples.operation(tx)
        _claim(tx, operation_id)
        assert _claim(tx, operation_id).fence == 2


def test_who_was_replaced_may_write_nothing(index: GalleryIndex) -> None:
    with index.begin() as tx:
        operation_id = samples.operation(tx)
        old = _claim(tx, operation_id).fence
        operations.claim(tx, operation_id, THERE, 60, may_replace=dead)
        writes: list[Callable[[], object]] = [
            lambda: operations.renew(tx, operation_id, old, 60),
            lambda: operations.assert_held(tx, operation_id, old),
            lambda: operations.progress(tx, operation_id, old, {}),
            lambda: operations.finish(tx, operation_id, old, OperationState.FAILED, None, None),
        ]
        for write in writes:
            with pytest.raises(Conflict, match="process 20 on there") as caught:
                write()
            assert caught.value.code == "OperationLost"


def test_a_lease_that_ran_out_is_not_held_but_can_be_renewed(index: GalleryIndex) -> None:
    with index.begin() as tx:
        operation_id = samples.operation(tx)
        fence = _claim(tx, operation_id, seconds=-1).fence
        with pytest.raises(Conflict, match="ran out"):
            operations.assert_held(tx, operation_id, fence)
        operations.renew(tx, operation_id, fence, 60)
        operations.assert_held(tx, operation_id, fence)


def test_finishing_ends_it_and_releases_its_pins(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        operation_id = samples.operation(tx)
        fence = _claim(tx, operation_id).fence
        packs.intend(tx, operation_id, place.id, samples.pack_id("a"), 10)
        operations.progress(tx, operation_id, fence, {"bytes": 5})
        result = {"sentBytes": 10}
        operations.finish(tx, operation_id, fence, OperationState.SUCCEEDED, result, None)
        ended = operations.get(tx, operation_id)
        assert tx.scalar(sa.select(sa.func.count()).select_from(pins)) == 0
        assert operations.open_for(tx, ended.target) == []
        with pytest.raises(Conflict) as caught:
            _claim(tx, operation_id)
    assert caught.value.code == "OperationEnded"
    assert (ended.state, ended.result) == (OperationState.SUCCEEDED, result)
    assert ended.progress == {"bytes": 5}
    assert ended.ended_at is not None


def test_a_released_operation_waits_for_anyone_and_keeps_its_pins(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        operation_id = samples.operation(tx)
        fence = _claim(tx, operation_id).fence
        packs.intend(tx, operation_id, place.id, samples.pack_id("a"), 10)
        operations.release(tx, operation_id, fence)
        assert operations.get(tx, operation_id).state is OperationState.PENDING
        assert tx.scalar(sa.select(sa.func.count()).select_from(pins)) == 1
        assert _claim(tx, operation_id, THERE).fence > fence


def test_cancelling_asks_a_living_owner(index: GalleryIndex) -> None:
    with index.begin() as tx:
        operation_id = samples.operation(tx)
        fence = _claim(tx, operation_id).fence
        asked = operations.request_cancel(tx, operation_id)
        assert (asked.state, asked.cancel_requested) == (OperationState.RUNNING, True)
        assert operations.renew(tx, operation_id, fence, 60).cancel_requested


@pytest.mark.parametrize("claimed", [False, True])
def test_cancelling_what_nobody_is_at_ends_it(index: GalleryIndex, claimed: bool) -> None:
    with index.begin() as tx:
        operation_id = samples.operation(tx)
        fence = _claim(tx, operation_id, seconds=-1).fence if claimed else 0
        assert operations.request_cancel(tx, operation_id).state is OperationState.CANCELED
        with pytest.raises(Conflict):
            operations.renew(tx, operation_id, fence, 60)
        with pytest.raises(Conflict) as again:
            operations.request_cancel(tx, operation_id)
    assert again.value.code == "OperationEnded"


def test_the_lease_goes_by_the_clock_of_the_database(index: GalleryIndex) -> None:
    with index.begin() as tx:
        operation_id = samples.operation(tx)
        _claim(tx, operation_id)
        for moved, state in (("-1", OperationState.STALLED), ("60", OperationState.RUNNING)):
            sqlite = tx.dialect.name == "sqlite"
            shifted = (
                f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '{moved} seconds')"
                if sqlite
                else f"clock_timestamp() + interval '{moved} seconds'"
            )
            tx.execute(sa.text(f"UPDATE {table.name} SET lease_until = {shifted}"))
            assert operations.get(tx, operation_id).state is state


def test_an_unknown_operation_is_not_found(index: GalleryIndex) -> None:
    with index.begin() as tx, pytest.raises(NotFound) as caught:
        _claim(tx, OperationId("nope"))
    assert caught.value.code == "OperationNotFound"


def test_the_latest_operations_come_first(index: GalleryIndex) -> None:
    with index.begin() as tx:
        made = [samples.operation(tx) for _ in range(3)]
        assert [found.id for found in operations.list_recent(tx, 2)] == made[:0:-1]
