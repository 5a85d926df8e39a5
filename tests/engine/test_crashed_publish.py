"""Publishing to two regions dies at every step in turn; the same command again completes it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from engine.crashes import Fate, MakeStore, memory_place, mortal_world
from engine.world import OPTIONS, World
from imgrepl.actions import operations, versions
from imgrepl.errors import NotFound
from imgrepl.gallery import schema
from imgrepl.layout import keys
from imgrepl.layout.manifest import decode_manifest
from imgrepl.layout.records import RecordKind, decode_record
from imgrepl.model.ids import ContentId
from imgrepl.model.operation import OperationState
from imgrepl.model.region import Endpoint
from imgrepl.model.replica import ReplicaState
from imgrepl.store.directory import DirectoryStore
from imgrepl.store.protocols import Store
from imgrepl.testing.faulty import Crashed

REGIONS = ("eastus", "westeurope")
STEPS_MAX = 400


@contextmanager
def world_of(folder: Path, fate: Fate, make: MakeStore = memory_place) -> Iterator[World]:
    with mortal_world(folder, fate, make=make, region_names=REGIONS, options=OPTIONS) as world:
        yield world


def publish(world: World) -> None:
    world.publish("1.0.0", regions=REGIONS)


def died(world: World, fate: Fate, dies_at: int) -> bool:
    """Publishes until the process dies before step `dies_at`; False where it ends before."""
    fate.revive()
    fate.dies_at = dies_at
    try:
        publish(world)
    except Crashed:
        fate.revive()
        world.restart()
        return True
    fate.revive()
    return False


def test_a_publication_that_dies_before_any_step_is_completed_by_the_same_command(
    tmp_path: Path,
) -> None:
    for dies_at in range(1, STEPS_MAX):
        fate = Fate()
        with world_of(tmp_path / str(dies_at), fate) as world:
            if not died(world, fate, dies_at):
                assert dies_at > 50, "a publication has more steps than that"
                return
            assert_nothing_half_is_visible(world, dies_at)
            publish(world)
            assert_complete(world, fate, dies_at)
    raise AssertionError("a publication never ends")


def test_directories_as_places_are_completed_too(tmp_path: Path) -> None:
    def directory(at: Endpoint) -> Store:
        root = folder / "places" / at.url.partition("://")[2]
        root.mkdir(parents=True, exist_ok=True)
        return DirectoryStore(root)

    for dies_at in range(2, STEPS_MAX, 9):
        fate, folder = Fate(), tmp_path / str(dies_at)
        with world_of(folder, fate, directory) as world:
            if not died(world, fate, dies_at):
                return
            assert_nothing_half_is_visible(world, dies_at)
            publish(world)
            assert_complete(world, fate, dies_at)


def test_a_publication_that_dies_again_and_again_goes_on_each_time(tmp_path: Path) -> None:
    fate, deaths = Fate(), 0
    with world_of(tmp_path, fate) as world:
        while died(world, fate, 20):
            deaths += 1
            assert deaths < 40, "it does not go on"
            assert_nothing_half_is_visible(world, deaths)
        assert deaths > 2
        assert_complete(world, fate, deaths)


def test_another_publication_of_the_same_content_is_not_harmed_by_one_that_died(
    tmp_path: Path,
) -> None:
    for dies_at in range(14, 60, 7):
        fate = Fate()
        with world_of(tmp_path / str(dies_at), fate) as world:
            assert died(world, fate, dies_at)
            world.publish("2.0.0", regions=REGIONS)
            publish(world)
            for name in ("1.0.0", "2.0.0"):
                for region in REGIONS:
                    assert world.download(name, region=region) == world.disk().read_bytes()


def assert_nothing_half_is_visible(world: World, dies_at: int) -> None:
    """What can be seen after the crash can be used, and what lies in a place is whole."""
    with suppress(NotFound):
        for seen in versions.list_of(world.ctx, world.definition):
            done = {r.region for r in seen.replicas if r.state is ReplicaState.COMPLETED}
            for region in done:
                content = world.download("1.0.0", region=region)
                assert content == world.disk().read_bytes(), dies_at
    for region in REGIONS:
        assert_records_name_what_is_there(world, region)


def assert_records_name_what_is_there(world: World, region: str) -> None:
    """Packs before the manifest, the manifest before seal and record."""
    here, store = set(world.keys(region=region)), world.store(region).inner
    sealed = [found.content_id for key in here if (found := keys.parse_seal_key(key))]
    for key in here:
        if keys.parse_record_key(key):
            record = decode_record(store.get(key))
            if record.kind is RecordKind.VERSION:
                sealed += [ContentId(disk["content_id"]) for disk in record.fields["disks"]]
    packs = world.pack_ids(region)
    for content_id in sealed:
        written = [key for key in here if key.startswith(keys.manifest_prefix(content_id))]
        manifest = decode_manifest(store.get(written[0]), content_id)
        assert {use.pack_id for use in manifest.packs} <= packs


def assert_complete(world: World, fate: Fate, dies_at: int) -> None:
    view = world.view("1.0.0")
    assert {r.state for r in view.replicas} == {ReplicaState.COMPLETED}, dies_at
    for region in REGIONS:
        assert world.download("1.0.0", region=region) == world.disk().read_bytes(), dies_at
        assert_records_name_what_is_there(world, region)
    ended = [operation.state for operation in operations.list_all(world.ctx)]
    assert ended == [OperationState.SUCCEEDED], dies_at
    assert_rows_and_objects_agree(world)
    twice = Counter(fate.sent) - Counter(set(fate.sent))
    assert not twice, f"sent twice after dying before step {dies_at}"


def assert_rows_and_objects_agree(world: World) -> None:
    rows = schema.place_packs.c
    with world.index.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(schema.pins)) == 0
        for region in REGIONS:
            mine = sa.select(rows.pack_id, rows.generation, rows.state)
            known = tx.execute(mine.where(rows.place_id == world.place(region).id)).all()
            assert {row.state for row in known} == {"present"}
            named = {keys.pack_key(row.pack_id, row.generation) for row in known}
            assert named == set(world.keys("packs/", region=region))
