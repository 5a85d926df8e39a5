"""Verifies what a place has through other packs: the objects that say so, and that they are right.

The packs they lead to are verified like any others. That a slot of the old pack is the one that
`moved` says is proven by nothing but the content's id: the old pack's footer is not there (F-55).
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from imgrepl.engine.context import Engine
from imgrepl.engine.footers import read_footer
from imgrepl.engine.moved_objects import locate, read_current
from imgrepl.errors import Corrupt, NotFound
from imgrepl.gallery import contents, moved, packs
from imgrepl.gallery.moved import MovedPack
from imgrepl.gallery.packs import PlacePack
from imgrepl.layout import keys
from imgrepl.layout.content import ContentDigest
from imgrepl.layout.moved import Moved, MovedRun
from imgrepl.layout.pack import PackFooter
from imgrepl.model.ids import ContentId, PackId
from imgrepl.model.manifest import Manifest, Run
from imgrepl.model.region import Place
from imgrepl.model.slots import SlotRange

MISSING = "it is missing"
"""The reason of a fault that is no damage."""

_FOOTERS_KEPT = 64


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a place should have for some contents, by the index.

    `sizes` are the lengths of the packs, themselves or those that `through` leads to instead;
    `rows` are their living rows.
    """

    sizes: Mapping[PackId, int]
    rows: Mapping[PackId, PlacePack]
    through: Mapping[PackId, MovedPack]


def expected_in(engine: Engine, place: Place, content_ids: Sequence[ContentId]) -> Expected:
    """The packs to look at, and what became of those that are not there themselves."""
    with engine.index.read() as tx:
        named = contents.packs_of(tx, content_ids)
        present = packs.present_in(tx, place.id, named)
        through = moved.find(tx, place.id, named.keys() - present.keys())
        parts = {part: None for row in through.values() for part in sorted(row.parts)}
        wanted = [*(pack_id for pack_id in named if pack_id not in through), *parts]
        sizes = contents.pack_bytes_of(tx, wanted)
        rows = packs.live_in(tx, place.id, wanted)
    return Expected(sizes={pack: sizes[pack] for pack in wanted}, rows=rows, through=through)


def missing_objects(engine: Engine, place: Place, expected: Expected) -> dict[PackId, str]:
    """The moved objects that are not there, by the store's word; they count no more."""
    store = engine.stores.of(place)
    faults: dict[PackId, str] = {}
    for pack_id, row in expected.through.items():
        try:
            store.head(moved_key(row))
        except NotFound:
            _lose(engine, place, [row])
            faults[pack_id] = MISSING
    return faults


def read_objects(
    engine: Engine, place: Place, expected: Expected
) -> tuple[dict[PackId, Moved], dict[PackId, str]]:
    """The moved objects, and what is wrong with those that cannot be read and count no more."""
    objects: dict[PackId, Moved] = {}
    faults: dict[PackId, str] = {}
    for pack_id in expected.through:
        try:
            found = read_current(engine, place, pack_id)
        except NotFound:
            faults[pack_id] = MISSING
        except Corrupt as error:
            faults[pack_id] = error.message
        else:
            if found is not None:
                objects[pack_id] = found
    return objects, faults


def wrong_objects(
    engine: Engine,
    place: Place,
    expected: Expected,
    objects: Mapping[PackId, Moved],
    manifests: Iterable[Manifest],
) -> dict[PackId, str]:
    """Those of `objects` that do not give the contents of `manifests`; they count no more.

    The packs were proven before. Raises `Corrupt` for a footer that has changed since.
    """
    faults: dict[PackId, str] = {}
    footers = _Footers(engine, place, expected)
    for manifest in manifests:
        concerned = {use.pack_id for use in manifest.packs} & expected.through.keys()
        if not concerned or concerned - objects.keys():
            continue
        why = _why_not(manifest, objects, footers)
        if why is not None:
            faults.update(dict.fromkeys(concerned, why))
            _lose(engine, place, [expected.through[pack_id] for pack_id in concerned])
    return faults


def content_fault(engine: Engine, place: Place, manifest: Manifest) -> str | None:
    """Why a place's packs do not give the content that a manifest is named after, if they do not.

    A manifest's own digest proves its bytes, not that they are of this disk. By footers alone.
    """
    with engine.index.read() as tx:
        named = contents.packs_of(tx, [manifest.content_id])
    if named.keys() != {use.pack_id for use in manifest.packs}:
        return "it names other packs than its content has"
    expected = expected_in(engine, place, [manifest.content_id])
    objects, faults = read_objects(engine, place, expected)
    if faults:
        return next(iter(faults.values()))
    return _why_not(manifest, objects, _Footers(engine, place, expected))


def moved_key(row: MovedPack) -> str:
    """Where the object lies."""
    return keys.moved_key(row.pack_id, row.revision)


def _lose(engine: Engine, place: Place, rows: Iterable[MovedPack]) -> None:
    with engine.index.begin() as tx:
        for row in rows:
            moved.lose(tx, place.id, row.pack_id, row.revision)


class _Footers:
    """Footers of a place's packs; the last that were used are kept."""

    def __init__(self, engine: Engine, place: Place, expected: Expected) -> None:
        self._store = engine.stores.of(place)
        self._rows = expected.rows
        self._kept: OrderedDict[PackId, PackFooter] = OrderedDict()

    def of(self, pack_id: PackId) -> PackFooter:
        """Raises `NotFound` and `Corrupt`."""
        footer = self._kept.pop(pack_id, None)
        if footer is None:
            row = self._rows.get(pack_id)
            if row is None:
                raise NotFound(f"pack {pack_id} is not here", code="PackMissing", target=pack_id)
            footer = read_footer(self._store, row)
        self._kept[pack_id] = footer
        if len(self._kept) > _FOOTERS_KEPT:
            self._kept.popitem(last=False)
        return footer


def _why_not(manifest: Manifest, objects: Mapping[PackId, Moved], footers: _Footers) -> str | None:
    """Why the slots do not give the content that the manifest is named after, if they do not."""
    digest = ContentDigest()
    for run in manifest.runs:
        at = run.disk_offset
        try:
            for where in _where(manifest, run, objects):
                footer = footers.of(where.pack_id)
                if where.target_slot + where.slots > footer.slots:
                    return f"it names slots of pack {where.pack_id} that are not there"
                for slot in range(where.target_slot, where.target_slot + where.slots):
                    length = int(footer.plain_bytes[slot])
                    digest.add(at, length, footer.chunk_id(slot))
                    at += length
        except NotFound as error:
            return error.message
        if at != run.disk_offset + run.length_bytes:
            return f"it does not give the {run.length_bytes} bytes at {run.disk_offset} of a disk"
    if digest.finish(manifest.size_bytes) != manifest.content_id:
        return f"it does not give content {manifest.content_id}"
    return None


def _where(manifest: Manifest, run: Run, objects: Mapping[PackId, Moved]) -> Iterator[MovedRun]:
    pack_id = manifest.packs[run.pack].pack_id
    slots = SlotRange(run.first_slot, run.slots)
    if pack_id in objects:
        yield from locate(objects[pack_id], [slots])
    else:
        yield MovedRun(run.first_slot, run.slots, pack_id, run.first_slot)
