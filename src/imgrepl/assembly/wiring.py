"""From settings and an open index to what actions work with."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING

from imgrepl.actions.context import Context, Peers
from imgrepl.assembly.bounds import engine_options, limits_of
from imgrepl.assembly.pricing import pricing_of
from imgrepl.assembly.stores import PlaceStores, StoppableClock
from imgrepl.assembly.workers import spawn_worker
from imgrepl.clock import SystemClock
from imgrepl.engine.context import Engine
from imgrepl.gallery import places
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.capabilities import Capabilities
from imgrepl.model.events import EventSink
from imgrepl.model.region import Place
from imgrepl.model.sharing import Caller
from imgrepl.settings import Settings

if TYPE_CHECKING:
    from imgrepl.engine.dedup_cache import DedupCache

_CACHE_MEMORY_BYTES = 32 << 20


@contextmanager
def wired(
    settings: Settings,
    index: GalleryIndex,
    *,
    peers: Peers,
    events: EventSink,
    stop: threading.Event,
    read_only: bool = False,
) -> Iterator[Context]:
    """Everything of one process that works with `index`; closes the stores at the end.

    With `read_only` no store is written to, whatever an action tries.
    """
    owner = _user()
    caller = caller_of(settings, owner)
    stores = PlaceStores(
        settings,
        StoppableClock(stop),
        lambda place: _noted(index, place),
        read_only=read_only,
    )
    try:
        identity = index.identity
        engine = Engine(
            index=index,
            stores=stores,
            clock=SystemClock(),
            options=engine_options(settings),
            domain=identity.domain,
            open_cache=lambda: _dedup_cache(settings.cache_dir, index.identity.store_id),
            events=events,
            stop=stop,
        )
        yield Context(
            engine=engine,
            limits=limits_of(settings),
            principal=caller.name,
            acting=caller,
            owner=owner,
            state_dir=settings.state_dir,
            open_source=stores.open_source,
            links_of=stores.links_of,
            proof_age_seconds_max=settings.proof_age_seconds_max,
            pricing=pricing_of(settings),
            spawn=lambda operation_id: spawn_worker(settings, operation_id),
            peers=peers,
        )
    finally:
        stores.close()


def _noted(index: GalleryIndex, place: Place) -> Capabilities | None:
    with index.read() as tx:
        found = places.prepared(tx, place.id)
    return None if found is None else Capabilities.from_json(found)


def _dedup_cache(cache_dir: Path, store_id: str) -> "DedupCache":
    from imgrepl.engine.dedup_cache import DedupCache

    return DedupCache(cache_dir / "dedup" / store_id, memory_bytes_max=_CACHE_MEMORY_BYTES)


def caller_of(settings: Settings, owner: str) -> Caller:
    """Who asks: the index's owner, which is who runs the program, unless another one is named.

    Raises `Invalid` (`InvalidPrincipal`).
    """
    if settings.principal is None:
        return Caller(name=owner, owns_index=True)
    caller = Caller.parse(settings.principal)
    return replace(caller, owns_index=caller.name.lower() == owner.lower())


def _user() -> str:
    try:
        return getuser()
    except (KeyError, OSError):
        return "unknown"
