"""What records in buckets need: the collector's roots beside the gallery index.

An index that was restored, or that lost a row, does not know all that was published. So every
record is read, and unless the index says the same of it, or knows of a later revision, what it
names is kept in all regions that it targets.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass

from sqlalchemy import Connection

from imgrepl.engine.context import Engine
from imgrepl.engine.region_records import (
    VERSION_NAMES,
    RecordListing,
    list_records,
    read_records,
    resource_of,
)
from imgrepl.errors import Corrupt, Unavailable
from imgrepl.gallery import contents, identity, moved, place_records, records_log, versions
from imgrepl.gallery import places as place_rows
from imgrepl.gallery import regions as region_rows
from imgrepl.gallery.lookups import resource_key
from imgrepl.layout import keys
from imgrepl.layout.keys import RecordKey
from imgrepl.layout.manifest import decode_manifest
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.ids import ContentId, IncarnationId, PackId
from imgrepl.model.region import Place

_Name = tuple[str, IncarnationId]


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a record names that the index cannot be trusted with, and the regions it is needed in.

    `packs` are those of contents that the index does not know, out of manifests; of the others it
    knows the packs. `unknown` says that the index has no row of the record at all.
    """

    record: str
    unknown: bool
    regions: frozenset[str]
    contents: frozenset[ContentId]
    packs: frozenset[PackId]


@dataclass(frozen=True, kw_only=True)
class Roots:
    """The needs of all records that could be read, in whichever region."""

    needs: tuple[Need, ...]

    def contents_in(self, region: str) -> frozenset[ContentId]:
        """Contents that records need in a region."""
        return frozenset(c for need in self.needs if region in need.regions for c in need.contents)

    @property
    def contents(self) -> frozenset[ContentId]:
        """Contents that records need anywhere."""
        return frozenset(c for need in self.needs for c in need.contents)

    def needed(self, tx: Connection, place: Place, pack_ids: Sequence[PackId]) -> set[PackId]:
        """Those of `pack_ids` that a record needs in this place, for themselves or for others."""
        needs = [need for need in self.needs if place.region in need.regions]
        if not needs:
            return set()
        serves = moved.served_by(tx, place.id, pack_ids)
        named = contents.naming(tx, {*pack_ids, *(p for served in serves.values() for p in served)})
        listed: set[PackId] = {pack_id for need in needs for pack_id in need.packs}
        wanted = self.contents_in(place.region)

        def is_needed(pack_id: PackId) -> bool:
            return pack_id in listed or not wanted.isdisjoint(named[pack_id])

        return {p for p in pack_ids if any(map(is_needed, [p, *serves.get(p, ())]))}


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the index knows of versions, by folded path and incarnation."""

    versions: Mapping[_Name, ImageVersion]
    tombstones: Mapping[_Name, int]
    alive: frozenset[ContentId]

    @classmethod
    def of(cls, tx: Connection) -> "Known":
        """All of it."""
        known = versions.list_all(tx, include_staged=True)
        named = {content_id for version in known for content_id in version.content_ids}
        standing = contents.standing(tx, named)
        stones = records_log.list_all(tx)
        return cls(
            versions={(resource_key(one.id), one.incarnation): one for one in known},
            tombstones={(one.resource_key, one.incarnation): one.revision for one in stones},
            alive=frozenset(c for c, at in standing.items() if not at.removed),
        )

    def is_buried(self, key: RecordKey) -> bool:
        """Whether it was deleted, at this revision or a later one."""
        return self.tombstones.get(_name(key), -1) >= key.revision

    def vouches_for(self, row: ImageVersion, found: ImageVersion) -> bool:
        """Whether the row, as new as the record, needs all that the record names."""
        named = set(found.content_ids)
        same = row.committed and named == set(row.content_ids)
        return same and row.revision >= found.revision and named <= self.alive


def read_needs(engine: Engine, places: Sequence[Place], record_place: Place) -> list[Need]:
    """Reads every record of a region that was not buried; `places` are those of the region.

    Raises `Corrupt` (`RecordUnreadable`) for a record that is not understood, or that names a
    content of which neither the index nor the region has a manifest; `Unavailable`
    (`ListingIncomplete`) for a listing that lacks what was written; and what the store raises. Then
    nothing may be deleted in that region.
    """
    store = engine.stores.of(record_place)
    with engine.index.read() as tx:  # read before the listing, which lacks none of these
        written = place_records.all_in(tx, record_place.id).keys()
    listing = list_records(store)
    with engine.index.read() as tx:  # read after the listing: what was committed by then is known
        known = Known.of(tx)
    _check_complete(store.url, listing, known, written)
    listed = [key for key in listing.newest if len(key.path) == VERSION_NAMES]
    wanted = [key for key in listed if not known.is_buried(key)]
    needs = []
    for key, record in read_records(engine, store, wanted).items():
        where = keys.record_key(*key)
        if isinstance(record, Exception):
            raise _unreadable(store.url, where, str(record)) from record
        if record.deleted:
            continue
        version = resource_of(record)
        assert isinstance(version, ImageVersion), "five names are a version's"
        row = known.versions.get(_name(key))
        if row is None or not known.vouches_for(row, version):
            needs.append(_need(engine, where, version, row, places))
    return needs


def _check_complete(url: str, listing: RecordListing, known: Known, written: Set[_Name]) -> None:
    """That the listing has a record of each version that stands, and any where any was written.

    One that lacks those may lack others, of versions that this index does not know. Raises
    `Unavailable` (`ListingIncomplete`).
    """
    listed = {_name(key) for key in listing.newest}
    stand = {name for name, version in known.versions.items() if version.committed}
    lacking = sorted(path for path, _ in (written & stand) - listed)
    if not lacking and (listed or not written):
        return
    raise Unavailable(
        f"the listing of {url} has {listing.all} records, and none of"
        f" {lacking[0] if lacking else 'those that were written there'}",
        code="ListingIncomplete",
        target=url,
        hint="nothing is deleted on the strength of it. If records were lost, `imgrepl"
        " image-version repair` writes those of a version again",
    )


def _need(
    engine: Engine,
    where: str,
    version: ImageVersion,
    row: ImageVersion | None,
    places: Sequence[Place],
) -> Need:
    latest = row if row is not None and row.revision >= version.revision else version
    regions = frozenset({latest.location, *(target.name for target in latest.target_regions)})
    named = frozenset(version.content_ids)
    with engine.index.read() as tx:
        standing = contents.standing(tx, named)
        is_older = row is None and version.revision < identity.generation_floor(tx)
    unknown = [c for c in sorted(named) if c not in standing or standing[c].removed]
    packs: set[PackId] = set()
    for content_id in unknown:
        found = _packs_in_manifests(engine, content_id, places)
        if found is None and any(place.region in regions for place in places):
            if is_older and _is_nowhere(engine, content_id, regions):
                continue
            raise Corrupt(
                f"{where} names content {content_id}, of which no manifest is there",
                code="RecordUnreadable",
                target=content_id,
                hint="`imgrepl index check` shows what is missing",
            )
        packs |= found or set()
    return Need(
        record=where,
        unknown=row is None,
        regions=regions,
        contents=named,
        packs=frozenset(packs),
    )


def _is_nowhere(engine: Engine, content_id: ContentId, regions: Collection[str]) -> bool:
    """Whether no place of these regions has a manifest of a content; raises what stores raise.

    A record from before this index took the store over, which its rebuild did not bring, came
    late: from who was fenced out while it was on its way. Where all is gone that it names, nothing
    is left to keep.
    """
    with engine.index.read() as tx:
        known = {region.name for region in region_rows.list_all(tx)}
        within = [place for place in place_rows.list_all(tx) if place.region in regions]
    if not known.issuperset(regions):
        return False
    prefix = keys.manifest_prefix(content_id)
    return not any(any(engine.stores.of(place).list(prefix)) for place in within)


def _packs_in_manifests(
    engine: Engine, content_id: ContentId, places: Sequence[Place]
) -> set[PackId] | None:
    """The packs of every manifest of a content in a region; None where it has none."""
    found: set[PackId] | None = None
    for place in places:
        store = engine.stores.of(place)
        for info in store.list(keys.manifest_prefix(content_id)):
            manifest = decode_manifest(store.get(info.key), content_id)
            found = (found or set()) | {use.pack_id for use in manifest.packs}
    return found


def _name(key: RecordKey) -> _Name:
    return "/".join(key.path), key.incarnation


def _unreadable(url: str, key: str, why: str) -> Corrupt:
    return Corrupt(
        f"{url}/{key} is no readable record: {why}",
        code="RecordUnreadable",
        target=key,
        hint="nothing is deleted in this region while a record cannot be read; what it needs is"
        " unknown",
    )
