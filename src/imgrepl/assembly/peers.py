"""Other galleries: through an index of their own, or through a bucket alone.

A bucket says all about what lies in it. So it is read into an index that lives as long as it is
needed, and whatever works with an index works with it.
"""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

from imgrepl.actions.context import Context
from imgrepl.assembly.bounds import new_domain
from imgrepl.assembly.wiring import wired
from imgrepl.clock import SystemClock
from imgrepl.errors import Invalid, NotFound
from imgrepl.gallery import places, regions
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.events import EventSink, Notice
from imgrepl.model.peer import Peer, PeerBucket, PeerIndex
from imgrepl.model.region import Place, PlaceRole
from imgrepl.settings import Settings

_UNNAMED = "unnamed"
_TOLD_MAX = 20


class OtherGalleries:
    """The galleries that a process with these settings can open beside its own."""

    def __init__(self, settings: Settings, events: EventSink, stop: threading.Event) -> None:
        self._settings = settings
        self._events = events
        self._stop = stop

    @contextmanager
    def reading(self, peer: Peer) -> Iterator[Context]:
        """A gallery to look at and copy from."""
        match peer:
            case PeerIndex():
                refuse_password(peer.url)
                index = GalleryIndex.open(
                    peer.url, clock=SystemClock(), create=False, migrate=False
                )
                with closing(index), self._wired(index, read_only=True) as ctx:
                    yield ctx
            case PeerBucket():
                from imgrepl.engine import rebuilder

                with _said_otherwise(peer), self._of_bucket(peer, read_only=True) as (ctx, name):
                    unread = rebuilder.load(ctx.engine, [name]).unread
                    for text in unread[:_TOLD_MAX]:
                        self._events(Notice(level="warning", text=f"not read: {text}"))
                    domain = ctx.index.identity.domain
                    engine = replace(ctx.engine, domain=domain)
                    yield replace(ctx, engine=engine, unread=unread)

    @contextmanager
    def writing(self, bucket: PeerBucket, name: str, *, rehearse: bool) -> Iterator[Context]:
        """The export in a bucket, owned from now on; a new one where there is none."""
        from imgrepl.engine import portable_stores

        with self._of_bucket(bucket, read_only=rehearse, new_name=name) as (ctx, region):
            portable_stores.open_store(ctx.engine, region, rehearse=rehearse)
            domain = ctx.index.identity.domain
            # who exports owns what is exported, whatever his role is where it comes from
            own = replace(ctx, acting=None, owner=None)
            yield replace(own, engine=replace(ctx.engine, domain=domain))

    @contextmanager
    def _of_bucket(
        self, bucket: PeerBucket, *, read_only: bool, new_name: str | None = None
    ) -> Iterator[tuple[Context, str]]:
        """An empty index in which the bucket is a region, and that region's name.

        An empty bucket gets `new_name`.
        """
        with TemporaryDirectory(prefix="imgrepl-") as folder:
            url = f"sqlite:///{Path(folder) / 'index.sqlite3'}"
            index = GalleryIndex.open(
                url, clock=SystemClock(), new_domain=new_domain(self._settings)
            )
            with closing(index), self._wired(index, read_only=read_only) as ctx:
                name = bucket.region or _name_of(ctx, bucket, new_name)
                with index.begin() as tx:
                    regions.add(tx, bucket.named(name))
                yield ctx, name

    @contextmanager
    def _wired(self, index: GalleryIndex, *, read_only: bool) -> Iterator[Context]:
        settings, stop = self._settings, self._stop
        with wired(
            settings, index, peers=self, events=self._events, stop=stop, read_only=read_only
        ) as ctx:
            yield ctx


def refuse_password(url: str) -> None:
    """What an operation keeps of a peer must not hold a secret."""
    parts = urlsplit(url)
    if parts.password or {"password", "sslpassword"} & parse_qs(parts.query).keys():
        raise Invalid(
            "the URL of the other gallery index has a password in it",
            code="PasswordInUrl",
            hint="leave it out and put it in ~/.pgpass, or in PGPASSWORD",
        )


@contextmanager
def _said_otherwise(bucket: PeerBucket) -> Iterator[None]:
    """That nothing lies there, to somebody who has no index in which it is a region."""
    try:
        yield
    except NotFound as error:
        if error.code != "StoreMissing":
            raise
        url = bucket.standard[0].url
        raise NotFound(
            f"nothing of imgrepl lies in {url}",
            code="StoreMissing",
            target=url,
            hint="name what `imgrepl gallery export --to` wrote, or the URL of a region as"
            " `imgrepl region add` took it",
        ) from error


def _name_of(ctx: Context, bucket: PeerBucket, new_name: str | None) -> str:
    """What the bucket says of itself. Raises `NotFound`, `Invalid` (`RegionNotNamed`)."""
    from imgrepl.engine import region_names

    endpoint = bucket.named(_UNNAMED).endpoint_of(PlaceRole.STANDARD, 0)
    place = Place(
        id=places.NOT_STORED, region=_UNNAMED, role=PlaceRole.STANDARD, number=0, endpoint=endpoint
    )
    if new_name is not None:
        return region_names.marked_name(ctx.engine, place) or new_name
    return region_names.name_of(ctx.engine, place)
