"""The commit: what a version's record names is there, whoever else works on the same content."""

import pytest

from engine.world import World
from imgrepl.engine import places, sealer
from imgrepl.errors import Conflict, ImgreplError
from imgrepl.gallery import contents
from imgrepl.layout import keys
from imgrepl.layout.header import Owner, encode_owner
from imgrepl.model.ids import ContentId, IndexId
from imgrepl.testing.faulty import damaged, flipped


def test_the_same_disk_from_another_home_leaves_the_first_version_whole(world: World) -> None:
    world.publish("1.0.0", regions=["eastus"])
    world.publish("1.0.1", disk="patched", like="debian", regions=["eastus"])
    world.publish("2.0.0", disk="patched", like="debian", regions=["westeurope"])
    expected = world.disk("patched", like="debian").read_bytes()
    assert world.download("1.0.1") == expected
    assert world.download("2.0.0") == expected
    first, second = world.view("1.0.1").version, world.view("2.0.0").version
    assert first.content_ids == second.content_ids
    with world.index.read() as tx:
        named = contents.packs_of(tx, first.content_ids)
    assert named.keys() <= world.pack_ids("eastus")
    assert named.keys() <= world.pack_ids("westeurope")


def test_a_content_cannot_be_removed_while_its_manifest_is_put(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sealer._put_manifest
    unused: list[list[ContentId]] = []

    def put_and_look(*arguments: object) -> bool:
        with world.index.begin() as tx:
            unused.append(contents.unused(tx, 10))
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sealer, "_put_manifest", put_and_look)
    world.publish("1.0.0")
    assert unused
    assert not any(unused)


def test_a_content_that_was_removed_gets_another_key_when_it_is_published_again(
    world: World,
) -> None:
    world.publish("1.0.0")
    (content_id,) = world.view().version.content_ids
    world.delete("1.0.0")
    with world.index.begin() as tx:
        assert contents.remove(tx, contents.unused(tx, 10)) == [content_id]
    world.publish("1.0.0")
    with world.index.read() as tx:
        row = contents.get(tx, content_id)
    assert row is not None
    assert row.generation == 1
    assert keys.manifest_key(content_id, 1) in world.keys("manifests/")
    assert world.download() == world.disk().read_bytes()


def test_an_index_that_lost_its_store_while_it_published_commits_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sealer._put_manifest

    def put_then_lose(*arguments: object) -> bool:
        thief = encode_owner(Owner(index_id=IndexId("f" * 32), epoch=9))
        world.store("eastus").inner.put(keys.OWNER_KEY, thief)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sealer, "_put_manifest", put_then_lose)
    with pytest.raises(Conflict) as caught:
        world.publish("1.0.0")
    assert caught.value.code == "NotOwner"
    assert not [key for key in world.keys("records/") if "1.0.0" in key]


def test_a_seal_of_an_earlier_manifest_does_not_count(world: World) -> None:
    world.publish("1.0.0", regions=["eastus"])
    (content_id,) = world.view().version.content_ids
    place = world.place("eastus")
    with world.index.begin() as tx:
        assert contents.sealed_places(tx, content_id) == [place.id]
        contents.set_sealed(
            tx,
            place.id,
            content_id,
            contents.next_seal_revision(tx, place.id, content_id),
            contents.sealed_in(tx, place.id, [content_id])[content_id].proof,
            generation=7,
        )
        assert contents.sealed_places(tx, content_id) == []
        assert contents.sealed_in(tx, place.id, [content_id]) == {}


def test_a_place_without_an_owner_is_not_claimed_by_who_deletes(world: World) -> None:
    world.publish("1.0.0", regions=["eastus"])
    store = world.store("eastus")
    store.inner.delete([keys.OWNER_KEY])
    with pytest.raises(Conflict) as caught:
        places.check_owner(store, world.place(), world.index.identity, may_claim=False)
    assert caught.value.code == "NotOwner"
    assert not world.keys(keys.OWNER_KEY)


def test_a_damaged_manifest_at_home_is_mended_not_replaced_by_another(world: World) -> None:
    world.publish("1.0.0")
    (content_id,) = world.view().version.content_ids
    key = keys.manifest_key(content_id, 0)
    damaged(world.store("eastus"), key, lambda content: flipped(content, 77))
    world.publish("1.0.1")
    assert world.store("eastus").get(key) == world.store("westeurope").get(key)
    assert world.download("1.0.0", region="eastus") == world.disk().read_bytes()


def test_a_lost_pack_comes_back_with_the_same_disk_under_another_number(world: World) -> None:
    world.publish("1.0.0", regions=["eastus"])
    lost = world.keys("packs/")[0]
    world.store("eastus").inner.delete([lost])
    with pytest.raises(ImgreplError):
        world.download("1.0.0")
    world.publish("1.0.1", regions=["eastus"])
    assert world.download("1.0.0") == world.download("1.0.1") == world.disk().read_bytes()


def test_a_home_that_lacks_packs_gets_them_from_another_holder_when_one_is_damaged(
    world: World,
) -> None:
    world.publish("1.0.0", regions=["eastus", "westeurope"])
    world.publish("1.0.1", disk="patched", like="debian", regions=["eastus", "westeurope"])
    damaged(world.store("eastus"), world.keys("packs/")[0], lambda content: flipped(content, 999))
    world.publish("2.0.0", disk="patched", like="debian", regions=["southeastasia"])
    expected = world.disk("patched", like="debian").read_bytes()
    assert world.download("2.0.0") == expected
    assert world.download("1.0.1", region="westeurope") == expected
