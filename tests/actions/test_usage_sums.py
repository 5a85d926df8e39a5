"""Usage at every level is what counting pack by pack, place by place, gives."""

import random
from collections.abc import Iterable
from itertools import product

import pytest

from actions.broken_rules import DEBIAN, debian, definition, version
from engine.world import World
from gallery import samples
from imgrepl.actions import costs, definitions, usage
from imgrepl.gallery import contents, moved, places, regions
from imgrepl.gallery.moved import MovedPack
from imgrepl.model.gallery import DefinitionId, ImageIdentifier, ImageVersion, VersionId
from imgrepl.model.region import PlaceRole

WHERE = ("eastus", "westeurope")
NAMES = [f"p{k}" for k in range(8)]


class _Books:
    """What was put where, kept beside the index."""

    def __init__(self, world: World, seed: int) -> None:
        self.dice = random.Random(seed)
        self.world = world
        self.versions: list[ImageVersion] = []
        self.named: dict[VersionId, set[str]] = {}
        self.held: dict[str, list[str]] = {}
        with world.index.begin() as tx:
            for region in WHERE:
                for number in range(2):
                    place = places.ensure(tx, regions.get(tx, region), PlaceRole.STANDARD, number)
                    inside = self.dice.sample(NAMES, 5)
                    samples.stored(tx, place.id, *inside)
                    self.held.setdefault(region, []).extend(inside)

    def version(self, of: DefinitionId, number: str) -> None:
        names = self.dice.sample(NAMES, 3)
        where = self.dice.sample(WHERE, self.dice.choice([1, 2]))
        made = version(
            self.world,
            number,
            id=of.version(samples.version(number).id.version),
            location=where[0],
            target_regions=tuple(samples.target(name) for name in where),
            disks=(samples.disk(f"{of}-{number}"),),
        )
        with self.world.index.begin() as tx:
            contents.add(tx, samples.manifest(f"{of}-{number}", *names), 0)
        self.versions.append(made)
        self.named[made.id] = set(names)

    def stored(self, versions: Iterable[ImageVersion], region: str) -> int:
        """1,000 bytes a pack and place; packs that several versions name count once."""
        here = [v for v in versions if region in {t.name for t in v.target_regions}]
        needed = set().union(*(self.named[v.id] for v in here))
        return 1000 * sum(name in needed for name in self.held[region])


@pytest.mark.parametrize("seed", range(5))
def test_packs_count_once_a_place_at_each_level(world: World, seed: int) -> None:
    definition(world)
    other = DEBIAN.gallery.definition("other")
    identifier = ImageIdentifier("contoso", "other", "1")
    definitions.create(world.ctx, debian(id=other, identifier=identifier))
    books = _Books(world, seed)
    for of, number in product((DEBIAN, other), ("1.0.0", "1.0.1", "2.0.0")):
        books.version(of, number)
    report = usage.report(world.ctx)
    for made in books.versions:
        for target in made.target_regions:
            found = report.version_regions[made.id][target.name].stored_bytes
            assert found == books.stored([made], target.name)
        whole = sum(books.stored([made], target.name) for target in made.target_regions)
        assert report.versions[made.id].stored_bytes == whole
    for of in (DEBIAN, other):
        mine = [made for made in books.versions if made.id.definition == of]
        assert report.definitions[of].stored_bytes == sum(books.stored(mine, r) for r in WHERE)
    by_region = {region: books.stored(books.versions, region) for region in WHERE}
    assert {name: one.stored_bytes for name, one in report.regions.items()} == by_region
    assert report.total.stored_bytes == sum(by_region.values())
    assert report.galleries[DEBIAN.gallery].stored_bytes == sum(by_region.values())
    assert costs.report(world.ctx).total.stored_bytes == sum(by_region.values())
    assert report.total.replicas == sum(len(made.target_regions) for made in books.versions)


def test_a_pack_that_stands_in_for_another_counts_where_it_does(world: World) -> None:
    made = version(world, disks=(samples.disk("c"),))
    with world.index.begin() as tx:
        east = places.ensure(tx, regions.get(tx, "eastus"), PlaceRole.STANDARD, 0)
        west = places.ensure(tx, regions.get(tx, "westeurope"), PlaceRole.STANDARD, 0)
        samples.stored(tx, east.id, "part")
        samples.stored(tx, west.id, "whole", "part")
        contents.add(tx, samples.manifest("c", "whole"), 0)
        part = frozenset({samples.pack_id("part")})
        way = MovedPack(place_id=east.id, pack_id=samples.pack_id("whole"), revision=0, parts=part)
        moved.note(tx, way, {samples.content_id("c"): 0}, replaces=None, keeps_uses=True)
    report = usage.report(world.ctx)
    assert report.version_regions[made.id]["eastus"].stored_bytes == 1000
    assert report.regions["eastus"].stored_bytes == 1000
    assert report.total.stored_bytes == 1000
