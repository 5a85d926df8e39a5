"""What every stage of the engine works with, wired once by whoever starts it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from imgrepl.clock import Clock
from imgrepl.engine.options import EngineOptions
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.capabilities import Capabilities
from imgrepl.model.domain import DedupDomain
from imgrepl.model.events import EventSink
from imgrepl.model.ids import PlaceId
from imgrepl.model.region import Endpoint, Place
from imgrepl.model.transfer import RegionTransfer
from imgrepl.store.protocols import Store

if TYPE_CHECKING:
    from imgrepl.engine.dedup_cache import DedupCache  # loads numpy


class Stores(Protocol):
    """Opens the store of a place: retried, bounded and metered.

    The same object for the same place.
    """

    def of(self, place: Place) -> Store:
        """The store of `place`. Makes no request."""

    def probe(self, place: Place) -> Capabilities:
        """Finds out what the place's server can do, with a few small objects; once per server."""

    def create_bucket(self, endpoint: Endpoint) -> None:
        """Makes the bucket or directory of an endpoint, where it is missing."""

    def moved(self) -> tuple[RegionTransfer, ...]:
        """What went to and from each region since this was made, counted at the wire."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The wiring of one process. `stop` is set to end work between two steps."""

    index: GalleryIndex
    stores: Stores
    clock: Clock
    options: EngineOptions
    domain: DedupDomain
    open_cache: Callable[[], "DedupCache"]
    events: EventSink
    stop: threading.Event
    prepared: set[PlaceId] = field(default_factory=set)
    """Places that were found ready, and ours, in this process."""
    readable: set[PlaceId] = field(default_factory=set)
    """Places whose features were found to be known, in this process."""
    silent: dict[PlaceId, float] = field(default_factory=dict)
    """Places that did not answer a reader, and when that was, by the monotonic clock."""
    breaking: dict[PlaceId, float] = field(default_factory=dict)
    """Places that broke off at one object until patience ended, and gave others; and when."""
