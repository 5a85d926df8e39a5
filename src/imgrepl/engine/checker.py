"""Compares what the gallery index says lies in each place with what really lies there.

Only looks. What is named and is not there, or not as long as it should be, is a fault; objects and
records that the index does not know are told of, for they may be what another index wrote.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

from imgrepl.engine.check_report import CheckReport, Difference
from imgrepl.engine.context import Engine
from imgrepl.engine.places import check_features
from imgrepl.engine.region_records import list_records
from imgrepl.engine.reporting import Reporter
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import ImgreplError, Interrupted
from imgrepl.gallery import (
    contents,
    moved,
    pack_objects,
    packs,
    place_records,
    records_log,
    replicas,
    versions,
)
from imgrepl.gallery import places as place_rows
from imgrepl.gallery import regions as region_rows
from imgrepl.gallery.lookups import resource_key
from imgrepl.gallery.pack_objects import FoundPack
from imgrepl.gallery.packs import PlacePack
from imgrepl.layout import keys
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.ids import PackId
from imgrepl.model.region import Place, PlaceRole, Region, roles_of
from imgrepl.model.replica import Replica, ReplicaState

_PAGE = 1_000
_MISSING = "it is missing"


def check(engine: Engine) -> CheckReport:
    """Looks at every place of every region. Raises `Interrupted`."""
    finder = _Finder(engine)
    with engine.index.read() as tx:
        regions = region_rows.list_all(tx)
    unread = []
    for region in regions:
        try:
            finder.check_region(region)
        except Interrupted:
            raise
        except ImgreplError as error:
            unread.append((region.name, error))
    finder.check_replicas()
    return CheckReport(
        places=finder.places,
        objects=finder.objects,
        faults=tuple(finder.faults),
        unknown=tuple(finder.unknown),
        unread=tuple(unread),
    )


class _Finder:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.places = 0
        self.objects = 0
        self.faults: list[Difference] = []
        self.unknown: list[Difference] = []

    def check_region(self, region: Region) -> None:
        """Looks at every place of a region that was ever used."""
        with self._engine.index.read() as tx:
            found = [
                place
                for place in place_rows.of_region(tx, region.name)
                if place_rows.prepared(tx, place.id) is not None
            ]
        reporter = Reporter(self._engine, "check", region.name)
        with reporter:
            reporter.begin(items_total=len(found))
            for place in found:
                check_features(self._engine, place)
                if (place.role, place.number) == (PlaceRole.STANDARD, 0):
                    self._check_records(place)
                self._check_packs(place)
                self._check_contents(place)
                self._check_moved(place)
                self.places += 1

    def check_replicas(self) -> None:
        """Whether complete replicas have all packs, by the rows alone."""
        with self._engine.index.read() as tx:
            known = versions.list_all(tx)
        for version in known:
            check_stop(self._engine.stop)
            with self._engine.index.read() as tx:
                complete = [
                    replica
                    for replica in replicas.of_version(tx, version.id)
                    if replica.state is ReplicaState.COMPLETED
                ]
            for replica in complete:
                self._check_replica(version, replica)

    def _check_replica(self, version: ImageVersion, replica: Replica) -> None:
        roles = roles_of(replica.storage_account_type)
        with self._engine.index.read() as tx:
            places = [
                place
                for place in place_rows.of_region(tx, replica.region)
                if place.role in roles and place.number == replica.number
            ]
            lacking = {place: moved.lacking(tx, place.id, version.content_ids) for place in places}
            known = [contents.get(tx, content_id) for content_id in version.content_ids]
        if None in known or len(places) < len(roles):
            self._fault(f"{replica.region}/{replica.number}", str(version.id), "it is not known")
        for place, pack_ids in lacking.items():
            for pack_id in sorted(pack_ids):
                reason = f"{version.id} is complete here, and the pack is not"
                self._fault(place.name, keys.pack_prefix(pack_id), reason)

    def _check_records(self, place: Place) -> None:
        listing = list_records(self._engine.stores.of(place))
        found = {("/".join(key.path), key.incarnation): key for key in listing.newest}
        self.objects += listing.all
        with self._engine.index.read() as tx:
            noted = place_records.all_in(tx, place.id)
            stones = {
                (stone.resource_key, stone.incarnation): stone.revision
                for stone in records_log.list_all(tx)
            }
            at_home = {
                (resource_key(version.id), version.incarnation): version.revision
                for version in versions.list_all(tx)
                if version.location == place.region
            }
        for name in noted.keys() | at_home.keys():
            revision = max(noted.get(name, 0), at_home.get(name, 0))
            if name not in found or found[name].revision < revision:
                where = f"{keys.RECORDS_PREFIX}{name[0]}/{name[1]}.{revision}.json"
                self._fault(place.name, where, _MISSING)
        for name, key in found.items():
            if key.revision > max(noted.get(name, -1), stones.get(name, -1)):
                self._tell(place.name, keys.record_key(*key), "no row knows this revision")

    def _check_packs(self, place: Place) -> None:
        for pack_id, rows, objects in _merged(self._rows(place), self._objects(place)):
            check_stop(self._engine.stop)
            self.objects += len(objects)
            sizes = {found.generation: found.size_bytes for found in objects}
            for row in rows:
                self._check_pack(place, row, sizes.get(row.generation))
            for generation in sizes.keys() - {row.generation for row in rows}:
                self._tell(place.name, keys.pack_key(pack_id, generation), "it has no row")

    def _check_pack(self, place: Place, row: PlacePack, size_bytes: int | None) -> None:
        key = keys.pack_key(row.pack_id, row.generation)
        if row.state == packs.DAMAGED:
            self._fault(place.name, key, f"it is known to be damaged: {row.reason}")
        elif row.state in (packs.PRESENT, packs.CONDEMNED):
            if size_bytes is None:
                self._fault(place.name, key, _MISSING)
            elif size_bytes != row.pack_bytes:
                reason = f"it has {size_bytes} bytes instead of {row.pack_bytes}"
                self._fault(place.name, key, reason)

    def _rows(self, place: Place) -> Iterator[tuple[PackId, list[PlacePack]]]:
        after = ""
        while True:
            with self._engine.index.read() as tx:
                page = pack_objects.page(tx, place.id, after, _PAGE)
            yield from page.items()
            if len(page) < _PAGE:
                return
            after = max(page)

    def _objects(self, place: Place) -> Iterator[tuple[PackId, list[FoundPack]]]:
        listing = self._engine.stores.of(place).list(keys.PACKS_PREFIX)
        parsed = ((keys.parse_pack_key(info.key), info.size_bytes) for info in listing)
        found = (FoundPack(*key, size) for key, size in parsed if key is not None)
        for pack_id, objects in groupby(found, key=lambda one: one.pack_id):
            yield pack_id, list(objects)

    def _check_contents(self, place: Place) -> None:
        store = self._engine.stores.of(place)
        manifests = {info.key for info in store.list(keys.MANIFESTS_PREFIX)}
        seals = {info.key for info in store.list(keys.SEALS_PREFIX)}
        self.objects += len(manifests) + len(seals)
        with self._engine.index.read() as tx:
            sealed = contents.seals_of(tx, place.id)
            parsed = [key for key in map(keys.parse_manifest_key, manifests) if key is not None]
            known = contents.standing(tx, {key.content_id for key in parsed})
        for seal in sealed:
            self._expect(place, keys.manifest_key(seal.content_id, seal.generation), manifests)
            self._expect(place, keys.seal_key(seal.content_id, seal.revision), seals)
        for key in parsed:
            if key.content_id not in known:
                self._tell(place.name, keys.manifest_key(*key), "its content has no row")

    def _check_moved(self, place: Place) -> None:
        listed = {info.key for info in self._engine.stores.of(place).list(keys.MOVED_PREFIX)}
        self.objects += len(listed)
        with self._engine.index.read() as tx:
            leading = moved.find(tx, place.id, moved.revisions_in(tx, place.id))
        for row in leading.values():
            self._expect(place, keys.moved_key(row.pack_id, row.revision), listed)

    def _expect(self, place: Place, key: str, listed: set[str]) -> None:
        if key not in listed:
            self._fault(place.name, key, _MISSING)

    def _fault(self, place: str, where: str, reason: str) -> None:
        self.faults.append(Difference(place=place, object=where, reason=reason))

    def _tell(self, place: str, where: str, reason: str) -> None:
        self.unknown.append(Difference(place=place, object=where, reason=reason))


def _merged(
    rows: Iterable[tuple[PackId, list[PlacePack]]],
    objects: Iterable[tuple[PackId, list[FoundPack]]],
) -> Iterator[tuple[PackId, list[PlacePack], list[FoundPack]]]:
    """Both sides in step, by pack id, in which both are ordered; neither is held in memory."""
    left, right = iter(rows), iter(objects)
    row, found = next(left, None), next(right, None)
    while row is not None or found is not None:
        if found is None or (row is not None and row[0] < found[0]):
            assert row is not None
            yield row[0], row[1], []
            row = next(left, None)
        elif row is None or found[0] < row[0]:
            yield found[0], [], found[1]
            found = next(right, None)
        else:
            yield row[0], row[1], found[1]
            row, found = next(left, None), next(right, None)
