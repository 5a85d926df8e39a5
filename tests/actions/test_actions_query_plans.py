"""What users do often walks no table that grows with the gallery: SQLite's own plans say so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from engine.world import World
from gallery.query_plans import plan_of, walks
from imgrepl.actions import definitions, galleries, version_bin, version_deleting, versions
from imgrepl.actions.definitions import DefinitionChanges
from imgrepl.actions.galleries import GalleryChanges


def _bin(world: World) -> object:
    return galleries.update(
        world.ctx, world.definition.gallery, GalleryChanges(soft_delete_enabled=True)
    )


def _delete(world: World) -> object:
    return version_deleting.delete(world.ctx, world.id("1.0.0"))


ACTIONS: dict[str, Callable[[World], object]] = {
    "publish the first": lambda world: world.publish("3.0.0", disk="other"),
    "publish the next": lambda world: world.publish("3.0.0", disk="next", like="debian"),
    "publish the same again": lambda world: world.publish("1.0.0"),
    "add a region": lambda world: world.update(
        "2.0.0",
        add_regions=[world.request().target_regions[1]],  # type: ignore[index]
    ),
    "promote": lambda world: world.update("2.0.0", exclude_from_latest=False),
    "tag": lambda world: world.update("2.0.0", tags={"a": "b"}),
    "retry": lambda world: world.retry("2.0.0"),
    "delete": lambda world: version_deleting.delete(world.ctx, world.id("2.0.0")),
    "delete into the bin": lambda world: [_bin(world), _delete(world)],
    "bring back": lambda world: [
        _bin(world),
        _delete(world),
        version_bin.undelete(world.ctx, world.id("1.0.0")),
    ],
    "show the latest": lambda world: versions.show(
        world.ctx, world.definition, "latest", region="eastus", explain=True
    ),
    "list": lambda world: versions.list_of(world.ctx, world.definition),
    "download": lambda world: world.download("2.0.0"),
    "change a definition": lambda world: definitions.update(
        world.ctx, world.definition, DefinitionChanges(tags={"a": "b"})
    ),
    "change a gallery": lambda world: _bin(world),
}


@contextmanager
def _statements(world: World) -> Iterator[list[tuple[str, object]]]:
    """What is sent to the database meanwhile, each once."""
    engine = world.index._engine
    seen: dict[str, object] = {}

    def note(_c: object, _cursor: object, statement: str, values: object, *_: object) -> None:
        seen.setdefault(statement, values)

    found: list[tuple[str, object]] = []
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)
        found.extend(seen.items())


@pytest.mark.parametrize("name", ACTIONS)
def test_no_growing_table_is_walked_to(name: str, world: World) -> None:
    world.publish("1.0.0")
    world.publish("2.0.0", disk="second", like="debian", regions=["eastus"])
    with _statements(world) as issued:
        ACTIONS[name](world)
    assert issued
    with world.index.read() as tx:
        walked = [
            f"{step}\n{statement}"
            for statement, values in issued
            for step in plan_of(tx, statement, values)
            if walks(step, statement)
        ]
    assert walked == []
