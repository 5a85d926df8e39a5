"""The small objects that a place needs beside packs and manifests, and how each is mended.

Whose store it is and which index may write, that a content is whole there, and what the region says
of a version, its definition and its gallery.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imgrepl.engine import places, records
from imgrepl.engine.context import Engine
from imgrepl.engine.records import Resource
from imgrepl.engine.unreadable import read_whole
from imgrepl.errors import Corrupt, NotFound
from imgrepl.gallery import contents, definitions, galleries, place_records
from imgrepl.gallery import places as place_rows
from imgrepl.layout import keys
from imgrepl.layout.header import decode_header, decode_owner, encode_header, encode_owner
from imgrepl.layout.records import decode_record
from imgrepl.layout.seals import decode_seal
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.ids import ContentId
from imgrepl.model.region import Place, PlaceRole


@dataclass(frozen=True, kw_only=True)
class Document:
    """An object that must be in `place`.

    `check` raises `Corrupt` for bytes that are not it. `mend` writes it again, or has it written
    when the place is sealed again; it raises `Conflict` where that is not ours to do.
    """

    place: Place
    key: str
    check: Callable[[bytes], object]
    mend: Callable[[], object]


def documents_of(engine: Engine, version: ImageVersion, place: Place) -> Iterator[Document]:
    """What every place must have in which a replica of `version` stands."""
    yield Document(
        place=place,
        key=keys.STORE_KEY,
        check=lambda content: _check_header(engine, content),
        mend=lambda: _mend_header(engine, place),
    )
    yield Document(
        place=place,
        key=keys.OWNER_KEY,
        check=lambda content: _check_owner(engine, content),
        mend=lambda: _mend_owner(engine, place),
    )
    for content_id in version.content_ids:
        yield _seal(engine, place, content_id)


def records_of(engine: Engine, version: ImageVersion, region: str) -> Iterator[Document]:
    """What the region's first place says of `version`, as far as it was written there.

    At home that is what the index says now: a change whose record was never written counts as
    missing.
    """
    with engine.index.read() as tx:
        known = place_rows.of_region(tx, region)
        place = next((p for p in known if (p.role, p.number) == (PlaceRole.STANDARD, 0)), None)
        if place is None:
            return
        named: list[Resource] = [
            galleries.get(tx, version.id.gallery),
            definitions.get(tx, version.id.definition),
            version,
        ]
        found = [
            (resource, place_records.revision_in(tx, place.id, resource.id, resource.incarnation))
            for resource in named
        ]
    for resource, revision in found:
        if revision is not None:
            at_home = resource.location == region
            yield _record(engine, place, resource, resource.revision if at_home else revision)


def fault_of(engine: Engine, document: Document, missing: str) -> str | None:
    """What is wrong with a document, `missing` where it is not there, None where it is whole."""
    try:
        document.check(read_whole(engine, document.place, document.key))
    except NotFound as error:
        if error.code == "BucketMissing":
            raise
        return missing
    except Corrupt as error:
        return error.message
    return None


def _check_header(engine: Engine, content: bytes) -> None:
    found = decode_header(content)
    if found != places.header_of(engine.index.identity):
        raise Corrupt(f"it is that of store {found.store_id}", code="DocumentCorrupt")


def _mend_header(engine: Engine, place: Place) -> None:
    store, identity = engine.stores.of(place), engine.index.identity
    try:
        decode_header(read_whole(engine, place, keys.STORE_KEY))
    except Corrupt:
        store.put(keys.STORE_KEY, encode_header(places.header_of(identity)))
    except NotFound:
        pass  # the check below writes it
    places.check_header(store, place, identity)


def _check_owner(engine: Engine, content: bytes) -> None:
    found, identity = decode_owner(content), engine.index.identity
    if found.index_id != identity.index_id or found.epoch > identity.epoch:
        raise Corrupt(
            f"it names index {found.index_id}, epoch {found.epoch}", code="DocumentCorrupt"
        )


def _mend_owner(engine: Engine, place: Place) -> None:
    """Whoever it named cannot be told any more; a readable one that names another is left alone."""
    store, identity = engine.stores.of(place), engine.index.identity
    try:
        decode_owner(read_whole(engine, place, keys.OWNER_KEY))
    except Corrupt:
        etag = store.head(keys.OWNER_KEY).etag
        store.put(keys.OWNER_KEY, encode_owner(places.owner_of(identity)), if_match=etag)
    except NotFound:
        pass  # the check below writes it
    places.check_owner(store, place, identity)


def _seal(engine: Engine, place: Place, content_id: ContentId) -> Document:
    """The seal that the index knows, or the next one where it knows none."""
    with engine.index.read() as tx:
        row = contents.sealed_in(tx, place.id, [content_id]).get(content_id)
        last = contents.seal_standing(tx, place.id, [content_id]).get(content_id, 0)
    revision = row.revision if row is not None else last + 1

    def check(content: bytes) -> None:
        found = decode_seal(content)
        if row is None or (found.content_id, found.revision) != (content_id, revision):
            what = f"revision {found.revision} of the seal of {found.content_id}"
            raise Corrupt(f"it is {what}", code="DocumentCorrupt")

    def unseal() -> None:
        with engine.index.begin() as tx:
            contents.unsealed(tx, place.id, [content_id])

    return Document(place=place, key=keys.seal_key(content_id, revision), check=check, mend=unseal)


def _record(engine: Engine, place: Place, resource: Resource, revision: int) -> Document:
    key = keys.record_key(records.path_of(resource.id), resource.incarnation, revision)
    at = keys.parse_record_key(key)
    return Document(
        place=place,
        key=key,
        check=lambda content: decode_record(content, at),
        mend=lambda: records.put_again(engine, place, records.entry_of(resource)),
    )
