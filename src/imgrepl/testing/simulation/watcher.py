"""Write orders, checked at the moment of each effect: what the format page numbers as musts."""

import hashlib
from collections.abc import Sequence

from imgrepl.errors import ImgreplError, NotFound
from imgrepl.gallery import contents, packs, places, replicas, schema, versions
from imgrepl.gallery.packs import DELETING, GONE, PRESENT
from imgrepl.layout import keys
from imgrepl.layout.manifest import decode_manifest
from imgrepl.layout.records import RecordKind, decode_record
from imgrepl.layout.seals import decode_seal
from imgrepl.model.gallery import ImageVersion, ProvisioningState
from imgrepl.model.ids import ContentId, PackId
from imgrepl.model.region import Place, roles_of
from imgrepl.testing.simulation.network import Effect, Network
from imgrepl.testing.simulation.world import Eye, region_at


class WriteOrderWatcher:
    """Notes every effect that comes before its time. `injured` objects are excused, until mended.

    `eye` is an index connection of the watcher's own, which takes no turns.
    """

    def __init__(self, network: Network, eye: Eye) -> None:
        self._network = network
        self._eye = eye
        self.injured: set[tuple[str, str]] = set()
        self.foreign: set[tuple[str, str]] = set()
        """Objects that a process put whose index does not own the store any more."""
        self.violations: list[str] = []
        self.pack_bytes_received = 0
        self._deleted: dict[tuple[str, str], float] = {}

    def stored(self, at: Effect, key: str, content: bytes, before: bytes | None) -> None:
        """F-2 to F-8, at the moment an object comes to lie there."""
        url = at.url
        if at.sender != self._network.reigning:
            self.foreign.add((url, key))
        replaced = before is not None and before != content
        if replaced and key != keys.OWNER_KEY and (url, key) not in self.injured:
            self._note("F-7", f"{url}/{key} was overwritten with other bytes")
        deleted_at = self._deleted.get((url, key))
        if deleted_at is not None and at.asked_at > deleted_at:
            self._note("F-8", f"{url}/{key} was deleted and is written again")
        self.injured.discard((url, key))
        if (url, key) in self.foreign:
            return  # nobody knows it: it counts for nothing
        if pack := keys.parse_pack_key(key):
            self.pack_bytes_received += len(content)
            if hashlib.sha256(content).hexdigest() != pack.pack_id:
                self._note("F-32", f"{url}/{key} does not hold what it is named after")
        elif manifest := keys.parse_manifest_key(key):
            self._check_manifest(url, manifest.content_id, content)
        elif seal := keys.parse_seal_key(key):
            decode_seal(content)
            self._check_sealed(url, seal.content_id)
        elif record := keys.parse_record_key(key):
            self._check_record(url, record, content)

    def deleting(self, at: Effect, doomed: Sequence[str]) -> None:
        """F-15 and F-17, at the moment objects go."""
        url, is_foreign = at.url, at.sender != self._network.reigning
        for key in doomed:
            self._deleted[url, key] = self._network.scheduler.now
            self.injured.discard((url, key))
            if pack := keys.parse_pack_key(key):
                self._check_pack_goes(url, pack, is_foreign=is_foreign)
            elif manifest := keys.parse_manifest_key(key):
                self._check_manifest_goes(url, manifest)
            elif keys.parse_record_key(key) or key == keys.STORE_KEY:
                self._note("F-66", f"{url}/{key} is deleted")

    # ------------------------------------------------------------------ what is stored

    def _check_manifest(self, url: str, content_id: ContentId, content: bytes) -> None:
        manifest = decode_manifest(content, content_id)
        lacking = [use.pack_id for use in manifest.packs if not self._has_pack(url, use.pack_id)]
        if lacking:
            self._note("F-3", f"{url} has the manifest of {content_id} before packs {lacking}")

    def _check_sealed(self, url: str, content_id: ContentId) -> None:
        found = self._manifests(url, content_id)
        if not found:
            self._note("F-6", f"{url} is sealed for {content_id} without its manifest")
        for key, encoded in found:
            if (url, key) not in self.injured:
                self._check_manifest(url, content_id, encoded)

    def _check_record(self, url: str, key: keys.RecordKey, content: bytes) -> None:
        record = decode_record(content, key)
        if record.kind is not RecordKind.VERSION or record.deleted:
            return
        self._check_parents(url, key)
        region = region_at(url)
        if region != record.fields["location"]:
            self._check_follows(region, record.fields["location"], key)
            return
        for disk in record.fields["disks"]:
            content_id = ContentId(disk["content_id"])
            at_home = [other for other in self._network.servers if self._is_in(other, region)]
            if not any(self._manifests(other, content_id) for other in at_home):
                self._note("F-4", f"{key.path} is committed before the manifest of {content_id}")

    def _check_parents(self, url: str, key: keys.RecordKey) -> None:
        """The gallery and the definition have records there, or a rebuilt index lacks them."""
        server = self._network.servers[url]
        for path in (key.path[:3], key.path[:4]):
            prefix = keys.record_prefix(path)
            found = (keys.parse_record_key(info.key) for info in server.store.list(prefix))
            rotten = any(at == url and lost.startswith(prefix) for at, lost in self.injured)
            if not rotten and not any(one is not None and one.path == path for one in found):
                self._note("F-4", f"{url} has a record of {key.path} before one of {path}")

    def _check_follows(self, region: str | None, home: str, key: keys.RecordKey) -> None:
        """The home region has a record of this incarnation, of any revision."""
        prefix = keys.record_prefix(key.path)
        if any(self._is_in(at, home) and lost.startswith(prefix) for at, lost in self.injured):
            return  # rot took it
        for url, server in self._network.servers.items():
            if self._is_in(url, home):
                for info in server.store.list(prefix):
                    other = keys.parse_record_key(info.key)
                    if other and other.incarnation == key.incarnation:
                        return
        self._note("F-5", f"{region} has a record of {key.path} before its home {home}")

    # ------------------------------------------------------------------ what is deleted

    def _check_pack_goes(self, url: str, key: keys.PackKey, *, is_foreign: bool) -> None:
        place = self._place_at(url)
        if place is None:
            return
        with self._eye.read() as tx:
            rows = packs.matching(
                tx,
                schema.place_packs.c.place_id == place.id,
                schema.place_packs.c.pack_id == key.pack_id,
            )
        mine = [row for row in rows if row.generation == key.generation]
        if not is_foreign and [row.state for row in mine] not in ([DELETING], [GONE]):
            self._note("F-8", f"{url}/{keys.pack_key(*key)} goes without having entered deletion")
        whole = any(row.state == PRESENT for row in rows) or self._is_moved(url, key.pack_id)
        needs = None if whole else self._who_needs(place, key.pack_id)
        if needs is not None:
            self._note("F-17", f"{url}/{keys.pack_key(*key)} goes, and {needs} needs it")

    def _check_manifest_goes(self, url: str, key: keys.ManifestKey) -> None:
        place = self._place_at(url)
        for version in self._standing_in(place) if place is not None else []:
            with self._eye.read() as tx:
                row = contents.get(tx, key.content_id)
            named = key.content_id in version.content_ids
            if named and row is not None and row.generation == key.generation:
                self._note("F-17", f"the manifest {key} goes from {url}, and {version.id} names it")

    def _who_needs(self, place: Place, pack_id: PackId) -> str | None:
        for version in self._standing_in(place):
            with self._eye.read() as tx:
                if pack_id in contents.packs_of(tx, version.content_ids):
                    return str(version.id)
        return None

    def _standing_in(self, place: Place) -> list[ImageVersion]:
        """Committed versions with a replica in this place that nobody asked to delete."""
        with self._eye.read() as tx:
            return [
                version
                for version in versions.list_all(tx)
                if version.provisioning_state is not ProvisioningState.DELETING
                for replica in replicas.of_version(tx, version.id)
                if (replica.region, replica.number) == (place.region, place.number)
                and place.role in roles_of(replica.storage_account_type)
            ]

    # ------------------------------------------------------------------ what lies where

    def _has_pack(self, url: str, pack_id: PackId) -> bool:
        store = self._network.servers[url].store
        prefix = keys.pack_prefix(pack_id)
        if any(True for _ in store.list(prefix)) or self._is_moved(url, pack_id):
            return True
        return any(at == url and key.startswith(prefix) for at, key in self.injured)

    def _is_moved(self, url: str, pack_id: PackId) -> bool:
        listed = self._network.servers[url].store.list(keys.moved_prefix(pack_id))
        return any(True for _ in listed)

    def _manifests(self, url: str, content_id: ContentId) -> list[tuple[str, bytes]]:
        store = self._network.servers[url].store
        found = [info.key for info in store.list(keys.manifest_prefix(content_id))]
        return [(key, store.get(key)) for key in found]

    def _place_at(self, url: str) -> Place | None:
        with self._eye.read() as tx:
            return next((p for p in places.list_all(tx) if p.endpoint.url == url), None)

    def _is_in(self, url: str, region: str | None) -> bool:
        return region is not None and region_at(url) == region

    def _note(self, rule: str, text: str) -> None:
        self.violations.append(f"{rule}: {text}")


def injure(network: Network, watcher: WriteOrderWatcher, url: str, key: str, how: str) -> None:
    """Damages one object at rest: `flip`, `truncate`, `swap` or `delete`."""
    store = network.servers[url].store
    try:
        content = store.get(key)
    except (NotFound, ImgreplError):
        return
    if how == "delete":
        store.delete([key])
    elif how == "flip" and content:
        at = int(network.roll() * len(content))
        changed = bytes([content[at] ^ (1 << int(network.roll() * 8))])
        store.damage(key, content[:at] + changed + content[at + 1 :])
    elif how == "truncate":
        store.damage(key, content[: int(network.roll() * len(content))])
    else:
        others = [i.key for i in store.list("") if i.key.split("/")[0] == key.split("/")[0]]
        store.damage(key, store.get(others[int(network.roll() * len(others))]))
    watcher.injured.add((url, key))
