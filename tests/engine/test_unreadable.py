"""Objects that a server breaks off at, each time: found, mended, and not waited for one by one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.world import DATA_BYTES, OPTIONS, World, open_world
from imgrepl.actions import verifying
from imgrepl.engine.unreadable import read_whole
from imgrepl.errors import Corrupt, Unavailable
from imgrepl.store.retrying import RetryPolicy
from imgrepl.testing.faulty import Fault, FaultKind

BAD = "westeurope"
PATIENCE = RetryPolicy()
"""The one that users have."""
PATIENCE_SECONDS_MAX = 20
HURRY_SECONDS_MAX = 2


@pytest.fixture
def many(tmp_path: Path) -> Iterator[World]:
    """A version of two dozen packs in two regions, read one at a time."""
    options = replace(OPTIONS, pack_bytes_target=128 << 10, downloads_in_flight=1)
    regions = ("eastus", BAD)
    with open_world(tmp_path / "world", region_names=regions, options=options) as world:
        world.publish(regions=regions)
        world.stores.patience = PATIENCE
        yield world


def breaks_off(world: World, key_part: str = "packs/", times: int | None = None) -> None:
    fault = Fault(FaultKind.LOST_REPLY, verb="get", key_part=key_part, times=times)
    world.store(BAD).faults.append(fault)


def states(world: World) -> dict[str, str]:
    report = verifying.verify(world.ctx, world.id("1.0.0"), None, True)
    return {one["region"]: one["state"] for one in report["replicas"]}


def slept(world: World) -> float:
    return sum(world.clock.slept_seconds)


def test_a_repair_is_patient_once_and_not_for_every_object(many: World) -> None:
    packs = len(many.pack_ids(BAD))
    assert packs >= 20
    breaks_off(many)
    report = verifying.repair(many.ctx, many.id("1.0.0"))
    assert len(report["mended"]) == packs
    assert slept(many) <= PATIENCE_SECONDS_MAX + packs * HURRY_SECONDS_MAX
    many.buckets.revive()
    assert set(states(many).values()) == {"healthy"}


def test_what_no_copy_gives_is_told_without_waiting_for_each_copy_anew(many: World) -> None:
    packs = len(many.pack_ids(BAD))
    for region in ("eastus", BAD):
        many.store(region).faults.append(
            Fault(FaultKind.LOST_REPLY, verb="get", key_part="packs/", times=None)
        )
    report = verifying.repair(many.ctx, many.id("1.0.0"))
    assert {one["pack"] for one in report["beyondRepair"]} == many.pack_ids(BAD)
    assert sum(lost["length"] for lost in report["lost"]) == DATA_BYTES
    seconds = slept(many)
    reads = 2 * packs * 3 + 2 * packs  # to verify, and the footers of both copies of each
    assert seconds <= reads * HURRY_SECONDS_MAX + 2 * PATIENCE_SECONDS_MAX


@pytest.mark.parametrize("times", [1, 6])
def test_a_fault_that_passes_is_no_damage(many: World, times: int) -> None:
    breaks_off(many, times=times)
    assert set(states(many).values()) == {"healthy"}


def test_a_fault_that_passes_is_no_damage_where_another_object_is_damaged(many: World) -> None:
    first, *_, last = sorted(many.keys("packs/", BAD))
    breaks_off(many, first)
    with pytest.raises(Corrupt):
        read_whole(many.engine, many.place(BAD), first)
    breaks_off(many, last, times=2)
    assert read_whole(many.engine, many.place(BAD), last)


def test_who_is_in_a_hurry_still_waits_for_a_server_that_is_away(many: World) -> None:
    first, *_, last = sorted(many.keys("packs/", BAD))
    breaks_off(many, first)
    with pytest.raises(Corrupt):
        read_whole(many.engine, many.place(BAD), first)
    store, back = many.store(BAD), many.clock.monotonic() + 5
    store.faults[:] = [Fault(FaultKind.LOST_REQUEST, times=None)]
    sleep = many.clock.sleep

    def passing(seconds: float) -> None:
        sleep(seconds)
        if many.clock.monotonic() >= back:
            store.faults.clear()

    many.clock.sleep = passing  # type: ignore[method-assign]
    assert read_whole(many.engine, many.place(BAD), last)
    many.clock.sleep = sleep  # type: ignore[method-assign]
    many.store(BAD).faults[:] = [Fault(FaultKind.LOST_REQUEST, times=None)]
    with pytest.raises(Unavailable):
        read_whole(many.engine, many.place(BAD), last)


def test_a_server_that_thinks_long_before_it_breaks_off_is_asked_once(many: World) -> None:
    """As SeaweedFS, which reads a damaged chunk for 13 s by itself."""
    packs = len(many.pack_ids(BAD))
    breaks_off(many)
    serve = many.store(BAD).get

    def slow(key: str, **part: int) -> bytes:
        if key.startswith("packs/"):
            many.clock.advance(13)
        return serve(key, **part)

    many.store(BAD).get = slow  # type: ignore[method-assign, assignment]
    began = many.clock.monotonic()
    assert len(verifying.repair(many.ctx, many.id("1.0.0"))["mended"]) == packs
    assert many.clock.monotonic() - began < (packs + 3) * 13 + PATIENCE_SECONDS_MAX


def test_patience_is_full_again_after_ten_minutes(many: World) -> None:
    first, *_, last = sorted(many.keys("packs/", BAD))
    breaks_off(many, first)
    with pytest.raises(Corrupt):
        read_whole(many.engine, many.place(BAD), first)
    many.clock.advance(600)
    breaks_off(many, last, times=6)
    assert read_whole(many.engine, many.place(BAD), last)
