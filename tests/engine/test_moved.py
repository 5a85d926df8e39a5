"""A region that needs little of a pack gets those frames, and is whole all the same."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.collecting_kit import open_operation
from engine.pieced import PER_PACK, PIECE_BYTES, publish
from engine.world import OPTIONS, World, open_world
from imgrepl.actions import verifying
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.engine.exporter import read_manifest
from imgrepl.engine.footers import read_footer
from imgrepl.engine.frame_mover import FrameMover
from imgrepl.engine.replicator import RegionPart, plan_version
from imgrepl.gallery import packs, unneeded, versions
from imgrepl.layout import keys
from imgrepl.layout.moved import Moved, decode_moved
from imgrepl.model.ids import PackId
from imgrepl.model.plan import FramesMove, Lead, PackFrames, PartialNeed, ReplicationPlan
from imgrepl.model.region import Place, StorageAccountType
from imgrepl.model.replica import Replica
from imgrepl.model.slots import SlotRange
from imgrepl.testing.faulty import Fault, FaultKind

LATE = "westeurope"
LRS = StorageAccountType.STANDARD_LRS
OVERHEAD = 0.04
"""What may come on top of the frames: footers, manifests and documents."""


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[World]:
    """A world whose packs take eight pieces."""
    options = replace(OPTIONS, pack_bytes_target=8 * PIECE_BYTES)
    with open_world(tmp_path / "roomy", options=options) as opened:
        yield opened


class Sent:
    """What went into a region, by any way, since this was made."""

    def __init__(self, world: World, region: str = LATE) -> None:
        self._world, self._region = world, region
        self._before = self._counted()

    @property
    def pieces(self) -> float:
        """By this process."""
        return (self._counted()[0] - self._before[0]) / PIECE_BYTES

    @property
    def copied_pieces(self) -> float:
        """Inside the server."""
        return (self._counted()[1] - self._before[1]) / PIECE_BYTES

    def _counted(self) -> tuple[int, int]:
        mine = [one for one in self._world.stores.moved() if one.region == self._region]
        return sum(one.sent_bytes for one in mine), sum(one.server_copied_bytes for one in mine)


def just_over(pieces: float, unit: float = 1) -> object:
    """At least that much and little more."""
    return pytest.approx(pieces * unit * (1 + OVERHEAD / 2), rel=OVERHEAD / 2)


def slots_in(moved: Moved) -> set[int]:
    return {run.first_slot + slot for run in moved.runs for slot in range(run.slots)}


def moved_in(world: World, region: str = LATE, number: int = 0) -> list[Moved]:
    """Every moved object that lies in a place."""
    found = []
    for key in world.keys("moved/", region, number):
        parsed = keys.parse_moved_key(key)
        assert parsed is not None
        found.append(decode_moved(world.store(region, number).inner.get(key), parsed.pack_id))
    return found


def is_healthy(world: World, name: str, region: str = LATE) -> bool:
    report = verifying.verify(world.ctx, world.id(name), region, deep=True)
    return {replica["state"] for replica in report["replicas"]} == {"healthy"}


def plan_for(world: World, name: str, place: Place) -> ReplicationPlan:
    """What it takes to bring a version to one place."""
    with world.index.read() as tx:
        version = versions.get(tx, world.id(name))
    replica = Replica(region=place.region, number=place.number, storage_account_type=LRS)
    part = RegionPart(region=place.region, replicas=(replica,), places=((place,),))
    return plan_version(world.engine, version, [part], set())[0]


def pack_with(world: World, piece: int) -> PackId:
    """The pack of version 1.0.0 that holds a piece."""
    with world.index.read() as tx:
        (content_id,) = versions.get(tx, world.id("1.0.0")).content_ids
    manifest = read_manifest(world.engine, content_id, [world.place()])
    return manifest.packs[piece // PER_PACK].pack_id


def unneeded_in(world: World, region: str = LATE) -> set[PackId]:
    place = world.place(region)
    with world.index.read() as tx:
        return {row.pack_id for row in unneeded.packs_in(tx, place.id, 100)}


def test_a_region_that_comes_late_gets_only_the_frames_it_needs(world: World) -> None:
    publish(world, "1.0.0", range(12))
    sent = Sent(world)
    disk = publish(world, "3.0.0", [0, 5, 20], "eastus", LATE)
    assert sent.pieces == just_over(3)
    assert len(moved_in(world)) == 2
    assert len(world.pack_ids(LATE) - world.pack_ids()) == 1
    assert world.download("3.0.0", region=LATE) == disk
    assert is_healthy(world, "3.0.0")


def test_of_a_pack_of_which_half_is_needed_all_is_sent(world: World) -> None:
    publish(world, "1.0.0", range(8))
    sent = Sent(world)
    publish(world, "3.0.0", [0, 1, 2, 4], "eastus", LATE)
    assert sent.pieces == just_over(5)
    assert [one.pack_id for one in moved_in(world)] == [pack_with(world, 4)]


def test_a_plan_says_what_will_be_read_and_sent(world: World) -> None:
    publish(world, "1.0.0", range(12))
    publish(world, "2.0.0", [0, 5])
    plan = plan_for(world, "2.0.0", world.place(LATE))
    assert plan.moves == ()
    (move,) = plan.frames
    assert plan.read_bytes == move.frame_bytes == just_over(2, PIECE_BYTES)
    world.update("2.0.0", add_regions=[TargetRequest(LATE, 1)])
    (pack,) = world.store(LATE).inner.list("packs/")
    assert dict(plan.sent_bytes()) == {world.place(LATE).id: pack.size_bytes}
    assert plan.server_copied_bytes() == {}
    assert plan_for(world, "2.0.0", world.place(LATE)).all_moves == ()


def test_the_frames_come_once_and_the_servers_copy_them_for_further_replicas(
    world: World,
) -> None:
    publish(world, "1.0.0", range(12))
    sent = Sent(world)
    disk = publish(world, "2.0.0", [0, 5])
    world.update("2.0.0", add_regions=[TargetRequest(LATE, 3)])
    assert sent.pieces == just_over(2)
    assert sent.copied_pieces == just_over(4)
    for number in range(3):
        assert len(moved_in(world, LATE, number)) == 2
        assert world.pack_ids(LATE, number) == world.pack_ids(LATE)
    assert world.download("2.0.0", region=LATE) == disk


def test_where_a_neighbour_has_the_pack_its_server_copies_it_whole(world: World) -> None:
    publish(world, "1.0.0", range(4), "eastus", LATE)
    publish(world, "2.0.0", [0])
    sent = Sent(world)
    world.update("2.0.0", add_regions=[TargetRequest(LATE, 2)])
    assert sent.pieces < 0.1
    assert sent.copied_pieces == just_over(4)
    assert moved_in(world, LATE, 1) == []


def test_a_later_version_adds_its_frames_under_a_new_revision(roomy: World) -> None:
    publish(roomy, "1.0.0", range(8))
    first = publish(roomy, "2.0.0", [0, 1], "eastus", LATE)
    sent = Sent(roomy)
    second = publish(roomy, "3.0.0", [1, 3], "eastus", LATE)
    assert sent.pieces == just_over(1)
    older, newer = sorted(moved_in(roomy), key=lambda one: one.revision)
    assert (older.revision, newer.revision) == (0, 1)
    assert set(older.runs) < set(newer.runs)
    assert roomy.download("2.0.0", region=LATE) == first
    assert roomy.download("3.0.0", region=LATE) == second
    assert is_healthy(roomy, "2.0.0")
    assert is_healthy(roomy, "3.0.0")


def test_a_later_version_that_needs_no_more_sends_and_writes_nothing(roomy: World) -> None:
    publish(roomy, "1.0.0", range(8))
    publish(roomy, "2.0.0", [0, 1], "eastus", LATE)
    sent = Sent(roomy)
    disk = publish(roomy, "3.0.0", [1, 0], "eastus", LATE)
    assert sent.pieces < 0.1
    assert [one.revision for one in moved_in(roomy)] == [0]
    assert roomy.download("3.0.0", region=LATE) == disk


def test_once_half_is_needed_the_whole_pack_comes_and_the_parts_are_too_much(
    roomy: World,
) -> None:
    publish(roomy, "1.0.0", range(8))
    first = publish(roomy, "2.0.0", [0, 1], "eastus", LATE)
    parts = roomy.pack_ids(LATE)
    sent = Sent(roomy)
    second = publish(roomy, "3.0.0", [2, 3, 4], "eastus", LATE)
    assert sent.pieces == just_over(8)
    assert unneeded_in(roomy) == parts
    assert roomy.download("2.0.0", region=LATE) == first
    assert roomy.download("3.0.0", region=LATE) == second


def test_what_moved_leads_to_is_kept_and_the_rest_is_not(world: World) -> None:
    publish(world, "1.0.0", range(4))
    publish(world, "2.0.0", [0], "eastus", LATE)
    assert unneeded_in(world) == set()
    world.delete("2.0.0")
    assert unneeded_in(world) == world.pack_ids(LATE)


def test_a_region_is_filled_from_another_that_has_but_the_frames(world: World) -> None:
    publish(world, "1.0.0", range(4))
    disk = publish(world, "2.0.0", [0, 20], "eastus", LATE)
    home, lost = world.place(), pack_with(world, 0)
    with world.index.begin() as tx:
        packs.set_damaged(tx, home.id, lost, "its disk died")
    world.update("2.0.0", add_regions=[TargetRequest("southeastasia", 1)])
    assert len(moved_in(world, "southeastasia")) == 1
    assert world.download("2.0.0", region="southeastasia") == disk
    assert is_healthy(world, "2.0.0", "southeastasia")


def test_a_version_can_be_published_where_its_packs_are_through_others(world: World) -> None:
    publish(world, "1.0.0", range(4))
    publish(world, "2.0.0", [0, 20], "eastus", LATE)
    sent = Sent(world)
    disk = publish(world, "3.0.0", [0, 20], LATE)
    assert sent.pieces < 0.1
    assert world.download("3.0.0", region=LATE) == disk


def test_frames_that_are_all_of_a_pack_make_that_pack(world: World) -> None:
    publish(world, "1.0.0", [0])
    home, late, pack_id = world.place(), world.place(LATE), pack_with(world, 0)
    with world.index.read() as tx:
        content_ids = versions.get(tx, world.id("1.0.0")).content_ids
        row = packs.present_in(tx, home.id, [pack_id])[pack_id]
    pack_bytes, footer = row.pack_bytes, read_footer(world.store(), row)
    every = (SlotRange(0, footer.slots),)
    need = PartialNeed(every, every, int(footer.stored_bytes.sum()), (home.id,))
    frames = PackFrames(pack_id, pack_bytes, need, home.id)
    move = FramesMove(frames=(frames,), pack_bytes=pack_bytes, leads=(Lead(late.id, ()),))
    holder = open_operation(world)
    mover = FrameMover(world.engine, holder, {late.id: late}, content_ids)
    mover.deliver(LATE, move, mover.read(move))
    assert world.pack_ids(LATE) == {pack_id}
    assert moved_in(world) == []


def test_who_finds_a_revision_of_somebody_else_goes_on_from_it(roomy: World) -> None:
    publish(roomy, "1.0.0", range(8))
    roomy.store(LATE).faults.append(Fault(FaultKind.CRASH_AFTER, "put", "moved/"))
    publish(roomy, "2.0.0", [0, 1], "eastus", LATE)
    roomy.restart()
    assert len(moved_in(roomy)) == 1
    second = publish(roomy, "3.0.0", [1, 3], "eastus", LATE)
    older, newer = sorted(moved_in(roomy), key=lambda one: one.revision)
    assert slots_in(older) - slots_in(newer) == set()
    assert slots_in(newer) - slots_in(older) != set()
    sent = Sent(roomy)
    roomy.retry("2.0.0")
    assert sent.pieces < 0.1, "what was put before the crash is found again"
    assert roomy.download("3.0.0", region=LATE) == second
    assert is_healthy(roomy, "2.0.0")
    assert is_healthy(roomy, "3.0.0")
