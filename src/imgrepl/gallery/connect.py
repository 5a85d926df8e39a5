"""An engine whose transactions behave alike on SQLite and PostgreSQL.

Writers take turns, one transaction at a time in a whole index: SQLite by `BEGIN IMMEDIATE` (a
deferred transaction that upgrades fails at once), PostgreSQL by an advisory lock taken first. So
what a transaction read stays true until it commits, on both. Readers see one snapshot.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from imgrepl.errors import Corrupt, Invalid, NotFound, Unavailable
from imgrepl.model.secrets import without_secrets

WRITER_LOCK_KEY = 0x696D_6772_6570_6C00
_WRITES = "imgrepl_writes"
_SUPPORTED = ("sqlite", "postgresql")


def parse_url(text: str) -> URL:
    """The index's URL. Raises `Invalid` (`InvalidIndexUrl`) for one that cannot hold an index."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise _invalid_url(text, "it is no SQLAlchemy URL") from error
    if url.get_backend_name() not in _SUPPORTED:
        raise _invalid_url(text, f"{url.get_backend_name()} is not supported")
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise _invalid_url(text, "an index in memory would be lost with its process")
    return url


def shown_url(url: URL) -> str:
    """The URL as people may see it."""
    return without_secrets(url.render_as_string(hide_password=True))


def _invalid_url(text: str, why: str) -> Invalid:
    return Invalid(
        f"{without_secrets(text)!r} cannot be a gallery index: {why}",
        code="InvalidIndexUrl",
        hint="use sqlite:////absolute/path.db or postgresql+psycopg://user@host/database",
    )


def prepare_file(url: URL, *, create: bool) -> None:
    """Makes the directory of an SQLite file, or raises `NotFound` where it may not be made."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return
    path = Path(url.database)
    if not create and not path.exists():
        raise NotFound(
            f"there is no gallery index at {path}",
            code="IndexNotFound",
            target=str(path),
            hint="--index or IMGREPL_INDEX names it; `imgrepl config show` says what it is now",
        )
    path.parent.mkdir(parents=True, exist_ok=True)


def back_up(url: URL, revision: str) -> str | None:
    """Copies an SQLite file beside itself, as it is at one moment; gives the copy's path.

    Other databases have back-ups of their own: None. Raises as `translated` does.
    """
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    copy = Path(url.database).with_suffix(f".{revision}.bak")
    with (
        translated(url),
        closing(sqlite3.connect(url.database)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return str(copy)


def connect(url: URL, *, busy_seconds: float) -> Engine:
    """An engine for `url`; nothing is opened yet."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": busy_seconds})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(url, pool_pre_ping=True)
    milliseconds = int(busy_seconds * 1000)

    def begin_postgresql(tx: Connection) -> None:
        if tx.get_execution_options().get(_WRITES):
            tx.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
            tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK_KEY})")

    event.listen(engine, "begin", begin_postgresql)
    return engine


def for_writing(engine: Engine) -> Engine:
    """The same pool; transactions begun here are the only writer's."""
    return engine.execution_options(**{_WRITES: True})


def for_reading(engine: Engine) -> Engine:
    """The same pool; transactions begun here see one snapshot."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, only there
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(tx: Connection) -> None:
    writes = tx.get_execution_options().get(_WRITES)
    tx.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turns the database's own troubles into `Unavailable` and `Corrupt`.

    Constraint violations pass: those that a user can cause are answered where they are, any other
    is a fault of ours.
    """
    shown = shown_url(url)
    try:
        yield
    except (OperationalError, PoolTimeoutError) as error:
        cause: Any = getattr(error, "orig", None) or error
        busy = isinstance(error, PoolTimeoutError) or _is_busy(cause)
        raise Unavailable(
            f"the gallery index {shown} {'is busy' if busy else 'cannot be used'}: {cause}",
            code="IndexBusy" if busy else "IndexUnavailable",
            target=shown,
        ) from error
    except DatabaseError as error:
        if not isinstance(error.orig, sqlite3.DatabaseError) or type(error) is not DatabaseError:
            raise
        raise Corrupt(
            f"{shown} is no readable SQLite file: {error.orig}",
            code="IndexUnreadable",
            target=shown,
            hint="restore it from a backup, or `imgrepl index rebuild --from REGION`",
        ) from error


def _is_busy(cause: object) -> bool:
    return any(word in str(cause) for word in ("locked", "busy", "lock timeout"))
