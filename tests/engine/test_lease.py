"""One process works on an operation at a time: the dead are replaced, the living are busy."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.world import World
from imgrepl.engine import owner
from imgrepl.engine.lease import Lease
from imgrepl.errors import Conflict, Interrupted
from imgrepl.gallery import operations
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import OperationKind, OperationState, Owner

OPERATION = OperationId("20260101T000000-0123456789ab")
SECONDS_MAX = 20
SHORT_SECONDS = 0.3


@pytest.fixture
def index(world: World) -> GalleryIndex:
    with world.index.begin() as tx:
        operations.create(
            tx, operation_id=OPERATION, kind=OperationKind.PUBLISH, target="g/d/1", request={}
        )
    return world.index


def lease(index: GalleryIndex, seconds: float = 30, stop: threading.Event | None = None) -> Lease:
    return Lease(index, OPERATION, lease_seconds=seconds, stop=stop or threading.Event())


def claim_as(index: GalleryIndex, holder: Owner, seconds: float = 3600) -> None:
    with index.begin() as tx:
        operations.claim(tx, OPERATION, holder, seconds, may_replace=owner.is_gone)


@contextmanager
def another_process() -> Iterator[Owner]:
    """A living process on this host, as an owner."""
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        ticks = owner._start_ticks(process.pid)
        assert ticks is not None
        yield replace(owner.this_process(), pid=process.pid, started_ticks=ticks)
        process.communicate(b"\n")


def test_this_process_is_not_gone() -> None:
    assert not owner.is_gone(owner.this_process())


def test_a_living_process_is_busy_and_is_replaced_as_soon_as_it_died(index: GalleryIndex) -> None:
    with another_process() as living:
        claim_as(index, living)
        with pytest.raises(Conflict) as caught, lease(index):
            pass
        assert caught.value.code == "OperationBusy"
        assert str(living.pid) in caught.value.message
        assert caught.value.hint
    with lease(index) as held:
        assert held.operation.owner == owner.this_process()


@pytest.mark.parametrize(
    "change",
    [
        {"started_ticks": 1},
        {"boot_id": "another boot"},
        {"pid": 2**22 + 1},
    ],
    ids=["the pid was given to another process", "the machine was restarted", "no such pid"],
)
def test_an_owner_that_is_certainly_dead_is_replaced_at_once(
    index: GalleryIndex, change: dict[str, object]
) -> None:
    claim_as(index, replace(owner.this_process(), **change))  # type: ignore[arg-type]
    with lease(index) as held:
        assert held.fence == 2


def test_a_zombie_counts_as_dead() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    try:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        zombie = replace(owner.this_process(), pid=process.pid)
        assert owner.is_gone(zombie)
    finally:
        process.wait()


def test_an_owner_on_another_host_is_busy_until_its_lease_ends(
    index: GalleryIndex, world: World
) -> None:
    claim_as(index, replace(owner.this_process(), host="elsewhere", pid=1))
    with pytest.raises(Conflict), lease(index):
        pass
    world.outlive_leases()
    with lease(index):
        pass


def test_a_lease_is_renewed_before_it_ends(index: GalleryIndex) -> None:
    seconds = 3.0
    with lease(index, seconds) as held:
        first = renewed = held.operation.lease_until
        assert first is not None
        give_up_at = time.monotonic() + SECONDS_MAX
        while renewed == first:
            assert time.monotonic() < give_up_at, "nobody renews it"
            with index.read() as tx:
                renewed = operations.get(tx, OPERATION).lease_until
    assert renewed is not None
    assert renewed - timedelta(seconds=seconds) < first, "it was renewed after it had ended"


def test_a_lease_that_was_taken_over_stops_the_work_and_says_why(index: GalleryIndex) -> None:
    stop = threading.Event()
    with lease(index, SHORT_SECONDS, stop) as held:
        thief = replace(owner.this_process(), host="elsewhere")
        with index.begin() as tx:
            operations.claim(tx, OPERATION, thief, 60, may_replace=lambda _owner: True)
        assert stop.wait(SECONDS_MAX)
        held._thread.join(SECONDS_MAX)
        assert isinstance(held.lost, Conflict)
        assert "elsewhere" in held.lost.message
        with index.begin() as tx, pytest.raises(Conflict) as caught:
            operations.assert_held(tx, OPERATION, held.fence)
        assert caught.value.code == "OperationLost"


def test_a_cancellation_stops_the_work(index: GalleryIndex) -> None:
    stop = threading.Event()
    with lease(index, SHORT_SECONDS, stop) as held:
        with index.begin() as tx:
            operations.request_cancel(tx, OPERATION)
        assert stop.wait(SECONDS_MAX)
        assert held.canceled
        assert held.lost is None


def test_an_ended_operation_is_not_taken_up(index: GalleryIndex) -> None:
    with lease(index) as held, index.begin() as tx:
        operations.finish(tx, OPERATION, held.fence, OperationState.SUCCEEDED, None, None)
    with pytest.raises(Conflict) as caught, lease(index):
        pass
    assert caught.value.code == "OperationEnded"


def test_a_publisher_that_lost_its_lease_commits_nothing(world: World) -> None:
    """Another process takes the operation over while this one is about to commit."""
    ingested = world.store("eastus")
    begin = ingested.put

    def take_over_then_put(key: str, *args: object, **fields: object) -> object:
        if key.startswith("manifests/"):
            held = operations_of(world)
            thief = replace(owner.this_process(), host="elsewhere")
            with world.index.begin() as tx:
                operations.claim(tx, held, thief, 60, may_replace=lambda _owner: True)
        return begin(key, *args, **fields)  # type: ignore[arg-type]

    ingested.put = take_over_then_put  # type: ignore[assignment, method-assign]
    with pytest.raises((Conflict, Interrupted)) as caught:
        world.publish("1.0.0")
    assert caught.value.code == "OperationLost"
    assert not world.keys("records/default/default/golden/debian/1.0.0/")
    assert not world.view("1.0.0").version.committed


def operations_of(world: World) -> OperationId:
    with world.index.read() as tx:
        return operations.list_recent(tx, 1)[0].id
