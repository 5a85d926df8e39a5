"""Which packs versions need, and what those take in the places of each region."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery.bulk import in_lists, mapped
from imgrepl.gallery.packs import PRESENT
from imgrepl.gallery.schema import (
    content_packs,
    definitions,
    moved_parts,
    moved_uses,
    packs,
    place_packs,
    places,
    version_disks,
    versions,
)
from imgrepl.model.region import PlaceRole


class Led(NamedTuple):
    """A pack that holds what a version needs of another one, which is not in that place itself."""

    place_id: int
    role: PlaceRole
    pack: str


Spread = Mapping[str, Mapping[PlaceRole, int]]
"""In how many places of each role a pack is, by region. Most packs share one."""


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """Packs by the versions that need them, versions by the numbers of their rows.

    `named` are the packs of a version's manifests; `spreads` the ways in which packs lie, and
    `lies` which of them is a pack's; `led` are packs that stand in for named ones.
    """

    named: Mapping[int, set[str]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    spreads: Sequence[Spread] = ()
    lies: Mapping[str, int] = field(default_factory=dict)
    led: Mapping[tuple[int, str], Collection[Led]] = field(default_factory=dict)

    def bytes_in(self, regions: Collection[str], numbers: Collection[int]) -> dict[str, int]:
        """What these versions take in each region, a pack counted once a place."""
        needed = self._named_by(numbers)
        found = dict.fromkeys(regions, 0)
        for spread, size in self._by_spread(needed).items():
            places_in = self._places_in[spread]
            for region in regions:
                found[region] += size * places_in.get(region, 0)
        if self.led:
            for region in regions:
                led = self._led_by(region, numbers, needed)
                found[region] += sum(self.sizes[one.pack] for one in led)
        return found

    def bytes_by_role(self, region: str, numbers: Collection[int]) -> Counter[PlaceRole]:
        """The same in one region, by the role of the places."""
        needed = self._named_by(numbers)
        total = Counter[PlaceRole]()
        for spread, size in self._by_spread(needed).items():
            for role, count in self.spreads[spread].get(region, {}).items():
                total[role] += size * count
        for one in self._led_by(region, numbers, needed):
            total[one.role] += self.sizes[one.pack]
        return total

    @cached_property
    def _places_in(self) -> list[dict[str, int]]:
        return [
            {region: sum(roles.values()) for region, roles in spread.items()}
            for spread in self.spreads
        ]

    def _by_spread(self, needed: Iterable[str]) -> dict[int, int]:
        """The bytes of these packs by how they lie; one that lies nowhere is left out."""
        found: dict[int, int] = {}
        for pack in needed:
            spread = self.lies.get(pack)
            if spread is not None:
                found[spread] = found.get(spread, 0) + self.sizes[pack]
        return found

    def _named_by(self, numbers: Collection[int]) -> set[str]:
        if len(numbers) == 1:
            return self.named.get(next(iter(numbers)), set())
        return set().union(*(self.named.get(number, ()) for number in numbers))

    def _led_by(self, region: str, numbers: Iterable[int], needed: set[str]) -> set[Led]:
        """Without what is counted already, as some version names it."""
        found = set[Led]().union(*(self.led.get((number, region), ()) for number in numbers))
        return {one for one in found if one.pack not in needed}


NOTHING_HELD = Holdings()


def load(tx: Connection, gallery: int | None) -> Holdings:
    """What the committed versions of a gallery's row, or all, need and have."""
    columns = (places.c.id, places.c.region, places.c.role)
    where = {row.id: (row.region, PlaceRole(row.role)) for row in tx.execute(sa.select(*columns))}
    named = {number: set(of.split(",")) for number, of in tx.execute(_named(gallery)).all()}
    at: dict[str, str] = mapped(tx, _present(gallery))
    ways = {text: way for way, text in enumerate(dict.fromkeys(at.values()))}
    led: defaultdict[tuple[int, str], list[Led]] = defaultdict(list)
    for number, place_id, pack in tx.execute(_led(gallery)).all():
        region, role = where[place_id]
        led[number, region].append(Led(place_id, role, pack))
    parts = {one.pack for found in led.values() for one in found}
    return Holdings(
        named=named,
        sizes=_sizes(tx, gallery, parts),
        spreads=[_spread(text, where) for text in ways],
        lies={pack: ways[text] for pack, text in at.items()},
        led=led,
    )


def committed(gallery: int) -> sa.Select[Any]:
    """The numbers of a gallery's committed versions."""
    return (
        sa.select(versions.c.id)
        .join(definitions, definitions.c.id == versions.c.definition_id)
        .where(definitions.c.gallery_id == gallery, versions.c.committed)
    )


def _spread(place_ids: str, where: Mapping[int, tuple[str, PlaceRole]]) -> Spread:
    found: defaultdict[str, Counter[PlaceRole]] = defaultdict(Counter)
    for place_id in place_ids.split(","):
        region, role = where[int(place_id)]
        found[region][role] += 1
    return found


def _named(gallery: int | None) -> sa.Select[Any]:
    """The packs of each version as one text. Among those of all are staged ones."""
    of = sa.func.aggregate_strings(content_packs.c.pack_id, ",").label("of")
    chosen = (
        sa.select(version_disks.c.version_id, of)
        .join_from(
            version_disks, content_packs, content_packs.c.content_id == version_disks.c.content_id
        )
        .group_by(version_disks.c.version_id)
    )
    return chosen if gallery is None else chosen.where(of_gallery(gallery))


def _present(gallery: int | None) -> sa.Select[Any]:
    """The places of each pack as one text: a row a pack, where packs lie in ten places each."""
    place_id = sa.cast(place_packs.c.place_id, sa.Text)
    at = sa.func.aggregate_strings(place_id, ",").label("at")
    chosen = (
        sa.select(place_packs.c.pack_id, at)
        .where(place_packs.c.state == PRESENT)
        .group_by(place_packs.c.pack_id)
    )
    if gallery is None:
        return chosen
    return chosen.where(place_packs.c.pack_id.in_(_needed(gallery)))


def _led(gallery: int | None) -> sa.Select[Any]:
    use, part = moved_uses.c, moved_parts.c
    chosen = (
        sa.select(version_disks.c.version_id, place_packs.c.place_id, place_packs.c.pack_id)
        .join_from(moved_uses, version_disks, use.content_id == version_disks.c.content_id)
        .join(moved_parts, sa.and_(part.place_id == use.place_id, part.pack_id == use.pack_id))
        .join(
            place_packs,
            sa.and_(place_packs.c.place_id == part.place_id, place_packs.c.pack_id == part.part_id),
        )
        .where(place_packs.c.state == PRESENT)
        .distinct()
    )
    return chosen if gallery is None else chosen.where(of_gallery(gallery))


def _sizes(tx: Connection, gallery: int | None, parts: Collection[str]) -> dict[str, int]:
    chosen = sa.select(packs.c.pack_id, packs.c.pack_bytes)
    if gallery is None:
        return mapped(tx, chosen)
    needed = chosen.where(packs.c.pack_id.in_(_needed(gallery)))
    found = mapped(tx, needed)
    for batch in in_lists(parts - found.keys()):
        found |= mapped(tx, chosen.where(packs.c.pack_id.in_(batch)))
    return found


def of_gallery(gallery: int) -> sa.ColumnElement[bool]:
    """The condition that a row of `version_disks` is of a gallery's committed versions."""
    return version_disks.c.version_id.in_(committed(gallery))


def _needed(gallery: int) -> sa.Select[Any]:
    return (
        sa.select(content_packs.c.pack_id)
        .join(version_disks, version_disks.c.content_id == content_packs.c.content_id)
        .where(of_gallery(gallery))
    )
