"""Damage of every kind to every kind of object is found and mended, or said exactly."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from engine.crashes import Fate, mortal_world
from engine.world import OPTIONS, World
from imgrepl.actions import verifying
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.errors import Unavailable
from imgrepl.gallery import contents, packs
from imgrepl.layout import keys as layout_keys
from imgrepl.layout.header import Owner, encode_owner
from imgrepl.model.ids import IndexId
from imgrepl.testing.faulty import Crashed, Fault, FaultKind, damaged, flipped

HERE = "westeurope"
IN_A_FRAME = 8 * 5000 + 3
"""A bit whose loss no other copy with the same loss makes good; the header's anybody knows."""
Report = dict[str, Any]


@pytest.fixture
def published(world: World) -> World:
    """A version with two replicas in the region that is damaged, and one elsewhere."""
    world.publish("1.0.0", regions=("eastus", HERE))
    world.publish("1.0.1", disk="other", regions=("eastus", HERE))
    return world


def verify(world: World, *, deep: bool = True, region: str | None = None) -> dict[str, str]:
    report = verifying.verify(world.ctx, world.id("1.0.0"), region, deep)
    return {one["region"]: one["state"] for one in report["replicas"]}


def repair(world: World) -> Report:
    return verifying.repair(world.ctx, world.id("1.0.0"))


@dataclass(frozen=True)
class Kind:
    """A kind of object, and how to find one of version 1.0.0."""

    prefix: str
    part: str = ""

    def keys(self, world: World) -> list[str]:
        return [key for key in world.keys(self.prefix, HERE) if self.part in key]


PACK, MANIFEST, SEAL = Kind("packs/"), Kind("manifests/"), Kind("seals/")
VERSION = Kind("records/", "/1.0.0/")
HEADER, OWNER = Kind("store.json"), Kind("owner.json")
KINDS = {
    "pack": PACK,
    "manifest": MANIFEST,
    "seal": SEAL,
    "record": VERSION,
    "header": HEADER,
    "owner": OWNER,
}


def mine(world: World, kind: Kind) -> str:
    """The object of this kind that counts for version 1.0.0: no other version's, no earlier one."""
    (content,) = world.view("1.0.0").version.content_ids
    place = world.place(HERE)
    with world.index.read() as tx:
        row = contents.get(tx, content)
        seals = contents.sealed_in(tx, place.id, [content])
        rows = packs.live_in(tx, place.id, contents.packs_of(tx, [content]))
    assert row is not None
    if kind is PACK:
        first = min(rows.values(), key=lambda row: row.pack_id)
        return layout_keys.pack_key(first.pack_id, first.generation)
    if kind is MANIFEST:
        return layout_keys.manifest_key(content, row.generation)
    if kind is SEAL:
        return layout_keys.seal_key(content, seals[content].revision)
    return kind.keys(world)[0]


@pytest.mark.parametrize("name", ["pack", "manifest", "seal", "record"])
def test_what_its_server_never_gives_whole_is_damaged_and_mended(
    published: World, name: str
) -> None:
    """A server with checksums of its own breaks off where it finds a flipped bit."""
    key = mine(published, KINDS[name])
    published.store(HERE).faults.append(Fault(FaultKind.LOST_REQUEST, "get", key, times=None))
    assert verify(published)[HERE] == "damaged"
    report = repair(published)
    assert [fault["object"] for fault in report["mended"]] == [key]
    assert "its server breaks off" in report["mended"][0]["reason"]
    published.store(HERE).faults.clear()
    assert set(verify(published).values()) == {"healthy"}
    assert published.download("1.0.0", region=HERE) == published.disk().read_bytes()


def test_a_server_that_breaks_off_whatever_it_is_asked_for_is_away(published: World) -> None:
    published.store(HERE).faults.append(Fault(FaultKind.LOST_REQUEST, "get", times=None))
    assert verify(published)[HERE] == "missing"
    published.store(HERE).faults.clear()
    assert set(verify(published).values()) == {"healthy"}


def test_a_busy_server_is_not_called_damaged(published: World) -> None:
    key = mine(published, PACK)
    published.store(HERE).faults.append(Fault(FaultKind.BUSY, "get", key, times=None))
    assert verify(published)[HERE] == "missing"
    published.store(HERE).faults.clear()
    assert set(verify(published, deep=False).values()) == {"healthy"}


def needs(world: World, key: str) -> bool:
    """Whether version 1.0.0 names the pack under this key."""
    with world.index.read() as tx:
        named = contents.packs_of(tx, world.view("1.0.0").version.content_ids)
    return any(pack_id in key for pack_id in named)


def flip(world: World, key: str) -> None:
    damaged(world.store(HERE), key, lambda now: flipped(now, len(now) * 4))


def flip_first(world: World, key: str) -> None:
    damaged(world.store(HERE), key, lambda now: flipped(now, 0))


def flip_last(world: World, key: str) -> None:
    damaged(world.store(HERE), key, lambda now: flipped(now, len(now) * 8 - 1))


def truncate(world: World, key: str) -> None:
    damaged(world.store(HERE), key, lambda now: now[:-7])


def empty(world: World, key: str) -> None:
    damaged(world.store(HERE), key, lambda _now: b"")


def delete(world: World, key: str) -> None:
    world.store(HERE).inner.delete([key])


def swap(world: World, key: str) -> None:
    """Another object of the same kind, whole in itself."""
    prefix = key.partition("/")[0]
    others = [other for other in world.keys(prefix, HERE) if other != key]
    content = world.store(HERE).inner.get(others[-1])
    world.store(HERE).inner.put(key, content)


SPOILS = (flip, flip_first, flip_last, truncate, empty, delete, swap)
ALONE = ("store.json", "owner.json")
"""Objects of which a place has one: there is none to swap them with."""


def only_from_here(world: World) -> bytes:
    """What a download gives while the other regions are away."""
    here = world.store(HERE)
    for store in world.buckets.all():
        if store is not here:
            store.faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    try:
        return world.download("1.0.0", region=HERE)
    finally:
        world.buckets.revive()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_damage_is_found_in_its_region_alone_and_mended_from_another(
    published: World, kind: Kind
) -> None:
    for spoil in SPOILS:
        if spoil is swap and kind.prefix in ALONE:
            continue
        spoil(published, mine(published, kind))
        found = verify(published)
        assert found[HERE] in ("damaged", "missing"), spoil
        assert found["eastus"] == "healthy", spoil
        report = repair(published)
        assert report["beyondRepair"] == [], spoil
        assert [fault["place"] for fault in report["mended"]] == [f"{HERE}/standard/0"], spoil
        assert set(verify(published).values()) == {"healthy"}, spoil
    assert only_from_here(published) == published.disk().read_bytes()


def test_an_owner_that_is_readable_and_another_index_is_not_overwritten(published: World) -> None:
    theirs = encode_owner(Owner(index_id=IndexId("f" * 32), epoch=7))
    published.store(HERE).inner.put("owner.json", theirs)
    published.engine.prepared.clear()
    assert verify(published)[HERE] == "damaged"
    report = repair(published)
    assert "NotOwner" in report["beyondRepair"][0]["reason"]
    assert published.store(HERE).inner.get("owner.json") == theirs


def test_nothing_is_mended_in_a_place_that_another_index_owns(published: World) -> None:
    theirs = encode_owner(Owner(index_id=IndexId("f" * 32), epoch=7))
    published.store(HERE).inner.put("owner.json", theirs)
    published.engine.prepared.clear()
    flip(published, mine(published, PACK))
    before = published.keys(region=HERE)
    report = repair(published)
    assert report["mended"] == []
    assert len(report["beyondRepair"]) == 2
    assert published.keys(region=HERE) == before


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("spoil", [truncate, delete])
def test_a_shallow_look_finds_what_is_short_or_gone_and_reads_no_pack(
    published: World, kind: Kind, spoil: Callable[[World, str], None]
) -> None:
    spoil(published, mine(published, kind))
    published.store(HERE).requests.clear()
    assert verify(published, deep=False)[HERE] in ("damaged", "missing")
    read = [key for verb, key in published.store(HERE).requests if verb == "get"]
    assert not [key for key in read if key.startswith("packs/")]


def test_a_healthy_version_is_said_to_be_so_and_repair_changes_nothing(published: World) -> None:
    before = {key: published.store(HERE).inner.get(key) for key in published.keys(region=HERE)}
    assert set(verify(published).values()) == {"healthy"}
    assert repair(published)["mended"] == []
    after = {key: published.store(HERE).inner.get(key) for key in published.keys(region=HERE)}
    assert after == before


def test_a_bit_that_flipped_only_on_its_way_leaves_nothing_damaged_behind(
    published: World,
) -> None:
    published.store(HERE).faults.append(Fault(FaultKind.BIT_FLIP, "get", "packs/"))
    assert verify(published)[HERE] == "damaged"
    assert verify(published)[HERE] == "healthy"
    assert repair(published)["mended"] == []
    published.store(HERE).requests.clear()
    assert only_from_here(published) == published.disk().read_bytes()
    assert published.publish("1.0.2", regions=(HERE,)).transfer is not None


def test_all_replicas_gone_but_one_are_mended(published: World) -> None:
    for key in published.keys("packs/", HERE):
        delete(published, key)
    assert verify(published)[HERE] == "missing"
    report = repair(published)
    assert report["beyondRepair"] == []
    assert set(verify(published).values()) == {"healthy"}


def test_a_replica_is_mended_from_its_sibling_when_the_other_regions_are_away(
    world: World,
) -> None:
    world.publish("1.0.0", regions=(TargetRequest(HERE, 2), TargetRequest("eastus", 1)))
    for key in world.keys("packs/", HERE, 1):
        damaged(world.store(HERE, 1), key, lambda now: flipped(now, 99))
    world.store("eastus").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    report = verifying.repair(world.ctx, world.id("1.0.0"), HERE)
    assert report["beyondRepair"] == []
    assert {fault["place"] for fault in report["mended"]} == {f"{HERE}/standard/1"}
    assert verify(world, region=HERE) == {HERE: "healthy"}


def test_what_is_damaged_everywhere_is_said_and_all_else_is_mended(published: World) -> None:
    needed = [key for key in PACK.keys(published) if needs(published, key)]
    lost, mendable = needed[0], needed[1]
    for region in ("eastus", HERE):
        damaged(published.store(region), lost, lambda now: flipped(now, IN_A_FRAME))
    flip(published, mendable)
    report = repair(published)
    assert [fault["object"] for fault in report["mended"]] == [mendable]
    beyond = {(fault["place"], fault["object"]) for fault in report["beyondRepair"]}
    assert beyond == {(f"{region}/standard/0", lost) for region in ("eastus", HERE)}
    assert all("PackLost" in fault["reason"] for fault in report["beyondRepair"])
    assert set(verify(published).values()) == {"damaged"}


def test_publishing_the_source_again_mends_what_no_replica_has(published: World) -> None:
    lost = mine(published, PACK)
    for region in ("eastus", HERE):
        damaged(published.store(region), lost, lambda now: flipped(now, IN_A_FRAME))
    assert repair(published)["beyondRepair"]
    published.publish("1.0.2", regions=("eastus", HERE))
    assert repair(published)["beyondRepair"] == []
    assert set(verify(published).values()) == {"healthy"}
    assert only_from_here(published) == published.disk().read_bytes()


def test_a_damaged_pack_is_no_hit_for_the_next_version(published: World) -> None:
    for key in published.keys("packs/", "eastus"):
        damaged(published.store("eastus"), key, lambda now: flipped(now, 99))
    verify(published)
    published.publish("1.0.2", regions=("eastus",))
    assert published.download("1.0.2", region="eastus") == published.disk().read_bytes()
    report = verifying.verify(published.ctx, published.id("1.0.2"), None, True)
    assert {one["state"] for one in report["replicas"]} == {"healthy"}


def test_a_region_that_does_not_answer_is_said_and_the_others_have_their_verdict(
    published: World,
) -> None:
    published.store(HERE).faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    report = verifying.verify(published.ctx, published.id("1.0.0"), None, True)
    states = {one["region"]: one for one in report["replicas"]}
    assert states["eastus"]["state"] == "healthy"
    assert states[HERE]["state"] == "missing"
    assert "ConnectionLost" in states[HERE]["problems"][0]["reason"]
    with pytest.raises(Unavailable):
        verifying.verify(published.ctx, published.id("1.0.0"), HERE, True)
    published.buckets.revive()
    assert set(verify(published).values()) == {"healthy"}


def test_a_place_that_takes_nothing_stays_as_it_is_and_is_said(published: World) -> None:
    flip(published, mine(published, PACK))
    published.store(HERE).faults.append(Fault(FaultKind.FULL, times=None))
    report = repair(published)
    assert "PlaceFull" in report["beyondRepair"][0]["reason"]
    published.buckets.revive()
    assert repair(published)["beyondRepair"] == []
    assert set(verify(published).values()) == {"healthy"}


def test_a_repair_that_died_is_made_good_by_the_next(tmp_path: Any) -> None:
    regions = ("eastus", HERE)
    for dies_at in range(2, 60, 3):
        fate = Fate()
        folder = tmp_path / str(dies_at)
        with mortal_world(folder, fate, region_names=regions, options=OPTIONS) as world:
            world.publish("1.0.0", regions=regions)
            flip(world, PACK.keys(world)[0])
            flip(world, MANIFEST.keys(world)[0])
            fate.revive()
            fate.dies_at = dies_at
            try:
                repair(world)
            except Crashed:
                fate.revive()
                world.restart()
                assert repair(world)["beyondRepair"] == []
            else:
                assert dies_at > 5
                return
            assert set(verify(world).values()) == {"healthy"}, dies_at
            assert only_from_here(world) == world.disk().read_bytes()
    raise AssertionError("a repair never ends")
