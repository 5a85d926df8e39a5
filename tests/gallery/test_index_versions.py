"""Versions, replicas, contents and candidates in the index."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from gallery import samples
from gallery.samples import LRS, NOON, PUT, VERSION, content_id, pack_id
from imgrepl.errors import Conflict, NotFound
from imgrepl.gallery import (
    candidates,
    contents,
    definitions,
    replicas,
    schema,
    unneeded,
    usage,
    versions,
)
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model import latest
from imgrepl.model.gallery import ProvisioningState, ReplicationMode, SafetyProfile, VersionName
from imgrepl.model.ids import OperationId
from imgrepl.model.proof import Proof, ProofLevel
from imgrepl.model.region import StorageAccountType
from imgrepl.model.replica import Replica, ReplicaState

DONE = ReplicaState.COMPLETED


def _replica(region: str = "eastus", number: int = 0) -> Replica:
    return Replica(region=region, number=number, storage_account_type=LRS)


def test_a_version_comes_back_as_it_was_staged(index: GalleryIndex) -> None:
    targets = (
        samples.target("westeurope", 2, exclude_from_latest=False),
        samples.target("eastus", storage_account_type=StorageAccountType.STANDARD_ZRS),
    )
    staged = samples.version(
        "2147483647.0.12",
        target_regions=targets,
        disks=(samples.disk(), samples.disk("data", lun=3)),
        exclude_from_latest=True,
        end_of_life_date=NOON + timedelta(days=1),
        replication_mode=ReplicationMode.SHALLOW,
        safety=SafetyProfile(block_deletion_before_end_of_life=True),
        tags={"sha": "1"},
    )
    with index.begin() as tx:
        samples.hierarchy(tx)
        versions.stage(tx, staged, OperationId("op"))
        assert versions.get(tx, staged.id) == staged
        assert versions.operation_of(tx, staged.id) == "op"


def test_a_staged_version_is_in_no_list_until_it_is_committed(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        versions.stage(tx, samples.version(), OperationId("op"))
        assert versions.list_of(tx, samples.DEFINITION) == []
        assert versions.list_all(tx) == []
        assert list(candidates.newest_first(tx, samples.DEFINITION)) == []
        staged = versions.list_of(tx, samples.DEFINITION, include_staged=True)
        assert [version.committed for version in staged] == [False]
        versions.commit(tx, VERSION, NOON, 2)
        committed = versions.list_of(tx, samples.DEFINITION)
    assert [(v.committed, v.published_at, v.revision) for v in committed] == [(True, NOON, 2)]


def test_a_number_is_taken_by_a_staged_version_too(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        versions.stage(tx, samples.version(), OperationId("op"))
        with pytest.raises(Conflict) as caught:
            versions.stage(tx, samples.version(), OperationId("other"))
    assert caught.value.code == "VersionExists"


def test_a_commit_is_refused_while_a_pack_is_not_present_at_home(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        home, away = samples.place(tx), samples.place(tx, "westeurope")
        samples.stored(tx, home.id, "a")
        samples.stored(tx, away.id, "a", "b")
        contents.add(tx, samples.manifest("content", "a", "b"), 0)
        versions.stage(tx, samples.version(content="content"), OperationId("op"))
        with pytest.raises(Conflict) as caught:
            versions.commit(tx, VERSION, NOON, 2)
        assert versions.lost_packs(tx, VERSION) == [pack_id("b")]
        samples.stored(tx, home.id, "b")
        versions.commit(tx, VERSION, NOON, 2)
    assert caught.value.code == "PacksNotLive"
    assert caught.value.details == (pack_id("b"),)


def test_disks_of_a_committed_version_cannot_be_set(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        versions.stage(tx, samples.version(), OperationId("op"))
        versions.set_disks(tx, VERSION, [samples.disk("found")])
        assert versions.get(tx, VERSION).content_ids == (content_id("found"),)
        versions.commit(tx, VERSION, NOON, 2)
        with pytest.raises(AssertionError):
            versions.set_disks(tx, VERSION, [])


def test_versions_list_by_number_and_not_as_text(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        for number in ("1.10.0", "1.9.0", "10.0.0", "2.0.0", "1.0.12", "1.0.9"):
            samples.published(tx, number, number)
        listed = [str(version.id.version) for version in versions.list_of(tx, samples.DEFINITION)]
    assert listed == ["1.0.9", "1.0.12", "1.9.0", "1.10.0", "2.0.0", "10.0.0"]


def test_update_and_targets_follow_revisions(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        samples.published(tx, "1.0.0", "content")
        before = versions.get(tx, VERSION)
        after = replace(
            before,
            revision=versions.next_revision(tx, VERSION),
            exclude_from_latest=True,
            tags={"promoted": "yes"},
            target_regions=(samples.target(), samples.target("westeurope")),
        )
        versions.update(tx, after)
        assert versions.get(tx, VERSION) == after
        versions.set_targets(tx, VERSION, [samples.target()], 2, after.revision + 1)
        with pytest.raises(Conflict):
            versions.set_targets(tx, VERSION, [], 1, after.revision)
        found = versions.get(tx, VERSION)
    assert (found.target_regions, found.replica_count) == ((samples.target(),), 2)


def test_adopting_a_record_adds_follows_and_ignores_what_is_older(index: GalleryIndex) -> None:
    record = samples.version(committed=True, published_at=NOON, revision=5)
    with index.begin() as tx:
        samples.hierarchy(tx)
        versions.adopt(tx, record)
        assert versions.get(tx, VERSION) == record
        versions.adopt(tx, replace(record, revision=4, tags={"old": ""}))
        assert versions.get(tx, VERSION) == record
        newer = replace(record, revision=9, tags={"new": ""})
        versions.adopt(tx, newer)
        assert versions.get(tx, VERSION) == newer
        assert versions.next_revision(tx, VERSION) == 10


def test_removing_takes_all_rows_and_the_definition_says_so_before(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        samples.published(tx, "1.0.0", "content")
        with pytest.raises(Conflict) as caught:
            definitions.remove(tx, samples.DEFINITION)
        assert caught.value.details == ("1.0.0",)
        versions.remove(tx, VERSION)
        for table in (schema.version_targets, schema.version_disks, schema.replicas):
            assert tx.scalar(sa.select(sa.func.count()).select_from(table)) == 0
        with pytest.raises(NotFound) as missing:
            versions.get(tx, VERSION)
    assert missing.value.code == "VersionNotFound"


def test_planning_again_keeps_what_is_done(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        samples.published(tx, "1.0.0", "content")
        replicas.set_state(
            tx, VERSION, "eastus", 0, state=DONE, bytes_done=10, proof=ProofLevel.SIZE,
            verified_at=NOON,
        )  # fmt: skip
        replicas.plan(tx, VERSION, [_replica(), _replica(number=1)])
        found = replicas.of_version(tx, VERSION)
        assert [(r.number, r.state) for r in found] == [(0, DONE), (1, ReplicaState.UNKNOWN)]
        assert (found[0].proof, found[0].verified_at) == (ProofLevel.SIZE, NOON)
        replicas.drop(tx, VERSION, "eastus", 1)
        assert len(replicas.of_version(tx, VERSION)) == 1
        replicas.set_state(tx, VERSION, "eastus", 1, state=DONE)
        assert len(replicas.of_version(tx, VERSION)) == 1


def test_replicas_come_in_the_order_of_the_target_regions(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        samples.published(tx, "1.0.0", "c", regions_of=("westeurope", "eastus"))
        replicas.plan(tx, VERSION, [_replica("asia"), _replica("westeurope", 1)])
        found = [(r.region, r.number) for r in replicas.of_version(tx, VERSION)]
    assert found == [("westeurope", 0), ("westeurope", 1), ("eastus", 0), ("asia", 0)]


def test_the_replicas_of_a_definition_are_those_of_each_of_its_versions(
    index: GalleryIndex,
) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        samples.published(tx, "1.0.0", "c", regions_of=("westeurope", "eastus"))
        replicas.plan(tx, VERSION, [_replica("asia"), _replica("westeurope", 1)])
        samples.published(tx, "2.0.0", "d", regions_of=("eastus",))
        definitions.create(tx, samples.definition("other"))
        other = samples.version("3.0.0", samples.GALLERY.definition("other"))
        versions.stage(tx, other, None)
        replicas.plan(tx, other.id, [_replica()])
        found = replicas.of_definition(tx, samples.DEFINITION)
        named = [samples.DEFINITION.version(name) for name in found]
        assert found == {each.version: replicas.of_version(tx, each) for each in named}
    assert {str(name) for name in found} == {"1.0.0", "2.0.0"}


def test_a_replica_that_is_complete_does_not_fail(index: GalleryIndex) -> None:
    """As where the commit that completed it was durable and its answer was lost on the way."""
    with index.begin() as tx:
        samples.hierarchy(tx)
        samples.published(tx, "1.0.0", "c")
        replicas.plan(tx, VERSION, [_replica(number=0), _replica(number=1)])
        for number in range(2):
            replicas.set_state(tx, VERSION, "eastus", number, state=ReplicaState.REPLICATING)
        replicas.set_state(tx, VERSION, "eastus", 0, state=DONE)
        for number in range(2):
            replicas.set_state(
                tx, VERSION, "eastus", number, state=ReplicaState.FAILED, detail="no answer"
            )
        found = [(one.state, one.detail) for one in replicas.of_version(tx, VERSION)]
    assert found == [(DONE, ""), (ReplicaState.FAILED, "no answer")]


def test_a_region_serves_as_soon_as_one_replica_is_complete(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        samples.published(tx, "1.0.0", "c", regions_of=("eastus", "westeurope"))
        replicas.plan(tx, VERSION, [_replica(number=1)])
        assert replicas.completed_regions(tx, samples.DEFINITION) == {}
        replicas.set_state(tx, VERSION, "eastus", 1, state=DONE)
        completed = replicas.completed_regions(tx, samples.DEFINITION)
    assert completed == {VERSION.version: {"eastus"}}


def test_candidates_come_newest_first_over_many_pages(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        for patch in range(40):
            version = samples.published(tx, f"1.0.{patch}", f"c{patch}")
            if patch % 2:
                replicas.set_state(tx, version, "eastus", 0, state=DONE)
        versions.mark_deleting(tx, samples.DEFINITION.version(VersionName(1, 0, 39)))
        found = list(candidates.newest_first(tx, samples.DEFINITION))
    assert [candidate.version.patch for candidate in found] == list(range(39, -1, -1))
    assert [c.version.patch for c in found if c.completed] == list(range(39, 0, -2))
    assert latest.resolve(samples.DEFINITION, iter(found), "eastus") == VersionName(1, 0, 37)


def test_candidates_agree_with_the_versions_and_replicas_they_stand_for(
    index: GalleryIndex,
) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        for patch in range(6):
            version = samples.published(tx, f"1.0.{patch}", "c", regions_of=("eastus", "west"))
            if patch % 2:
                replicas.set_state(tx, version, "west", 0, state=DONE)
        completed = replicas.completed_regions(tx, samples.DEFINITION)
        expected = [
            latest.Candidate.of(version, completed.get(version.id.version, ()))
            for version in reversed(versions.list_of(tx, samples.DEFINITION))
        ]
        assert list(candidates.newest_first(tx, samples.DEFINITION)) == expected


def test_latest_among_ten_thousand_versions_takes_about_a_millisecond(tmp_path, request) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    import shutil

    from imgrepl.clock import SystemClock

    shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "i.db")
    index = GalleryIndex.open(f"sqlite:///{tmp_path / 'i.db'}", clock=SystemClock())
    with index.begin() as tx:
        samples.hierarchy(tx)
        samples.published(tx, "0.0.0", "c")
        _multiply(tx, 10_000)
    took = []
    with index.read() as tx:
        for _ in range(15):
            began = time.perf_counter()
            found = candidates.newest_first(tx, samples.DEFINITION)
            assert latest.resolve(samples.DEFINITION, found, "eastus") == VersionName(9999, 0, 0)
            took.append(time.perf_counter() - began)
    index.close()
    assert min(took) < 0.003, f"{min(took) * 1000:.2f} ms"


def _multiply(tx: sa.Connection, count: int) -> None:
    row = dict(tx.execute(sa.select(schema.versions)).mappings().one())
    target = dict(tx.execute(sa.select(schema.version_targets)).mappings().one())
    replica = dict(tx.execute(sa.select(schema.replicas)).mappings().one()) | {"state": DONE}
    ids = range(1_000, 1_000 + count - 1)
    tx.execute(
        sa.insert(schema.versions),
        [row | {"id": i, "major": n} for n, i in enumerate(ids, start=1)],
    )
    tx.execute(sa.insert(schema.version_targets), [target | {"version_id": i} for i in ids])
    tx.execute(sa.insert(schema.replicas), [replica | {"version_id": i} for i in ids])


def test_a_content_is_known_with_the_packs_it_names(index: GalleryIndex) -> None:
    with index.begin() as tx:
        manifest = samples.manifest("content", "a", "b")
        contents.add(tx, manifest, contents.next_generation(tx, manifest.content_id))
        contents.add(tx, samples.manifest("content", "z"), 0)
        found = contents.get(tx, manifest.content_id)
        assert found is not None
        assert (found.size_bytes, found.stored_bytes, found.generation) == (1 << 30, 1200, 0)
        other = samples.manifest("other", "b", "c")
        bigger = replace(other, packs=tuple(use._replace(used_bytes=900) for use in other.packs))
        contents.add(tx, bigger, 0)
        both = contents.packs_of(tx, [manifest.content_id, bigger.content_id])
        assert both == {pack_id("a"): 600, pack_id("b"): 900, pack_id("c"): 900}


def test_a_removed_content_comes_back_under_another_generation(index: GalleryIndex) -> None:
    manifest = samples.manifest("content", "a")
    content = manifest.content_id
    with index.begin() as tx:
        place = samples.place(tx)
        contents.add(tx, manifest, contents.next_generation(tx, content))
        first = contents.next_seal_revision(tx, place.id, content)
        contents.set_sealed(tx, place.id, content, first, PUT, generation=0)
        assert contents.unused(tx, 10) == [content]
        assert contents.remove(tx, [content]) == [content]
        assert contents.unused(tx, 10) == []
        assert contents.get(tx, content) is None
        assert contents.sealed_in(tx, place.id, [content]) == {}
        assert contents.packs_of(tx, [content]) == {}
        assert contents.next_generation(tx, content) == 1
        contents.add(tx, manifest, 1)
        assert contents.next_seal_revision(tx, place.id, content) == first + 1
        found = contents.get(tx, content)
        assert found is not None
        assert found.generation == 1


def test_a_content_that_a_version_names_is_neither_unused_nor_removed(
    index: GalleryIndex,
) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        samples.stored(tx, samples.place(tx).id, "a")
        samples.published(tx, "1.0.0", "content", "a")
        assert contents.unused(tx, 10) == []
        assert contents.remove(tx, [content_id("content")]) == []
        assert contents.packs_of(tx, [content_id("content")])


def test_a_late_seal_of_an_older_revision_changes_nothing(index: GalleryIndex) -> None:
    content = content_id("content")
    full = Proof(ProofLevel.FULL_READ, NOON)
    with index.begin() as tx:
        place = samples.place(tx)
        contents.add(tx, samples.manifest("content"), 0)
        contents.set_sealed(tx, place.id, content, 3, full, generation=0)
        contents.set_sealed(tx, place.id, content, 2, PUT, generation=0)
        seal = contents.sealed_in(tx, place.id, [content])[content]
        assert (seal.revision, seal.proof) == (3, full)
        assert contents.next_seal_revision(tx, place.id, content) == 4
        assert contents.sealed_places(tx, content) == [place.id]
        contents.unsealed(tx, place.id, [content])
        assert contents.sealed_places(tx, content) == []


def test_usage_counts_shared_packs_once_a_region_and_replicas_as_billed(
    index: GalleryIndex,
) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        home, second = samples.place(tx), samples.place(tx, number=1)
        for place in (home, second):
            samples.stored(tx, place.id, "shared", "own")
        for number, names in (("1.0.0", ("shared",)), ("2.0.0", ("shared", "own"))):
            version = samples.published(tx, number, number, *names)
            replicas.plan(tx, version, [_replica(number=1)])
            replicas.set_state(tx, version, "eastus", 0, state=DONE)
            _occupied(tx, 100)
        shares = usage.shares(tx)
        assert shares == usage.shares(tx, samples.GALLERY)
    assert [share.occupied_bytes for share in shares.versions] == [100, 100]
    for share in shares.versions:
        assert [(one.replicas_completed, one.replicas_billed) for one in share.kept] == [(1, 1)]
    assert shares.of(shares.versions[:1]).stored_bytes() == 2_000
    assert shares.stored_bytes() == 4_000


def _occupied(tx: sa.Connection, size: int) -> None:
    tx.execute(sa.update(schema.version_disks).values(occupied_bytes=size))


def test_a_state_is_stored_and_a_deleting_version_stays_listed(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        samples.published(tx, "1.0.0", "c")
        versions.set_state(tx, VERSION, ProvisioningState.FAILED)
        assert versions.get(tx, VERSION).provisioning_state is ProvisioningState.FAILED
        versions.mark_deleting(tx, VERSION)
        listed = versions.list_of(tx, samples.DEFINITION)
    assert [version.provisioning_state for version in listed] == [ProvisioningState.DELETING]


def test_counting_versions_sees_staged_ones(index: GalleryIndex) -> None:
    with index.begin() as tx:
        samples.hierarchy(tx)
        samples.published(tx, "1.0.0", "c")
        versions.stage(tx, samples.version("2.0.0"), OperationId("op"))
        assert versions.count(tx, "DEFAULT", "eastus") == 2
        assert versions.count(tx, "default", "westeurope") == 0
        assert unneeded.packs_in(tx, samples.place(tx).id, 1) == []
