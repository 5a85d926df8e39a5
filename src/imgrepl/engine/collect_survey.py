"""What really lies in a place, compared with the rows: leftovers, and what has no row at all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from imgrepl.engine.context import Engine
from imgrepl.engine.stopping import check_stop
from imgrepl.gallery import pack_objects
from imgrepl.gallery.pack_objects import FoundPack
from imgrepl.gallery.schema import PackState
from imgrepl.layout import keys
from imgrepl.layout.keys import ManifestKey, MovedKey, SealKey
from imgrepl.model.region import Place
from imgrepl.store.protocols import ObjectInfo

_PAGE = 1_000
_OF_EVERY_PLACE = (keys.STORE_KEY, keys.OWNER_KEY, keys.REGION_KEY)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A whole listing, in short: manifests, seals and `moved` with their lengths.

    `gone_packs` are objects that were deleted once and are there. `unknown_objects` have no row and
    are never deleted: nobody knows whose they are.
    """

    gone_packs: tuple[FoundPack, ...]
    manifests: Mapping[ManifestKey, int]
    seals: Mapping[SealKey, int]
    moved: Mapping[MovedKey, int]
    unknown_objects: int
    unknown_bytes: int


class _Counter:
    def __init__(self) -> None:
        self.objects = 0
        self.bytes = 0

    def add(self, size_bytes: int) -> None:
        self.objects += 1
        self.bytes += size_bytes


def survey(engine: Engine, place: Place) -> Survey:
    """Lists a place from its first key to its last; raises where the listing is not complete."""
    unknown = _Counter()
    gone: list[FoundPack] = []
    manifests: dict[ManifestKey, int] = {}
    seals: dict[SealKey, int] = {}
    moved: dict[MovedKey, int] = {}
    for page in _pages(engine.stores.of(place).list("")):
        check_stop(engine.stop)
        found: list[FoundPack] = []
        for info in page:
            if pack := keys.parse_pack_key(info.key):
                found.append(FoundPack(pack.pack_id, pack.generation, info.size_bytes))
            elif manifest := keys.parse_manifest_key(info.key):
                manifests[manifest] = info.size_bytes
            elif seal := keys.parse_seal_key(info.key):
                seals[seal] = info.size_bytes
            elif leading := keys.parse_moved_key(info.key):
                moved[leading] = info.size_bytes
            elif not _is_ours(info.key):
                unknown.add(info.size_bytes)
        gone += _gone(engine, place, found, unknown)
    return Survey(
        gone_packs=tuple(gone),
        manifests=manifests,
        seals=seals,
        moved=moved,
        unknown_objects=unknown.objects,
        unknown_bytes=unknown.bytes,
    )


def _pages(listing: Iterator[ObjectInfo]) -> Iterator[list[ObjectInfo]]:
    while page := list(islice(listing, _PAGE)):
        yield page


def _gone(
    engine: Engine, place: Place, found: list[FoundPack], unknown: _Counter
) -> Iterator[FoundPack]:
    if not found:
        return
    with engine.index.read() as tx:
        states = pack_objects.states(tx, place.id, [one.pack_id for one in found])
    for one in found:
        state = states.get((one.pack_id, one.generation))
        if state is None:
            unknown.add(one.size_bytes)
        elif state is PackState.GONE:
            yield one


def _is_ours(key: str) -> bool:
    """Whether it is what other parts of the program look after."""
    parsers = (keys.parse_record_key, keys.parse_feature_key, keys.parse_export_key)
    return key in _OF_EVERY_PLACE or any(parse(key) is not None for parse in parsers)
