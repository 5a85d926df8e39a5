"""One process's wiring."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from imgrepl.actions.context import Context
from imgrepl.assembly.bounds import new_domain
from imgrepl.assembly.peers import OtherGalleries
from imgrepl.assembly.wiring import wired
from imgrepl.clock import SystemClock
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.events import EventSink
from imgrepl.model.peer import Peer
from imgrepl.settings import Settings


@dataclass(frozen=True)
class App:
    """One process's wiring."""

    ctx: Context


@contextmanager
def open_app(settings: Settings, events: EventSink, stop: threading.Event) -> Iterator[App]:
    """Opens the index and wires everything to it; closes it all at the end."""
    index = GalleryIndex.open(settings.index, clock=SystemClock(), new_domain=new_domain(settings))
    peers = OtherGalleries(settings, events, stop)
    with closing(index), wired(settings, index, peers=peers, events=events, stop=stop) as ctx:
        yield App(ctx)


@contextmanager
def open_peer(
    settings: Settings, peer: Peer, events: EventSink, stop: threading.Event
) -> Iterator[App]:
    """Opens another gallery for reading, without an index of this process's own."""
    with OtherGalleries(settings, events, stop).reading(peer) as ctx:
        yield App(ctx)
