"""What was intended and never confirmed is looked at once, and believed only where it is right."""

from dataclasses import replace

import pytest

from engine.world import World
from imgrepl.actions import operations, verifying
from imgrepl.engine import resume
from imgrepl.engine.owner import this_process
from imgrepl.errors import Conflict
from imgrepl.gallery import operations as operation_rows
from imgrepl.gallery import packs
from imgrepl.layout import keys
from imgrepl.model.ids import OperationId
from imgrepl.model.proof import ProofLevel
from imgrepl.testing.faulty import Crashed, Fault, FaultKind, damaged, flipped


@pytest.fixture
def died(world: World) -> World:
    """A publication that died with two packs put and not confirmed."""
    fault = Fault(FaultKind.CRASH_AFTER, "put", "packs/", skip=1)
    world.store("eastus").faults.append(fault)
    with pytest.raises(Crashed):
        world.publish("1.0.0", regions=("eastus",))
    world.restart()
    return world


def operation_of(world: World) -> OperationId:
    return operations.list_all(world.ctx)[0].id


def intents(world: World) -> list[packs.PlacePack]:
    with world.index.read() as tx:
        return packs.open_intents(tx, operation_of(world))


def settle(world: World) -> None:
    resume.settle_intents(world.engine, operation_of(world), [world.place("eastus")])


def put_intents(world: World) -> list[packs.PlacePack]:
    here = set(world.keys("packs/"))
    return [row for row in intents(world) if keys.pack_key(row.pack_id, row.generation) in here]


def key_of(row: packs.PlacePack) -> str:
    return keys.pack_key(row.pack_id, row.generation)


def state_of(world: World, row: packs.PlacePack) -> str | None:
    with world.index.read() as tx:
        found = packs.live_in(tx, row.place_id, [row.pack_id]).get(row.pack_id)
    return None if found is None else str(found.state)


def test_one_head_for_each_intent_and_nothing_listed_or_read(died: World) -> None:
    count = len(intents(died))
    died.store("eastus").requests.clear()
    settle(died)
    assert [verb for verb, _ in died.store("eastus").requests] == ["head"] * count
    assert intents(died) == []


def test_what_is_there_is_present_and_what_is_not_is_forgotten(died: World) -> None:
    there, before = put_intents(died), intents(died)
    assert there
    settle(died)
    for row in before:
        assert state_of(died, row) == ("present" if row in there else None)


def test_a_pack_that_the_server_vouches_for_has_the_proof_of_a_put(died: World) -> None:
    (row, *_) = put_intents(died)
    settle(died)
    with died.index.read() as tx:
        found = packs.present_in(tx, row.place_id, [row.pack_id])[row.pack_id]
    assert found.proof is not None
    assert found.proof.level is ProofLevel.PUT_CHECKSUM


@pytest.mark.parametrize("spoil", ["other bytes", "other length"])
def test_another_object_under_the_key_is_not_believed_and_does_not_stop_the_publication(
    died: World, spoil: str
) -> None:
    (row, *_) = put_intents(died)
    store = died.store("eastus").inner
    content = store.get(key_of(row))
    store.put(key_of(row), flipped(content, 77) if spoil == "other bytes" else content[:-1])
    died.publish("1.0.0", regions=("eastus",))
    assert died.download("1.0.0") == died.disk().read_bytes()
    with died.index.read() as tx:
        found = packs.present_in(tx, row.place_id, [row.pack_id])[row.pack_id]
    assert found.generation == row.generation + 1
    assert store.get(key_of(found)) == content


def test_what_rotted_before_it_was_confirmed_is_found_by_a_deep_verify(died: World) -> None:
    (row, *_) = put_intents(died)
    damaged(died.store("eastus"), key_of(row), lambda now: flipped(now, 77))
    died.publish("1.0.0", regions=("eastus",))
    report = verifying.verify(died.ctx, died.id("1.0.0"), None, deep=True)
    assert [one["state"] for one in report["replicas"]] == ["damaged"]
    assert [problem["object"] for problem in report["replicas"][0]["problems"]] == [key_of(row)]


@pytest.mark.parametrize("kind", [FaultKind.LOST_REQUEST, FaultKind.BUSY])
def test_a_place_that_does_not_answer_leaves_its_intents_open(died: World, kind: FaultKind) -> None:
    before = intents(died)
    died.store("eastus").faults.append(Fault(kind, "head", times=None))
    settle(died)
    assert intents(died) == before


def test_the_intents_of_another_operation_are_left_alone(died: World) -> None:
    other = OperationId("20990101T000000-0123456789ab")
    resume.settle_intents(died.engine, other, [died.place("eastus")])
    assert intents(died)


def test_nothing_to_settle_asks_nothing(world: World) -> None:
    world.publish("1.0.0", regions=("eastus",))
    world.store("eastus").requests.clear()
    settle(world)
    assert world.store("eastus").requests == []


def test_an_operation_that_is_held_by_a_living_process_is_not_run_twice(died: World) -> None:
    held = replace(this_process(), host="elsewhere")
    with died.index.begin() as tx:
        operation_rows.claim(tx, operation_of(died), held, 600, may_replace=lambda _owner: True)
    with pytest.raises(Conflict) as caught:
        died.publish("1.0.0", regions=("eastus",))
    assert caught.value.code == "OperationBusy"
    assert caught.value.hint
