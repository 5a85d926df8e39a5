"""Brings an index to this program's schema.

Alembic is imported only when there is something to do: a current index is told by one SELECT.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from imgrepl.errors import Conflict
from imgrepl.gallery import identity
from imgrepl.model.domain import DedupDomain

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
"""Every revision this program knows, oldest first; a test compares them with `migrations/`."""

_MIGRATIONS = Path(__file__).parent / "migrations"
SNAPSHOT = _MIGRATIONS / "new_sqlite.sql"
"""What all migrations together make of an empty SQLite file; a test compares the two."""


def is_current(tx: Connection) -> bool:
    """Whether nothing is to be done."""
    return revision_of(tx) == REVISIONS[-1]


def revision_of(tx: Connection) -> str | None:
    """The schema's revision; None where there is no index yet."""
    if not tx.dialect.has_table(tx, "alembic_version"):
        return None
    revision: str | None = tx.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def upgrade(tx: Connection, new_domain: DedupDomain) -> None:
    """Makes or migrates the index, all or nothing, in the caller's write transaction.

    `new_domain` is for an index that is made; one that is migrated keeps its own. Raises as
    `known_revision`.
    """
    revision = known_revision(tx)
    if revision == REVISIONS[-1]:
        return
    if revision is None and tx.dialect.name == "sqlite":
        make_from_snapshot(tx)
    else:
        run_migrations(tx)
    if revision is None:
        identity.make(tx, new_domain)


def known_revision(tx: Connection) -> str | None:
    """As `revision_of`, for what this program can make current.

    Raises `Conflict`: `IndexNewerThanProgram` for a revision this program does not know,
    `NotAnIndex` for a database that holds something else.
    """
    revision = revision_of(tx)
    if revision is None and (tables := inspect(tx).get_table_names()):
        raise Conflict(
            f"the database holds other tables ({', '.join(sorted(tables)[:5])}): no gallery index",
            code="NotAnIndex",
            hint="give the index a database of its own",
        )
    if revision is not None and revision not in REVISIONS:
        raise Conflict(
            f"the index has schema {revision}; this program knows {REVISIONS[0]} to"
            f" {REVISIONS[-1]}",
            code="IndexNewerThanProgram",
            hint="use the newer imgrepl that upgraded it",
        )
    return revision


def make_from_snapshot(tx: Connection) -> None:
    """A new index in a twentieth of the time: no migration is run, and Alembic not imported."""
    for statement in SNAPSHOT.read_text(encoding="utf-8").split(";\n\n"):
        if statement:
            tx.exec_driver_sql(statement)


def run_migrations(tx: Connection) -> None:
    """Every migration that the index does not have yet, in the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = tx
    command.upgrade(config, "head")
