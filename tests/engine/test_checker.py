"""Checking the index against the buckets: finds what is missing, and writes nothing."""

from collections.abc import Callable

import pytest

from engine.collecting_kit import PATCHED, collect, dump, everything, forget
from engine.world import World
from imgrepl.actions import index
from imgrepl.engine.check_report import CheckReport
from imgrepl.errors import Corrupt, Unavailable
from imgrepl.gallery import contents, packs
from imgrepl.testing.faulty import Fault, FaultKind


@pytest.fixture
def sound(world: World) -> World:
    world.publish("1.0.0")
    world.publish("1.0.1", **PATCHED)
    return world


def check(world: World) -> CheckReport:
    return index.check(world.ctx)


def test_a_sound_index_has_no_differences(sound: World) -> None:
    report = check(sound)
    assert (report.faults, report.unknown, report.unread, report.error) == ((), (), (), None)
    assert report.places == 3
    assert report.objects > 30


def test_checking_changes_nothing(sound: World) -> None:
    before, rows = everything(sound), dump(sound)
    sound.store("eastus").inner.delete([sound.keys("packs/")[0]])
    after = everything(sound)
    for region in sound.buckets.all():
        region.requests.clear()
    check(sound)
    assert (everything(sound), dump(sound)) == (after, rows)
    assert after != before
    verbs = {verb for store in sound.buckets.all() for verb, _ in store.requests}
    assert verbs == {"list"}


@pytest.mark.parametrize("prefix", ["packs/", "manifests/", "seals/", "records/"])
def test_whatever_is_missing_is_found(sound: World, prefix: str) -> None:
    for key in sound.keys(prefix, "westeurope"):
        sound.store("westeurope").inner.delete([key])
    report = check(sound)
    assert isinstance(report.error, Corrupt)
    assert {fault.place for fault in report.faults} == {"westeurope/standard/0"}
    assert all(fault.object.startswith(prefix) for fault in report.faults)
    assert all(fault.reason == "it is missing" for fault in report.faults)


def test_a_pack_of_another_length_is_found(sound: World) -> None:
    key = sound.keys("packs/")[0]
    store = sound.store("eastus").inner
    store.put(key, store.get(key)[:-1])
    (fault,) = check(sound).faults
    assert fault.object == key
    assert "instead of" in fault.reason


def test_a_damaged_pack_is_told(sound: World) -> None:
    pack_id = min(sound.pack_ids())
    place = sound.place()
    with sound.index.begin() as tx:
        packs.set_damaged(tx, place.id, pack_id, "a flipped bit")
    reasons = {fault.reason for fault in check(sound).faults}
    assert "it is known to be damaged: a flipped bit" in reasons
    assert any("complete here" in reason for reason in reasons)


def test_a_complete_replica_without_a_pack_is_found_by_the_rows_alone(sound: World) -> None:
    with sound.index.begin() as tx:
        for one in sound.view("1.0.0").version.content_ids:
            for pack_id in contents.packs_of(tx, [one]):
                place_id = 1
                tx.exec_driver_sql(
                    "UPDATE place_packs SET state = 'gone' WHERE pack_id = ? AND place_id = ?",
                    (pack_id, place_id),
                )
    assert {fault.reason for fault in check(sound).faults} >= {
        "golden/debian/1.0.0 is complete here, and the pack is not"
    }


def test_objects_and_records_without_a_row_are_told_and_no_fault(sound: World) -> None:
    forget(sound, "1.0.1")
    with sound.index.begin() as tx:
        tx.exec_driver_sql("DELETE FROM place_records WHERE resource_key LIKE '%1.0.1'")
    sound.store("eastus").inner.put("packs/00/" + "0" * 64 + ".0", b"?")
    sound.store("eastus").inner.put("manifests/" + "1" * 64 + ".0", b"?")
    report = check(sound)
    assert report.error is None
    told = [(one.place.partition("/")[0], one.object.partition("/")[0]) for one in report.unknown]
    assert sorted(told) == [
        ("eastus", "manifests"),
        ("eastus", "packs"),
        ("eastus", "records"),
        ("southeastasia", "records"),
        ("westeurope", "records"),
    ]


def test_a_region_that_does_not_answer_is_told_and_the_others_are_checked(sound: World) -> None:
    sound.store("westeurope").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    report = check(sound)
    assert [region for region, _ in report.unread] == ["westeurope"]
    assert isinstance(report.error, Unavailable)
    assert report.places == 2


@pytest.mark.parametrize("then", [collect, lambda world: world.delete("1.0.0")])
def test_an_index_is_sound_after(sound: World, then: Callable[[World], object]) -> None:
    then(sound)
    assert check(sound).error is None
    assert check(sound).unknown == ()
