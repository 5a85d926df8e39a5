"""What users do often walks no table that grows with the gallery: SQLite's own plans say so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import event

from engine.world import World
from gallery.query_plans import plan_of, walks
from imgrepl.actions import definitions, galleries, version_bin, version_deleting, versions
from imgrepl.actions.definitions import DefinitionChanges
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.version_requests import TargetRequest


def _bin(world: World) -> object:
    policy = GalleryChanges(soft_delete_enabled=True)
    return galleries.update(world.ctx, world.definition.gallery, policy)


def _add_region(world: World) -> object:
    return world.update("2.0.0", add_regions=[TargetRequest("westeurope", 1)])


STEPS: dict[str, Callable[[World], object]] = {
    "publish the first": lambda world: world.publish("1.0.0"),
    "publish the next": lambda world: world.publish(
        "2.0.0", disk="second", like="debian", regions=["eastus"]
    ),
    "publish the same again": lambda world: world.publish("1.0.0"),
    "add a region": _add_region,
    "promote": lambda world: world.update("2.0.0", exclude_from_latest=False),
    "tag": lambda world: world.update("2.0.0", tags={"a": "b"}),
    "retry": lambda world: world.retry("2.0.0"),
    "show the latest": lambda world: versions.show(
        world.ctx, world.definition, "latest", region="eastus", explain=True
    ),
    "list": lambda world: versions.list_of(world.ctx, world.definition),
    "download": lambda world: world.download("2.0.0"),
    "change a definition": lambda world: definitions.update(
        world.ctx, world.definition, DefinitionChanges(tags={"a": "b"})
    ),
    "delete": lambda world: version_deleting.delete(world.ctx, world.id("2.0.0")),
    "change a gallery": _bin,
    "delete into the bin": lambda world: version_deleting.delete(world.ctx, world.id("1.0.0")),
    "bring back": lambda world: version_bin.undelete(world.ctx, world.id("1.0.0")),
}
"""In this order, one after the other in one world."""


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


def _walked(world: World, issued: list[tuple[str, object]]) -> list[str]:
    with world.index.read() as tx:
        return [
            f"{step}\n{statement}"
            for statement, values in issued
            for step in plan_of(tx, statement, values)
            if walks(step, statement)
        ]


def test_no_growing_table_is_walked_by_what_users_do_often(world: World) -> None:
    found = {}
    for name, step in STEPS.items():
        with _statements(world) as issued:
            step(world)
        assert issued, name
        found[name] = _walked(world, issued)
    assert found == {name: [] for name in STEPS}
