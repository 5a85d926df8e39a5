"""What every action is handed first."""

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from imgrepl.actions.pricing import Pricing
from imgrepl.clock import Clock
from imgrepl.disks.disk import ByteSource
from imgrepl.engine.context import Engine, Stores
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.events import EventSink
from imgrepl.model.ids import OperationId
from imgrepl.model.limits import Limits
from imgrepl.model.peer import Peer, PeerBucket
from imgrepl.model.region import Place
from imgrepl.model.sharing import Caller
from imgrepl.store.protocols import Links


def _no_links(_place: Place) -> None:
    return None


class Peers(Protocol):
    """Opens galleries beside this one."""

    def reading(self, peer: Peer) -> "AbstractContextManager[Context]":
        """A gallery to look at and copy from: nothing in it is changed.

        Raises `NotFound` (`IndexNotFound`, `StoreMissing`), `Conflict`, and what its stores raise.
        """

    def writing(
        self, bucket: PeerBucket, name: str, *, rehearse: bool
    ) -> "AbstractContextManager[Context]":
        """The gallery in a bucket, as region `name`, to copy to; a new one where there is none.

        It belongs to the caller from then on, unless he is only to `rehearse`. Raises as `index
        rebuild` does.
        """


class NoPeers:
    """For a process in which only one gallery is ever asked for."""

    def reading(self, peer: Peer) -> "AbstractContextManager[Context]":
        raise AssertionError(f"no other gallery was to be opened, and {peer} is")

    def writing(
        self, bucket: PeerBucket, name: str, *, rehearse: bool
    ) -> "AbstractContextManager[Context]":
        assert rehearse in (False, True)
        raise AssertionError(f"no other gallery was to be opened, and {bucket} is, as {name}")


class OpensSource(Protocol):
    """Opens what a user names as the source of a disk."""

    def __call__(self, name: str, *, endpoint_url: str | None = None) -> ByteSource:
        """A file, block device or `s3://` object, which is looked for at `endpoint_url`."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """The wiring of one process, as actions see it.

    `open_source` opens a file, block device or `s3://` object; `spawn` starts a detached worker for
    an operation; `peers` opens other galleries; `principal` is who asks, for the activity log;
    `state_dir` holds the logs of detached workers. `acting` says more of who asks where that is not
    the owner of the index, whom `owner` names; without it, who asks is the owner.
    `proof_age_seconds_max` is how old a proof may be; `pricing` is what costs are counted by;
    `choose` gives a number below the one it is handed, by which readers spread over replicas;
    `links_of` gives what makes signed addresses in a place, or None where nothing does. `unread`
    names what a bucket holds and did not give, where the gallery was read from one.
    """

    engine: Engine
    limits: Limits
    principal: str
    state_dir: Path
    open_source: OpensSource
    spawn: Callable[[OperationId], None]
    peers: "Peers" = field(default_factory=lambda: NoPeers())
    proof_age_seconds_max: float = 30 * 86_400
    pricing: Pricing = field(default_factory=Pricing)
    choose: Callable[[int], int] = secrets.randbelow
    links_of: Callable[[Place], Links | None] = _no_links
    acting: Caller | None = None
    owner: str | None = None
    unread: tuple[str, ...] = ()

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
