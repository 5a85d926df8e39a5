"""A version of another store, as far as copying it here needs to know it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from imgrepl.engine.context import Engine
from imgrepl.engine.exporter import read_manifest
from imgrepl.engine.fetching import from_first
from imgrepl.engine.footers import read_footer
from imgrepl.engine.pack_reading import pack_in
from imgrepl.errors import NotFound
from imgrepl.gallery import contents, packs
from imgrepl.gallery import places as place_rows
from imgrepl.layout import keys
from imgrepl.layout.pack import PackFooter
from imgrepl.model.gallery import ImageVersion, VersionDisk
from imgrepl.model.ids import PackId
from imgrepl.model.manifest import Manifest
from imgrepl.model.region import Place
from imgrepl.model.slots import SlotRange, union


@dataclass(frozen=True, kw_only=True)
class ForeignVersion:
    """A committed version in the store of another engine, which is only read.

    `manifests` are those of `version.disks`, in order; `places` hold their contents, nearest first.
    """

    engine: Engine
    version: ImageVersion
    manifests: tuple[Manifest, ...]
    places: tuple[Place, ...]

    @property
    def disks(self) -> Sequence[tuple[VersionDisk, Manifest]]:
        """Each disk with its manifest."""
        return list(zip(self.version.disks, self.manifests, strict=True))

    def holders_of(self, pack_id: PackId) -> list[tuple[Place, str]]:
        """The places that have a pack whole, each with its key there, in order."""
        with self.engine.index.read() as tx:
            rows = {row.place_id: row for row in packs.holders(tx, [pack_id])[pack_id]}
        return [
            (place, keys.pack_key(pack_id, rows[place.id].generation))
            for place in self.places
            if place.id in rows
        ]

    def footer_of(self, need: "PackNeed") -> PackFooter | None:
        """What is in a pack, from the first place that has it whole; None where none has.

        Raises what the last place failed with.
        """
        sources = [place for place, _key in self.holders_of(need.pack_id)]
        if not sources:
            return None

        def read(place: Place) -> PackFooter:
            row = pack_in(self.engine, place, need.pack_id)
            return read_footer(self.engine.stores.of(place), row)

        return from_first(self.engine, sources, f"the footer of pack {need.pack_id}", read)


@dataclass(frozen=True, kw_only=True)
class PackNeed:
    """What a version needs of one pack; `slots` in order, disjoint."""

    pack_id: PackId
    pack_bytes: int
    slots: tuple[SlotRange, ...]

    @property
    def numbers(self) -> list[int]:
        """Every slot that is needed, in order."""
        return [slot for each in self.slots for slot in range(each.first_slot, each.end)]


def look(engine: Engine, version: ImageVersion) -> ForeignVersion:
    """Reads what says where the version's content is. Writes nothing, into no index either.

    Raises `NotFound` (`NotAvailableInRegion`) where no place holds all of it, `Corrupt`,
    `Unavailable`.
    """
    places = _holding(engine, version)
    if not places:
        raise NotFound(
            f"{version.id} is complete in no region that can be read",
            code="NotAvailableInRegion",
            target=str(version.id),
            hint="`imgrepl image-version status` shows where it stands",
        )
    manifests = tuple(read_manifest(engine, content, places) for content in version.content_ids)
    return ForeignVersion(engine=engine, version=version, manifests=manifests, places=places)


def _holding(engine: Engine, version: ImageVersion) -> tuple[Place, ...]:
    """The places in which all contents are sealed, those of the home region first."""
    with engine.index.read() as tx:
        sealed = [set(contents.sealed_places(tx, content)) for content in version.content_ids]
        common = sorted(set.intersection(*sealed)) if sealed else []
        found = [place_rows.get(tx, place_id) for place_id in common]
    return tuple(sorted(found, key=lambda place: place.region != version.location))


def needs_of(manifests: Iterable[Manifest]) -> list[PackNeed]:
    """The packs that these disks name, in the order in which they first do."""
    slots: dict[PackId, list[SlotRange]] = {}
    lengths: dict[PackId, int] = {}
    for manifest in manifests:
        for use in manifest.packs:
            lengths[use.pack_id] = use.pack_bytes
            slots.setdefault(use.pack_id, [])
        for run in manifest.runs:
            pack_id = manifest.packs[run.pack].pack_id
            slots[pack_id].append(SlotRange(run.first_slot, run.slots))
    return [
        PackNeed(pack_id=pack_id, pack_bytes=lengths[pack_id], slots=tuple(union(ranges)))
        for pack_id, ranges in slots.items()
    ]
