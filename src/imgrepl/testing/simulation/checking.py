"""Looks at a simulated world: every invariant, every promise, every move, every meter."""

from sqlalchemy import Connection

from imgrepl.layout import keys
from imgrepl.model.gallery import ImageVersion, ProvisioningState
from imgrepl.model.ids import ContentId
from imgrepl.testing.invariants import Look, faults
from imgrepl.testing.simulation.edges import illegal_moves
from imgrepl.testing.simulation.promises import Disks, Promises
from imgrepl.testing.simulation.restoring import NotWhole, Restorer
from imgrepl.testing.simulation.watcher import WriteOrderWatcher
from imgrepl.testing.simulation.world import SimulatedWorld


class Checker:
    """Everything that must hold between two steps. Takes no turns and changes nothing."""

    def __init__(
        self,
        world: SimulatedWorld,
        promises: Promises,
        watcher: WriteOrderWatcher,
    ) -> None:
        self._world = world
        self._eye = world.eye
        self._promises = promises
        self._watcher = watcher
        self._restorer = Restorer(world.eye.identity.domain.chunk_key)
        self._names: dict[ContentId, str] = {}
        self._moves_seen = 0

    def violations(self) -> list[str]:
        """One line for each thing that does not hold."""
        with self._eye.read() as tx:
            look = self.look(tx)
            found = [*self._watcher.violations, *faults(look), *self._broken_promises(look)]
            self._moves_seen, illegal = illegal_moves(tx, self._moves_seen)
        return [*found, *illegal, *self._wrong_meters()]

    def skip_moves(self) -> None:
        """A rebuild makes rows as it finds objects: its moves are none."""
        with self._eye.read() as tx:
            self._moves_seen, _ = illegal_moves(tx, 0)

    def look(self, tx: Connection) -> Look:
        """The world as it is now."""
        network = self._world.network
        weather = network.weather
        return Look(
            tx=tx,
            stores={url: server.store for url, server in network.servers.items()},
            restorer=self._restorer,
            injured=self._watcher.injured,
            foreign=self._watcher.foreign,
            lied=bool(weather.flip or weather.truncate or weather.swap),
        )

    def _broken_promises(self, look: Look) -> list[str]:
        found = []
        standing = {str(version.id): version for version in look.committed}
        for name, promise in self._promises.of.items():
            version = standing.get(name)
            gone = version is None or version.provisioning_state is ProvisioningState.DELETING
            if promise.is_due and gone:
                found.append(f"{name} was published as {promise.kept} and is lost")
        for name, version in standing.items():
            promise = self._promises.get(name)
            if not promise.asked:
                found.append(f"{name} is there, and nobody asked for it")
                continue
            disks = self._disks_of(look, version)
            if disks is not None and not promise.allows(disks):
                found.append(f"{name} holds {disks}; it may hold {promise}")
        return found

    def _disks_of(self, look: Look, version: ImageVersion) -> Disks | None:
        """Which disks a version holds; None where damage or its deletion keeps that from us."""
        names = [self._name_of(look, version, content) for content in version.content_ids]
        known = [name for name in names if name is not None]
        return tuple(known) if len(known) == len(names) else None

    def _name_of(self, look: Look, version: ImageVersion, content_id: ContentId) -> str | None:
        if content_id not in self._names:
            for place in look.places.values():
                try:
                    content = self._restorer.restore(look.in_place(place), content_id)
                except NotWhole:
                    continue
                name = self._world.shelf.name_of(content)
                assert name is not None, f"{version.id} in {place.name} is no disk that there is"
                self._names[content_id] = name
                break
        return self._names.get(content_id)

    def contents(self, look: Look) -> dict[ContentId, bytes]:
        """The bytes of every disk that a committed version holds."""
        named = {c: version for version in look.committed for c in version.content_ids}
        found = {
            content: self._name_of(look, version, content) for content, version in named.items()
        }
        return {c: self._world.shelf.content(name) for c, name in found.items() if name}

    def _wrong_meters(self) -> list[str]:
        """Bytes that left processes and came to them, and puts and copies, against the servers'."""
        servers = self._world.network.servers.values()
        traffic = self._world.traffic
        counted = (traffic.sent_bytes, traffic.received_bytes, traffic.puts + traffic.copies)
        real = (
            sum(server.received_bytes for server in servers),
            sum(server.delivered_bytes for server in servers),
            sum(server.puts for server in servers),
        )
        if counted == real:
            return []
        return [f"the meters say {counted} bytes sent, received, and puts; there were {real}"]

    def has_healthy_copy(self, key: str, *, but: str) -> bool:
        """Whether another place has the object, whole."""
        pack = keys.parse_pack_key(key)
        prefix = keys.pack_prefix(pack.pack_id) if pack else key
        return any(
            (url, info.key) not in self._watcher.injured
            for url, server in self._world.network.servers.items()
            if url != but
            for info in server.store.list(prefix)
        )
