"""One collector at a time, which may be stopped, taken over or killed at any point."""

import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.collecting_kit import (
    collect,
    counted,
    everything,
    goes_on,
    operation_states,
    patched,
    prepare_two_in_one_region,
    publish_again,
)
from engine.world import World
from imgrepl.actions import collecting
from imgrepl.engine import disposal
from imgrepl.errors import Conflict, Interrupted, Unavailable
from imgrepl.gallery import operations, schema
from imgrepl.model.operation import OperationState
from imgrepl.model.operation import Owner as Process
from imgrepl.store.protocols import DeleteFailure
from imgrepl.testing.faulty import Crashed, Fault, FaultKind


def test_two_collectors_exclude_each_other(two: World) -> None:
    operation_id = collecting._operation(two.ctx, 0)
    elsewhere = Process(host="another", boot_id="b", pid=1, started_ticks=1)
    with two.index.begin() as tx:
        operations.claim(tx, operation_id, elsewhere, 60, may_replace=lambda _: False)
    before = everything(two)
    with pytest.raises(Conflict) as caught:
        collect(two)
    assert caught.value.code == "OperationBusy"
    assert everything(two) == before


def test_a_collector_that_was_taken_over_deletes_no_more(
    two: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = disposal.PlaceCollector._delete_again

    def taken_over(self: Any) -> None:
        real(self)
        with two.index.begin() as tx:
            tx.execute(
                sa.update(schema.operations)
                .where(schema.operations.c.ended_at.is_(None))
                .values(fence=schema.operations.c.fence + 1)
            )

    monkeypatch.setattr(disposal.PlaceCollector, "_delete_again", taken_over)
    before = two.pack_ids()
    with pytest.raises(Conflict) as caught:
        collect(two)
    assert caught.value.code == "OperationLost"
    assert two.pack_ids() == before


def test_ctrl_c_stops_between_batches_and_the_next_run_goes_on(
    two: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = two.store("eastus").delete

    def stop_after(wanted: Any) -> Any:
        two.stop.set()
        return real(wanted)

    with monkeypatch.context() as patch:
        patch.setattr(two.store("eastus"), "delete", stop_after)
        with pytest.raises(Interrupted):
            collect(two)
    two.stop.clear()
    assert not two.keys("seals/")[1:]
    assert collect(two).error is None
    assert len(two.pack_ids()) == 3
    assert OperationState.CANCELED in operation_states(two).values()


def test_objects_that_cannot_be_deleted_are_told_and_tried_again(
    two: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = two.store("eastus").inner.delete

    def refuse_packs(wanted: Any) -> Any:
        if wanted[0].startswith("packs/"):
            return [DeleteFailure(key=key, reason="locked") for key in wanted]
        return real(wanted)

    with monkeypatch.context() as patch:
        patch.setattr(two.store("eastus").inner, "delete", refuse_packs)
        report = collect(two)
    assert report.places[0].failures[0].endswith(": locked")
    assert isinstance(report.places[0].error, Unavailable)
    assert report.places[0].deleted_packs == 0
    assert collect(two).places[0].deleted_packs == 1
    assert len(two.pack_ids()) == 3


def test_a_publication_at_the_same_time_loses_nothing(two: World) -> None:
    failures: list[BaseException] = []

    def keep_collecting() -> None:
        while not done.is_set():
            try:
                collect(two)
            except BaseException as error:  # noqa: BLE001 - shown below
                failures.append(error)
                return

    done = threading.Event()
    thread = threading.Thread(target=keep_collecting)
    thread.start()
    try:
        for round_number in range(3):
            name = f"3.0.{round_number}"
            publish_again(two, name)
            assert two.download(name) == two.disk().read_bytes()
            two.delete(name)
    finally:
        done.set()
        thread.join()
    assert failures == []
    collect(two)
    assert two.download("1.0.1") == patched(two)
    assert len(two.pack_ids()) == 3


def test_a_collector_killed_at_any_request_goes_on(world: World, tmp_path: Path) -> None:
    prepare_two_in_one_region(world)
    with world.twin(tmp_path / "whole") as whole:
        whole.store().requests.clear()
        collect(whole)
        requests, expected = len(whole.store().requests), whole.keys()
    assert requests > 10
    for kind in (FaultKind.CRASH_BEFORE, FaultKind.CRASH_AFTER):
        for skip in range(requests):
            with world.twin(tmp_path / f"{kind}-{skip}") as twin:
                twin.store().faults.append(Fault(kind, skip=skip))
                with pytest.raises(Crashed):
                    collect(twin)
                twin.restart()
                goes_on(twin, expected, f"{kind} {skip}")


def test_a_collector_killed_between_any_two_transactions_goes_on(
    world: World, tmp_path: Path
) -> None:
    prepare_two_in_one_region(world)
    with world.twin(tmp_path / "whole") as whole:
        with counted(whole) as transactions:
            collect(whole)
        expected = whole.keys()
    assert len(transactions) > 8
    for limit in range(1, len(transactions)):
        with world.twin(tmp_path / f"{limit}") as twin:
            with counted(twin, die_after=limit), pytest.raises(Crashed):
                collect(twin)
            twin.restart()
            goes_on(twin, expected, f"transaction {limit}")
