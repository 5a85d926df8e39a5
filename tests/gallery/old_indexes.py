"""Indexes of every schema there was, with rows in them, on SQLite and PostgreSQL.

The rows are those that the program of the first schema wrote (`tests/compat/indexes`); migrations
brought them to the schema that is asked for.
"""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from imgrepl.gallery import upgrade

FIRST = Path(__file__).parents[1] / "compat" / "indexes" / "0001" / "index.sql"
_MIGRATIONS = Path(upgrade.__file__).parent / "migrations"

Content = dict[str, Any]


def migrated(tx: sa.Connection, revision: str) -> None:
    """Brings what is there to `revision`."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = tx
    command.upgrade(config, revision)


def rows_of_then(path: Path) -> None:
    """Makes an SQLite file of the first schema, as its program wrote it."""
    with closing(sqlite3.connect(path)) as index:
        index.executescript(FIRST.read_text(encoding="utf-8"))
        index.execute("PRAGMA journal_mode = WAL")


def maker(url: str, revision: str) -> Callable[[], None]:
    """What makes the index at `url` one of `revision`, each time it is called."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        assert parsed.database is not None
        return _sqlite_maker(Path(parsed.database), revision)
    return lambda: _make_postgresql(url, revision)


def _sqlite_maker(path: Path, revision: str) -> Callable[[], None]:
    with TemporaryDirectory() as folder:
        rows_of_then(Path(folder) / "index.db")
        engine = sa.create_engine(f"sqlite:///{folder}/index.db")
        with engine.begin() as tx:
            migrated(tx, revision)
        engine.dispose()
        content = (Path(folder) / "index.db").read_bytes()

    def make() -> None:
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.write_bytes(content)

    return make


def _make_postgresql(url: str, revision: str) -> None:
    """The same rows in the same tables, in an emptied database."""
    engine = sa.create_engine(url)
    with engine.begin() as tx:
        tx.execute(sa.text("DROP SCHEMA public CASCADE"))
        tx.execute(sa.text("CREATE SCHEMA public"))
        migrated(tx, upgrade.REVISIONS[0])
        with TemporaryDirectory() as folder:
            rows_of_then(Path(folder) / "index.db")
            _copy_rows(Path(folder) / "index.db", tx)
        migrated(tx, revision)
    engine.dispose()


def _copy_rows(source: Path, tx: sa.Connection) -> None:
    metadata = sa.MetaData()
    metadata.reflect(tx)
    with closing(sqlite3.connect(source)) as rows:
        rows.row_factory = sqlite3.Row
        for table in metadata.sorted_tables:
            found = [dict(row) for row in rows.execute(f'SELECT * FROM "{table.name}"')]
            if found and table.name != "alembic_version":
                tx.execute(sa.insert(table), [_typed(table, row) for row in found])


def _typed(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    """SQLite's text and numbers as what the column is."""
    values = {}
    for name, value in row.items():
        kind = table.c[name].type
        if isinstance(kind, sa.JSON) and value is not None:
            values[name] = json.loads(value)
        elif isinstance(kind, sa.Boolean) and value is not None:
            values[name] = bool(value)
        elif isinstance(kind, sa.DateTime) and value is not None:
            values[name] = datetime.fromisoformat(value).replace(tzinfo=UTC)
        else:
            values[name] = value
    return values


def dump_of(url: str) -> object:
    """All of schema and rows, to be compared: of an SQLite file in a moment."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return content_of(url)
    assert parsed.database is not None
    with closing(sqlite3.connect(parsed.database)) as index:
        return [_comparable(statement) for statement in index.iterdump()]


def _comparable(statement: str) -> list[str]:
    """A statement whose constraints stand in any order, as those of a copied table do."""
    if not statement.startswith("CREATE TABLE"):
        return [statement]
    return sorted(line.strip(" \t,") for line in statement.splitlines())


def content_of(url: str) -> Content:
    """Every table's columns, indexes and rows."""
    engine = sa.create_engine(url)
    with engine.connect() as tx:
        metadata = sa.MetaData()
        metadata.reflect(tx)
        content: Content = {}
        for table in metadata.sorted_tables:
            rows = sorted(map(repr, tx.execute(sa.select(table)).all()))
            indexes = sorted(str(index.name) for index in table.indexes)
            content[table.name] = (sorted(table.c.keys()), indexes, rows)
    engine.dispose()
    return content
