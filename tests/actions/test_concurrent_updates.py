"""Several who saw the same state change it at once: one wins, the others are told."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Barrier

from engine.world import World
from imgrepl.actions import definitions, galleries, regions, updating, version_deleting
from imgrepl.actions.definitions import DefinitionChanges
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.version_requests import UpdateVersion
from imgrepl.errors import Conflict, NotFound
from imgrepl.model.etags import etag_of

AT_ONCE = 4


def _outcomes(attempt: Callable[[int], object]) -> list[str]:
    """What became of each attempt: `done`, or its error's code."""
    start = Barrier(AT_ONCE)

    def run(number: int) -> str:
        start.wait()
        try:
            attempt(number)
        except (Conflict, NotFound) as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sorted(pool.map(run, range(AT_ONCE)))


def test_of_those_who_saw_one_state_exactly_one_changes_it(world: World) -> None:
    ctx = world.ctx
    version = world.publish("1.0.0", regions=["eastus"]).version
    gallery = galleries.show(ctx, version.id.gallery)
    definition = definitions.show(ctx, version.id.definition)

    def update_gallery(number: int) -> object:
        changes = GalleryChanges(description=str(number))
        return galleries.update(ctx, gallery.id, changes, if_match=etag_of(gallery))

    def update_definition(number: int) -> object:
        changes = DefinitionChanges(description=str(number))
        return definitions.update(ctx, definition.id, changes, if_match=etag_of(definition))

    def update_or_delete(number: int) -> object:
        delete = partial(version_deleting.delete, ctx, version.id)
        update = partial(updating.update, ctx, version.id, UpdateVersion(tags={"by": str(number)}))
        return (update if number % 2 else delete)(if_match=etag_of(version))

    def update_or_remove_region(number: int) -> object:
        changed = replace(region, display_name=f"East {number}")
        if number % 2:
            return regions.update(ctx, changed, if_match=etag_of(region))
        return regions.remove(ctx, region.name, if_match=etag_of(region))  # type: ignore[func-returns-value]

    region = regions.show(ctx, "southeastasia")
    told = ["ChangedMeanwhile"] * (AT_ONCE - 1)
    assert _outcomes(update_gallery) == [*told, "done"]
    assert _outcomes(update_definition) == [*told, "done"]
    galleries.update(ctx, gallery.id, GalleryChanges(soft_delete_enabled=True))
    assert _outcomes(update_or_delete) == [*told, "done"]
    found = _outcomes(update_or_remove_region)
    assert found.count("done") == 1
    assert set(found) - {"done"} <= {"ChangedMeanwhile", "RegionNotFound"}
