"""A gallery goes out to a bucket of its own and comes back, and never twice."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from actions.peer_worlds import acquaint
from actions.test_sharing_actions import ALICE, COMMUNITY, GROUPS, acting
from engine.collecting_kit import PATCHED, patched
from engine.world import World, open_world
from imgrepl.actions import (
    definitions,
    downloads,
    galleries,
    granting,
    moving_home,
    portable,
    sharing,
    verifying,
    versions,
)
from imgrepl.actions.definitions import DefinitionChanges
from imgrepl.actions.downloads import DownloadRequest
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.portable import Carriage, ImportGallery
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.errors import Conflict, NotFound
from imgrepl.layout import keys
from imgrepl.model.gallery import DefinitionId, GalleryId, ImageVersion, ReplicationMode
from imgrepl.model.peer import PeerBucket
from imgrepl.model.region import Endpoint
from imgrepl.model.sharing import Assignee, Role, SharingPermission
from imgrepl.testing.faulty import Crashed, Fault, FaultKind, damaged, flipped

OUT = Endpoint(url="s3://archive/golden", endpoint_url="http://archive.example")
BUCKET = PeerBucket(standard=(OUT,))
SILVER = GalleryId(gallery="silver")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two versions, the second with a data disk, and fields of all kinds."""
    with open_world(tmp_path_factory.mktemp("published") / "world") as world:
        where = ["eastus", "westeurope"]
        world.publish("1.0.0", tags={"build": "1"}, regions=where)
        world.publish(
            "1.0.1",
            **PATCHED,
            regions=where,
            data_disks={2: str(world.disk("data"))},
            end_of_life_date=datetime(2031, 1, 1, tzinfo=UTC),
        )
        changes = GalleryChanges(description="Golden", tags={"a": "b"})
        galleries.update(world.ctx, world.definition.gallery, changes)
        definitions.update(world.ctx, world.definition, DefinitionChanges(description="Debian"))
        yield world


@pytest.fixture
def source(published: World, tmp_path: Path) -> Iterator[World]:
    """The same again, for one test alone."""
    with published.twin(tmp_path / "source") as twin:
        acquaint(twin)
        yield twin


@pytest.fixture
def other(source: World, tmp_path: Path) -> Iterator[World]:
    """Another index, which shares nothing with the first but the archive's server."""
    names = ("northeurope", "polandcentral")
    with open_world(tmp_path / "other", buckets=source.buckets, region_names=names) as opened:
        acquaint(opened)
        yield opened


def export(world: World, *, dry_run: bool = False) -> Carriage:
    return portable.export(world.ctx, world.definition.gallery, BUCKET, dry_run=dry_run)


def bring_in(world: World, **fields: Any) -> Carriage:
    return portable.bring_in(world.ctx, replace(ImportGallery(bucket=BUCKET), **fields))


def sent(done: Carriage) -> int:
    return sum(one.view.transfer.sent_bytes for one in done.versions if one.view.transfer)


def archived(world: World) -> set[str]:
    store = world.buckets.at(OUT.below("r0")).inner
    return {info.key for info in store.list("")}


def read(world: World, definition: DefinitionId, name: str, lun: int | None = None) -> bytes:
    file = world.folder / "read.raw"
    request = DownloadRequest(
        definition=definition, name=name, file=str(file), lun=lun, overwrite=True
    )
    downloads.download(world.ctx, request)
    return file.read_bytes()


def test_what_went_out_comes_back_whole(source: World, other: World) -> None:
    export(source)
    done = bring_in(other, target_regions=[TargetRequest("northeurope", 2)])
    assert len(done.versions) == 2
    golden = source.definition
    assert read(other, golden, "1.0.0") == source.disk().read_bytes()
    assert read(other, golden, "1.0.1") == patched(source)
    assert read(other, golden, "1.0.1", lun=2) == source.disk("data").read_bytes()
    gallery = galleries.show(other.ctx, golden.gallery)
    assert (gallery.description, dict(gallery.tags)) == ("Golden", {"a": "b"})
    assert definitions.show(other.ctx, golden).description == "Debian"
    for name in ("1.0.0", "1.0.1"):
        there = versions.view(other.ctx, source.id(name)).version
        here = source.view(name).version
        same = ("tags", "end_of_life_date", "safety", "content_ids", "exclude_from_latest")
        assert [getattr(there, field) for field in same] == [getattr(here, field) for field in same]
        assert [disk.source for disk in there.disks] == [disk.source for disk in here.disks]
        report = verifying.verify(other.ctx, source.id(name), deep=True)
        assert [one["state"] for one in report["replicas"]] == ["healthy", "healthy"]


def test_an_export_has_each_pack_once_and_no_more(source: World) -> None:
    export(source)
    packs = {keys.parse_pack_key(key) for key in archived(source) if key.startswith("packs/")}
    assert {pack.pack_id for pack in packs if pack is not None} == source.pack_ids()


def test_a_second_export_sends_only_what_is_new(source: World) -> None:
    export(source)
    before = archived(source)
    nothing = export(source)
    assert sent(nothing) == 0
    assert all(one.was_there for one in nothing.versions)
    assert {key for key in archived(source) - before if key.startswith(("packs", "manif"))} == set()
    source.publish("1.0.2", disk="third", like="debian", regions=["eastus"])
    again = export(source)
    new = [one for one in again.versions if not one.was_there]
    assert [str(one.view.version.id.version) for one in new] == ["1.0.2"]
    assert 0 < sent(again) < 3 << 20


def test_an_export_follows_what_changed(source: World, other: World) -> None:
    export(source)
    source.update("1.0.0", tags={"build": "2"}, exclude_from_latest=True)
    galleries.update(source.ctx, source.definition.gallery, GalleryChanges(description=""))
    changed = export(source).changed
    assert set(changed) == {"golden", "golden/debian/1.0.0"}
    bring_in(other, target_regions=[TargetRequest("northeurope", 1)])
    there = versions.view(other.ctx, source.id("1.0.0")).version
    assert (dict(there.tags), there.exclude_from_latest) == ({"build": "2"}, True)
    assert galleries.show(other.ctx, source.definition.gallery).description is None
    source.update("1.0.0", tags={"build": "3"})
    export(source)
    followed = bring_in(other, target_regions=[TargetRequest("northeurope", 1)])
    assert followed.changed == ("golden/debian/1.0.0",)


def test_run_again_an_import_leaves_regions_as_they_are_here_and_fills_them(
    source: World, other: World
) -> None:
    export(source)
    wanted = [TargetRequest("northeurope", 1)]
    bring_in(other, target_regions=wanted)
    other.update("1.0.0", add_regions=[TargetRequest("polandcentral", 1)])
    source.update("1.0.0", tags={"build": "2"})
    export(source)
    again = bring_in(other, target_regions=wanted)
    assert [one.was_there for one in again.versions] == [True, True]
    assert again.changed == ("golden/debian/1.0.0",)
    here = other.view("1.0.0")
    assert [t.name for t in here.version.target_regions] == ["northeurope", "polandcentral"]
    assert bring_in(other).left_out == ()


def test_what_lies_in_the_bin_here_stays_there_and_stops_nothing(
    source: World, other: World
) -> None:
    export(source)
    bring_in(other, target_regions=[TargetRequest("northeurope", 1)])
    bin_on = GalleryChanges(soft_delete_enabled=True)
    galleries.update(other.ctx, source.definition.gallery, bin_on)
    other.delete("1.0.0")
    ((left, why),) = bring_in(other).left_out
    assert (str(left), "in the bin" in why) == ("golden/debian/1.0.0", True)


def test_an_export_goes_on_in_its_region_after_the_gallery_has_moved(
    source: World, other: World
) -> None:
    export(source)
    moving_home.move_home(source.ctx, source.definition.gallery, "westeurope")
    source.publish("1.0.2", disk="third", like="debian", regions=["westeurope"])
    again = export(source)
    assert [one.was_there for one in again.versions] == [True, True, False]
    bring_in(other, target_regions=[TargetRequest("northeurope", 1)])
    assert read(other, source.definition, "1.0.2") == source.disk("third").read_bytes()


@pytest.mark.parametrize(
    ("name", "brought"),
    [("golden/debian/", 0), ("golden/debian/1.0.1/", 1), ("manifests/", 0)],
)
def test_what_cannot_be_read_of_an_export_is_named_and_the_rest_comes(
    source: World, other: World, name: str, brought: int
) -> None:
    export(source)
    store = source.buckets.at(OUT.below("r0"))
    keys_there = sorted((k for k in archived(source) if name in k), key=lambda k: k.count("/"))
    first = [key for key in keys_there if key.count("/") == keys_there[0].count("/")]
    for key in first:
        damaged(store, key, lambda content: flipped(content, 3000))
    done = bring_in(other, target_regions=[TargetRequest("northeurope", 1)])
    assert len(done.versions) == brought
    assert any(name.strip("/").split("/")[-1].strip("s") in line for line in done.unread)


def test_what_is_gone_at_the_source_stays_in_the_export_and_is_named(source: World) -> None:
    export(source)
    source.delete("1.0.0")
    done = export(source)
    assert [str(version) for version in done.only_there] == ["golden/debian/1.0.0"]


def shallow(world: World, name: str = "2.0.0", disk: str = "third", **fields: Any) -> ImageVersion:
    mode = ReplicationMode.SHALLOW
    fields = {"disk": disk, "regions": ["eastus"], "replication_mode": mode, **fields}
    return world.publish(name, **fields).version


def test_a_shallow_version_goes_along_as_what_it_points_at(source: World, other: World) -> None:
    there = shallow(source, sha256=True, tags={"build": "9"})
    packs = len(source.pack_ids())
    out = export(source)
    assert (len(out.versions), out.left_out, out.only_there) == (3, (), ())
    assert len([key for key in archived(source) if key.startswith("packs/")]) == packs
    wanted = [TargetRequest("northeurope", 2), TargetRequest("polandcentral", 1)]
    assert len(bring_in(other, target_regions=wanted).versions) == 3
    here = other.view("2.0.0").version
    assert here.pointers == there.pointers
    assert (here.is_shallow, dict(here.tags)) == (True, {"build": "9"})
    assert [(t.name, t.replica_count) for t in here.target_regions] == [("northeurope", 1)]
    assert read(other, source.definition, "2.0.0") == source.disk("third").read_bytes()
    assert other.view("1.0.0").version.target_regions != here.target_regions


def test_what_an_import_points_at_is_opened_by_nobody_before_it_is_read(
    source: World, other: World
) -> None:
    shallow(source)
    source.disk("third").unlink()
    export(source)
    bring_in(other, target_regions=[TargetRequest("northeurope", 1)])
    with pytest.raises(NotFound) as refused:
        other.download("2.0.0")
    assert refused.value.code == "ShallowSourceMissing"


def test_a_shallow_version_that_is_there_follows_and_costs_nothing(
    source: World, other: World
) -> None:
    shallow(source)
    for _ in range(2):
        export(source)
        bring_in(other, location="polandcentral")
    source.update("2.0.0", tags={"build": "2"})
    assert export(source).changed == ("golden/debian/2.0.0",)
    assert bring_in(other, location="polandcentral").changed == ("golden/debian/2.0.0",)
    rehearsed = bring_in_rehearsed(other)
    assert [one.was_there for one in rehearsed.versions] == [True] * 3


def bring_in_rehearsed(world: World) -> Carriage:
    return portable.bring_in(world.ctx, ImportGallery(bucket=BUCKET), dry_run=True)


def test_a_rehearsal_knows_of_pointers(source: World, other: World) -> None:
    shallow(source)
    assert len(export(source, dry_run=True).versions) == 3
    export(source)
    (pointing,) = [v for v in bring_in_rehearsed(other).versions if v.view.version.is_shallow]
    assert pointing.view.transfer is not None
    assert pointing.view.transfer.sent_bytes == 0


def test_one_that_points_and_one_that_has_content_are_never_taken_for_the_same(
    source: World,
) -> None:
    shallow(source)
    export(source)
    source.update("2.0.0", replication_mode=ReplicationMode.FULL)
    done = export(source)
    ((left, why),) = done.left_out
    assert (str(left), len(done.versions)) == ("golden/debian/2.0.0", 2)
    assert why.startswith("it is Full at the source and Shallow at the target")


def test_a_pointer_to_another_state_of_the_source_is_another_content(source: World) -> None:
    shallow(source)
    export(source)
    source.delete("2.0.0")
    source.disk("third").touch()
    shallow(source)
    with pytest.raises(Conflict) as refused:
        export(source)
    assert refused.value.code == "VersionExists"


def test_roles_and_shares_are_named_and_given_to_nobody(source: World, other: World) -> None:
    golden = source.definition.gallery
    granting.grant(source.ctx, golden, ALICE, Role.OWNER)
    granting.grant(source.ctx, source.id("1.0.0"), Assignee.parse("group:bobs"), Role.READER)
    galleries.update(source.ctx, golden, GalleryChanges(sharing=GROUPS))
    out = export(source)
    back = bring_in(other, target_regions=[TargetRequest("northeurope", 1)])
    named = [("golden", "alice", "Owner"), ("golden/debian/1.0.0", "group:bobs", "Reader")]
    found = [(str(o.scope), str(o.grant.assignee), str(o.grant.role)) for o in out.roles_left]
    assert (found, out.sharing_left) == (named, SharingPermission.GROUPS)
    assert (back.roles_left, back.sharing_left) == ((), SharingPermission.PRIVATE)
    assert granting.list_of(other.ctx, other.id("1.0.0")) == []
    region = Endpoint(url="s3://westeurope", endpoint_url="http://westeurope.example")
    bucket = PeerBucket(standard=(region,), region="westeurope")
    taken = bring_in(other, bucket=bucket, name="silver", location="polandcentral")
    assert len(taken.roles_left) == 2
    assert granting.list_of(other.ctx, SILVER) == []


def test_who_may_only_consume_is_not_told_whose_roles_there_are(source: World) -> None:
    golden = source.definition.gallery
    granting.grant(source.ctx, golden, ALICE, Role.OWNER)
    galleries.update(source.ctx, golden, GalleryChanges(sharing=COMMUNITY))
    sharing.enable_community(source.ctx, golden)
    anybody = acting(source, "anybody")
    assert portable.export(anybody, golden, BUCKET, dry_run=True).roles_left == ()
    assert len(export(source, dry_run=True).roles_left) == 1


def test_a_number_with_other_content_is_refused(source: World) -> None:
    export(source)
    source.delete("1.0.0")
    source.publish("1.0.0", disk="other", regions=["eastus"])
    with pytest.raises(Conflict) as refused:
        export(source)
    assert refused.value.code == "VersionExists"


def test_an_export_into_a_region_is_refused_and_changes_nothing(source: World) -> None:
    before = {info.key: info.etag for info in source.store("westeurope").inner.list("")}
    region = Endpoint(url="s3://westeurope", endpoint_url="http://westeurope.example")
    with pytest.raises(Conflict) as refused:
        portable.export(source.ctx, source.definition.gallery, PeerBucket(standard=(region,)))
    assert refused.value.code == "NotAnExport"
    assert {info.key: info.etag for info in source.store("westeurope").inner.list("")} == before


@pytest.mark.parametrize(
    "skip", [9, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 2, 5, 13, 17))]
)
def test_an_export_goes_on_after_a_crash(source: World, other: World, skip: int) -> None:
    store = source.buckets.at(OUT.below("r0"))
    store.faults.append(Fault(FaultKind.CRASH_AFTER, verb="put", skip=skip))
    with pytest.raises(Crashed):
        export(source)
    source.restart()
    export(source)
    packs = {key for key in archived(source) if key.startswith("packs/")}
    assert len(packs) == len(source.pack_ids())
    bring_in(other, target_regions=[TargetRequest("northeurope", 1)])
    assert read(other, source.definition, "1.0.1") == patched(source)


@pytest.mark.parametrize("skip", [5])
def test_an_import_goes_on_after_a_crash(source: World, other: World, skip: int) -> None:
    export(source)
    fault = Fault(FaultKind.CRASH_AFTER, verb="put", skip=skip)
    other.store("northeurope").faults.append(fault)
    with pytest.raises(Crashed):
        bring_in(other, target_regions=[TargetRequest("northeurope", 1)])
    other.restart()
    bring_in(other, target_regions=[TargetRequest("northeurope", 1)])
    assert other.pack_ids("northeurope") == source.pack_ids()
    assert read(other, source.definition, "1.0.1") == patched(source)


def test_a_rehearsal_of_either_changes_nothing(source: World, other: World) -> None:
    planned = export(source, dry_run=True)
    assert planned.planned
    assert sent(planned) > 3 << 20
    assert archived(source) == set()
    export(source)
    rehearsed = portable.bring_in(other.ctx, ImportGallery(bucket=BUCKET), dry_run=True)
    assert len(rehearsed.versions) == 2
    assert galleries.list_all(other.ctx) == []
    source.update("1.0.0", tags={"build": "2"})
    again = export(source, dry_run=True)
    assert (sent(again), again.changed) == (0, ())


def test_an_import_takes_another_name_and_any_region_will_do(source: World, other: World) -> None:
    region = Endpoint(url="s3://westeurope", endpoint_url="http://westeurope.example")
    done = bring_in(
        other,
        bucket=PeerBucket(standard=(region,), region="westeurope"),
        name="silver",
        location="polandcentral",
    )
    assert done.gallery == SILVER
    assert galleries.show(other.ctx, SILVER).location == "polandcentral"
    assert read(other, SILVER.definition("debian"), "1.0.1") == patched(source)


def test_a_gallery_that_is_not_there_is_named_with_those_that_are(
    source: World, other: World
) -> None:
    export(source)
    with pytest.raises(NotFound) as refused:
        bring_in(other, gallery="bronze")
    assert "golden" in refused.value.message
