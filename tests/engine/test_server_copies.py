"""A server copies between its places only what was proven where it copies from."""

from engine.collecting_kit import open_operation
from engine.world import World
from imgrepl.engine.executor import PackMover
from imgrepl.engine.pack_reading import read_whole_pack
from imgrepl.layout import keys
from imgrepl.model.plan import PackMove, ServerCopy
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
