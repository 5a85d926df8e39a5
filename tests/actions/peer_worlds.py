"""Other galleries for tests: worlds that are open, and buckets that are read on the spot."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from engine.world import World, open_world
from imgrepl.actions.context import Context
from imgrepl.engine import portable_stores, rebuilder, region_names
from imgrepl.gallery import places, regions
from imgrepl.model.peer import Peer, PeerBucket, PeerIndex
from imgrepl.model.region import Endpoint, Place, PlaceRole, Region


@dataclass(frozen=True)
class PeerWorlds:
    """The galleries that `world` can open: those of `others`, and any bucket of theirs."""

    world: World
    others: tuple[World, ...]

    @contextmanager
    def reading(self, peer: Peer) -> Iterator[Context]:
        if isinstance(peer, PeerIndex):
            yield next(other.ctx for other in self.others if other.index.url == peer.url)
            return
        name = peer.region or region_names.name_of(self.world.engine, first_place(peer))
        with self._empty(peer, name) as ctx:
            yield replace(ctx, unread=rebuilder.load(ctx.engine, [name]).unread)

    @contextmanager
    def writing(self, bucket: PeerBucket, name: str, *, rehearse: bool) -> Iterator[Context]:
        name = region_names.marked_name(self.world.engine, first_place(bucket)) or name
        with self._empty(bucket, name) as ctx:
            portable_stores.open_store(ctx.engine, name, rehearse=rehearse)
            yield ctx

    @contextmanager
    def _empty(self, bucket: PeerBucket, name: str) -> Iterator[Context]:
        folder = self.world.folder / f"peer-{uuid.uuid4().hex}"
        with open_world(folder, buckets=self.world.buckets, region_names=()) as opened:
            with opened.index.begin() as tx:
                regions.add(tx, bucket.named(name))
            yield replace(opened.ctx, peers=self)


def first_place(bucket: PeerBucket) -> Place:
    """Where a bucket's records are."""
    endpoint = bucket.named("unnamed").endpoint_of(PlaceRole.STANDARD, 0)
    return Place(
        id=places.NOT_STORED,
        region="unnamed",
        role=PlaceRole.STANDARD,
        number=0,
        endpoint=endpoint,
    )


def peer_of(world: World) -> PeerIndex:
    """How another world names this one."""
    return PeerIndex(url=world.index.url)


def acquaint(world: World, *others: World) -> None:
    """Lets a world open the galleries of others."""
    world.ctx = replace(world.ctx, peers=PeerWorlds(world, others))


def region_at(name: str, bucket: str, server: str) -> Region:
    """A region in a bucket of a server that may have others."""
    endpoint = Endpoint(url=f"s3://{bucket}", endpoint_url=f"http://{server}.example")
    return Region(name=name, display_name=name, standard=(endpoint,))
