"""Publishing while stores fail, replies are lost, others publish the same, and users stop it."""

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from engine.crashes import Fate, mortal_world
from engine.world import OPTIONS, World
from imgrepl.actions import creating, operations, versions
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.disks.disk import ByteSource
from imgrepl.errors import Conflict, ImgreplError, Interrupted, NotFound, Unavailable
from imgrepl.layout.records import decode_record
from imgrepl.model.operation import OperationState
from imgrepl.model.replica import ReplicaState
from imgrepl.testing.faulty import Dice, Fault, FaultKind

TWO = ("eastus", "westeurope")
RECORD = "records/default/default/golden/debian/1.0.0/"


def assert_published(world: World, name: str = "1.0.0", disk: str = "debian") -> None:
    view = world.view(name)
    assert {replica.state for replica in view.replicas} == {ReplicaState.COMPLETED}
    for region in TWO:
        assert world.download(name, region=region) == world.disk(disk).read_bytes()


def living_records(world: World, region: str = "eastus") -> set[str]:
    """The incarnations of 1.0.0 that the region's records would bring back."""
    latest: dict[str, tuple[int, bool]] = {}
    for key in world.keys(RECORD, region):
        record = decode_record(world.store(region).inner.get(key))
        found = (record.revision, record.deleted)
        latest[record.incarnation] = max(found, latest.get(record.incarnation, found))
    return {incarnation for incarnation, (_, deleted) in latest.items() if not deleted}


@pytest.mark.parametrize("kind", [FaultKind.LOST_REPLY, FaultKind.LOST_REQUEST, FaultKind.FULL])
@pytest.mark.parametrize("recovers", [True, False], ids=["it recovers", "it stays away"])
def test_a_commit_whose_reply_is_lost_is_a_version_or_none_and_never_two(
    world: World, kind: FaultKind, recovers: bool
) -> None:
    """The record is the commit; whoever wrote it was not told."""
    faults = [Fault(kind, "put", RECORD, times=3)]
    if not recovers:
        faults.append(Fault(FaultKind.LOST_REQUEST, skip=0, times=None, key_part="records/"))
    world.store("eastus").faults.extend(faults)
    with suppress(ImgreplError):
        world.publish("1.0.0", regions=TWO)
    world.buckets.revive()
    try:
        world.view("1.0.0")
    except NotFound:
        assert not living_records(world)
    world.publish("1.0.0", regions=TWO)
    assert_published(world)
    assert living_records(world) == {world.view("1.0.0").version.incarnation}


@pytest.mark.parametrize("seed", range(6))
def test_a_store_that_fails_one_request_in_eight_only_takes_longer(world: World, seed: int) -> None:
    dice = Dice(random.Random(seed).random, 0.125)
    for region in TWO:
        world.store(region).dice = dice
    for _ in range(40):
        try:
            view = world.publish("1.0.0", regions=TWO)
        except Unavailable:
            continue
        if {replica.state for replica in view.replicas} == {ReplicaState.COMPLETED}:
            break
    world.buckets.revive()
    assert_published(world)
    assert living_records(world) == {world.view("1.0.0").version.incarnation}
    assert OperationState.RUNNING not in {o.state for o in operations.list_all(world.ctx)}


@pytest.mark.parametrize("kind", [FaultKind.BIT_FLIP, FaultKind.TRUNCATED, FaultKind.WRONG_OBJECT])
def test_a_home_that_reads_wrongly_never_passes_it_on(world: World, kind: FaultKind) -> None:
    """The packs are sent from memory where they can be; what is read again is proven."""
    world.publish("1.0.0", regions=("eastus",))
    world.store("eastus").faults.append(Fault(kind, "get", "packs/", times=2))
    with suppress(ImgreplError):
        world.update("1.0.0", add_regions=targets("westeurope"))
    world.buckets.revive()
    with suppress(ImgreplError):
        world.retry("1.0.0")
    stored = world.store("westeurope").inner
    for key in world.keys("packs/", "westeurope"):
        assert stored.get(key) == world.store("eastus").inner.get(key)


def targets(*names: str) -> list[TargetRequest]:
    return [TargetRequest(name, 1) for name in names]


def test_two_at_once_that_publish_the_same_content_both_succeed(world: World) -> None:
    for round_number in range(4):
        disk = f"disk-{round_number}"
        world.disk(disk)
        together, outcomes = threading.Barrier(2), dict[str, BaseException | None]()

        def publish(name: str, meet: threading.Barrier, disk: str, told: dict[str, object]) -> None:
            meet.wait(20)
            try:
                world.publish(name, disk=disk, regions=TWO)
            except BaseException as error:  # noqa: BLE001 - told to the test
                told[name] = error
            else:
                told[name] = None

        names = [f"1.{round_number}.{number}" for number in range(2)]
        threads = [
            threading.Thread(target=publish, args=(name, together, disk, outcomes))
            for name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert outcomes == dict.fromkeys(names)
        for name in names:
            assert_published(world, name, disk)


def test_two_at_once_that_publish_the_same_version_are_one(world: World) -> None:
    """One does it; the other finds it done, or is told that somebody is at it."""
    world.publish("0.0.1", regions=TWO)  # parents and places are there
    together, outcomes = threading.Barrier(2), list[BaseException | None]()

    def publish() -> None:
        together.wait(20)
        try:
            world.publish("1.0.0", disk="other", regions=TWO)
        except BaseException as error:  # noqa: BLE001 - told to the test
            outcomes.append(error)
        else:
            outcomes.append(None)

    threads = [threading.Thread(target=publish) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert None in outcomes
    assert all(error is None or isinstance(error, Conflict) for error in outcomes), outcomes
    world.publish("1.0.0", disk="other", regions=TWO)
    assert_published(world, "1.0.0", "other")
    assert len(living_records(world)) == 1


def test_a_stop_at_any_step_keeps_what_is_durable_and_the_same_command_goes_on(
    tmp_path: Path,
) -> None:
    for stops_at in range(3, 200, 5):
        fate = StoppingFate(stops_at)
        with mortal_world(
            tmp_path / str(stops_at), fate, region_names=TWO, options=OPTIONS
        ) as world:
            fate.stop = world.stop
            try:
                world.publish("1.0.0", regions=TWO)
            except Interrupted:
                fate.stop = None
                world.stop.clear()
                assert_no_half_version(world)
                sent = len(fate.sent)
                world.publish("1.0.0", regions=TWO)
                assert len(fate.sent) == len(set(fate.sent)), f"sent twice, stopped at {stops_at}"
                assert len(fate.sent) >= sent
            else:
                assert stops_at > 40
                return
            assert_published(world)
    raise AssertionError("a publication never ends")


class StoppingFate(Fate):
    """Asks the process to stop, as Ctrl-C does, when a step is reached."""

    def __init__(self, stops_at: int) -> None:
        super().__init__()
        self.stop: threading.Event | None = None
        self._stops_at = stops_at

    def step(self, what: str) -> None:
        super().step(what)
        if self.stop is not None and len(self.steps) >= self._stops_at:
            self.stop.set()


def assert_no_half_version(world: World) -> None:
    with suppress(NotFound):
        for view in versions.list_of(world.ctx, world.definition):
            done = {r.region for r in view.replicas if r.state is ReplicaState.COMPLETED}
            for region in done:
                assert world.download("1.0.0", region=region) == world.disk().read_bytes()


def test_a_source_that_is_written_to_is_refused_and_leaves_nothing(world: World) -> None:
    """Somebody writes to the image when it is read first: even if the bytes are the same."""

    def touch(path: Path) -> None:
        with path.open("r+b") as file:
            file.write(b"\0")

    with pytest.raises(Conflict) as caught:
        publish_meddled(world, touch)
    assert caught.value.code == "SourceChanged"
    with pytest.raises(NotFound):
        world.view("1.0.0")
    assert not living_records(world)
    world.publish("1.0.0", regions=TWO)
    assert_published(world)


def test_a_source_that_is_replaced_is_refused(world: World) -> None:
    def swap(path: Path) -> None:
        other = path.with_suffix(".new")
        other.write_bytes(path.read_bytes())
        other.replace(path)

    with pytest.raises(Conflict) as caught:
        publish_meddled(world, swap)
    assert caught.value.code == "SourceChanged"


def publish_meddled(world: World, meddle: Callable[[Path], None]) -> None:
    opened = world.ctx.open_source

    def open_meddled(name: str, **_where: object) -> ByteSource:
        source = opened(name)
        read_into = source.read_into

        def meddled(offset: int, buffer: memoryview) -> None:
            read_into(offset, buffer)
            if offset >= 1 << 20:  # not when it is only looked at
                source.read_into = read_into  # type: ignore[method-assign]
                meddle(Path(name))

        source.read_into = meddled  # type: ignore[method-assign]
        return source

    ctx = replace(world.ctx, open_source=open_meddled)
    creating.create(ctx, world.request("1.0.0", regions=TWO))
