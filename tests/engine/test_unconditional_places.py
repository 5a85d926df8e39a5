"""Publishing to servers that take no notice of conditions: what still holds there."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from engine.world import CAPABLE, Buckets, World, open_world
from imgrepl.actions import index
from imgrepl.errors import Conflict
from imgrepl.layout.header import decode_owner
from imgrepl.layout.keys import OWNER_KEY
from imgrepl.store.memory import MemoryStore
from imgrepl.testing.faulty import Crashed, Fault, FaultKind
from imgrepl.testing.unconditional import UnconditionalStore

PLAIN = replace(CAPABLE, conditional_put=False, conditional_swap=False)


@pytest.fixture
def buckets() -> Buckets:
    return Buckets(lambda at: UnconditionalStore(MemoryStore(at.url, server=at.server)))


@pytest.fixture
def world(tmp_path: Path, buckets: Buckets) -> Iterator[World]:
    with open_world(tmp_path / "world", buckets=buckets) as opened:
        opened.stores.capabilities = PLAIN
        yield opened


def puts(world: World) -> Counter[str]:
    """How often each name was written in eastus."""
    return Counter(key for verb, key in world.store().requests if verb == "put")


def test_no_name_is_written_twice(world: World) -> None:
    world.publish("1.0.0", regions=["eastus"])
    world.publish("1.0.1", disk="patched", like="debian", regions=["eastus"])
    world.publish("1.0.0", regions=["eastus"])
    written = puts(world)
    assert set(written.values()) == {1}
    looked = [key for verb, key in world.store().requests if verb == "head"]
    assert set(written) <= set(looked)
    assert world.download("1.0.1") == world.disk("patched").read_bytes()


@pytest.mark.parametrize("part", ["packs/", "manifests/", "records/", "seals/", OWNER_KEY])
def test_a_lost_reply_is_found_and_nothing_is_written_twice(world: World, part: str) -> None:
    world.store().faults.append(Fault(FaultKind.LOST_REPLY, "put", part))
    world.publish("1.0.0", regions=["eastus"])
    assert set(puts(world).values()) == {1}
    assert world.download("1.0.0") == world.disk().read_bytes()


@pytest.mark.parametrize("part", ["packs/", "records/"])
@pytest.mark.parametrize("kind", [FaultKind.CRASH_BEFORE, FaultKind.CRASH_AFTER])
def test_who_goes_on_after_a_crash_writes_no_name_again(
    world: World, part: str, kind: FaultKind
) -> None:
    world.store().faults.append(Fault(kind, "put", part))
    with suppress(Crashed):  # a lane that dies takes only its own region with it
        world.publish("1.0.0", regions=["eastus"])
    there = set(world.keys())
    world.restart()
    world.store().requests.clear()
    world.publish("1.0.0", regions=["eastus"])
    assert not there & set(puts(world))
    assert world.download("1.0.0") == world.disk().read_bytes()


def test_an_index_that_took_over_keeps_the_one_before_it_out(
    world: World, buckets: Buckets, tmp_path: Path
) -> None:
    world.publish("1.0.0", regions=["eastus"])
    with open_world(tmp_path / "other", buckets=buckets) as other:
        other.stores.capabilities = PLAIN
        index.rebuild(other.ctx, ["eastus"])
        owner = decode_owner(world.store().inner.get(OWNER_KEY))
        assert (owner.index_id, owner.epoch) == (other.index.identity.index_id, 2)
        assert other.download("1.0.0") == world.disk().read_bytes()
    world.engine.prepared.clear()
    before = set(world.keys())
    with pytest.raises(Conflict) as refused:
        world.publish("1.0.1", disk="patched", like="debian", regions=["eastus"])
    assert refused.value.code == "NotOwner"
    assert set(world.keys()) == before
