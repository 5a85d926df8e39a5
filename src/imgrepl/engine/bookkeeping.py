"""Notes in the ledger what an operation brought into each region."""

from sqlalchemy import Connection

from imgrepl.engine.context import Engine
from imgrepl.gallery import ledger
from imgrepl.gallery.ledger import Brought
from imgrepl.model.gallery import ImageVersion
from imgrepl.model.transfer import RegionTransfer


class Bookkeeper:
    """The ledger's view of one operation on one version.

    Traffic is what the wire counted since this was made, and `home_requests` before it; what other
    operations of the same process do meanwhile in the same regions is counted along.
    """

    def __init__(self, engine: Engine, version: ImageVersion, home_requests: int) -> None:
        self._engine = engine
        self._version = version
        self._home_requests = home_requests
        self._before = self._counted()

    def note(self, tx: Connection, region: str, *, is_first: bool) -> None:
        """Notes what reached a region; called once for each.

        `is_first` says that it had no complete replica of the version before. Then the occupied
        bytes are billed as egress of the home region, whichever region they came from.
        """
        was, now = (seen.get(region) for seen in (self._before, self._counted()))
        sent = (now.sent_bytes if now else 0) - (was.sent_bytes if was else 0)
        requests = (now.puts if now else 0) - (was.puts if was else 0)
        home = self._version.location
        if region == home:
            requests += self._home_requests
        if not (is_first or sent or requests):
            return
        occupied = sum(disk.occupied_bytes or 0 for disk in self._version.disks)
        brought = Brought(
            from_region=home,
            to_region=region,
            is_first=is_first,
            egress_bytes=occupied if is_first and region != home else 0,
            sent_bytes=sent,
            requests=requests,
        )
        ledger.note(tx, self._version.id, brought, self._engine.clock.now())

    def _counted(self) -> dict[str, RegionTransfer]:
        return {part.region: part for part in self._engine.stores.moved()}
