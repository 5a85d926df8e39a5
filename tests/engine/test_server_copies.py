"""A server copies between its places only what was proven where it copies from."""

import pytest

from engine.collecting_kit import open_operation
from engine.world import World
from imgrepl.engine.executor import PackMover
from imgrepl.engine.pack_reading import read_whole_pack
from imgrepl.errors import Unavailable
from imgrepl.layout import keys
from imgrepl.model.plan import PackMove, ServerCopy
from imgrepl.store.protocols import ObjectInfo
from imgrepl.testing.faulty import damaged, flipped


def test_a_pack_that_was_read_elsewhere_is_sent_not_copied_from_where_it_rotted(
    world: World,
) -> None:
    """As by a region that is served apart: it reads from whoever is nearest by then."""
    world.publish(regions=("eastus", "westeurope"))
    source, target, other = world.place(), world.place(number=1), world.place("westeurope")
    [key, *_] = [key for key in map(keys.parse_pack_key, world.keys("packs/")) if key]
    damaged(world.store("eastus"), keys.pack_key(*key), lambda now: flipped(now, 99))
    size = len(world.store("westeurope").inner.get(keys.pack_key(*key)))
    move = PackMove(
        pack_id=key.pack_id,
        pack_bytes=size,
        read_from=source.id,
        leads=(),
        copies=(ServerCopy(source.id, target.id),),
    )
    places = {place.id: place for place in (source, target, other)}
    mover = PackMover(world.engine, open_operation(world), places, [move])
    body = read_whole_pack(world.engine, other, key.pack_id)
    mover.deliver("eastus", move, body)
    mover.confirm("eastus")
    assert world.store("eastus", 1).inner.get(keys.pack_key(*key)) == body


def test_a_server_that_fails_at_every_copy_is_sent_the_packs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers, and copies nothing, however often it is asked."""

    def fails(_source: object, source_key: str, _key: str) -> ObjectInfo:
        raise Unavailable(f"copy {source_key}: internal error", code="ServerFailed")

    world.publish(regions=("eastus",))
    monkeypatch.setattr(world.store("eastus", 1), "copy_from", fails)
    world.update(replica_count=2)
    assert world.pack_ids("eastus", 1) == world.pack_ids("eastus")
