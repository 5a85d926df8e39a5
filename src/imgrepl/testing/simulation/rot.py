"""Rot at rest: which objects may be damaged so that everything can still be mended, and how."""

from imgrepl.gallery import replicas, versions
from imgrepl.layout import keys
from imgrepl.testing.simulation.checking import Checker
from imgrepl.testing.simulation.scheduler import Roll, pick
from imgrepl.testing.simulation.world import Eye, SimulatedWorld, region_at

INJURIES = ("flip", "truncate", "swap", "delete")
_VERSION_NAMES = 5


class Rot:
    """Chooses what rots. In a `hopeless` world that may be the last healthy copy of something."""

    def __init__(
        self, world: SimulatedWorld, checker: Checker, roll: Roll, *, hopeless: bool
    ) -> None:
        self._world = world
        self._eye: Eye = world.eye
        self._checker = checker
        self._roll = roll
        self._hopeless = hopeless

    def choose(self, url: str) -> tuple[str, str] | None:
        """A key of this server and how it is damaged; None where nothing may be.

        Mostly packs and manifests, which most objects are.
        """
        kinds = ("packs/", "packs/", "manifests/", "seals/", "moved/", "records/")
        prefix = pick(self._roll, kinds)
        listed = [info.key for info in self._world.network.servers[url].store.list(prefix)]
        if not listed:
            return None
        key, how = pick(self._roll, listed), pick(self._roll, INJURIES)
        return (key, how) if self._can_be_mended(url, key) else None

    def _can_be_mended(self, url: str, key: str) -> bool:
        if key.startswith(keys.SEALS_PREFIX):
            return True
        if record := keys.parse_record_key(key):
            return len(record.path) == _VERSION_NAMES and self._stands(url, record)
        if moved := keys.parse_moved_key(key):
            whole = keys.pack_key(moved.pack_id, 0)
            return self._checker.has_healthy_copy(whole, but=url)
        return self._hopeless or self._checker.has_healthy_copy(key, but=url)

    def _stands(self, url: str, record: keys.RecordKey) -> bool:
        """Whether it is of a version that stands in this region: repair writes those again."""
        with self._eye.read() as tx:
            for version in versions.list_all(tx):
                if version.incarnation == record.incarnation:
                    found = replicas.of_version(tx, version.id)
                    return any(replica.region == region_at(url) for replica in found)
        return False
