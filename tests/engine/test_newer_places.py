"""What a later release wrote is refused, left as it is, and never called damaged."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from engine.collecting_kit import collect
from engine.world import World, open_world
from imgrepl.actions import index, verifying
from imgrepl.errors import Conflict, Invalid
from imgrepl.layout import keys
from layout.test_documents import sealed

Act = Callable[[World], object]
FEATURE = keys.feature_key("signed-manifests")


def _download(world: World) -> object:
    return world.download("1.0.0", region="eastus")


def _verify(world: World) -> object:
    return verifying.verify(world.ctx, world.id("1.0.0"), "eastus", deep=True)


def _repair(world: World) -> object:
    return verifying.repair(world.ctx, world.id("1.0.0"), "eastus")


def _publish(world: World) -> object:
    return world.publish("1.0.1", disk="other", regions=("eastus",))


def _delete(world: World) -> None:
    world.delete("1.0.0")


def _rebuild(world: World) -> object:
    return index.rebuild(world.ctx, ("eastus",))


WRITERS = {"publish": _publish, "repair": _repair, "rebuild": _rebuild, "delete": _delete}
READERS = {"download": _download, "verify": _verify}


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("history"), region_names=("eastus",)) as world:
        world.publish("1.0.0", regions=("eastus",))
        yield world


@pytest.fixture
def world(history: World, tmp_path: Path) -> Iterator[World]:
    """The same world for each test alone, with a process that has used no place yet."""
    with history.twin(tmp_path / "twin") as twin:
        yield twin


def objects(world: World) -> dict[str, bytes]:
    store = world.store("eastus").inner
    return {key: store.get(key) for key in world.keys("")}


@pytest.mark.parametrize("act", [*WRITERS.values(), *READERS.values()], ids=[*WRITERS, *READERS])
def test_a_place_with_an_unknown_feature_is_refused_and_left_alone(world: World, act: Act) -> None:
    world.store("eastus").inner.put(FEATURE, b"")
    before = objects(world)
    with pytest.raises(Conflict, match="signed-manifests") as caught:
        act(world)
    assert caught.value.code == "PlaceNeedsNewerVersion"
    assert objects(world) == before


def test_collecting_deletes_nothing_where_a_feature_is_unknown(world: World) -> None:
    world.delete("1.0.0")
    world.store("eastus").inner.put(FEATURE, b"")
    before = objects(world)
    for _ in range(3):
        report = collect(world)
    assert [type(place.error).__name__ for place in report.places] == ["Conflict"]
    assert objects(world) == before


def test_a_disk_is_read_elsewhere_when_a_region_became_too_new(tmp_path: Path) -> None:
    with open_world(tmp_path, region_names=("eastus", "westeurope")) as world:
        world.publish("1.0.0", regions=("eastus", "westeurope"))
        world.store("eastus").inner.put(FEATURE, b"")
        world.engine.prepared.clear()
        world.engine.readable.clear()
        assert world.download("1.0.0", region="eastus") == world.disk().read_bytes()
        assert any("signed-manifests" in notice for notice in world.notices)


def _write_as_later(world: World, key: str) -> None:
    """Writes a document again, as a release that is still to come would."""
    store = world.store("eastus").inner
    store.put(key, sealed({**json.loads(store.get(key)), "format": 2}))


@pytest.mark.parametrize("act", WRITERS.values(), ids=list(WRITERS))
def test_an_owner_of_a_later_format_is_refused_and_left_alone(world: World, act: Act) -> None:
    _write_as_later(world, keys.OWNER_KEY)
    before = objects(world)
    with pytest.raises(Invalid) as caught:
        act(world)
    assert caught.value.code == "FormatUnknown"
    assert objects(world) == before


@pytest.mark.parametrize("act", [_publish, _rebuild])
def test_a_store_of_a_later_format_is_refused_and_left_alone(
    world: World, tmp_path: Path, act: Act
) -> None:
    _write_as_later(world, keys.STORE_KEY)
    before = objects(world)
    with open_world(tmp_path / "new", buckets=world.buckets, region_names=("eastus",)) as new:
        with pytest.raises(Invalid) as caught:
            act(new)
        assert caught.value.code == "FormatUnknown"
    assert objects(world) == before


def test_a_manifest_of_a_later_format_is_neither_damage_nor_mended(world: World) -> None:
    (key,) = world.keys(keys.MANIFESTS_PREFIX)
    store = world.store("eastus").inner
    content = bytearray(store.get(key))
    content[8] = 2
    described = bytes(content[:-32])
    store.put(key, described + blake3(described).digest())
    before = objects(world)
    for act in (_download, _verify, _repair):
        with pytest.raises(Invalid) as caught:
            act(world)
        assert caught.value.code == "FormatUnknown"
    assert objects(world) == before
