"""Scrubbing: the oldest proof first, within its budget, and what is damaged is mended."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.pieced import publish
from engine.world import World
from imgrepl.actions import collecting, doctor, scrubbing, versions
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.azure import shapes
from imgrepl.engine import scrubber
from imgrepl.engine.scrubber import ScrubReport
from imgrepl.errors import Conflict, Corrupt, Interrupted, Invalid, NotFound, Unavailable
from imgrepl.gallery import operations, packs, schema
from imgrepl.model.ids import OperationId, PackId, PlaceId
from imgrepl.model.operation import OperationKind, OperationState, Owner
from imgrepl.model.proof import ProofLevel
from imgrepl.testing.faulty import Fault, FaultKind, damaged, flipped

DAY = 86_400.0
BOTH = ("eastus", "westeurope")
PACK = 1_100_000
"""A little more than a pack of the world."""


@pytest.fixture
def aged(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three packs of the first day, three of the second; it is the third."""
    monkeypatch.setattr(scrubbing, "BUDGET_BYTES_MIN", 1)
    publish(world, "1.0.0", range(12), *BOTH)
    world.clock.advance(DAY)
    publish(world, "2.0.0", range(20, 32), *BOTH)
    world.clock.advance(DAY)
    for region in BOTH:
        world.store(region).requests.clear()
    return world


def read(world: World, region: str = "eastus") -> list[str]:
    """The packs that were read in a region, in order."""
    asked = world.store(region).requests
    return [key for verb, key in asked if verb == "get" and key.startswith("packs/")]


def scrub(world: World, **bounds: Any) -> ScrubReport:
    world.clock.advance(1)
    return scrubbing.scrub(world.ctx, **bounds)


def flip(content: bytes) -> bytes:
    return flipped(content, len(content) * 4)


def states(world: World) -> set[str]:
    with world.index.read() as tx:
        return {row.state for row in operations.list_recent(tx, 50) if row.kind == "scrub"}


def test_everything_is_proven_anew_and_nothing_twice(aged: World) -> None:
    report = scrub(aged)
    assert (report.packs, report.replicas, report.is_complete) == (12, 4, True)
    assert report.error is None
    assert sorted(read(aged)) == sorted(aged.keys("packs/"))
    assert report.oldest is not None
    assert report.oldest.level is ProofLevel.FULL_READ
    assert scrub(aged).packs == 12, "a later scrub begins anew"


def test_the_oldest_proof_comes_first_and_budget_by_budget_all_are_renewed(aged: World) -> None:
    first_day = {key for key in aged.keys("packs/") if key.split("/")[2][:64] in older(aged)}
    done: list[str] = []
    for number in range(20):
        aged.clock.advance(60)
        report = scrub(aged, region="eastus", bytes_max=PACK + 60_000)
        assert report.received_bytes <= PACK + 60_000 + 20_000, number
        done += read(aged)
        aged.store().requests.clear()
        if len(done) >= 6:
            break
    assert set(done[:3]) == first_day
    assert sorted(done[:6]) == sorted(aged.keys("packs/"))
    assert read(aged, "westeurope") == [], "another region was read"


def older(world: World) -> set[str]:
    (content,) = world.view("1.0.0").version.content_ids
    with world.index.read() as tx:
        named = sa.select(schema.content_packs.c.pack_id)
        return set(tx.scalars(named.where(schema.content_packs.c.content_id == content)))


def test_bytes_that_nobody_ever_looked_at_come_before_all_others(aged: World) -> None:
    """After a rebuild, or a copy by the server, a pack's length may be all that is known."""
    newest = sorted(
        set(aged.keys("packs/")) - {k for k in aged.keys("packs/") if k[9:73] in older(aged)}
    )
    with aged.index.begin() as tx:
        weak = schema.place_packs.c.pack_id == newest[0][9:73]
        tx.execute(sa.update(schema.place_packs).where(weak).values(proof_level=1))
    scrub(aged, region="eastus", bytes_max=PACK)
    assert read(aged) == [newest[0]]


def test_time_that_is_up_begins_nothing_new(aged: World) -> None:
    aged.ctx.engine.stores.of(aged.place())  # opened, so that only packs take time
    slow = aged.clock.monotonic

    def hurried() -> float:
        aged.clock.advance(10)
        return slow()

    aged.clock.monotonic = hurried  # type: ignore[method-assign]
    report = scrub(aged, seconds_max=15)
    assert 0 < report.packs < 12 or report.replicas < 4
    assert not report.is_complete


def test_damage_is_mended_and_named_with_the_versions_that_need_it(aged: World) -> None:
    key = aged.keys("packs/")[0]
    (seal, *_) = aged.keys("seals/", "westeurope")
    damaged(aged.store(), key, flip)
    damaged(aged.store("westeurope"), seal, flip)
    report = scrubbing.as_json(scrub(aged))
    found = {one["object"]: one for one in report["found"]}
    assert found[key]["outcome"] == "mended"
    assert found[key]["place"] == "eastus/standard/0"
    assert len(found[key]["versions"]) == 1
    assert found[seal]["outcome"] == "mended"
    assert report["lost"] == []
    assert scrub(aged).found == ()


def test_what_a_reader_marked_and_could_not_mend_is_mended(aged: World) -> None:
    key = aged.keys("packs/")[0]
    damaged(aged.store(), key, flip)
    mark(aged, key)
    (found,) = scrub(aged).found
    assert (found.healed.fault.key, found.healed.outcome) == (key, "mended")


def mark(world: World, key: str) -> None:
    place = world.place()
    with world.index.begin() as tx:
        packs.set_damaged(tx, place.id, PackId(key[9:73]), "a reader said so")


def test_what_was_called_damaged_and_is_not_counts_again(aged: World) -> None:
    key = aged.keys("packs/")[0]
    mark(aged, key)
    (found,) = scrub(aged).found
    assert found.healed.outcome == "transient"
    assert scrub(aged).found == ()


def test_what_no_place_has_is_lost_and_all_else_is_proven(aged: World) -> None:
    key = aged.keys("packs/")[0]
    for region in BOTH:
        damaged(aged.store(region), key, flip)
    report = scrub(aged)
    assert isinstance(report.error, Corrupt)
    assert report.packs == 12
    assert {one.range.length for one in report.lost} != set()
    assert {one.healed.outcome for one in report.found} == {"left"}


def test_a_pack_that_no_version_needs_is_left_to_the_collector(aged: World) -> None:
    aged.delete("1.0.0")
    key = next(k for k in aged.keys("packs/") if k[9:73] in older_of_deleted(aged))
    damaged(aged.store(), key, flip)
    report = scrub(aged)
    assert [one.healed.outcome for one in report.found] == ["unneeded"]
    assert report.error is None
    collecting.collect(aged.ctx, dry_run=False)
    assert scrub(aged).packs == 6


def older_of_deleted(world: World) -> set[str]:
    (content,) = world.view("2.0.0").version.content_ids
    with world.index.read() as tx:
        other = sa.select(schema.content_packs.c.pack_id)
        return set(tx.scalars(other.where(schema.content_packs.c.content_id != content)))


def test_a_region_that_is_away_is_left_for_another_time(aged: World) -> None:
    aged.store("westeurope").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    report = scrub(aged)
    assert report.packs == 6
    assert [region for region, _ in report.unread] == ["westeurope"]
    assert isinstance(report.error, Unavailable)
    assert not report.is_complete
    aged.buckets.revive()
    report = scrub(aged)
    assert report.is_complete
    assert read(aged, "westeurope")


def test_a_scrub_that_is_stopped_keeps_what_it_proved(
    aged: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrubber, "_PACKS_AT_ONCE", 2)
    whole = aged.store().get

    def stopping(key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        if len(read(aged)) >= 3:
            aged.stop.set()
        return whole(key, offset=offset, length=length)

    monkeypatch.setattr(aged.store(), "get", stopping)
    with pytest.raises(Interrupted):
        scrub(aged, region="eastus")
    assert states(aged) == {OperationState.CANCELED}
    with aged.index.read() as tx:
        proven = [row for row in packs.all_in(tx, aged.place().id) if is_read(row)]
    assert len(proven) >= 2
    monkeypatch.undo()
    aged.stop.clear()
    assert scrub(aged).is_complete


def is_read(row: packs.PlacePack) -> bool:
    return row.proof is not None and row.proof.level is ProofLevel.FULL_READ


def test_a_scrub_whose_process_died_is_gone_on_with(aged: World) -> None:
    aged.store().faults.append(Fault(FaultKind.CRASH_BEFORE, "get", "packs/", skip=4))
    with pytest.raises(BaseException, match="packs/"):
        scrub(aged, region="eastus")
    aged.restart()
    assert scrub(aged).is_complete
    assert states(aged) == {OperationState.SUCCEEDED}


@pytest.mark.parametrize("verb", ["before", "after"])
def test_a_scrub_that_died_while_it_mended_leaves_nothing_that_the_next_overlooks(
    aged: World, verb: str
) -> None:
    """The damaged object is given up by then, and the new one intended: neither is there."""
    key = older_key(aged)
    damaged(aged.store(), key, flip)
    kind = FaultKind.CRASH_BEFORE if verb == "before" else FaultKind.CRASH_AFTER
    aged.store().faults.append(Fault(kind, "put", "packs/"))
    with pytest.raises(BaseException, match="packs/"):
        scrub(aged)
    aged.restart()
    assert scrub(aged).error is None
    with aged.index.read() as tx:
        there = packs.present_ids(tx, PlaceId(1))
    assert key[9:73] in there
    assert scrub(aged).found == ()


def test_only_one_process_scrubs_at_a_time(aged: World) -> None:
    with aged.index.begin() as tx:
        operations.create(
            tx,
            operation_id=OperationId("other"),
            kind=OperationKind.SCRUB,
            target="scrub",
            request={},
        )
        alive = Owner(host="elsewhere", boot_id="b", pid=1, started_ticks=1)
        operations.claim(tx, OperationId("other"), alive, 60, lambda _: False)
    with pytest.raises(Conflict, match="held by process"):
        scrub(aged)


def test_a_budget_that_no_pack_fits_in_is_refused(world: World) -> None:
    with pytest.raises(Invalid, match="less than one pack"):
        scrub(world, bytes_max=1000)
    with pytest.raises(Invalid):
        scrub(world, seconds_max=0)
    with pytest.raises(NotFound):
        scrub(world, region="nowhere")


def test_a_store_that_is_empty_is_complete(world: World) -> None:
    report = scrub(world)
    assert (report.packs, report.is_complete, report.oldest) == (0, True, None)


def test_a_version_says_how_well_each_replica_is_proven_and_since_when(
    aged: World, tmp_path: Path
) -> None:
    assert tmp_path
    before = shown(aged)
    assert before["westeurope"]["level"] == "putChecksum"
    scrub(aged, region="eastus")
    after = shown(aged)
    assert after["eastus"] == {"level": "fullRead", "at": shapes.time(aged.clock.now())}
    assert after["westeurope"] == before["westeurope"]
    for region in BOTH:
        damaged(aged.store(region), older_key(aged), flip)
    scrub(aged)
    assert shown(aged) == {"eastus": None, "westeurope": None}


def older_key(world: World) -> str:
    """The object, of the first of those packs, that counts."""
    first = next(key for key in world.keys("packs/") if key[9:73] in older(world))
    return world.keys(first.rpartition(".")[0])[-1]


def shown(world: World) -> dict[str, Any]:
    view = shapes.version(versions.view(world.ctx, world.id("1.0.0")))
    return {one["region"]: one["proof"] for one in view["imgrepl"]["replicas"]}


def test_doctor_warns_of_proofs_that_are_too_old_and_of_known_damage(aged: World) -> None:
    assert proofs_told(aged) == []
    aged.clock.advance(31 * DAY)
    told = proofs_told(aged)
    assert [("6 packs" in one["message"], one["state"]) for one in told] == [(True, "warning")] * 2
    assert "scrub --region" in told[0]["hint"]
    scrub(aged)
    assert proofs_told(aged) == []
    mark(aged, aged.keys("packs/")[0])
    (told_of,) = proofs_told(aged)
    assert "1 pack known to be damaged in eastus" in told_of["message"]


def proofs_told(world: World) -> list[dict[str, Any]]:
    return [one for one in doctor.doctor(world.ctx) if one["name"] == "proofs"]


def test_a_pack_that_a_complete_replica_lacks_altogether_is_brought_back(aged: World) -> None:
    """As after a repair that was refused, and a collection: no row is left to read."""
    key = older_key(aged)
    aged.store().inner.delete([key])
    with aged.index.begin() as tx:
        gone = schema.place_packs.c.pack_id == key[9:73]
        here = schema.place_packs.c.place_id == 1
        tx.execute(sa.update(schema.place_packs).where(gone, here).values(state="gone"))
    found = [one.healed for one in scrub(aged).found]
    assert [(one.fault.pack_id, one.outcome) for one in found] == [(key[9:73], "mended")]
    assert scrub(aged).found == ()
    assert len(aged.keys("packs/")) == 6


def test_a_replica_that_is_not_complete_is_left_to_who_fills_it(aged: World) -> None:
    """Its manifest and seal come after its packs: a scrub writes nothing of it."""
    aged.store("eastus", 1).faults.append(Fault(FaultKind.FULL, key_part="packs/", times=None))
    targets = [TargetRequest("eastus", 2), TargetRequest("westeurope", 1)]
    aged.update("1.0.0", target_regions=targets)
    damaged(aged.store(), aged.keys("seals/")[0], flip)
    before = aged.keys(region="eastus", number=1)
    report = scrub(aged)
    assert report.error is None
    assert {one.healed.outcome for one in report.found} == {"mended"}
    assert aged.keys(region="eastus", number=1) == before
