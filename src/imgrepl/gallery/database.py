"""The gallery index: one database, its transactions and its identity."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Self

from sqlalchemy import URL, Connection, Engine

from imgrepl.clock import Clock
from imgrepl.errors import Conflict, NotFound, Unavailable
from imgrepl.gallery import connect, identity, upgrade
from imgrepl.gallery.identity import IndexIdentity
from imgrepl.model.domain import DEFAULT_DOMAIN, DedupDomain
from imgrepl.model.ids import IndexId, StoreId

_WAL_RETRY_SECONDS = 0.02


class Upgraded(NamedTuple):
    """A schema's revisions, and where the file was copied to before, if it was."""

    url: str
    before: str | None
    after: str
    backup: str | None


class GalleryIndex:
    """An open index; may be used from many threads and processes at once.

    Transactions do not nest, and hold no request to a store inside: they are short. Every method
    raises `Unavailable` (`IndexBusy`, `IndexUnavailable`) where the database does not answer.
    """

    def __init__(self, url: URL, engine: Engine, *, clock: Clock, busy_seconds: float) -> None:
        self._url = url
        self._engine = engine
        self._writing = connect.for_writing(engine)
        self._reading = connect.for_reading(engine)
        self._clock = clock
        self._busy_seconds = busy_seconds
        self._turn = threading.Lock()

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Clock,
        create: bool = True,
        busy_seconds: float = 30,
        new_domain: DedupDomain = DEFAULT_DOMAIN,
        migrate: bool = True,
    ) -> Self:
        """Opens the index at an SQLAlchemy URL; makes it when new, migrates it when older.

        `busy_seconds` bounds every wait for another writer. `new_domain` says how disks are cut in
        the store of an index that is made; one that is there keeps its own. Raises `NotFound`
        (`IndexNotFound`) without `create`, `Conflict` (`IndexNewerThanProgram`, `NotAnIndex`,
        without `migrate` also `IndexOlderThanProgram`), `Invalid` (`InvalidIndexUrl`), `Corrupt`
        (`IndexUnreadable`).
        """
        parsed = connect.parse_url(url)
        connect.prepare_file(parsed, create=create)
        engine = connect.connect(parsed, busy_seconds=busy_seconds)
        index = cls(parsed, engine, clock=clock, busy_seconds=busy_seconds)
        try:
            index._make_current(create=create, migrate=migrate, new_domain=new_domain)
        except BaseException:
            index.close()
            raise
        return index

    @classmethod
    def upgrade(cls, url: str, *, clock: Clock) -> "Upgraded":
        """Opens an existing index, whatever its age, and tells what that did to its schema.

        An SQLite file of an older schema is copied beside itself first. Raises as `open`.
        """
        parsed = connect.parse_url(url)
        connect.prepare_file(parsed, create=False)
        engine = connect.connect(parsed, busy_seconds=30)
        try:
            with connect.translated(parsed), connect.for_reading(engine).begin() as tx:
                before = upgrade.known_revision(tx)
        finally:
            engine.dispose()
        backup = None
        if before is not None and before != upgrade.REVISIONS[-1]:
            backup = connect.back_up(parsed, before)
        index = cls.open(url, clock=clock, create=False)
        try:
            after = upgrade.REVISIONS[-1]
            return Upgraded(url=index.url, before=before, after=after, backup=backup)
        finally:
            index.close()

    @property
    def url(self) -> str:
        """Where the index is, without its password."""
        return connect.shown_url(self._url)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """The only write transaction: commits when the block ends, rolls back when it raises."""
        with self._one_at_a_time(), connect.translated(self._url), self._writing.begin() as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: one consistent snapshot, waiting for no writer."""
        with connect.translated(self._url), self._reading.begin() as tx:
            yield tx

    @property
    def identity(self) -> IndexIdentity:
        """Who this index is, read anew: another process may have raised the epoch."""
        with self.read() as tx:
            return identity.read(tx)

    def take_over(self, tx: Connection) -> IndexIdentity:
        """Raises the epoch, to fence out whoever wrote under the one before."""
        return identity.take_over(tx)

    def adopt(
        self, tx: Connection, *, store_id: StoreId, domain: DedupDomain, epoch: int
    ) -> IndexIdentity:
        """Makes this the index of an existing store, for a rebuild."""
        return identity.adopt(tx, store_id=store_id, domain=domain, epoch=epoch)

    def stand_in(
        self,
        tx: Connection,
        *,
        store_id: StoreId,
        domain: DedupDomain,
        index_id: IndexId,
        epoch: int,
    ) -> IndexIdentity:
        """Makes this a stand-in for the index of a store, for reading its buckets only."""
        return identity.stand_in(
            tx, store_id=store_id, domain=domain, index_id=index_id, epoch=epoch
        )

    def close(self) -> None:
        """Closes every connection that is not in use."""
        self._engine.dispose()

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        # Threads of one process queue here in turn; SQLite's busy handler would let them poll.
        if not self._turn.acquire(timeout=self._busy_seconds):
            raise Unavailable(
                f"the gallery index was busy for {self._busy_seconds:g} s", code="IndexBusy"
            )
        try:
            yield
        finally:
            self._turn.release()

    def _make_current(self, *, create: bool, migrate: bool, new_domain: DedupDomain) -> None:
        with self.read() as tx:
            revision = upgrade.revision_of(tx)
            if revision == upgrade.REVISIONS[-1]:
                return
            upgrade.known_revision(tx)  # refused before anything of the file changes
        if revision is None and not create:
            raise NotFound(f"there is no gallery index at {self.url}", code="IndexNotFound")
        if revision in upgrade.REVISIONS and not migrate:
            raise Conflict(
                f"the gallery index {self.url} was last used by an older release",
                code="IndexOlderThanProgram",
                target=self.url,
                hint=f"its owner upgrades it: imgrepl index upgrade --index {self.url}",
            )
        if self._engine.dialect.name == "sqlite":
            self._keep_a_write_ahead_log()
        with self.begin() as tx:
            upgrade.upgrade(tx, new_domain)

    def _keep_a_write_ahead_log(self) -> None:
        # The file remembers it. SQLite does not wait for other openers here, so we do.
        give_up_at = self._clock.monotonic() + self._busy_seconds
        connection = self._engine.raw_connection()
        try:
            while True:
                try:
                    connection.cursor().execute("PRAGMA journal_mode = WAL")
                except sqlite3.OperationalError:
                    if self._clock.monotonic() > give_up_at:
                        raise
                    self._clock.sleep(_WAL_RETRY_SECONDS)
                else:
                    return
        finally:
            connection.close()
