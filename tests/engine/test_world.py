"""The world that other tests live in does what it says."""

from pathlib import Path

import pytest

from engine.world import DATA_BYTES, REGIONS, World, open_world
from imgrepl.actions import operations
from imgrepl.model.operation import OperationState
from imgrepl.testing.faulty import Crashed, Fault, FaultKind


def test_a_published_disk_is_downloaded_from_every_region(world: World) -> None:
    world.publish("1.0.0")
    for region in REGIONS:
        assert world.download("1.0.0", region=region) == world.disk().read_bytes()
    assert len(world.pack_ids("eastus")) > DATA_BYTES >> 21


def test_a_disk_like_another_shares_most_packs(world: World) -> None:
    world.publish("1.0.0")
    before = world.pack_ids()
    world.publish("1.0.1", disk="patched", like="debian")
    assert world.download("1.0.1") == world.disk("patched", like="debian").read_bytes()
    assert 0 < len(world.pack_ids() - before) < len(before)


def test_a_crashed_publication_goes_on_after_a_restart(world: World) -> None:
    world.store("eastus").faults.append(Fault(FaultKind.CRASH_AFTER, "put", "packs/", skip=1))
    with pytest.raises(Crashed):
        world.publish("1.0.0")
    world.restart()
    assert world.publish("1.0.0").version.committed
    assert world.download() == world.disk().read_bytes()


def test_leases_can_be_outlived(world: World) -> None:
    world.store("eastus").faults.append(Fault(FaultKind.CRASH_BEFORE, "put", "manifests/"))
    with pytest.raises(Crashed):
        world.publish("1.0.0")
    world.outlive_leases()
    assert operations.list_all(world.ctx)[0].state is OperationState.STALLED


def test_two_worlds_over_the_same_buckets_are_two_indexes(world: World, tmp_path: Path) -> None:
    with open_world(tmp_path / "other", buckets=world.buckets) as other:
        assert other.index.identity.index_id != world.index.identity.index_id
        assert other.store("eastus") is world.store("eastus")
