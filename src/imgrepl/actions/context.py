"""What every action is handed first."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from imgrepl.actions.pricing import Pricing
from imgrepl.clock import Clock
from imgrepl.disks.disk import ByteSource
from imgrepl.engine.context import Engine, Stores
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.events import EventSink
from imgrepl.model.ids import OperationId
from imgrepl.model.limits import Limits


@dataclass(frozen=True, kw_only=True)
class Context:
    """The wiring of one process, as actions see it.

    `open_source` opens a file, block device or `s3://` object; `spawn` starts a detached worker for
    an operation; `principal` is who asks, for the activity log; `state_dir` holds the logs of
    detached workers. `pricing` is what costs are counted by; `choose` gives a number below the one
    it is handed, by which readers spread over replicas.
    """

    engine: Engine
    limits: Limits
    principal: str
    state_dir: Path
    open_source: Callable[[str], ByteSource]
    spawn: Callable[[OperationId], None]
    pricing: Pricing = field(default_factory=Pricing)
    choose: Callable[[int], int] = secrets.randbelow

    @property
    def index(self) -> GalleryIndex:
        """The gallery index."""
        return self.engine.index

    @property
    def clock(self) -> Clock:
        """What time it is."""
        return self.engine.clock

    @property
    def stores(self) -> Stores:
        """The stores of all places."""
        return self.engine.stores

    @property
    def events(self) -> EventSink:
        """Where progress goes."""
        return self.engine.events
