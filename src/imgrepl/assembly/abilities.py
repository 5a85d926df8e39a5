"""What the servers of places can do: asked once, kept in the index, known to the stores."""

import threading
from collections.abc import Callable

from imgrepl.model.capabilities import Capabilities
from imgrepl.model.ids import PlaceId
from imgrepl.model.region import Place

Noted = Callable[[Place], Capabilities | None]
"""What an earlier process found out about a place's server, if any did."""


class Abilities:
    """Finds out at most once per server and process; servers do not wait for one another."""

    def __init__(self, noted: Noted) -> None:
        self._noted = noted
        self._by_server: dict[str, Capabilities] = {}
        self._by_place: dict[PlaceId, Capabilities] = {}
        self._asking: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def probed(self, server: str, probe: Callable[[], Capabilities]) -> Capabilities:
        """What this process found out itself, by `probe` the first time."""
        with self._lock:
            asking = self._asking.setdefault(server, threading.Lock())
        with asking:
            if server not in self._by_server:
                self._by_server[server] = probe()
            return self._by_server[server]

    def known(self, place: Place, probe: Callable[[], Capabilities]) -> Capabilities:
        """The same, or what was noted earlier; `probe` only where nobody knows."""
        fresh = self._by_server.get(place.endpoint.server)
        if fresh is not None:
            return fresh
        if place.id not in self._by_place:
            noted = self._noted(place)
            if noted is None:
                return self.probed(place.endpoint.server, probe)
            self._by_place[place.id] = noted
        return self._by_place[place.id]
