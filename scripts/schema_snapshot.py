"""Writes the schema of a new SQLite index as all migrations together make it.

`python scripts/schema_snapshot.py`, after a migration was added.
"""

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from imgrepl.gallery import upgrade


def main() -> None:
    """Into the package."""
    upgrade.SNAPSHOT.write_text(snapshot(), encoding="utf-8")
    sys.stdout.write(f"{upgrade.SNAPSHOT.name}: schema {upgrade.REVISIONS[-1]}\n")


def snapshot() -> str:
    """Statements, each ended by a semicolon and an empty line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.sqlite3"
        _migrate(path)
        with closing(sqlite3.connect(path)) as db:
            statements = [sql for (sql,) in db.execute(_OBJECTS)]
            statements += [line for line in db.iterdump() if line.startswith("INSERT")]
    return "".join(f"{statement.rstrip(';')};\n\n" for statement in statements)


_OBJECTS = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"


def _migrate(path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as tx:
        upgrade.run_migrations(tx)
    engine.dispose()


if __name__ == "__main__":
    main()
