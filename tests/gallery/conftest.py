"""An empty index per test, on every database there is."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gallery import postgresql_server
from imgrepl.clock import SystemClock
from imgrepl.gallery.database import GalleryIndex


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "template.db"
    GalleryIndex.open(f"sqlite:///{path}", clock=SystemClock()).close()
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    pytest.importorskip("psycopg")
    if postgresql_server.binaries() is None:
        pytest.skip("no PostgreSQL server binaries in /usr/lib/postgresql/*/bin")
    with postgresql_server.server() as url:
        GalleryIndex.open(_new_database(url, "template"), clock=SystemClock()).close()
        yield url


def _new_database(server: str, name: str, template: str = "template1") -> str:
    engine = sa.create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    engine.dispose()
    return f"{server}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def index_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new index is: made, and empty."""
    if request.param == "postgresql":
        return _new_database(request.getfixturevalue("postgresql"), uuid.uuid4().hex, "template")
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
