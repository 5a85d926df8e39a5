"""Contents: what a disk's manifest names, and in which places it is sealed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from imgrepl.gallery import identity
from imgrepl.gallery.bulk import in_lists, insert_missing
from imgrepl.gallery.schema import content_packs, contents, packs, place_contents, version_disks
from imgrepl.model.ids import ContentId, PackId, PlaceId
from imgrepl.model.manifest import Manifest
from imgrepl.model.proof import Proof, ProofLevel


@dataclass(frozen=True, kw_only=True)
class ContentRow:
    """One content, in figures. `generation` is that of its manifest's key."""

    content_id: ContentId
    size_bytes: int
    occupied_bytes: int
    stored_bytes: int
    chunks: int
    generation: int


@dataclass(frozen=True, kw_only=True)
class Seal:
    """A place holds all of a content: shown by the seal object of this revision.

    It was made for the content's manifest as it is: one for an earlier generation counts no more.
    """

    place_id: PlaceId
    content_id: ContentId
    revision: int
    proof: Proof


class Standing(NamedTuple):
    """What manifests of a content there may be: those of `generation`, unless `removed`."""

    generation: int
    removed: bool


def next_generation(tx: Connection, content_id: ContentId) -> int:
    """The generation under which a manifest of this content may be written.

    That of the manifest there is, or one that no deleted manifest has had.
    """
    chosen = sa.select(contents.c.generation, contents.c.removed)
    row = tx.execute(chosen.where(contents.c.content_id == content_id)).one_or_none()
    if row is not None and not row.removed:
        return int(row.generation)
    return max(identity.generation_floor(tx), 0 if row is None else row.generation + 1)


def add(tx: Connection, manifest: Manifest, generation: int) -> None:
    """Notes a content and the packs it names.

    One that is known under this generation stays as it is; a higher one replaces it.
    """
    mine = contents.c.content_id == manifest.content_id
    known = tx.scalar(sa.select(contents.c.generation).where(mine))
    if known is not None and known >= generation:
        return
    values = {
        "size_bytes": manifest.size_bytes,
        "occupied_bytes": manifest.occupied_bytes,
        "stored_bytes": manifest.stored_bytes,
        "chunks": manifest.chunks,
        "generation": generation,
        "removed": False,
    }
    if known is None:
        tx.execute(sa.insert(contents).values(content_id=manifest.content_id, **values))
    else:
        tx.execute(sa.update(contents).where(mine).values(values))
        _forget_packs(tx, [manifest.content_id])
    _name_packs(tx, manifest)


def _name_packs(tx: Connection, manifest: Manifest) -> None:
    lengths = [{"pack_id": use.pack_id, "pack_bytes": use.pack_bytes} for use in manifest.packs]
    insert_missing(tx, packs, lengths)
    uses = [{"pack_id": use.pack_id, "used_bytes": use.used_bytes} for use in manifest.packs]
    insert_missing(tx, content_packs, [{**use, "content_id": manifest.content_id} for use in uses])


def get(tx: Connection, content_id: ContentId) -> ContentRow | None:
    """The content, or None where it is unknown or removed."""
    columns = [column for column in contents.c if column is not contents.c.removed]
    chosen = sa.select(*columns).where(contents.c.content_id == content_id, ~contents.c.removed)
    found = tx.execute(chosen).mappings().one_or_none()
    return None if found is None else ContentRow(**found)


def packs_of(tx: Connection, content_ids: Iterable[ContentId]) -> dict[PackId, int]:
    """The packs that these contents name.

    With the stored bytes that the content which needs most of the pack needs of it.
    """
    used: dict[PackId, int] = {}
    for batch in in_lists(content_ids):
        chosen = sa.select(content_packs.c.pack_id, content_packs.c.used_bytes)
        for pack_id, used_bytes in tx.execute(chosen.where(content_packs.c.content_id.in_(batch))):
            used[pack_id] = max(used_bytes, used.get(pack_id, 0))
    return used


def naming(tx: Connection, pack_ids: Iterable[PackId]) -> dict[PackId, set[ContentId]]:
    """For each of `pack_ids` the contents that name it, whoever names those."""
    wanted = list(pack_ids)
    found: dict[PackId, set[ContentId]] = {pack_id: set() for pack_id in wanted}
    for batch in in_lists(wanted):
        chosen = sa.select(content_packs.c.pack_id, content_packs.c.content_id)
        for row in tx.execute(chosen.where(content_packs.c.pack_id.in_(batch))):
            found[PackId(row.pack_id)].add(ContentId(row.content_id))
    return found


def pack_bytes_of(tx: Connection, pack_ids: Iterable[PackId]) -> dict[PackId, int]:
    """The length of each pack that is known."""
    found: dict[PackId, int] = {}
    for batch in in_lists(pack_ids):
        chosen = sa.select(packs.c.pack_id, packs.c.pack_bytes).where(packs.c.pack_id.in_(batch))
        found.update((PackId(row.pack_id), row.pack_bytes) for row in tx.execute(chosen))
    return found


def next_seal_revision(tx: Connection, place_id: PlaceId, content_id: ContentId) -> int:
    """A revision that no seal of this content here has carried, the lost ones included."""
    mine = _is(place_id, content_id)
    _ensure_row(tx, place_id, content_id)
    following = tx.execute(sa.select(place_contents.c.next_revision).where(mine)).scalar_one()
    revision = max(int(following), identity.generation_floor(tx))
    tx.execute(sa.update(place_contents).where(mine).values(next_revision=revision + 1))
    return revision


def skip_seal_revisions(
    tx: Connection, place_id: PlaceId, content_id: ContentId, revision: int
) -> None:
    """A seal of `revision` lies here, whatever it says: a new one gets a higher one."""
    _ensure_row(tx, place_id, content_id)
    lower = sa.and_(_is(place_id, content_id), place_contents.c.next_revision <= revision)
    tx.execute(sa.update(place_contents).where(lower).values(next_revision=revision + 1))


def set_sealed(
    tx: Connection,
    place_id: PlaceId,
    content_id: ContentId,
    revision: int,
    proof: Proof,
    *,
    generation: int,
) -> None:
    """The seal of `revision` is durable in this place, and so is the manifest of `generation`.

    An older seal than the one known changes nothing.
    """
    _ensure_row(tx, place_id, content_id)
    later = sa.case(
        (place_contents.c.next_revision <= revision, revision + 1),
        else_=place_contents.c.next_revision,
    )
    tx.execute(
        sa.update(place_contents)
        .where(_is(place_id, content_id), place_contents.c.seal_revision <= revision)
        .values(
            sealed=True,
            generation=generation,
            seal_revision=revision,
            next_revision=later,
            proof_level=proof.level,
            proof_at=proof.at,
        )
    )


def _ensure_row(tx: Connection, place_id: PlaceId, content_id: ContentId) -> None:
    first = {"place_id": place_id, "content_id": content_id, "sealed": False, "generation": 0}
    insert_missing(tx, place_contents, [{**first, "seal_revision": 0, "next_revision": 1}])


def unsealed(tx: Connection, place_id: PlaceId, content_ids: Iterable[ContentId]) -> None:
    """This place does not hold all of these contents any more."""
    for batch in in_lists(content_ids):
        mine = sa.and_(
            place_contents.c.place_id == place_id,
            place_contents.c.content_id.in_(batch),
            place_contents.c.sealed,
        )
        tx.execute(sa.update(place_contents).where(mine).values(sealed=False))


def sealed_in(
    tx: Connection, place_id: PlaceId, content_ids: Iterable[ContentId]
) -> dict[ContentId, Seal]:
    """Those of `content_ids` that are sealed here."""
    found: dict[ContentId, Seal] = {}
    for batch in in_lists(content_ids):
        chosen = _sealed(place_contents.c.place_id == place_id).where(
            place_contents.c.content_id.in_(batch)
        )
        for row in tx.execute(chosen):
            content_id = ContentId(row.content_id)
            found[content_id] = Seal(
                place_id=place_id,
                content_id=content_id,
                revision=row.seal_revision,
                proof=Proof(ProofLevel(row.proof_level), row.proof_at),
            )
    return found


class SealedContent(NamedTuple):
    """The objects that make a content whole in a place: manifest and seal."""

    content_id: ContentId
    generation: int
    revision: int


def seals_of(tx: Connection, place_id: PlaceId) -> list[SealedContent]:
    """Every content that is sealed in a place."""
    rows = tx.execute(_sealed(place_contents.c.place_id == place_id))
    return [
        SealedContent(ContentId(row.content_id), row.generation, row.seal_revision) for row in rows
    ]


def sealed_places(tx: Connection, content_id: ContentId) -> list[PlaceId]:
    """Where the content is sealed."""
    chosen = _sealed(place_contents.c.content_id == content_id)
    rows = tx.execute(chosen.order_by(place_contents.c.place_id))
    return [PlaceId(row.place_id) for row in rows]


def _sealed(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Seals of manifests that are the ones in use."""
    return (
        sa.select(place_contents)
        .join(contents, contents.c.content_id == place_contents.c.content_id)
        .where(
            condition,
            place_contents.c.sealed,
            place_contents.c.generation == contents.c.generation,
            ~contents.c.removed,
        )
    )


def standing(tx: Connection, content_ids: Iterable[ContentId]) -> dict[ContentId, Standing]:
    """The generation of each content that was ever known, and whether it was given up."""
    found: dict[ContentId, Standing] = {}
    for batch in in_lists(content_ids):
        chosen = sa.select(contents.c.content_id, contents.c.generation, contents.c.removed)
        for row in tx.execute(chosen.where(contents.c.content_id.in_(batch))):
            found[ContentId(row.content_id)] = Standing(row.generation, row.removed)
    return found


def seal_standing(
    tx: Connection, place_id: PlaceId, content_ids: Iterable[ContentId]
) -> dict[ContentId, int]:
    """The latest seal revision of each content that was ever sealed, or about to be, here."""
    found: dict[ContentId, int] = {}
    for batch in in_lists(content_ids):
        chosen = sa.select(place_contents.c.content_id, place_contents.c.seal_revision).where(
            place_contents.c.place_id == place_id, place_contents.c.content_id.in_(batch)
        )
        found.update((ContentId(row.content_id), row.seal_revision) for row in tx.execute(chosen))
    return found


def unused(tx: Connection, limit: int) -> list[ContentId]:
    """Contents that no version names, staged ones included, at most `limit`."""
    named = sa.exists().where(version_disks.c.content_id == contents.c.content_id)
    chosen = sa.select(contents.c.content_id).where(~contents.c.removed, ~named).limit(limit)
    return [ContentId(content_id) for content_id in tx.scalars(chosen)]


def remove(tx: Connection, content_ids: Iterable[ContentId]) -> list[ContentId]:
    """Gives up those of `content_ids` that no version names, and tells which.

    Their packs stay until collected. Generations and seal revisions are remembered: what is
    written again has other keys.
    """
    given_up: list[ContentId] = []
    for batch in in_lists(content_ids):
        chosen = sa.select(version_disks.c.content_id).where(version_disks.c.content_id.in_(batch))
        named = set(tx.scalars(chosen))
        idle = [content_id for content_id in batch if content_id not in named]
        _forget_packs(tx, idle)
        for table, values in ((contents, {"removed": True}), (place_contents, {"sealed": False})):
            tx.execute(sa.update(table).where(table.c.content_id.in_(idle)).values(values))
        given_up.extend(idle)
    return given_up


def _forget_packs(tx: Connection, content_ids: list[ContentId]) -> None:
    tx.execute(sa.delete(content_packs).where(content_packs.c.content_id.in_(content_ids)))


def _is(place_id: PlaceId, content_id: ContentId) -> sa.ColumnElement[bool]:
    return sa.and_(place_contents.c.place_id == place_id, place_contents.c.content_id == content_id)
