"""What lies in the places of a region becomes rows: manifests, then packs, `moved`, and seals.

Packs are believed because they are listed, and no further. A content counts as sealed where its
seal can be read, its manifest is there and every pack that it names is listed with its length, or
`moved` leads to what is needed of it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from imgrepl.engine import places as place_checks
from imgrepl.engine import rebuild_doubts, takeover
from imgrepl.engine.context import Engine
from imgrepl.engine.rebuild_moved import read_moved
from imgrepl.engine.rebuild_report import PlaceRebuilt
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import Conflict, Corrupt, Invalid, NotFound, Unavailable
from imgrepl.gallery import contents, moved, pack_objects
from imgrepl.gallery.pack_objects import FoundPack
from imgrepl.layout import keys
from imgrepl.layout.manifest import decode_manifest, encode_manifest
from imgrepl.layout.seals import Seal, decode_seal
from imgrepl.model.ids import ContentId, PackId, PlaceId
from imgrepl.model.manifest import Manifest
from imgrepl.model.region import Place
from imgrepl.store.protocols import Store

_PAGE = 1_000

Listed = Mapping[ContentId, frozenset[int]]
"""Numbers that were listed of each content: generations of manifests, revisions of seals."""


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    content_id: ContentId
    generation: int
    manifest: Manifest | None
    why: str = ""


def take(engine: Engine, place: Place) -> bool:
    """Makes a place this index's own, ready for use; False where no store was ever made in it.

    Raises `Conflict`: `BucketOfAnotherStore`, `NotOwner`, `PlaceNeedsNewerVersion`; and what the
    store raises.
    """
    place_checks.check_features(engine, place)
    try:
        place_checks.read_header(engine.stores.of(place))
    except NotFound:
        return False
    takeover.seize(engine, place)
    engine.prepared.discard(place.id)
    place_checks.prepare(engine, place)
    return True


def look_into(engine: Engine, place: Place) -> bool:
    """Whether a place is of the store that this index stands in for; writes nothing.

    Raises `Conflict`: `BucketOfAnotherStore`, `PlaceNeedsNewerVersion`; and what the store raises.
    """
    store = engine.stores.of(place)
    try:
        place_checks.read_header(store)
    except NotFound:
        return False
    place_checks.check_header(store, place, engine.index.identity)
    place_checks.expect_features(store, place)
    return True


def list_manifests(engine: Engine, place: Place) -> Listed:
    """The generations of every manifest in a place."""
    return _numbers(engine, place, keys.MANIFESTS_PREFIX)


def read_manifests(
    engine: Engine,
    taken: Sequence[Place],
    listed: Mapping[PlaceId, Listed],
    wanted: Collection[ContentId],
) -> dict[ContentId, str]:
    """Makes every content known that has a manifest in any of the places; the highest readable.

    What had been given up comes back, under a new key, only if it is `wanted`. Gives those of
    `wanted` for which there is none, and why.
    """
    everywhere = {content_id for numbers in listed.values() for content_id in numbers}
    with engine.index.read() as tx:
        standing = contents.standing(tx, everywhere)
    given_up = {content_id for content_id, at in standing.items() if at.removed}
    new = sorted((everywhere - standing.keys()) | (given_up & set(wanted)))

    def choose(content_id: ContentId) -> _Chosen:
        check_stop(engine.stop)
        return _choose(engine, content_id, taken, listed)

    with ThreadPoolExecutor(engine.options.heads_in_flight, "manifests") as pool:
        found = list(pool.map(choose, new))
    for chosen in found:
        if chosen.manifest is not None:
            _make_known(engine, chosen, taken, listed)
    with engine.index.read() as tx:
        alive = {c for c, at in contents.standing(tx, wanted).items() if not at.removed}
    why = {chosen.content_id: chosen.why for chosen in found}
    return {c: why.get(c) or "it is nowhere" for c in wanted if c not in alive}


def _choose(
    engine: Engine, content_id: ContentId, taken: Sequence[Place], listed: Mapping[PlaceId, Listed]
) -> _Chosen:
    """The manifest of the highest generation that any place gives whole."""
    generations = {g for place in taken for g in listed[place.id].get(content_id, ())}
    why = ""
    for generation in sorted(generations, reverse=True):
        for place in taken:
            if generation not in listed[place.id].get(content_id, ()):
                continue
            try:
                body = engine.stores.of(place).get(keys.manifest_key(content_id, generation))
                manifest = decode_manifest(body, content_id)
            except (Corrupt, Invalid, NotFound, Unavailable) as error:
                why = error.message
            else:
                return _Chosen(content_id=content_id, generation=generation, manifest=manifest)
    return _Chosen(content_id=content_id, generation=-1, manifest=None, why=why)


def _make_known(
    engine: Engine, chosen: _Chosen, taken: Sequence[Place], listed: Mapping[PlaceId, Listed]
) -> None:
    assert chosen.manifest is not None, "what is made known was read"
    content_id, generation = chosen.content_id, chosen.generation
    with engine.index.read() as tx:
        given_up = contents.standing(tx, [content_id]).get(content_id)
        fresh = contents.next_generation(tx, content_id)
    if given_up is not None and generation <= given_up.generation:
        # what was given up may be deleted at any moment: it is written again under a new key
        generation, body = fresh, encode_manifest(chosen.manifest)
        has_it = [place for place in taken if content_id in listed[place.id]]
        for store in _whole(map(engine.stores.of, has_it), chosen.manifest):
            with suppress(Conflict):  # it is there from an attempt that died
                store.put(keys.manifest_key(content_id, generation), body, if_absent=True)
    with engine.index.begin() as tx:
        contents.add(tx, chosen.manifest, generation)


def _whole(stores: Iterable[Store], manifest: Manifest) -> list[Store]:
    """Those that have every pack of `manifest`, or `moved` in its place (F-3).

    Packs that nobody needed there were collected before the manifest was. Where no store has all
    of them, packs were lost, and each is to say of what.
    """
    candidates = list(stores)
    packs = [use.pack_id for use in manifest.packs]
    return [s for s in candidates if all(_has(s, pack) for pack in packs)] or candidates


def _has(store: Store, pack_id: PackId) -> bool:
    prefixes = (keys.pack_prefix(pack_id), keys.moved_prefix(pack_id))
    return any(True for prefix in prefixes for _ in store.list(prefix))


def read_place(engine: Engine, place: Place) -> PlaceRebuilt:
    """Makes rows of what lies in a place that was taken; manifests were read before."""
    count = new = size = 0
    listed: set[tuple[str, int]] = set()
    for page in _packs(engine, place):
        check_stop(engine.stop)
        with engine.index.begin() as tx:
            new += pack_objects.adopt(tx, place.id, page, engine.clock.now())
        count += len(page)
        size += sum(one.size_bytes for one in page)
        listed.update((one.pack_id, one.generation) for one in page)
    rebuild_doubts.look_for_unlisted(engine, place, listed)
    leading = read_moved(engine, place)
    manifests = list_manifests(engine, place)
    seals = _read_seals(engine, place, manifests)
    return PlaceRebuilt(
        place=place.name,
        packs=count,
        new_packs=new,
        bytes=size,
        moved=leading,
        manifests=len(manifests),
        seals=seals,
    )


def _packs(engine: Engine, place: Place) -> Iterator[list[FoundPack]]:
    """Pages of packs; all generations of one pack are on the same page."""
    page: list[FoundPack] = []
    for info in engine.stores.of(place).list(keys.PACKS_PREFIX):
        found = keys.parse_pack_key(info.key)
        if found is None:
            continue
        if len(page) >= _PAGE and page[-1].pack_id != found.pack_id:
            yield page
            page = []
        page.append(FoundPack(found.pack_id, found.generation, info.size_bytes))
    if page:
        yield page


def _read_seals(engine: Engine, place: Place, manifests: Listed) -> int:
    """Notes every seal that holds; tells how many."""
    listed = _numbers(engine, place, keys.SEALS_PREFIX)
    with engine.index.read() as tx:
        known = contents.standing(tx, listed)
    latest = {content_id: max(listed[content_id]) for content_id in listed if content_id in known}

    def read(content_id: ContentId) -> Seal | None:
        check_stop(engine.stop)
        key = keys.seal_key(content_id, latest[content_id])
        try:
            seal = decode_seal(engine.stores.of(place).get(key))
        except (Corrupt, Invalid, NotFound):
            return None
        return (
            seal if (seal.content_id, seal.revision) == (content_id, latest[content_id]) else None
        )

    with ThreadPoolExecutor(engine.options.heads_in_flight, "seals") as pool:
        seals = dict(zip(latest, pool.map(read, latest), strict=True))
    held = 0
    for content_id, seal in seals.items():
        held += _note_seal(engine, place, content_id, latest[content_id], seal, manifests)
    return held


def _note_seal(
    engine: Engine,
    place: Place,
    content_id: ContentId,
    revision: int,
    seal: Seal | None,
    manifests: Listed,
) -> bool:
    with engine.index.begin() as tx:
        contents.skip_seal_revisions(tx, place.id, content_id, revision)
        row = contents.get(tx, content_id)
        if row is None or seal is None or row.generation not in manifests.get(content_id, ()):
            return False
        if moved.lacking(tx, place.id, [content_id]):
            return False
        contents.set_sealed(
            tx, place.id, content_id, revision, seal.proof, generation=row.generation
        )
    return True


def _numbers(engine: Engine, place: Place, prefix: str) -> Listed:
    parse = keys.parse_manifest_key if prefix == keys.MANIFESTS_PREFIX else keys.parse_seal_key
    found: dict[ContentId, set[int]] = defaultdict(set)
    for info in engine.stores.of(place).list(prefix):
        key = parse(info.key)
        if key is not None:
            found[key[0]].add(key[1])
    return {content_id: frozenset(numbers) for content_id, numbers in found.items()}
