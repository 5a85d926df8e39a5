"""Packs in places: generations, legal moves, pins, proofs, and what may be collected."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from gallery import samples
from gallery.samples import PUT, pack_id
from imgrepl.errors import Conflict
from imgrepl.gallery import operations, packs, places, regions, replicas, unneeded, versions
from imgrepl.gallery.database import GalleryIndex
from imgrepl.gallery.packs import CONDEMNED, DAMAGED, DELETING, EDGES, GONE, INTENDED, PRESENT
from imgrepl.gallery.schema import PackState
from imgrepl.model.ids import OperationId, PlaceId
from imgrepl.model.operation import OperationState, Owner
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import Endpoint, PlaceRole, StorageAccountType
from imgrepl.model.replica import Replica

A = pack_id("a")
OWNER = Owner(host="h", boot_id="b", pid=1, started_ticks=1)


def test_a_pack_is_intended_then_present_with_its_proof(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        operation_id = samples.operation(tx)
        intent = packs.intend(tx, operation_id, place.id, A, 1234)
        assert (intent.state, intent.generation, intent.pack_bytes) == (INTENDED, 0, 1234)
        assert packs.present_in(tx, place.id, [A]) == {}
        assert packs.open_intents(tx, operation_id) == [intent]
        packs.confirm(tx, place.id, A, PUT)
        present = packs.present_in(tx, place.id, [A])[A]
        assert (present.state, present.proof) == (PRESENT, PUT)
        assert packs.open_intents(tx, operation_id) == []
        assert packs.holders(tx, [A, pack_id("b")]) == {A: [present], pack_id("b"): []}


def test_intending_what_is_present_changes_nothing(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        samples.stored(tx, place.id, "a")
        again = packs.intend(tx, samples.operation(tx), place.id, A, 1000)
        assert (again.state, again.generation) == (PRESENT, 0)


def test_intending_what_is_condemned_rescues_it(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        samples.stored(tx, place.id, "a")
        packs.set_state(tx, place.id, [A], [PRESENT], CONDEMNED)
        rescued = packs.intend(tx, samples.operation(tx), place.id, A, 1000)
        assert (rescued.state, rescued.generation, rescued.proof) == (PRESENT, 0, PUT)


@pytest.mark.parametrize("last", [DELETING, GONE])
def test_a_pack_that_entered_deletion_comes_back_under_another_key(
    index: GalleryIndex, last: PackState
) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        for generation in range(3):
            operation_id = samples.operation(tx)
            intent = packs.intend(tx, operation_id, place.id, A, 1000)
            assert (intent.state, intent.generation) == (INTENDED, generation)
            packs.confirm(tx, place.id, A, PUT)
            packs.set_state(tx, place.id, [A], [PRESENT], CONDEMNED)
            packs.set_state(tx, place.id, [A], [CONDEMNED], DELETING)
            if last == GONE:
                packs.set_state(tx, place.id, [A], [DELETING], GONE)
        left = packs.in_state(tx, place.id, last, 10)
        assert [row.generation for row in left] == [0, 1, 2]


def test_a_damaged_pack_is_given_up_and_put_again_under_another_key(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        samples.stored(tx, place.id, "a")
        packs.set_damaged(tx, place.id, A, "one flipped bit")
        assert packs.present_in(tx, place.id, [A]) == {}
        assert packs.all_in(tx, place.id)[0].reason == "one flipped bit"
        intent = packs.intend(tx, samples.operation(tx), place.id, A, 1000)
        assert (intent.state, intent.generation) == (INTENDED, 1)
        assert [row.generation for row in packs.in_state(tx, place.id, DELETING, 10)] == [0]


def test_a_dropped_intent_leaves_its_generation_free(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        operation_id = samples.operation(tx)
        packs.intend(tx, operation_id, place.id, A, 1000)
        packs.drop_intent(tx, place.id, A)
        assert packs.all_in(tx, place.id) == []
        with pytest.raises(Conflict) as caught:
            packs.confirm(tx, place.id, A, PUT)
        assert packs.intend(tx, operation_id, place.id, A, 1000).generation == 0
    assert caught.value.code == "IntentLost"


def test_dropping_an_intent_never_drops_what_is_present(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        samples.stored(tx, place.id, "a")
        packs.drop_intent(tx, place.id, A)
        assert A in packs.present_in(tx, place.id, [A])


def test_an_intent_passes_to_the_operation_that_intends_it_next(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        first, second = samples.operation(tx), samples.operation(tx)
        packs.intend(tx, first, place.id, A, 1000)
        packs.intend(tx, second, place.id, A, 1000)
        assert packs.open_intents(tx, first) == []
        assert [row.pack_id for row in packs.open_intents(tx, second)] == [A]


def test_pinning_takes_what_is_present_rescues_condemned_and_skips_the_rest(
    index: GalleryIndex,
) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        samples.stored(tx, place.id, "a", "b", "c", "d")
        packs.set_state(tx, place.id, [pack_id("b")], [PRESENT], CONDEMNED)
        packs.set_state(tx, place.id, [pack_id("c")], [PRESENT], CONDEMNED)
        packs.set_state(tx, place.id, [pack_id("c")], [CONDEMNED], DELETING)
        packs.set_damaged(tx, place.id, pack_id("d"), "bits")
        operation_id = samples.operation(tx)
        wanted = [pack_id(name) for name in "abcde"]
        assert packs.pin_present(tx, operation_id, place.id, wanted) == {A, pack_id("b")}
        assert packs.pin_present(tx, operation_id, place.id, wanted) == {A, pack_id("b")}


def test_bulk_look_ups_take_more_packs_than_a_statement_has_parameters(
    index: GalleryIndex,
) -> None:
    names = [f"p{number}" for number in range(503)]
    with index.begin() as tx:
        place = samples.place(tx)
        samples.stored(tx, place.id, *names)
        wanted = [pack_id(name) for name in names]
        assert len(packs.present_in(tx, place.id, wanted)) == 503
        assert len(packs.pin_present(tx, samples.operation(tx), place.id, wanted)) == 503
        assert all(packs.holders(tx, wanted).values())
        assert packs.set_state(tx, place.id, wanted, [PRESENT], CONDEMNED) == 503


def test_a_stronger_proof_is_kept_and_a_renewed_one_taken(index: GalleryIndex) -> None:
    later = PUT.at + timedelta(days=1)
    with index.begin() as tx:
        place = samples.place(tx)
        samples.stored(tx, place.id, "a", "b")
        full = Proof(ProofLevel.FULL_READ, later)
        weak = Proof(ProofLevel.SIZE, later)
        packs.record_proofs(tx, place.id, [(A, full), (pack_id("b"), weak)])
        packs.record_proofs(tx, place.id, [(A, replace(PUT, at=later + timedelta(days=1)))])
        found = packs.present_in(tx, place.id, [A, pack_id("b")])
        assert found[A].proof == full
        assert found[pack_id("b")].proof == PUT


def test_a_pack_that_a_committed_version_names_is_not_unreferenced(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        place, spare = samples.place(tx), samples.place(tx, number=1)
        for one in (place, spare):
            samples.stored(tx, one.id, "a", "b")
        version = samples.published(tx, "1.0.0", "content", "a")
        _end_operations(tx)
        assert _names(unneeded.packs_in(tx, place.id, 10)) == {"b"}
        assert _names(unneeded.packs_in(tx, spare.id, 10)) == {"a", "b"}
        versions.remove(tx, version)
        assert _names(unneeded.packs_in(tx, place.id, 10)) == {"a", "b"}


def test_what_only_a_staged_version_names_is_held_by_pins_alone(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        place = samples.place(tx)
        operation_id = samples.operation(tx)
        packs.intend(tx, operation_id, place.id, A, 1000)
        packs.confirm(tx, place.id, A, PUT)
        staged = samples.version(content="content")
        versions.stage(tx, staged, operation_id)
        assert unneeded.packs_in(tx, place.id, 10) == []
        held = operations.claim(tx, operation_id, OWNER, 60, may_replace=lambda _: True)
        operations.finish(tx, operation_id, held.fence, OperationState.FAILED, None, None)
        assert _names(unneeded.packs_in(tx, place.id, 10)) == {"a"}


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        (StorageAccountType.STANDARD_LRS, {"standard"}),
        (StorageAccountType.STANDARD_ZRS, {"zone1", "zone2", "zone3"}),
        (StorageAccountType.PREMIUM_LRS, {"premium"}),
    ],
)
def test_a_replica_holds_its_packs_in_the_places_of_its_type(
    index: GalleryIndex, kind: StorageAccountType, needed: set[str]
) -> None:
    zones = tuple(Endpoint(url=f"file:///srv/zone{number}") for number in range(3))
    rich = samples.region("westeurope", zones=zones, premium=Endpoint(url="file:///srv/fast"))
    with index.begin() as tx:
        samples.hierarchy(tx)
        regions.add(tx, rich)
        samples.stored(tx, samples.place(tx).id, "a")
        version = samples.published(tx, "1.0.0", "content", "a")
        replica = Replica(region="westeurope", number=0, storage_account_type=kind)
        replicas.plan(tx, version, [replica])
        made = [places.ensure(tx, rich, role, 0) for role in PlaceRole]
        for place in made:
            samples.stored(tx, place.id, "a")
        _end_operations(tx)
        free = {place.role.value for place in made if unneeded.packs_in(tx, place.id, 1)}
        assert free == {role.value for role in PlaceRole} - needed


def test_intents_of_ended_operations_are_abandoned_others_are_not(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        ended, open_one = samples.operation(tx), samples.operation(tx)
        packs.intend(tx, ended, place.id, A, 1000)
        packs.intend(tx, open_one, place.id, pack_id("b"), 1000)
        operations.request_cancel(tx, ended)
        assert _names(unneeded.abandoned_intents(tx, place.id, 10)) == {"a"}


def test_illegal_moves_are_refused(index: GalleryIndex) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        for source in PackState:
            for target in set(PackState) - EDGES[source]:
                with pytest.raises(AssertionError):
                    packs.set_state(tx, place.id, [A], [source], target)
        with pytest.raises(AssertionError, match="proof"):
            packs.set_state(tx, place.id, [A], [INTENDED], PRESENT)


_MOVES = st.sampled_from(
    ["intend", "confirm", "drop", "condemn", "delete", "gone", "damage", "pin", "collect damaged"]
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(_MOVES, max_size=25))
def test_no_sequence_gives_two_living_rows_or_reuses_a_deleted_key(
    index: GalleryIndex, moves: list[str]
) -> None:
    with index.begin() as tx:
        place = samples.place(tx)
        operation_id = samples.operation(tx)
        deleted: set[int] = set()
        for move in moves:
            _do(tx, move, place.id, operation_id)
            rows = packs.all_in(tx, place.id)
            live = [row for row in rows if row.state not in {DELETING, GONE}]
            assert len(live) <= 1
            deleted |= {row.generation for row in rows if row.state == DELETING}
            assert not deleted & {row.generation for row in live}
            assert all(row.proof for row in live if row.state in {PRESENT, CONDEMNED, DAMAGED})
        tx.rollback()


def _do(tx: Connection, move: str, place_id: PlaceId, operation_id: OperationId) -> None:
    moves: dict[str, tuple[PackState, PackState]] = {
        "condemn": (PRESENT, CONDEMNED),
        "delete": (CONDEMNED, DELETING),
        "collect damaged": (DAMAGED, DELETING),
        "gone": (DELETING, GONE),
    }
    match move:
        case "intend":
            packs.intend(tx, operation_id, place_id, A, 1000)
        case "confirm":
            with suppress(Conflict):
                packs.confirm(tx, place_id, A, PUT)
        case "drop":
            packs.drop_intent(tx, place_id, A)
        case "damage":
            packs.set_damaged(tx, place_id, A, "bits")
        case "pin":
            packs.pin_present(tx, operation_id, place_id, [A])
        case _:
            source, target = moves[move]
            packs.set_state(tx, place_id, [A], [source], target)


def _names(rows: list[packs.PlacePack]) -> set[str]:
    known = {pack_id(name): name for name in "abcdef"}
    return {known[row.pack_id] for row in rows}


def _end_operations(tx: Connection) -> None:
    for operation in operations.list_recent(tx, 100):
        if not operation.state.ended:
            operations.request_cancel(tx, operation.id)
