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
from imgrepl.model.sharing import Caller


@dataclass(frozen=True, kw_only=True)
class Context:
    """The wiring of one process, as actions see it.

    `open_source` opens a file, block device or `s3://` object; `spawn` starts a detached worker for
    an operation; `principal` is who asks, for the activity log; `state_dir` holds the logs of
    detached workers. `acting` says more of who asks where that is not the owner of the index, whom
    `owner` names; without it, who asks is the owner. `pricing` is what costs are counted by;
    `choose` gives a number below the one it is handed, by which readers spread over replicas.
    """

    engine: Engine
    limits: Limits
    principal: str
    state_dir: Path
    open_source: Callable[[str], ByteSource]
    spawn: Callable[[OperationId], None]
    pricing: Pricing = field(default_factory=Pricing)
    choose: Callable[[int], int] = secrets.randbelow
    acting: Caller | None = None
    owner: str | None = None

    @property
    def caller(self) -> Caller:
        """Who asks, as the policy sees it."""
        return self.acting or Caller(name=self.principal, owns_index=True)

    @property
    def index_owner(self) -> str:
        """Whose the gallery index is."""
        return self.owner or self.principal

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
