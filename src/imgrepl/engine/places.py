"""Makes a place ready, and makes sure that it is ours: header, features, owner."""

from contextlib import suppress

from imgrepl.engine.context import Engine
from imgrepl.errors import Conflict, Corrupt, Invalid, NotFound
from imgrepl.gallery import places
from imgrepl.gallery.identity import IndexIdentity
from imgrepl.layout import keys
from imgrepl.layout.header import (
    KNOWN_FEATURES,
    Owner,
    RegionMark,
    StoreHeader,
    decode_header,
    decode_owner,
    decode_region_mark,
    encode_header,
    encode_owner,
    encode_region_mark,
)
from imgrepl.model.region import Place, PlaceRole
from imgrepl.store.protocols import Lists, Reads, Store

TOO_NEW = "PlaceNeedsNewerVersion"
"""The code of a place that a later release marked."""


def prepare(engine: Engine, place: Place) -> None:
    """Writes what a new place needs and refuses one that is not ours.

    Costs a LIST and a GET where the place is known, and nothing the second time in a process. A
    known place that has no owner any more was emptied, or is another one that is mounted there:
    nothing is written to it, as what the index knows to be in it would be missing. Raises
    `Conflict`: `BucketOfAnotherStore`, `OtherChunker`, `NotOwner`, `PlaceNeedsNewerVersion`;
    `NotFound` (`BucketMissing`); `NotAllowed`; `Unavailable`.
    """
    if place.id in engine.prepared:
        return
    identity = engine.index.identity
    store = engine.stores.of(place)
    with engine.index.read() as tx:
        known = places.prepared(tx, place.id) is not None
    check_features(engine, place)
    if not known:
        check_header(store, place, identity)
    check_owner(store, place, identity, may_claim=not known)
    if not known:
        _mark_region(store, place)
        capabilities = engine.stores.probe(place)
        with engine.index.begin() as tx:
            places.set_prepared(tx, place.id, capabilities.as_json())
    engine.prepared.add(place.id)


def check_features(engine: Engine, place: Place) -> None:
    """As `expect_features`, asked once in a process; a bucket that is not there has no marks."""
    if place.id in engine.readable:
        return
    try:
        expect_features(engine.stores.of(place), place)
    except NotFound:
        return
    engine.readable.add(place.id)


def expect_features(store: Store, place: Place) -> None:
    """Passes where this release knows all that must be known to read or write the place.

    Asked of the place itself: a later release may have marked it since it was prepared. Raises
    `Conflict` (`PlaceNeedsNewerVersion`).
    """
    unknown = [keys.parse_feature_key(key) or "?" for key in unknown_features(store)]
    if unknown:
        raise Conflict(
            f"{place.name} ({store.url}) uses {', '.join(unknown)},"
            " which this release does not know",
            code=TOO_NEW,
            target=place.name,
            hint="use a later release",
        )


def unknown_features(store: Lists) -> list[str]:
    """The keys under `features/` that this release does not understand."""
    listed = [info.key for info in store.list(keys.FEATURES_PREFIX)]
    return [key for key in listed if keys.parse_feature_key(key) not in KNOWN_FEATURES]


def check_owner(
    store: Store, place: Place, identity: IndexIdentity, *, may_claim: bool = True
) -> None:
    """Passes only while this index owns the place; a new place becomes its own.

    Asked before the first write, before a commit and before every batch of deletions. Without
    `may_claim` a place that has no owner is refused: it had one when it was filled. Raises
    `Conflict` (`NotOwner`).
    """
    wanted = owner_of(identity)
    try:
        info = store.head(keys.OWNER_KEY)
    except NotFound as error:
        if not may_claim:
            if error.code == "BucketMissing":
                raise
            raise _not_owner(store, place, identity, None) from None
        try:
            store.put(keys.OWNER_KEY, encode_owner(wanted), if_absent=True)
        except Conflict:
            pass  # somebody was faster: what they wrote is looked at below
        else:
            return
        info = store.head(keys.OWNER_KEY)
    found = decode_owner(store.get(keys.OWNER_KEY))
    if found == wanted:
        return
    if found.index_id == wanted.index_id and found.epoch < wanted.epoch:
        store.put(keys.OWNER_KEY, encode_owner(wanted), if_match=info.etag)
        return
    raise _not_owner(store, place, identity, found)


def expect_owner(store: Store, place: Place, identity: IndexIdentity) -> None:
    """Passes where this index owns the place, by a look alone. Raises `Conflict` (`NotOwner`)."""
    try:
        found = decode_owner(store.get(keys.OWNER_KEY))
    except NotFound:
        raise _not_owner(store, place, identity, None) from None
    if found.index_id != identity.index_id or found.epoch > identity.epoch:
        raise _not_owner(store, place, identity, found)


def _not_owner(
    store: Store, place: Place, identity: IndexIdentity, found: Owner | None
) -> Conflict:
    holder = f"index {found.index_id}, epoch {found.epoch}" if found else "nobody any more"
    return Conflict(
        f"{place.name} ({store.url}) belongs to {holder};"
        f" this is index {identity.index_id}, epoch {identity.epoch}",
        code="NotOwner",
        target=place.name,
        hint="use that index, or take the store over with `imgrepl index rebuild`"
        if found
        else "look whether the right bucket or disk is there; `imgrepl image-version repair` brings"
        " back what is gone",
    )


def _mark_region(store: Store, place: Place) -> None:
    """Says in a region's first place which region it is; what stands there already stays."""
    if (place.role, place.number) != (PlaceRole.STANDARD, 0):
        return
    mark = encode_region_mark(RegionMark(name=place.region))
    with suppress(Conflict):
        store.put(keys.REGION_KEY, mark, if_absent=True)


def mark_portable(store: Store, name: str) -> None:
    """Makes an empty place the first one of an export. One that is marked already stays so."""
    mark = encode_region_mark(RegionMark(name=name, portable=True))
    with suppress(Conflict):
        store.put(keys.REGION_KEY, mark, if_absent=True)


def read_region_mark(store: Reads) -> RegionMark | None:
    """What a region's first place says of itself; None where it says nothing legible."""
    try:
        return decode_region_mark(store.get(keys.REGION_KEY))
    except (Corrupt, Invalid, NotFound):
        return None


def read_header(store: Reads) -> StoreHeader:
    """The header of a place. Raises `NotFound`, `Corrupt`, and `Invalid` for a later format."""
    return decode_header(store.get(keys.STORE_KEY))


def header_of(identity: IndexIdentity) -> StoreHeader:
    """What `store.json` says in every place of this index's store."""
    return StoreHeader(store_id=identity.store_id, domains=(identity.domain,))


def owner_of(identity: IndexIdentity) -> Owner:
    """What `owner.json` says in every place that this index owns."""
    return Owner(index_id=identity.index_id, epoch=identity.epoch)


def check_header(store: Store, place: Place, identity: IndexIdentity) -> None:
    """Passes only where the place is of this index's store; a new place becomes so.

    Raises `Conflict` (`BucketOfAnotherStore`, `OtherChunker`).
    """
    wanted = header_of(identity)
    try:
        found = read_header(store)
    except NotFound:
        try:
            store.put(keys.STORE_KEY, encode_header(wanted), if_absent=True)
        except Conflict:
            found = read_header(store)
        else:
            return
    if found.store_id != wanted.store_id:
        raise Conflict(
            f"{place.name} ({store.url}) belongs to store {found.store_id},"
            f" not to {wanted.store_id}",
            code="BucketOfAnotherStore",
            target=place.name,
            hint="give the region another bucket or prefix, or use the index of that store",
        )
    if found != wanted:
        raise Conflict(
            f"{place.name} ({store.url}) was made with other chunker parameters than this index",
            code="OtherChunker",
            target=place.name,
            hint="give the region another bucket or prefix",
        )
