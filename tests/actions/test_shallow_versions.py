"""Shallow versions: they point at a source, keep nothing, and become full on request."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.world import MEBIBYTE, World, open_world
from imgrepl.actions import (
    collecting,
    comparing,
    copying,
    costs,
    creating,
    downloads,
    following,
    galleries,
    index,
    operations,
    updating,
    usage,
    verifying,
    version_bin,
    versions,
)
from imgrepl.actions.context import Context
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion, VersionView
from imgrepl.azure import shapes
from imgrepl.disks.disk import ByteSource
from imgrepl.disks.source import open_source
from imgrepl.engine.object_source import ObjectSource
from imgrepl.engine.record_fields import fields_of
from imgrepl.errors import Conflict, Corrupt, ImgreplError, Interrupted, Invalid, NotFound
from imgrepl.gallery import versions as rows
from imgrepl.model.gallery import ReplicationMode
from imgrepl.model.limits import Limits
from imgrepl.model.replica import ReplicaState
from imgrepl.model.waiting import WAIT_FOR_NOTHING
from imgrepl.store.memory import MemoryStore
from imgrepl.testing.faulty import Crashed, Fault, FaultKind

HOME = ["eastus"]
SHALLOW = ReplicationMode.SHALLOW
FULL = ReplicationMode.FULL


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path / "world") as opened:
        yield opened


def shallow(world: World, name: str = "1.0.0", **fields: Any) -> VersionView:
    return world.publish(name, **{"regions": HOME, "replication_mode": SHALLOW, **fields})


def code(call: Callable[[], object], kind: type[ImgreplError]) -> str:
    with pytest.raises(kind) as caught:
        call()
    return caught.value.code


def test_a_shallow_version_is_ready_at_once_and_puts_no_pack(world: World) -> None:
    view = shallow(world)
    assert [(r.region, r.number, r.state) for r in view.replicas] == [
        ("eastus", 0, ReplicaState.COMPLETED)
    ]
    assert world.keys("packs/") == world.keys("manifests/") == []
    assert view.transfer is not None
    assert (view.transfer.read_bytes, view.transfer.packs_written) == (0, 0)
    disk = view.version.disks[0]
    assert disk.source_state is not None
    assert disk.source_state.size_bytes == disk.provisioned_bytes == 16 * MEBIBYTE
    assert versions.show(world.ctx, world.definition, "latest").version.id == view.version.id


def test_what_it_points_at_is_downloaded_and_digested(world: World) -> None:
    shallow(world)
    wanted = world.disk().read_bytes()
    assert world.download() == wanted
    digest = downloads.checksum(world.ctx, world.id("1.0.0"), None)["sha256"]
    assert digest == hashlib.sha256(wanted).hexdigest()


def rewrite(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[2 * MEBIBYTE] ^= 1
    path.write_bytes(content)


def rewrite_and_hide(path: Path) -> None:
    """Other bytes of the same length, with the old modification time."""
    before = path.stat()
    rewrite(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap(path: Path) -> None:
    other = path.with_suffix(".other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def grow(path: Path) -> None:
    os.truncate(path, path.stat().st_size + 4096)


@pytest.mark.parametrize("change", [rewrite, rewrite_and_hide, swap, grow])
def test_a_source_that_changed_is_refused_by_every_reader(
    world: World, change: Callable[[Path], None]
) -> None:
    shallow(world)
    shallow(world, "1.0.1", disk="other")
    change(world.disk())
    one, other = world.id("1.0.0"), world.id("1.0.1")
    readers: list[Callable[[], object]] = [
        world.download,
        lambda: downloads.checksum(world.ctx, one, None),
        lambda: comparing.compare(world.ctx, one, other),
        lambda: world.publish("2.0.0", os_disk="imgrepl:golden/debian/1.0.0", regions=HOME),
        lambda: world.update(replication_mode=FULL),
    ]
    assert [code(read, Corrupt) for read in readers] == ["ShallowSourceChanged"] * len(readers)
    report = verifying.verify(world.ctx, one)["replicas"][0]
    assert report["state"] == "damaged"
    assert "is not what the version points at any more" in report["problems"][0]["reason"]


def test_a_source_that_is_gone_is_not_found_and_counts_as_missing(world: World) -> None:
    shallow(world)
    world.disk().unlink()
    assert code(world.download, NotFound) == "ShallowSourceMissing"
    report = verifying.verify(world.ctx, world.id("1.0.0"))["replicas"][0]
    assert (report["state"], report["problems"][0]["object"]) == ("missing", str(world.disk()))
    repaired = verifying.repair(world.ctx, world.id("1.0.0"))
    assert len(repaired["beyondRepair"]) == 1


def test_a_healthy_one_is_healthy_also_when_all_of_it_is_read(world: World) -> None:
    shallow(world)
    for deep in (False, True):
        report = verifying.verify(world.ctx, world.id("1.0.0"), deep=deep)
        assert report["pointsAt"] == [str(world.disk())]
        assert [(one["state"], one["packs"]) for one in report["replicas"]] == [("healthy", 0)]


def test_a_disk_that_changes_while_it_is_read_leaves_no_file(world: World) -> None:
    shallow(world)
    target = world.folder / "got.raw"

    def meddled(name: str, **_where: object) -> ByteSource:
        source = open_source(name)
        read_into = source.read_into

        def read(offset: int, buffer: memoryview) -> None:
            read_into(offset, buffer)
            if len(buffer) >= MEBIBYTE // 2:
                source.read_into = read_into  # type: ignore[method-assign]
                rewrite(Path(name))

        source.read_into = read  # type: ignore[method-assign]
        return source

    ctx = replace(world.ctx, open_source=meddled)
    request = downloads.DownloadRequest(definition=world.definition, name="1.0.0", file=str(target))
    assert code(lambda: downloads.download(ctx, request), Corrupt) == "ShallowSourceChanged"
    assert list(world.folder.glob("*got*")) == []


def test_a_digest_that_was_asked_for_is_held_against_what_is_read(world: World) -> None:
    view = shallow(world, sha256=True)
    assert view.version.disks[0].sha256 == hashlib.sha256(world.disk().read_bytes()).hexdigest()
    with world.index.begin() as tx:
        wrong = replace(view.version.disks[0], sha256="0" * 64)
        rows.set_disks(tx, view.version.id, [wrong])
    assert code(world.download, Corrupt) == "ShallowSourceChanged"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"regions": ["eastus", "westeurope"]}, "home region eastus alone"),
        ({"regions": [TargetRequest("eastus", 2)]}, "1 replica, not 2"),
        ({"parents": {None: ("base.vhd",)}}, "--parent"),
    ],
)
def test_what_a_shallow_version_cannot_have_is_refused_by_name(
    world: World, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(Invalid, match=said) as caught:
        shallow(world, **fields)
    assert caught.value.code == "ShallowRule"
    assert caught.value.hint


def test_a_shallow_version_of_a_version_is_refused(world: World) -> None:
    world.publish("1.0.0", regions=HOME)
    with pytest.raises(Invalid, match="points at a file"):
        shallow(world, "2.0.0", os_disk="imgrepl:golden/debian/1.0.0")


def test_more_regions_or_replicas_need_a_full_version(world: World) -> None:
    shallow(world)
    with pytest.raises(Invalid, match="home region eastus alone") as caught:
        world.update(add_regions=[TargetRequest("westeurope", 1)])
    assert "--replication-mode Full" in (caught.value.hint or "")
    world.update(tags={"build": "7"})
    assert world.view().version.tags == {"build": "7"}


def test_its_disks_may_be_larger_than_those_of_full_ones(world: World) -> None:
    limits = Limits(disk_bytes_max=8 * MEBIBYTE, shallow_disk_bytes_max=16 * MEBIBYTE)
    world.ctx = replace(world.ctx, limits=limits)
    assert code(lambda: world.publish("1.0.0", regions=HOME), Invalid) == "DiskTooLarge"
    shallow(world)
    assert world.download() == world.disk().read_bytes()
    assert code(lambda: world.update(replication_mode=FULL), Invalid) == "DiskTooLarge"
    assert world.view().version.is_shallow
    world.ctx = replace(world.ctx, limits=replace(limits, shallow_disk_bytes_max=8 * MEBIBYTE))
    assert code(lambda: shallow(world, "1.0.1", disk="b"), Invalid) == "DiskTooLarge"


def test_the_same_again_is_a_success_and_another_source_a_conflict(world: World) -> None:
    shallow(world)
    assert shallow(world).version == world.view().version
    copy = world.folder / "copy.raw"
    copy.write_bytes(world.disk().read_bytes())
    assert code(lambda: shallow(world, os_disk=str(copy)), Conflict) == "VersionExists"
    with pytest.raises(Conflict) as caught:
        world.publish("1.0.0", regions=HOME)
    assert "--replication-mode Full" in (caught.value.hint or "")
    world.publish("2.0.0", regions=HOME)
    assert code(lambda: shallow(world, "2.0.0"), Conflict) == "VersionExists"


def test_nothing_is_billed_and_nothing_is_stored(world: World) -> None:
    shallow(world)
    total = usage.report(world.ctx).total
    assert (total.billed_bytes, total.stored_bytes) == (0, 0)
    assert total.provisioned_bytes == 16 * MEBIBYTE
    report = costs.report(world.ctx)
    assert report.total.bill.billed_bytes == 0
    assert report.total.bill.storage_usd_month == 0


def test_it_says_so_in_azures_words(world: World) -> None:
    shape = shapes.version(shallow(world))
    assert shape["publishingProfile"]["replicationMode"] == "Shallow"
    assert shape["storageProfile"]["osDiskImage"]["source"]["uri"] == str(world.disk())
    state = shape["imgrepl"]["disks"][0]["sourceState"]
    assert state["sizeBytes"] == 16 * MEBIBYTE
    assert state["inode"] == world.disk().stat().st_ino
    full = shapes.version(world.publish("2.0.0", regions=HOME))
    assert full["imgrepl"]["disks"][0]["sourceState"] is None


def test_a_dry_run_reads_no_content_and_writes_nothing(world: World) -> None:
    request = world.request(regions=HOME, replication_mode=SHALLOW)
    planned = creating.create(world.ctx, request, dry_run=True)
    assert planned.planned
    assert planned.cost is not None
    assert planned.cost.total.billed_bytes == 0
    assert world.keys("records/") == []


def test_promotion_reads_the_source_once_and_fills_more_regions(world: World) -> None:
    published = shallow(world, tags={"a": "b"}).version.published_at
    view = world.update(
        replication_mode=FULL, add_regions=[TargetRequest("westeurope", 2)], tags={"c": "d"}
    )
    assert [(r.region, r.number, r.state) for r in view.replicas] == [
        ("eastus", 0, ReplicaState.COMPLETED),
        ("westeurope", 0, ReplicaState.COMPLETED),
        ("westeurope", 1, ReplicaState.COMPLETED),
    ]
    assert (view.version.replication_mode, view.version.tags) == (FULL, {"c": "d"})
    assert view.version.published_at == published
    assert view.version.disks[0].source_state is None
    assert view.transfer is not None
    assert view.transfer.read_bytes >= 3 * MEBIBYTE
    wanted = world.disk().read_bytes()
    world.disk().unlink()
    assert world.download(region="westeurope") == world.download() == wanted
    assert usage.report(world.ctx).total.billed_bytes == 3 * 3 * MEBIBYTE
    assert code(lambda: world.update(replication_mode=SHALLOW), Conflict) == "ImmutableProperty"
    assert world.update(replication_mode=FULL).version == view.version


def test_a_dry_run_of_a_promotion_says_what_it_would_send_and_cost(world: World) -> None:
    shallow(world)
    before = world.view()
    asked = UpdateVersion(replication_mode=FULL, add_regions=[TargetRequest("westeurope", 1)])
    planned = updating.update(world.ctx, world.id("1.0.0"), asked, dry_run=True)
    assert planned.transfer is not None
    assert planned.transfer.new_bytes == 3 * MEBIBYTE
    assert planned.changes is not None
    assert planned.changes.copies_bytes is None
    assert planned.cost is not None
    assert planned.cost.total.billed_bytes == 2 * 3 * MEBIBYTE
    assert world.view() == before


def test_a_promotion_that_fails_leaves_a_shallow_version_that_can_be_read(world: World) -> None:
    shallow(world)
    world.store().faults.append(
        Fault(kind=FaultKind.FULL, verb="put", key_part="packs/", times=None)
    )
    with pytest.raises(ImgreplError):
        world.update(replication_mode=FULL)
    world.store().faults.clear()
    after = world.view().version
    assert after.is_shallow
    assert after.content_ids == ()
    assert world.download() == world.disk().read_bytes()
    assert not world.update(replication_mode=FULL).version.is_shallow


def test_while_it_becomes_full_nothing_else_changes_it_and_the_same_command_goes_on(
    world: World,
) -> None:
    shallow(world)
    asked = UpdateVersion(replication_mode=FULL)
    begun = updating.update(world.ctx, world.id("1.0.0"), asked, wait=WAIT_FOR_NOTHING)
    assert begun.operation == world.spawned[-1]
    assert code(lambda: world.update(tags={"x": "y"}), Conflict) == "OperationBusy"
    done = world.update(replication_mode=FULL)
    assert done.operation == begun.operation
    assert not done.version.is_shallow


def test_a_canceled_promotion_leaves_what_was_there(world: World) -> None:
    shallow(world)
    asked = UpdateVersion(replication_mode=FULL)
    begun = updating.update(world.ctx, world.id("1.0.0"), asked, wait=WAIT_FOR_NOTHING)
    assert begun.operation is not None
    operations.cancel(world.ctx, begun.operation)
    assert world.download() == world.disk().read_bytes()
    collecting.collect(world.ctx, dry_run=False)
    assert not world.update(replication_mode=FULL).version.is_shallow


def test_a_full_version_made_from_a_shallow_one_has_its_own_content(world: World) -> None:
    shallow(world)
    made = world.publish("2.0.0", os_disk="imgrepl:golden/debian/1.0.0")
    assert not made.version.is_shallow
    wanted = world.disk().read_bytes()
    world.disk().unlink()
    assert world.download("2.0.0", region="southeastasia") == wanted


def test_it_goes_into_the_bin_and_comes_back_as_any_other(world: World) -> None:
    shallow(world)
    galleries.update(
        world.ctx, world.definition.gallery, galleries.GalleryChanges(soft_delete_enabled=True)
    )
    world.delete()
    assert world.download() == world.disk().read_bytes()
    assert versions.list_of(world.ctx, world.definition) == []
    back = version_bin.undelete(world.ctx, world.id("1.0.0"))
    assert back.version.is_shallow
    assert world.download("latest") == world.disk().read_bytes()


def test_comparing_reads_the_source(world: World) -> None:
    shallow(world)
    world.publish("1.0.1", regions=HOME)
    found = comparing.compare(world.ctx, world.id("1.0.0"), world.id("1.0.1"))
    assert found.first.content_ids == found.second.content_ids


def copied(world: World, name: str = "9.0.0", **fields: Any) -> VersionView:
    asked = copying.CopyVersion(id=world.id(name), source=world.definition, name="1.0.0")
    return copying.copy(world.ctx, replace(asked, **fields))


def test_a_copy_points_at_the_same_source_and_outlives_the_version(world: World) -> None:
    there = shallow(world, sha256=True).version
    here = copied(world).version
    assert here.pointers == there.pointers
    assert copied(world).version == here
    world.delete("1.0.0")
    assert world.download("9.0.0") == world.disk().read_bytes()
    assert world.keys("packs/") == []
    world.update("9.0.0", replication_mode=FULL)
    assert world.download("9.0.0") == world.disk().read_bytes()


def test_a_copy_of_one_that_is_becoming_full_points_as_well(world: World) -> None:
    shallow(world)
    fault = Fault(kind=FaultKind.CRASH_BEFORE, verb="put", key_part="records/golden", times=None)
    world.store().faults.append(replace(fault, key_part="/1.0.0/"))
    with pytest.raises(Crashed):
        world.update(replication_mode=FULL)
    world.restart()
    assert world.view().version.content_ids
    assert copied(world).version.content_ids == ()
    assert world.download("9.0.0") == world.disk().read_bytes()


def test_a_copy_of_a_shallow_version_stands_in_one_region(world: World) -> None:
    shallow(world)
    targets = [TargetRequest("eastus"), TargetRequest("westeurope")]
    with pytest.raises(Invalid, match="home region eastus alone") as caught:
        copied(world, target_regions=targets)
    assert (caught.value.code, "make the source full" in str(caught.value.hint)) == (
        "ShallowRule",
        True,
    )
    assert copied(world, target_regions=targets[1:]).version.location == "westeurope"


def test_a_copy_of_a_pointer_goes_on_after_a_crash(world: World) -> None:
    shallow(world)
    fault = Fault(kind=FaultKind.CRASH_AFTER, verb="put", key_part="/9.0.0/")
    world.store().faults.append(fault)
    with pytest.raises(Crashed):
        copied(world)
    world.restart()
    assert copied(world).version.pointers == world.view().version.pointers
    assert world.download("9.0.0") == world.disk().read_bytes()


def test_a_full_version_and_a_shallow_one_are_not_the_same_copy(world: World) -> None:
    shallow(world)
    copied(world)
    world.update(replication_mode=FULL)
    assert code(lambda: copied(world), Conflict) == "VersionExists"


def test_the_record_restores_it(world: World, tmp_path: Path) -> None:
    view = shallow(world)
    with open_world(tmp_path / "second", buckets=world.buckets) as second:
        report = index.rebuild(second.ctx, ["eastus"])
        assert report.versions == 1
        found = second.view()
        assert fields_of(found.version) == fields_of(view.version)
        assert found.replicas[0].state is ReplicaState.COMPLETED
        assert second.download() == world.disk().read_bytes()
        assert index.check(second.ctx).faults == ()
        second.update(replication_mode=FULL)


def test_a_record_of_a_full_version_says_nothing_of_sources(world: World) -> None:
    fields = fields_of(world.publish("1.0.0", regions=HOME).version)
    assert "source_state" not in fields["disks"][0]
    assert fields_of(shallow(world, "2.0.0").version)["disks"][0]["source_state"]["size_bytes"]


def test_retry_on_a_shallow_version_puts_its_record_where_it_lacks(world: World) -> None:
    full = Fault(kind=FaultKind.FULL, verb="put", key_part="/1.0.0/", times=None)
    world.store().faults.append(full)
    with pytest.raises(ImgreplError):
        shallow(world)
    world.store().faults.clear()
    shallow(world)
    following.retry(world.ctx, world.id("1.0.0"))
    assert world.view().replicas[0].state is ReplicaState.COMPLETED


def object_world(world: World) -> tuple[MemoryStore, Context]:
    """The world's sources may be objects of a bucket, too."""
    bucket = MemoryStore("s3://images")

    def opened(name: str, *, endpoint_url: str | None = None) -> ByteSource:
        if not name.startswith("s3://"):
            return open_source(name)
        key = name.removeprefix("s3://images/")
        return ObjectSource(bucket, key, name, endpoint_url or "http://images.example")

    return bucket, replace(world.ctx, open_source=opened)


def test_an_object_is_known_by_its_etag_and_size(world: World) -> None:
    bucket, world.ctx = object_world(world)
    content = world.disk().read_bytes()
    bucket.put("debian.raw", content)
    view = shallow(world, os_disk="s3://images/debian.raw")
    state = view.version.disks[0].source_state
    assert state is not None
    assert state.etag == bucket.head("debian.raw").etag
    assert state.endpoint_url == "http://images.example"
    assert world.download() == content
    bucket.put("debian.raw", content[:-1] + b"\x01")
    assert code(world.download, Corrupt) == "ShallowSourceChanged"
    bucket.delete(["debian.raw"])
    assert code(world.download, NotFound) == "ShallowSourceMissing"


def test_interrupting_a_promotion_leaves_it_to_be_taken_up(world: World) -> None:
    shallow(world)
    world.stop.set()
    with pytest.raises(Interrupted):
        world.update(replication_mode=FULL)
    world.stop.clear()
    assert not world.retry().version.is_shallow
