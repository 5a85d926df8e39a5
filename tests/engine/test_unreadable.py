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
PATIENCE_SECONDS_MAX = 25.4
"""All waits between its 8 attempts, none of them cut short by chance."""
HURRY_SECONDS_MAX = 1.4
"""Between 4 attempts."""


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
    hurries = reads * HURRY_SECONDS_MAX
    patiences = 2 * (1 + seconds / 60)  # in each place, once a minute
    assert seconds <= hurries + patiences * PATIENCE_SECONDS_MAX
    assert seconds < reads * PATIENCE_SECONDS_MAX / 8


@pytest.mark.parametrize("times", [1, 7])
def test_a_fault_that_passes_is_no_damage(many: World, times: int) -> None:
    breaks_off(many, times=times)
    assert set(states(many).values()) == {"healthy"}


def test_a_fault_that_passes_is_no_damage_where_another_object_is_damaged(many: World) -> None:
    first, *_, last = sorted(many.keys("packs/", BAD))
    breaks_off(many, first)
    with pytest.raises(Corrupt):
        read_whole(many.engine, many.place(BAD), first)
    breaks_off(many, last, times=3)
    assert read_whole(many.engine, many.place(BAD), last)


def test_who_is_in_a_hurry_still_waits_for_a_server_that_is_away(many: World) -> None:
    first, *_, last = sorted(many.keys("packs/", BAD))
    breaks_off(many, first)
    with pytest.raises(Corrupt):
        read_whole(many.engine, many.place(BAD), first)
    many.store(BAD).faults[:] = [Fault(FaultKind.LOST_REQUEST, times=9)]
    assert read_whole(many.engine, many.place(BAD), last)
    many.store(BAD).faults[:] = [Fault(FaultKind.LOST_REQUEST, times=None)]
    with pytest.raises(Unavailable):
        read_whole(many.engine, many.place(BAD), last)


def test_patience_is_full_again_after_a_minute(many: World) -> None:
    first, *_, last = sorted(many.keys("packs/", BAD))
    breaks_off(many, first)
    with pytest.raises(Corrupt):
        read_whole(many.engine, many.place(BAD), first)
    many.clock.advance(60)
    breaks_off(many, last, times=7)
    assert read_whole(many.engine, many.place(BAD), last)
