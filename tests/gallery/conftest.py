"""An empty index per test, on every database there is."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gallery import postgresql_server
from imgrepl.clock import SystemClock
from imgrepl.gallery import upgrade
from imgrepl.gallery.database import GalleryIndex
from imgrepl.gallery.schema import identity, metadata


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "template.db"
    GalleryIndex.open(f"sqlite:///{path}", clock=SystemClock()).close()
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """An index on a private server; `index_url` empties it."""
    pytest.importorskip("psycopg")
    if postgresql_server.binaries() is None:
        pytest.skip("no PostgreSQL server binaries in /usr/lib/postgresql/*/bin")
    with postgresql_server.server() as server:
        url = f"{server}/postgres"
        GalleryIndex.open(url, clock=SystemClock()).close()
        yield url


def _emptied(url: str) -> str:
    """The index as it was when it was made: a new database a test would be thousands of files."""
    engine = sa.create_engine(url)
    with engine.begin() as tx:
        for table in reversed(metadata.sorted_tables):
            if table is not identity:
                tx.execute(sa.delete(table))
        tx.execute(sa.update(identity).values(epoch=1))
        tx.execute(sa.text(f"UPDATE alembic_version SET version_num = '{upgrade.REVISIONS[-1]}'"))
    engine.dispose()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def index_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new index is: made, and empty."""
    if request.param == "postgresql":
        return _emptied(request.getfixturevalue("postgresql"))
    path = tmp_path / "index.db"
    shutil.copy(request.getfixturevalue("sqlite_template"), path)
    return f"sqlite:///{path}"


@pytest.fixture
def empty_url(tmp_path: Path) -> str:
    """Where nothing is yet: an SQLite file to be."""
    return f"sqlite:///{tmp_path / 'new' / 'index.db'}"


@pytest.fixture
def index(index_url: str) -> Iterator[GalleryIndex]:
    opened = GalleryIndex.open(index_url, clock=SystemClock(), busy_seconds=10)
    yield opened
    opened.close()
