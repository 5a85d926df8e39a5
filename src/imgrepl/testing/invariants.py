"""What must hold in any world at any moment, whatever happened before.

Each check looks behind the engine's back, at the objects and rows as they are, and yields one line
for everything that it finds wrong. `docs/guarantees.md` says which promise each one holds.
"""

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import Connection

from imgrepl.actions.usage import UsageReport
from imgrepl.gallery import contents, operations, packs, places, replicas, versions
from imgrepl.gallery.packs import GONE, PRESENT, PlacePack
from imgrepl.gallery.schema import LIVE_PACK_STATES, place_packs
from imgrepl.layout import keys
from imgrepl.layout.moved import decode_moved
from imgrepl.layout.records import Record, RecordKind, decode_record
from imgrepl.model.gallery import ImageVersion, ProvisioningState
from imgrepl.model.ids import ContentId, PackId, PlaceId
from imgrepl.model.region import Place, roles_of
from imgrepl.model.replica import ReplicaState
from imgrepl.store.memory import MemoryStore


class Violation(AssertionError):
    """A promise was broken; the text says which, where, and the seed it happened with."""


Objects = Mapping[str, bytes]
"""What lies in one place, by key, in key order."""


class Restores(Protocol):
    """A second reader of disks, which shares no code with the engine."""

    def restore(self, objects: Objects, content_id: ContentId) -> bytes:
        """All bytes of a disk from one place alone. Raises when it is not whole."""


@dataclass
class Look:
    """A world as it is now. `injured` objects were damaged by the test itself, and not mended."""

    tx: Connection
    stores: Mapping[str, MemoryStore]
    restorer: Restores
    injured: set[tuple[str, str]] = field(default_factory=set)
    foreign: set[tuple[str, str]] = field(default_factory=set)
    """Objects that a process put whose index did not own the store any more: nobody knows them."""
    lied: bool = False
    """Whether a server gave wrong bytes in this world: then a whole pack may be called damaged."""

    def __post_init__(self) -> None:
        self.objects = {url: objects_in(store) for url, store in self.stores.items()}
        self.places = {place.id: place for place in places.list_all(self.tx)}
        self.rows: dict[PlaceId, dict[keys.PackKey, PlacePack]] = {
            place_id: _rows(self.tx, place_id) for place_id in self.places
        }
        every = versions.list_all(self.tx, include_staged=True)
        self.committed = [version for version in every if version.committed]
        self.staged = [version for version in every if not version.committed]
        self.replicas = {v.id: replicas.of_version(self.tx, v.id) for v in self.committed}
        self.named = {v.id: contents.packs_of(self.tx, v.content_ids) for v in self.committed}

    @property
    def standing(self) -> list[ImageVersion]:
        """Committed versions that nobody has begun to delete."""
        doomed = ProvisioningState.DELETING
        return [version for version in self.committed if version.provisioning_state is not doomed]

    def in_place(self, place: Place) -> Objects:
        """What lies in a place; nothing where nobody has been."""
        return self.objects.get(place.endpoint.url, {})

    def at_home(self, version: ImageVersion) -> list[Place]:
        """The places of a version's home region."""
        return [place for place in self.places.values() if place.region == version.location]

    def completed(self, version: ImageVersion) -> Iterator[Place]:
        """Every place of every replica that is complete: one each, or one in each zone."""
        yield from self.standing_in(version, (ReplicaState.COMPLETED,))

    def standing_in(
        self, version: ImageVersion, states: Container[ReplicaState] = tuple(ReplicaState)
    ) -> Iterator[Place]:
        """Every place of every replica in these states."""
        for replica in self.replicas[version.id]:
            if replica.state in states:
                roles = roles_of(replica.storage_account_type)
                for place in self.places.values():
                    where = (place.region, place.number)
                    if where == (replica.region, replica.number) and place.role in roles:
                        yield place

    def is_injured(self, place: Place, prefix: str) -> bool:
        """Whether the test itself damaged an object there whose key begins like this."""
        url = place.endpoint.url
        return any(at == url and key.startswith(prefix) for at, key in self.injured)

    def injured_disk(self, place: Place, version: ImageVersion) -> bool:
        """Whether anything that this version needs there was damaged by the test itself."""
        if not self.injured:
            return False
        if any(self.is_injured(place, keys.manifest_prefix(c)) for c in version.content_ids):
            return True
        return any(
            self.is_injured(place, prefix(pack_id))
            for pack_id in self.named[version.id]
            for prefix in (keys.pack_prefix, keys.moved_prefix)
        )


def objects_in(store: MemoryStore) -> Objects:
    """All objects of a store."""
    return {info.key: store.get(info.key) for info in store.list("")}


def beginning(objects: Objects, prefix: str) -> Iterator[str]:
    """The keys that begin with `prefix`."""
    return (key for key in objects if key.startswith(prefix))


def _rows(tx: Connection, place_id: PlaceId) -> dict[keys.PackKey, PlacePack]:
    rows = packs.matching(tx, place_packs.c.place_id == place_id)
    return {keys.PackKey(row.pack_id, row.generation): row for row in rows}


Check = Callable[[Look], Iterator[str]]


def a_completed_replica_restores(look: Look) -> Iterator[str]:
    """Every place of a `Completed` replica gives the disk by itself."""
    for version in look.committed:
        for place in look.completed(version):
            fault = None if look.injured_disk(place, version) else _fault_at(look, version, place)
            if fault is not None:
                yield f"{version.id} is Completed and cannot be restored from {fault}"


def _fault_at(look: Look, version: ImageVersion, place: Place) -> str | None:
    """Why a version's disks are not whole in a place."""
    for content_id in version.content_ids:
        try:
            look.restorer.restore(look.in_place(place), content_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the disk is not there
            return f"{place.name}: {error}"
    return None


def a_committed_version_is_whole_at_home(look: Look) -> Iterator[str]:
    """Some place of its home region has all packs and manifests of a committed version."""
    for version in look.standing:
        at_home = look.at_home(version)
        if any(look.injured_disk(place, version) for place in at_home):
            continue
        faults = [_fault_at(look, version, place) for place in at_home]
        if all(faults):
            yield f"{version.id} is committed and nowhere whole in {version.location}: {faults}"


def what_a_version_names_is_known(look: Look) -> Iterator[str]:
    """The index knows the content of every committed version."""
    for version in look.standing:
        for content_id in version.content_ids:
            if contents.get(look.tx, content_id) is None:
                yield f"{version.id} is committed and its content {content_id} is unknown"


def the_packs_of_a_completed_replica_are_present(look: Look) -> Iterator[str]:
    """By the rows: each pack is present, or was moved, wherever a replica is complete.

    What the test itself damaged, or lied about, may have any living state.
    """
    for version in look.committed:
        for place in look.completed(version):
            states = {
                key.pack_id: row.state
                for key, row in look.rows[place.id].items()
                if row.state in LIVE_PACK_STATES
            }
            for pack_id in look.named[version.id]:
                state = states.get(pack_id)
                excused = look.lied or look.is_injured(place, keys.pack_prefix(pack_id))
                moved = beginning(look.in_place(place), keys.moved_prefix(pack_id))
                if state is not PRESENT and not excused and not any(moved):
                    yield f"{version.id} is Completed in {place.name}, pack {pack_id} is {state}"


def a_present_pack_is_there(look: Look) -> Iterator[str]:
    """A row that says present has its object, of the right length."""
    for place in look.places.values():
        objects = look.in_place(place)
        for key, row in look.rows[place.id].items():
            name = keys.pack_key(*key)
            if row.state is PRESENT and not look.is_injured(place, name):
                content = objects.get(name)
                if content is None or len(content) != row.pack_bytes:
                    found = None if content is None else len(content)
                    yield f"{place.name} has {found} bytes of {name}, not {row.pack_bytes}"


def an_object_has_its_row(look: Look) -> Iterator[str]:
    """No pack lies in a bucket unknown to the index, and none that is gone is still there."""
    for place in look.places.values():
        rows = look.rows[place.id]
        for name in beginning(look.in_place(place), keys.PACKS_PREFIX):
            key = keys.parse_pack_key(name)
            assert key is not None, f"{name} is no key of a pack"
            state = rows[key].state if key in rows else None
            if (place.endpoint.url, name) in look.foreign:
                continue
            if state is None or state is GONE:
                yield f"{place.name} holds {name}, which is {state or 'unknown'} to the index"


def the_home_record_says_what_the_index_says(look: Look) -> Iterator[str]:
    """The newest record at home has the content of the committed row."""
    for version in look.standing:
        if any(look.is_injured(place, keys.RECORDS_PREFIX) for place in look.at_home(version)):
            continue
        record = _newest_record(look, version) or _newest_record(look, version, foreign=True)
        if record is None:
            yield f"{version.id} is committed and has no record in {version.location}"
            continue
        named = [disk["content_id"] for disk in record.fields["disks"]]
        if record.deleted or named != list(version.content_ids):
            yield f"the record of {version.id} says {named}, deleted: {record.deleted}"


def no_record_speaks_of_what_was_never_committed(look: Look) -> Iterator[str]:
    """A living record at home belongs to a version of the index, or to one that is on its way.

    Not if its tombstone is there, of an index that was being replaced: its successor read that.
    """
    known = {(str(v.id).lower(), v.incarnation) for v in [*look.committed, *look.staged]}
    for place in look.places.values():
        last = _newest_records(look, place, foreign=True)
        for name, record in _newest_records(look, place).items():
            if record.kind is not RecordKind.VERSION:
                continue
            if name not in last or last[name].deleted:
                continue
            names = "/".join(record.path[2:])
            at_home = record.fields["location"] == place.region
            if at_home and (names, record.incarnation) not in known:
                yield f"{place.name} has a living record of {names}, which the index does not know"


def _newest_records(
    look: Look, place: Place, *, foreign: bool = False
) -> dict[tuple[object, ...], Record]:
    newest: dict[tuple[object, ...], Record] = {}
    doubtful: set[tuple[object, ...]] = set()
    objects = look.in_place(place)
    for name in beginning(objects, keys.RECORDS_PREFIX):
        key = keys.parse_record_key(name)
        assert key is not None, f"{name} is no key of a record"
        if not foreign and (place.endpoint.url, name) in look.foreign:
            continue
        if (place.endpoint.url, name) in look.injured:
            doubtful.add((key.path, key.incarnation))
            continue
        held = newest.get((key.path, key.incarnation))
        if held is None or held.revision < key.revision:
            newest[key.path, key.incarnation] = decode_record(objects[name], key)
    return {key: record for key, record in newest.items() if key not in doubtful}


def _newest_record(look: Look, version: ImageVersion, *, foreign: bool = False) -> Record | None:
    found = [
        record
        for place in look.at_home(version)
        for record in _newest_records(look, place, foreign=foreign).values()
        if record.incarnation == version.incarnation and record.kind is RecordKind.VERSION
    ]
    return max(found, key=lambda record: record.revision, default=None)


def a_committed_version_is_nobodys_once_its_operation_has_ended(look: Look) -> Iterator[str]:
    """So that the next operation can take it up. A staged one waits for its withdrawal."""
    for version in look.committed:
        operation_id = versions.operation_of(look.tx, version.id)
        if operation_id is not None and operations.get(look.tx, operation_id).state.ended:
            yield f"{version.id} belongs to operation {operation_id}, which has ended"


CHECKS: tuple[Check, ...] = (
    a_completed_replica_restores,
    a_committed_version_is_whole_at_home,
    what_a_version_names_is_known,
    the_packs_of_a_completed_replica_are_present,
    a_present_pack_is_there,
    an_object_has_its_row,
    the_home_record_says_what_the_index_says,
    no_record_speaks_of_what_was_never_committed,
    a_committed_version_is_nobodys_once_its_operation_has_ended,
)
"""Hold after every step, crashed or not."""


def faults(look: Look, checks: tuple[Check, ...] = CHECKS) -> list[str]:
    """Everything that is wrong, each with the name of the check that found it."""
    return [f"{check.__name__}: {fault}" for check in checks for fault in check(look)]


def nothing_unneeded_is_left(look: Look) -> Iterator[str]:
    """After a collection in calm weather: every present pack is needed where it lies."""
    for place in look.places.values():
        objects = look.in_place(place)
        needed: set[PackId] = set()
        for version in look.committed:
            if any(place == one for one in look.standing_in(version)):
                needed |= look.named[version.id].keys()
        for pack_id in list(needed):
            for name in beginning(objects, keys.moved_prefix(pack_id)):
                needed |= {run.pack_id for run in decode_moved(objects[name], pack_id).runs}
        for key, row in look.rows[place.id].items():
            if row.state in LIVE_PACK_STATES and key.pack_id not in needed:
                yield f"{place.name} still has {keys.pack_key(*key)}, {row.state}"


def usage_equals_the_bytes(
    look: Look, report: UsageReport, occupied_bytes: Mapping[ContentId, int]
) -> Iterator[str]:
    """After a collection: what is billed is occupied, what counts as stored lies there."""
    billed = sum(
        occupied_bytes[content_id]
        for version in look.committed
        for replica in look.replicas[version.id]
        for content_id in version.content_ids
        if replica.state is ReplicaState.COMPLETED
    )
    stored = sum(
        len(look.in_place(place).get(keys.pack_key(*key), b""))
        for place in look.places.values()
        for key, row in look.rows[place.id].items()
        if row.state is PRESENT
    )
    if report.total.billed_bytes != billed:
        yield f"{report.total.billed_bytes} bytes are billed where {billed} are occupied"
    if report.total.stored_bytes != stored:
        yield f"{report.total.stored_bytes} bytes count as stored where {stored} are"
