"""A server that lies in every way, for as long as it likes: never a wrong byte, never a loss."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.pieced import publish
from engine.world import World
from imgrepl.actions import collecting, verifying
from imgrepl.actions import index as index_actions
from imgrepl.errors import ImgreplError
from imgrepl.gallery import contents, replicas
from imgrepl.model.replica import ReplicaState
from imgrepl.testing.faulty import Fault, FaultKind, damaged, flipped

LIAR = "westeurope"
READ_LIES = (
    FaultKind.BIT_FLIP,
    FaultKind.WRONG_OBJECT,
    FaultKind.TRUNCATED,
    FaultKind.ABSENT,
    FaultKind.OLD_VERSION,
    FaultKind.ERROR_INSIDE,
)
LIES = (*READ_LIES, FaultKind.WRONG_CHECKSUM, FaultKind.EMPTY_LISTING)
KINDS = ("packs/", "manifests/", "seals/", "moved/", "records/", "store.json", "owner.json")


@pytest.fixture
def disks(world: World) -> dict[str, bytes]:
    """Two versions in two regions; the second region has the later one through a moved pack."""
    return {
        "1.0.0": publish(world, "1.0.0", range(12)),
        "2.0.0": publish(world, "2.0.0", [0, 5, 20], "eastus", LIAR),
    }


@contextmanager
def lying(world: World, kind: FaultKind, key_part: str = "") -> Iterator[None]:
    """The server of one region lies to everybody about these objects, until the block ends."""
    store = world.store(LIAR)
    store.faults.append(Fault(kind, key_part=key_part, times=None))
    try:
        yield
    finally:
        store.faults.clear()


def verified(world: World) -> dict[str, str]:
    report = verifying.verify(world.ctx, world.id("2.0.0"), None, True)
    return {one["region"]: one["state"] for one in report["replicas"]}


@pytest.mark.parametrize("kind", LIES)
def test_a_download_from_a_liar_gives_the_disk(
    world: World, disks: dict[str, bytes], kind: FaultKind
) -> None:
    with lying(world, kind):
        assert world.download("2.0.0", region=LIAR) == disks["2.0.0"]
    verifying.repair(world.ctx, world.id("2.0.0"))
    assert set(verified(world).values()) == {"healthy"}
    assert world.download("2.0.0", region=LIAR) == disks["2.0.0"]


@pytest.mark.parametrize("kind", READ_LIES)
def test_a_deep_verification_finds_every_lie_about_every_kind_of_object(
    world: World, disks: dict[str, bytes], kind: FaultKind
) -> None:
    assert disks
    for prefix in KINDS:
        if kind is FaultKind.OLD_VERSION and prefix == "owner.json":
            continue  # an older owner is this index too, at an earlier epoch
        with lying(world, kind, prefix):
            found = verified(world)
        assert found == {"eastus": "healthy", LIAR: found[LIAR]}, prefix
        assert found[LIAR] in ("damaged", "missing"), prefix
        verifying.repair(world.ctx, world.id("2.0.0"))
        assert set(verified(world).values()) == {"healthy"}, prefix


def test_a_deep_verification_finds_a_checksum_that_is_anothers(
    world: World, disks: dict[str, bytes]
) -> None:
    assert disks
    with lying(world, FaultKind.WRONG_CHECKSUM, "packs/"):
        assert verified(world)[LIAR] == "damaged"
    assert set(verified(world).values()) == {"healthy"}


@pytest.mark.parametrize("kind", LIES)
def test_what_a_liar_is_sent_is_never_called_complete_unless_it_is_there(
    world: World, tmp_path: Path, kind: FaultKind
) -> None:
    """It begins to lie before the region is ever written to."""
    assert tmp_path
    disk = publish(world, "1.0.0", range(8))
    with lying(world, kind):
        try:
            publish(world, "2.0.0", [*range(8), 30], "eastus", LIAR)
        except ImgreplError:
            world.restart()
    with world.index.read() as tx:
        states = {one.region: one.state for one in replicas.of_version(tx, world.id("2.0.0"))}
    if states.get(LIAR) is ReplicaState.COMPLETED:
        assert verified(world)[LIAR] == "healthy"
    assert world.download("1.0.0") == disk
    world.retry("2.0.0")
    verifying.repair(world.ctx, world.id("2.0.0"))
    assert verified(world) == {"eastus": "healthy", LIAR: "healthy"}


@pytest.mark.parametrize("kind", LIES)
def test_a_collection_that_is_lied_to_deletes_nothing_that_is_needed(
    world: World, disks: dict[str, bytes], kind: FaultKind
) -> None:
    with lying(world, kind):
        try:
            collecting.collect(world.ctx, dry_run=False)
        except ImgreplError:
            world.restart()
    verifying.repair(world.ctx, world.id("2.0.0"))
    assert set(verified(world).values()) == {"healthy"}
    world.store("eastus").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    assert world.download("2.0.0", region=LIAR) == disks["2.0.0"]


def test_an_empty_listing_is_told_by_a_check_of_the_index(
    world: World, disks: dict[str, bytes]
) -> None:
    assert disks
    with lying(world, FaultKind.EMPTY_LISTING):
        report = index_actions.check(world.ctx)
    assert report.error is not None
    assert {fault.place for fault in report.faults} == {f"{LIAR}/standard/0"}
    assert index_actions.check(world.ctx).error is None


@pytest.mark.parametrize("kind", [FaultKind.EMPTY_LISTING, FaultKind.OLD_VERSION])
def test_a_rebuild_that_is_lied_to_loses_nothing_that_a_second_one_finds(
    world: World, disks: dict[str, bytes], kind: FaultKind
) -> None:
    with lying(world, kind):
        try:
            index_actions.rebuild(world.ctx, ["eastus", LIAR])
        except ImgreplError:
            world.restart()
    index_actions.rebuild(world.ctx, ["eastus", LIAR])
    for name, disk in disks.items():
        assert world.download(name) == disk
    verifying.repair(world.ctx, world.id("2.0.0"))
    assert set(verified(world).values()) == {"healthy"}


def test_a_feature_that_no_release_knows_is_told_and_not_touched(
    world: World, disks: dict[str, bytes]
) -> None:
    assert disks
    world.store(LIAR).inner.put("features/of-a-later-release", b"")
    report = verifying.repair(world.ctx, world.id("2.0.0"))
    (fault,) = report["beyondRepair"]
    assert fault["object"] == "features/of-a-later-release"
    assert "PlaceNeedsNewerVersion" in fault["reason"]
    assert report["lost"] == []
    assert world.keys("features/", LIAR)
    world.store(LIAR).inner.delete(["features/of-a-later-release"])
    assert set(verified(world).values()) == {"healthy"}


def test_what_no_place_has_any_more_is_told_of_every_version_to_the_byte(
    world: World, disks: dict[str, bytes]
) -> None:
    """One flipped frame of the only copy: version, disk, offset and length of that frame alone."""
    key = next(k for k in world.keys("packs/") if k[9:73] not in named_by(world, "2.0.0"))
    damaged(world.store(), key, lambda now: flipped(now, 8 * 5000))
    report = verifying.repair(world.ctx, world.id("1.0.0"))
    assert [fault["object"] for fault in report["beyondRepair"]] == [key]
    (lost,) = report["lost"]
    assert lost["version"].endswith("1.0.0")
    assert lost["lun"] is None
    assert 0 < lost["length"] <= 128 << 10
    with pytest.raises(ImgreplError, match="healthy copy"):
        world.download("1.0.0")
    assert world.download("2.0.0") == disks["2.0.0"]
    (same,) = verifying.repair(world.ctx, world.id("1.0.0"))["lost"]
    assert same == lost


def named_by(world: World, name: str) -> set[str]:
    with world.index.read() as tx:
        return set(contents.packs_of(tx, world.view(name).version.content_ids))
