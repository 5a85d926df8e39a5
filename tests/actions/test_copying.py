"""A version goes to another gallery, index or account: all of it, and nothing that is there."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from actions.peer_worlds import acquaint, peer_of, region_at
from engine.collecting_kit import PATCHED, patched
from engine.world import MEBIBYTE, REGIONS, World, open_world
from imgrepl.actions import (
    copying,
    definitions,
    downloads,
    galleries,
    granting,
    verifying,
    versions,
)
from imgrepl.actions.copying import CopyVersion
from imgrepl.actions.downloads import DownloadRequest
from imgrepl.actions.version_requests import TargetRequest, VersionView
from imgrepl.engine.context import Engine
from imgrepl.errors import Conflict, Corrupt, Interrupted, Invalid, NotFound
from imgrepl.gallery import regions
from imgrepl.gallery import versions as rows
from imgrepl.model.chunker import ChunkerParameters
from imgrepl.model.domain import DEFAULT_DOMAIN
from imgrepl.model.gallery import (
    GalleryId,
    ImageIdentifier,
    OsType,
    SafetyProfile,
    VersionId,
    VersionName,
)
from imgrepl.model.ids import PackId
from imgrepl.model.limits import Limits
from imgrepl.model.peer import PeerBucket
from imgrepl.model.region import Endpoint
from imgrepl.model.sharing import Assignee, Role
from imgrepl.testing.faulty import Crashed, Fault, FaultKind, damaged, flipped

TARGET = GalleryId(gallery="silver").definition("debian-copy")
ENDS = datetime(2031, 1, 2, tzinfo=UTC)


@pytest.fixture
def target(world: World, tmp_path: Path) -> Iterator[World]:
    """Another index with buckets of its own, on servers of their own, that knows `world`."""
    names = ("northeurope", "polandcentral")
    with open_world(tmp_path / "target", buckets=world.buckets, region_names=names) as opened:
        acquaint(opened, world)
        yield opened


def copy(
    into: World, source: World, name: str = "1.0.0", *, dry_run: bool = False, **fields: Any
) -> VersionView:
    request = CopyVersion(
        source=source.definition,
        name=name,
        id=fields.pop("id", TARGET.version(VersionName.parse("2.0.0"))),
        peer=None if into is source else peer_of(source),
        create_parents=True,
    )
    return copying.copy(into.ctx, replace(request, **fields), dry_run=dry_run)


def publish(world: World, name: str = "1.0.0", **fields: Any) -> VersionView:
    """Publishes the world's disk; where a test asks for no more, in one region."""
    return world.publish(name, **{"regions": ["eastus"], **fields})


def content_of(world: World, version: VersionId, region: str | None = None) -> bytes:
    file = world.folder / "copied.raw"
    request = DownloadRequest(
        definition=version.definition, name=str(version.version), file=str(file), region=region
    )
    downloads.download(world.ctx, replace(request, overwrite=True))
    return file.read_bytes()


def test_a_copy_in_one_index_sends_nothing_and_is_the_same_content(world: World) -> None:
    published = publish(world, regions=REGIONS, tags={"build": "7"}, end_of_life_date=ENDS)
    before = {region: world.pack_ids(region) for region in ("eastus", "westeurope")}
    copied = copy(world, world)
    assert copied.transfer is not None
    assert copied.transfer.read_bytes == 0
    assert {region: world.pack_ids(region) for region in before} == before
    assert copied.version.content_ids == published.version.content_ids
    assert dict(copied.version.tags) == {"build": "7"}
    assert copied.version.end_of_life_date == ENDS
    assert copied.version.target_regions == published.version.target_regions
    assert content_of(world, copied.version.id) == world.disk().read_bytes()


def test_the_copy_outlives_its_source(world: World) -> None:
    from engine.collecting_kit import collect

    publish(world)
    copied = copy(world, world)
    world.delete()
    collect(world)
    assert content_of(world, copied.version.id) == world.disk().read_bytes()


def test_all_fields_and_data_disks_come_along_between_indexes(world: World, target: World) -> None:
    data = world.disk("data")
    publish(
        world,
        data_disks={3: str(data)},
        tags={"build": "7", "empty": ""},
        end_of_life_date=ENDS,
        exclude_from_latest=True,
        sha256=True,
        safety=SafetyProfile(block_deletion_before_end_of_life=True),
    )
    copied = copy(target, world).version
    source = world.view().version
    same = ("tags", "end_of_life_date", "exclude_from_latest", "safety", "content_ids")
    assert [getattr(copied, name) for name in same] == [getattr(source, name) for name in same]
    facts = [
        (d.lun, d.format, d.provisioned_bytes, d.occupied_bytes, d.sha256) for d in copied.disks
    ]
    assert facts == [
        (d.lun, d.format, d.provisioned_bytes, d.occupied_bytes, d.sha256) for d in source.disks
    ]
    assert content_of(target, copied.id) == world.disk().read_bytes()
    report = verifying.verify(target.ctx, copied.id, deep=True)
    assert {one["state"] for one in report["replicas"]} == {"healthy"}


def test_the_parents_of_a_copy_are_made_as_the_source_has_them(world: World, target: World) -> None:
    publish(world)
    changed = definitions.DefinitionChanges(description="Debian 13", tags={"os": "linux"})
    definitions.update(world.ctx, world.definition, changed)
    copy(target, world)
    made, source = (
        definitions.show(target.ctx, TARGET),
        definitions.show(world.ctx, world.definition),
    )
    skipped = {"id", "incarnation", "revision", "created_at", "location"}
    compared = [name for name in vars(source) if name not in skipped]
    assert [getattr(made, name) for name in compared] == [
        getattr(source, name) for name in compared
    ]


def test_packs_that_are_there_are_not_sent_again(world: World, target: World) -> None:
    publish(world, "1.0.0")
    publish(world, "1.0.1", **PATCHED)
    first = copy(target, world, "1.0.0")
    second = copy(target, world, "1.0.1", id=TARGET.version(VersionName.parse("2.0.1")))
    assert first.transfer is not None
    assert second.transfer is not None
    new = world.pack_ids() - _packs_of(world, "1.0.0")
    assert target.pack_ids("northeurope") == world.pack_ids()
    sizes = sum(
        world.store().inner.head(key).size_bytes
        for key in world.keys("packs/")
        if key.split("/")[2].split(".")[0] in new
    )
    assert sizes <= second.transfer.sent_bytes < sizes + 20_000
    assert content_of(target, second.version.id) == patched(world)


def _packs_of(world: World, name: str) -> set[PackId]:
    from imgrepl.gallery import contents

    with world.index.read() as tx:
        return set(contents.packs_of(tx, rows.get(tx, world.id(name)).content_ids))


def test_the_same_copy_again_sends_nothing(world: World, target: World) -> None:
    publish(world)
    first = copy(target, world)
    again = copy(target, world)
    assert again.version == first.version
    assert again.transfer is None


def test_what_was_published_apart_on_both_sides_is_not_sent(world: World, target: World) -> None:
    """The second version's packs differ between the stores; their chunks do not."""
    publish(world, "1.0.0")
    publish(world, "1.0.1", **PATCHED)
    target._disks.update(world._disks)
    target.publish("9.0.0", **PATCHED, regions=["northeurope"])
    before = target.pack_ids("northeurope")
    copied = copy(target, world, "1.0.1")
    assert copied.transfer is not None
    assert target.pack_ids("northeurope") == before
    assert content_of(target, copied.version.id) == patched(world)


def test_of_a_pack_that_is_mostly_there_only_new_frames_come(world: World, target: World) -> None:
    """Both stores have most of a disk, in other packs; what is new is less than half of a pack."""
    small = _disk(world.folder / "small.raw", {1: "base", 2: "one"}, last=200_000)
    _disk(world.folder / "base.raw", {1: "base"}, last=MEBIBYTE)
    publish(world, "1.0.0", os_disk=str(small), regions=["eastus"])
    target.publish("9.0.0", os_disk=str(world.folder / "base.raw"), regions=["northeurope"])
    before = target.pack_ids("northeurope")
    copied = copy(target, world, "1.0.0")
    new = target.pack_ids("northeurope") - before
    assert copied.transfer is not None
    assert new
    assert not new & world.pack_ids("eastus") or copied.transfer.sent_bytes < 500_000
    assert content_of(target, copied.version.id) == small.read_bytes()
    assert copied.version.content_ids == world.view("1.0.0").version.content_ids


def _disk(path: Path, parts: dict[int, str], *, last: int) -> Path:
    with path.open("wb") as file:
        for at, name in parts.items():
            data = random.Random(name).randbytes(MEBIBYTE)
            file.seek(at * MEBIBYTE)
            file.write(data[:last] if at == max(parts) else data)
        file.truncate(8 * MEBIBYTE)
    return path


def test_one_server_copies_by_itself_and_is_sent_no_packs(world: World, tmp_path: Path) -> None:
    publish(world, regions=["eastus"])
    with open_world(tmp_path / "same", buckets=world.buckets, region_names=()) as target:
        with target.index.begin() as tx:
            regions.add(tx, region_at("eastus", "others", "eastus"))
        acquaint(target, world)
        copied = copy(target, world)
        assert copied.transfer is not None
        packs = sum(world.store().inner.head(k).size_bytes for k in world.keys("packs/"))
        assert copied.transfer.server_copied_bytes == packs
        assert copied.transfer.sent_bytes < 20_000
        assert content_of(target, copied.version.id) == world.disk().read_bytes()


def test_a_store_that_cuts_otherwise_gets_the_disk_cut_anew(world: World, tmp_path: Path) -> None:
    publish(world, "1.0.0")
    publish(world, "1.0.1", **PATCHED, sha256=True)
    with open_world(tmp_path / "other", buckets=world.buckets, region_names=("moon",)) as target:
        recut(target)
        acquaint(target, world)
        copied = copy(target, world, "1.0.1")
        assert copied.version.content_ids != world.view("1.0.1").version.content_ids
        assert [d.sha256 for d in copied.version.disks] == [
            d.sha256 for d in world.view("1.0.1").version.disks
        ]
        assert content_of(target, copied.version.id) == patched(world)
        assert copy(target, world, "1.0.1").version == copied.version


def recut(world: World) -> None:
    """From now on the world cuts disks otherwise than all others."""
    domain = replace(DEFAULT_DOMAIN, chunker=ChunkerParameters(average_bytes=64 << 10))
    with world.index.begin() as tx:
        identity = world.index.identity
        world.index.adopt(tx, store_id=identity.store_id, domain=domain, epoch=1)
    engine: Engine = replace(world.engine, domain=domain)
    world.ctx = replace(world.ctx, engine=engine)


def test_a_copy_from_a_bucket_needs_no_index(world: World, target: World) -> None:
    publish(world, regions=REGIONS)
    region = Endpoint(url="s3://westeurope", endpoint_url="http://westeurope.example")
    bucket = PeerBucket(standard=(region,), region="westeurope")
    for other in ("eastus", "southeastasia"):
        store = world.store(other).inner
        store.delete([info.key for info in store.list("")])
    before = {info.key for info in world.store("westeurope").inner.list("")}
    copied = copy(target, world, "latest", peer=bucket)
    assert content_of(target, copied.version.id) == world.disk().read_bytes()
    assert {info.key for info in world.store("westeurope").inner.list("")} == before


@pytest.mark.parametrize(
    "after", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 5, 7, 9))]
)
def test_a_copy_goes_on_after_a_crash_and_sends_nothing_twice(
    world: World, target: World, after: int
) -> None:
    publish(world)
    target.store("northeurope").faults.append(Fault(FaultKind.CRASH_AFTER, verb="put", skip=after))
    try:
        copy(target, world)
    except Crashed:
        target.restart()
    copied = copy(target, world)
    assert target.pack_ids("northeurope") == world.pack_ids()
    assert content_of(target, copied.version.id) == world.disk().read_bytes()


def test_ctrl_c_leaves_a_copy_that_goes_on(world: World, target: World) -> None:
    publish(world)
    target.stop.set()
    with pytest.raises(Interrupted):
        copy(target, world)
    target.stop.clear()
    assert content_of(target, copy(target, world).version.id) == world.disk().read_bytes()


def test_a_damaged_pack_at_the_source_is_read_from_another_region(
    world: World, target: World
) -> None:
    publish(world, regions=["eastus", "westeurope"])
    for key in world.keys("packs/"):
        damaged(world.store("eastus"), key, lambda content: flipped(content, 5000))
    copied = copy(target, world)
    assert content_of(target, copied.version.id) == world.disk().read_bytes()


def test_a_source_that_is_damaged_everywhere_is_no_copy(world: World, target: World) -> None:
    publish(world, regions=["eastus"])
    key = world.keys("packs/")[0]
    damaged(world.store("eastus"), key, lambda content: flipped(content, 5000))
    with pytest.raises(Corrupt):
        copy(target, world)
    with target.index.read() as tx:
        assert rows.find(tx, TARGET.version(VersionName.parse("2.0.0"))) is None


def test_a_dry_run_tells_what_would_be_sent_and_changes_nothing(
    world: World, target: World
) -> None:
    publish(world)
    planned = copy(target, world, dry_run=True)
    assert planned.planned
    assert planned.transfer is not None
    assert galleries.list_all(target.ctx) == []
    done = copy(target, world)
    assert done.transfer is not None
    assert planned.transfer.packs_written == done.transfer.packs_written
    assert abs(planned.transfer.sent_bytes - done.transfer.sent_bytes) < 20_000
    second = copy(target, world, id=TARGET.version(VersionName.parse("3.0.0")), dry_run=True)
    assert second.transfer is not None
    assert second.transfer.sent_bytes == 0


def test_a_copy_stands_where_the_source_does_as_far_as_the_regions_are_known(
    world: World, tmp_path: Path
) -> None:
    publish(world, regions=REGIONS)
    with open_world(tmp_path / "t", buckets=world.buckets, region_names=()) as target:
        with target.index.begin() as tx:
            regions.add(tx, region_at("westeurope", "we-copy", "copies"))
            regions.add(tx, region_at("brazilsouth", "br-copy", "copies"))
        acquaint(target, world)
        copied = copy(target, world).version
        assert [one.name for one in copied.target_regions] == ["westeurope"]
        elsewhere = copy(
            target,
            world,
            id=TARGET.version(VersionName.parse("2.0.1")),
            target_regions=[TargetRequest("brazilsouth", 2)],
        ).version
        assert elsewhere.location == "brazilsouth"
        assert [(t.name, t.replica_count) for t in elsewhere.target_regions] == [("brazilsouth", 2)]


def test_another_source_under_the_same_number_is_refused(world: World, target: World) -> None:
    publish(world, "1.0.0")
    publish(world, "1.0.1", disk="other")
    copy(target, world, "1.0.0")
    with pytest.raises(Conflict) as refused:
        copy(target, world, "1.0.1")
    assert refused.value.code == "VersionExists"


def test_a_version_is_not_copied_to_itself(world: World) -> None:
    publish(world)
    with pytest.raises(Invalid) as refused:
        copy(world, world, id=world.id("1.0.0"))
    assert refused.value.code == "InvalidVersionReference"


def test_a_copy_goes_only_where_the_definition_promises_the_same(
    world: World, target: World
) -> None:
    publish(world)
    identifier = ImageIdentifier("contoso", "windows", "11")
    for into, home in ((world, "eastus"), (target, "northeurope")):
        galleries.create(into.ctx, TARGET.gallery, location=home)
        windows = definitions.CreateDefinition(
            id=TARGET, identifier=identifier, os_type=OsType.WINDOWS
        )
        definitions.create(into.ctx, windows)
        with pytest.raises(Invalid, match="osType") as refused:
            copy(into, world)
        assert refused.value.code == "SourceMismatch"


def test_the_limits_of_disks_hold_for_copies(world: World, target: World) -> None:
    publish(world, data_disks={5: str(world.disk("data"))})
    target.ctx = replace(target.ctx, limits=replace(target.ctx.limits, disk_bytes_max=MEBIBYTE))
    with pytest.raises(Invalid) as large:
        copy(target, world)
    assert large.value.code == "DiskTooLarge"
    target.ctx = replace(target.ctx, limits=Limits(lun_max=4))
    with pytest.raises(Invalid) as far:
        copy(target, world)
    assert far.value.code == "InvalidDiskLayout"


def test_roles_stay_where_they_were_given_and_the_copy_says_so(world: World, target: World) -> None:
    publish(world)
    granting.grant(world.ctx, world.id("1.0.0"), Assignee.parse("alice"), Role.READER)
    for into in (target, world):
        copied = copy(into, world).version
        assert granting.list_of(into.ctx, copied.id) == []
        assert "1 role is not copied: alice is Reader on golden/debian/1.0.0" in into.notices


def test_missing_parents_are_refused_with_the_way_out(world: World, target: World) -> None:
    publish(world)
    with pytest.raises(NotFound) as refused:
        copy(target, world, create_parents=False)
    assert "--create-parents" in str(refused.value.hint)


def test_an_operation_that_goes_on_elsewhere_refuses_a_source_that_was_replaced(
    world: World, target: World
) -> None:
    from imgrepl.actions import publishing
    from imgrepl.model.waiting import WAIT_FOR_NOTHING

    publish(world, "1.0.0")
    request = CopyVersion(
        source=world.definition,
        name="1.0.0",
        id=TARGET.version(VersionName.parse("2.0.0")),
        peer=peer_of(world),
        create_parents=True,
    )
    copying.copy(target.ctx, request, wait=WAIT_FOR_NOTHING)
    world.delete("1.0.0")
    publish(world, "1.0.0", disk="other")
    with pytest.raises(Conflict) as refused:
        publishing.run(target.ctx, target.spawned[-1])
    assert refused.value.code == "SourceChanged"


def test_a_detached_worker_copies_with_what_the_operation_keeps(
    world: World, target: World
) -> None:
    from imgrepl.actions import publishing
    from imgrepl.model.waiting import WAIT_FOR_NOTHING

    publish(world, "1.0.0")
    request = CopyVersion(
        source=world.definition,
        name="latest",
        id=TARGET.version(VersionName.parse("2.0.0")),
        peer=peer_of(world),
        create_parents=True,
    )
    begun = copying.copy(target.ctx, request, wait=WAIT_FOR_NOTHING)
    assert not begun.version.committed
    publishing.run(target.ctx, target.spawned[-1])
    assert versions.view(target.ctx, request.id).version.committed
    assert content_of(target, request.id) == world.disk().read_bytes()
