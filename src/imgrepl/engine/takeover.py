"""Makes this index the owner of a store that exists, and fences out the one before it."""

from collections.abc import Sequence
from dataclasses import dataclass

from imgrepl.engine.context import Engine
from imgrepl.engine.places import check_features, read_header
from imgrepl.errors import Conflict, Corrupt, Invalid, NotFound
from imgrepl.gallery import contents, galleries, versions
from imgrepl.gallery.identity import IndexIdentity
from imgrepl.layout import keys
from imgrepl.layout.header import EPOCH_MAX, Owner, StoreHeader, decode_owner, encode_owner
from imgrepl.model.region import Place
from imgrepl.store.protocols import Store


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A place of the store. `owner` is None where nobody, or nobody legible, owns it."""

    place: Place
    header: StoreHeader
    owner: Owner | None


def look(engine: Engine, place: Place) -> Claimed:
    """Whose place this is. Raises `NotFound` (`StoreMissing`) where no store was ever made.

    And what `check_features` raises: what is not known is not taken over.
    """
    store = engine.stores.of(place)
    check_features(engine, place)
    try:
        header = read_header(store)
    except NotFound as error:
        raise NotFound(
            f"{place.name} ({store.url}) is no place of a store: it has no {keys.STORE_KEY}",
            code="StoreMissing",
            target=place.name,
            hint="give the region the URL that it had in the index that was lost",
        ) from error
    return Claimed(place=place, header=header, owner=_owner(store))


def _owner(store: Store) -> Owner | None:
    try:
        return decode_owner(store.get(keys.OWNER_KEY))
    except (Corrupt, NotFound):
        return None


def adopt_store(engine: Engine, found: Sequence[Claimed]) -> IndexIdentity:
    """Gives the index the identity of the store, with an epoch above its own and all found.

    So it is the only owner afterwards, also where it is a restored copy of the one that was.
    Raises `Conflict`: `BucketOfAnotherStore` where the places are of several stores,
    `IndexNotEmpty` where the index holds another one, `EpochsExhausted`.
    """
    header = _only_header(found)
    identity = engine.index.identity
    if identity.store_id != header.store_id:
        _refuse_full(engine, identity)
    epochs = [one.owner.epoch for one in found if one.owner is not None]
    epoch = 1 + max([identity.epoch, *epochs])
    if epoch > EPOCH_MAX:
        raise Conflict(
            f"store {header.store_id} was taken over {EPOCH_MAX} times; keys tell no further epoch"
            " apart",
            code="EpochsExhausted",
            hint="publish into a new store; or, where an owner.json only says so, delete that",
        )
    with engine.index.begin() as tx:
        return engine.index.adopt(
            tx,
            store_id=header.store_id,
            domain=header.domains[0],
            epoch=epoch,
        )


def stand_in(engine: Engine, found: Sequence[Claimed]) -> IndexIdentity:
    """Gives the index the identity of the store's owner, for reading. Raises as `adopt_store`."""
    header = _only_header(found)
    _refuse_full(engine, engine.index.identity)
    owners = [one.owner for one in found if one.owner is not None]
    latest = max(owners, key=lambda owner: owner.epoch, default=None)
    own = engine.index.identity
    with engine.index.begin() as tx:
        return engine.index.stand_in(
            tx,
            store_id=header.store_id,
            domain=header.domains[0],
            index_id=own.index_id if latest is None else latest.index_id,
            epoch=own.epoch if latest is None else latest.epoch,
        )


def seize(engine: Engine, place: Place) -> None:
    """Writes this index into the place's `owner.json`, by compare-and-swap.

    Raises `Conflict` (`NotOwner`) where another index of this epoch or a later one came first.
    """
    identity = engine.index.identity
    wanted = Owner(index_id=identity.index_id, epoch=identity.epoch)
    store = engine.stores.of(place)
    try:
        info = store.head(keys.OWNER_KEY)
    except NotFound:
        store.put(keys.OWNER_KEY, encode_owner(wanted), if_absent=True)
        return
    found = _owner(store)
    if found == wanted:
        return
    if found is not None and found.epoch >= wanted.epoch:
        raise Conflict(
            f"{place.name} ({store.url}) was taken over by index {found.index_id} meanwhile, in"
            f" epoch {found.epoch}",
            code="NotOwner",
            target=place.name,
            hint="use that index, or rebuild again",
        )
    store.put(keys.OWNER_KEY, encode_owner(wanted), if_match=info.etag)


def _only_header(found: Sequence[Claimed]) -> StoreHeader:
    """The header of all of them. Raises `Conflict` (`BucketOfAnotherStore`) and `Invalid`."""
    header = found[0].header
    for other in found[1:]:
        if other.header != header:
            raise Conflict(
                f"{found[0].place.name} is of store {header.store_id}, {other.place.name} of"
                f" {other.header.store_id}",
                code="BucketOfAnotherStore",
                target=other.place.name,
                hint="rebuild one index for each store",
            )
    if len(header.domains) != 1:
        raise Invalid(
            f"store {header.store_id} has {len(header.domains)} dedup domains; this release knows"
            " one",
            code="FormatUnknown",
            hint="use a later release",
        )
    return header


def _refuse_full(engine: Engine, identity: IndexIdentity) -> None:
    with engine.index.read() as tx:
        held = len(galleries.list_all(tx)) + len(versions.list_all(tx, include_staged=True))
        held += len(contents.unused(tx, 1))
    if held:
        raise Conflict(
            f"the gallery index {engine.index.url} holds galleries of store {identity.store_id}",
            code="IndexNotEmpty",
            target=engine.index.url,
            hint="rebuild into a new index: name another with --index, add its regions to it",
        )
