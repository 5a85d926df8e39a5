"""A gallery's home moves, and at every moment one region has all that is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path

import pytest

from engine.collecting_kit import PATCHED, patched
from engine.world import REGIONS, World, open_world
from imgrepl.actions import definitions, galleries, index, moving_home, verifying
from imgrepl.actions.definitions import CreateDefinition
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.moving_home import HomeMove
from imgrepl.errors import Conflict, Invalid, NotFound, Unavailable
from imgrepl.gallery import records_log, versions
from imgrepl.layout import keys
from imgrepl.model.gallery import GalleryId, ImageIdentifier, OsType, VersionName
from imgrepl.testing.faulty import Crashed, Fault, FaultKind

HOME, NEW = "eastus", "westeurope"


def move(world: World, *, to: str = NEW, **options: bool) -> HomeMove:
    return moving_home.move_home(world.ctx, world.definition.gallery, to, **options)


def homes(world: World) -> set[str]:
    """Where the gallery, its definition and its versions have their home."""
    with world.index.read() as tx:
        leaves = {version.location for version in versions.list_all(tx)}
    gallery = galleries.show(world.ctx, world.definition.gallery)
    return leaves | {gallery.location, definitions.show(world.ctx, world.definition).location}


@contextmanager
def reborn(world: World, folder: Path, names: tuple[str, ...]) -> Iterator[World]:
    """A new index over the same buckets, rebuilt from these regions, one after the other."""
    with open_world(folder, buckets=world.buckets, region_names=names) as opened:
        opened._disks.update(world._disks)
        for name in names:
            index.rebuild(opened.ctx, [name])
        yield opened


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two versions and one that was deleted while it stood at home alone."""
    with open_world(tmp_path_factory.mktemp("history") / "world") as world:
        world.publish("1.0.0")
        world.publish("1.0.1", **PATCHED)
        world.publish("0.9.0", disk="old", regions=[HOME, "southeastasia"])
        world.delete("0.9.0")
        yield world


@pytest.fixture
def lived(history: World, tmp_path: Path) -> Iterator[World]:
    """The same again, for one test alone."""
    with history.twin(tmp_path / "lived") as twin:
        yield twin


def test_the_home_moves_with_all_that_is_in_it(lived: World) -> None:
    done = move(lived)
    assert (done.home_before, done.home) == (HOME, NEW)
    assert (done.galleries, done.definitions, done.versions) == (1, 1, 2)
    assert (done.left, done.late) == ((), ())
    assert homes(lived) == {NEW}
    assert index.check(lived.ctx).error is None
    for name in ("1.0.0", "1.0.1"):
        report = verifying.verify(lived.ctx, lived.id(name), deep=True)
        assert {one["state"] for one in report["replicas"]} == {"healthy"}


def test_the_old_home_may_be_left_and_new_versions_published(lived: World) -> None:
    move(lived)
    for name in ("1.0.0", "1.0.1"):
        lived.update(name, remove_regions=[HOME])
    lived.publish("1.0.2", disk="third", regions=[NEW, "southeastasia"])
    store = lived.store(HOME)
    store.faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    assert lived.download("1.0.2") == lived.disk("third").read_bytes()
    assert lived.view("1.0.2").version.location == NEW


def test_the_home_moves_while_the_old_one_is_out_of_reach(lived: World, tmp_path: Path) -> None:
    lived.store(HOME).faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    done = move(lived)
    assert [region for region, _why in done.late] == [HOME]
    assert homes(lived) == {NEW}
    lived.store(HOME).faults.clear()
    for names in (REGIONS, REGIONS[::-1]):
        with reborn(lived, tmp_path / "-".join(names), names) as new:
            assert homes(new) == {NEW}


def test_one_region_after_the_move_is_enough_to_rebuild_from(lived: World, tmp_path: Path) -> None:
    move(lived)
    with reborn(lived, tmp_path / "new", (NEW,)) as new:
        assert homes(new) == {NEW}
        assert new.download("1.0.1", region=NEW) == patched(new)


def test_the_new_home_knows_what_was_deleted_elsewhere(lived: World, tmp_path: Path) -> None:
    """The deleted version never stood in the new home; one of its regions was away meanwhile."""
    lived.publish("0.8.0", disk="older", regions=[HOME, "southeastasia"])
    lived.store("southeastasia").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    lived.delete("0.8.0")
    lived.store("southeastasia").faults.clear()
    done = move(lived)
    assert done.tombstones == 2
    for names in permutations((NEW, "southeastasia")):
        with reborn(lived, tmp_path / "-".join(names), names) as new, new.index.read() as tx:
            known = {str(version.id.version) for version in versions.list_all(tx)}
            assert known == {"1.0.0", "1.0.1"}
            assert len(records_log.list_all(tx)) == 2


def test_tombstones_say_what_they_said_at_home(lived: World) -> None:
    move(lived)
    for region in (HOME, NEW):
        tombs = [key for key in lived.keys("records/", region) if "/0.9.0/" in key]
        newest = max(tombs, key=lambda key: keys.parse_record_key(key).revision)  # type: ignore[union-attr]
        body = lived.store(region).inner.get(newest)
        assert b'"deleted":true' in body
        assert b'"content_id"' in body


def test_a_version_that_is_not_complete_there_is_refused_and_named(lived: World) -> None:
    lived.publish("2.0.0", disk="third", regions=[HOME])
    with pytest.raises(Conflict) as refused:
        move(lived)
    assert refused.value.code == "NotAtNewHome"
    assert refused.value.details == (
        "golden/debian/2.0.0: westeurope is none of its target regions",
    )
    assert "--add-regions westeurope" in str(refused.value.hint)
    assert homes(lived) == {HOME}
    done = move(lived, skip_missing=True)
    assert [str(version) for version, _why in done.left] == ["golden/debian/2.0.0"]
    assert lived.view("2.0.0").version.location == HOME
    assert lived.view("1.0.0").version.location == NEW


def test_a_version_that_is_still_published_stays(lived: World) -> None:
    from imgrepl.actions import creating
    from imgrepl.model.waiting import WAIT_FOR_NOTHING

    creating.create(lived.ctx, lived.request("3.0.0", disk="third"), wait=WAIT_FOR_NOTHING)
    with pytest.raises(Conflict) as refused:
        move(lived)
    assert "still being published" in refused.value.details[0]


def test_a_rehearsal_moves_nothing(lived: World) -> None:
    before = {region: lived.keys(region=region) for region in REGIONS}
    done = move(lived, dry_run=True)
    assert (done.planned, done.versions) == (True, 2)
    assert homes(lived) == {HOME}
    assert {region: lived.keys(region=region) for region in REGIONS} == before


def test_the_second_time_there_is_nothing_to_move(lived: World) -> None:
    move(lived)
    before = {region: lived.keys(region=region) for region in REGIONS}
    again = move(lived)
    assert (again.galleries, again.definitions, again.versions) == (0, 0, 0)
    assert {region: lived.keys(region=region) for region in REGIONS} == before


def test_a_new_home_that_is_away_gets_nothing_and_nothing_moves(lived: World) -> None:
    lived.store(NEW).faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    with pytest.raises(Unavailable):
        move(lived)
    assert homes(lived) == {HOME}


@pytest.mark.parametrize(
    "skip", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 2, 3, 4))]
)
def test_a_crash_at_any_record_leaves_one_home_with_everything(
    lived: World, tmp_path: Path, skip: int
) -> None:
    fault = Fault(FaultKind.CRASH_AFTER, verb="put", key_part="records/", skip=skip)
    lived.store(NEW).faults.append(fault)
    try:
        move(lived)
    except Crashed:
        lived.restart()
    for name in (HOME, NEW):
        with reborn(lived, tmp_path / name, (name,)) as new, new.index.read() as tx:
            assert {str(one.id.version) for one in versions.list_all(tx)} == {"1.0.0", "1.0.1"}
    with lived.twin(tmp_path / "twin") as twin:
        # the rebuilds above took the store over: what goes on is the index as it was
        index.rebuild(twin.ctx, REGIONS)
        move(twin)
        assert homes(twin) == {NEW}
        assert twin.download("1.0.1", region=NEW) == patched(twin)


def test_who_changes_a_gallery_meanwhile_wins(lived: World) -> None:
    gallery = lived.definition.gallery
    store = lived.store(NEW)
    original = store.put
    changed: list[str] = []

    def put(key: str, *args: object, **options: object) -> object:
        if not changed and "/records/" in f"/{key}":
            changed.append(key)
            galleries.update(lived.ctx, gallery, GalleryChanges(description="changed"))
        return original(key, *args, **options)  # type: ignore[arg-type]

    store.put = put  # type: ignore[method-assign, assignment]
    with pytest.raises(Conflict) as refused:
        move(lived)
    assert refused.value.code == "ChangedMeanwhile"
    store.put = original  # type: ignore[method-assign]
    assert galleries.show(lived.ctx, gallery).description == "changed"
    move(lived)
    assert galleries.show(lived.ctx, gallery).description == "changed"
    assert homes(lived) == {NEW}


def test_a_home_has_room_or_refuses(lived: World) -> None:
    from dataclasses import replace

    lived.ctx = replace(lived.ctx, limits=replace(lived.ctx.limits, versions_max=1))
    with pytest.raises(Invalid) as refused:
        move(lived)
    assert refused.value.code == "LimitExceeded"
    assert homes(lived) == {HOME}


def test_an_empty_gallery_moves_too(world: World) -> None:
    gallery = GalleryId(gallery="empty")
    galleries.create(world.ctx, gallery, location=HOME)
    definitions.create(
        world.ctx,
        CreateDefinition(
            id=gallery.definition("none"),
            identifier=ImageIdentifier("a", "b", "c"),
            os_type=OsType.LINUX,
        ),
    )
    done = moving_home.move_home(world.ctx, gallery, NEW)
    assert (done.galleries, done.definitions, done.versions) == (1, 1, 0)
    assert galleries.show(world.ctx, gallery).location == NEW


def test_what_does_not_exist_does_not_move(world: World) -> None:
    with pytest.raises(NotFound) as refused:
        move(world)
    assert refused.value.code == "GalleryNotFound"
    world.publish()
    with pytest.raises(NotFound) as refused:
        move(world, to="nowhere")
    assert refused.value.code == "RegionNotFound"
    assert VersionName(1, 0, 0) == world.view().version.id.version
