"""A bucket that others wrote to: what it says is held to its shape before it is used."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.world import World, open_world
from imgrepl.actions import index
from imgrepl.engine.rebuild_report import RebuildReport
from imgrepl.errors import Conflict, Corrupt
from imgrepl.gallery import galleries, versions
from imgrepl.layout import keys
from imgrepl.layout.header import EPOCH_MAX, Owner, decode_owner, encode_owner
from layout.test_documents import sealed


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("history"), region_names=("eastus",)) as world:
        world.publish("1.0.0", regions=("eastus",))
        world.publish("1.0.1", disk="other", regions=("eastus",))
        yield world


@pytest.fixture
def world(history: World, tmp_path: Path) -> Iterator[World]:
    with history.twin(tmp_path / "twin") as twin:
        yield twin


def rewrite(world: World, key: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the body of a document and makes its digest right."""
    store = world.store("eastus").inner
    document = json.loads(store.get(key))
    change(document["body"])
    store.put(key, sealed(document))


def rebuilt(world: World, folder: Path) -> RebuildReport:
    """What a new index makes of the bucket."""
    with open_world(folder / "new", buckets=world.buckets, region_names=("eastus",)) as new:
        report = index.rebuild(new.ctx, ("eastus",))
        with new.index.read() as tx:
            assert len(galleries.list_all(tx)) == report.galleries
            assert len(versions.list_all(tx)) == report.versions
        return report


def record_of(world: World, version: str) -> str:
    (key,) = [key for key in world.keys(keys.RECORDS_PREFIX) if f"/{version}/" in key]
    return key


def set_field(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        body["fields"][name] = value

    return change


def set_in_disk(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        body["fields"]["disks"][0][name] = value

    return change


def set_in_target(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        body["fields"]["target_regions"][0][name] = value

    return change


def double_target(body: dict[str, Any]) -> None:
    body["fields"]["target_regions"] *= 2


def double_disk(body: dict[str, Any]) -> None:
    body["fields"]["disks"] *= 2


def nest(body: dict[str, Any]) -> None:
    value: Any = 1
    for _ in range(900):
        value = [value]
    body["fields"]["tags"] = value


HOSTILE: dict[str, Callable[[dict[str, Any]], None]] = {
    "no text": set_field("tags", {"a": "\ud800"}),
    "a NUL": set_field("tags", {"a\0": "b"}),
    "a tag that is a number": set_field("tags", {"a": 1}),
    "a time without zone": set_field("published_at", "2026-01-01T00:00:00"),
    "a time before all time": set_field("published_at", "0001-01-01T00:00:00+14:00"),
    "a count that is a word": set_field("replica_count", "two"),
    "a count that no number can be": set_field("replica_count", 1 << 70),
    "replicas without end": set_in_target("replica_count", 1 << 40),
    "negative replicas": set_in_target("replica_count", -1),
    "no replica": set_in_target("replica_count", 0),
    "a region without name": set_in_target("name", None),
    "a region twice": double_target,
    "a LUN twice": double_disk,
    "a content id that climbs": set_in_disk("content_id", "../../store.json"),
    "a content id of capitals": set_in_disk("content_id", "A" * 64),
    "a size of no number": set_in_disk("provisioned_bytes", 1 << 64),
    "a disk with a field too many": set_in_disk("owner", "me"),
    "names of another alphabet": set_field("names", ["default", "default", "golden", "debian", 1]),
    "deep": nest,
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_record_is_told_of_and_its_neighbours_come_back(
    world: World, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    key = record_of(world, "1.0.1")
    rewrite(world, key, change)
    report = rebuilt(world, tmp_path)
    assert report.versions == 1
    (damaged,) = report.damaged
    assert damaged.startswith(key)
    assert damaged.isprintable()
    assert len(damaged) < 1000


def test_names_that_only_look_like_ours_are_refused(tmp_path: Path) -> None:
    """KELVIN SIGN folds to k: the keys agree, the names do not."""
    with open_world(tmp_path / "kelvin", region_names=("eastus",)) as other:
        definition = other.definition.gallery.definition("kernel")
        other.definition = definition
        other.publish("1.0.0", regions=("eastus",))
        key = record_of(other, "1.0.0")

        def spoof(body: dict[str, Any]) -> None:
            body["fields"]["names"][3] = "\u212aernel"

        rewrite(other, key, spoof)
        assert rebuilt(other, tmp_path).versions == 0


@pytest.mark.parametrize("store_id", ["../../../escaped", "/tmp/escaped", "", "A" * 32, None])
def test_a_store_id_that_is_no_id_is_refused_before_a_folder_is_named_after_it(
    world: World, tmp_path: Path, store_id: object
) -> None:
    rewrite(world, keys.STORE_KEY, lambda body: body.update(storeId=store_id))
    with pytest.raises(Corrupt) as caught:
        rebuilt(world, tmp_path)
    assert caught.value.code == "DocumentCorrupt"


@pytest.mark.parametrize("epoch", [0, -1, EPOCH_MAX + 1, 1 << 62, 1 << 70, True, "1"])
def test_an_owner_whose_epoch_no_key_can_have_owns_nothing(
    world: World, tmp_path: Path, epoch: object
) -> None:
    rewrite(world, keys.OWNER_KEY, lambda body: body.update(epoch=epoch))
    assert rebuilt(world, tmp_path).versions == 2
    assert decode_owner(world.store().inner.get(keys.OWNER_KEY)).epoch == 2


def test_epochs_that_are_used_up_are_told_of_and_nothing_is_taken_over(
    world: World, tmp_path: Path
) -> None:
    store = world.store().inner
    last = encode_owner(Owner(index_id=world.index.identity.index_id, epoch=EPOCH_MAX))
    store.put(keys.OWNER_KEY, last)
    with pytest.raises(Conflict) as caught:
        rebuilt(world, tmp_path)
    assert caught.value.code == "EpochsExhausted"
    assert store.get(keys.OWNER_KEY) == last


@pytest.mark.parametrize(
    "at", ["2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-14:00"]
)
def test_a_seal_of_no_moment_seals_nothing(world: World, tmp_path: Path, at: str) -> None:
    for key in world.keys(keys.SEALS_PREFIX):
        rewrite(world, key, lambda body: body.update(at=at))
    report = rebuilt(world, tmp_path)
    assert [place.seals for region in report.regions for place in region.places] == [0]
