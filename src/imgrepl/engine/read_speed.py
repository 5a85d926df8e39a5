"""How fast a replica gives what a deployment reads, measured on its own packs."""

from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import cycle

from imgrepl.engine.context import Engine
from imgrepl.engine.stopping import check_stop
from imgrepl.errors import NotFound
from imgrepl.gallery import packs
from imgrepl.layout import keys
from imgrepl.model.ids import PackId
from imgrepl.model.region import Place


@dataclass(frozen=True, kw_only=True)
class ReadSpeed:
    """What was read in which time."""

    read_bytes: int
    seconds: float

    @property
    def bytes_per_second(self) -> float:
        """The rate."""
        return self.read_bytes / self.seconds


def read_speed(
    engine: Engine,
    place: Place,
    pack_ids: Iterable[PackId],
    *,
    seconds_max: float,
    bytes_max: int,
) -> ReadSpeed:
    """Reads whole packs, again and again, as many at once as a download does.

    Ends after `seconds_max`, or before more than `bytes_max` were asked for; at least one pack is
    read. Raises `NotFound` (`PackMissing`) where the place has none of the packs, and what its
    store raises.
    """
    with engine.index.read() as tx:
        rows = packs.present_in(tx, place.id, pack_ids)
    if not rows:
        raise NotFound(f"{place.name} has none of the packs", code="PackMissing")
    store = engine.stores.of(place)
    started = engine.clock.monotonic()
    asked = read = 0
    in_flight: set[Future[bytes]] = set()
    with ThreadPoolExecutor(engine.options.downloads_in_flight, "measure") as pool:
        for row in cycle(rows.values()):
            check_stop(engine.stop)
            late = engine.clock.monotonic() - started >= seconds_max
            if asked and (late or asked + row.pack_bytes > bytes_max):
                break
            asked += row.pack_bytes
            in_flight.add(pool.submit(store.get, keys.pack_key(row.pack_id, row.generation)))
            if len(in_flight) >= engine.options.downloads_in_flight:
                done, in_flight = wait(in_flight, return_when=FIRST_COMPLETED)
                read += sum(len(future.result()) for future in done)
        read += sum(len(future.result()) for future in in_flight)
    seconds = max(engine.clock.monotonic() - started, 1e-6)
    return ReadSpeed(read_bytes=read, seconds=seconds)
