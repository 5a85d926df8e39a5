"""Indexes of each schema there was: opened, refused, migrated twice, together, and while dying."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gallery import old_indexes
from imgrepl.clock import SystemClock
from imgrepl.errors import Conflict
from imgrepl.gallery import galleries, operations, upgrade, versions
from imgrepl.gallery.database import GalleryIndex
from imgrepl.gallery.schema import metadata

CLOCK = SystemClock()
TESTS = Path(__file__).parents[1]
ENVIRONMENT = {"PYTHONPATH": f"{TESTS.parent / 'src'}:{TESTS}"}


@pytest.fixture(scope="module")
def old_database(postgresql: str) -> Iterator[str]:
    """A database of its own on the tests' server, which these tests drop and make as they like."""
    engine = sa.create_engine(postgresql, isolation_level="AUTOCOMMIT")
    with engine.connect() as tx:
        tx.execute(sa.text("CREATE DATABASE old"))
    yield str(sa.make_url(postgresql).set(database="old"))
    with engine.connect() as tx:
        tx.execute(sa.text("DROP DATABASE old WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an old index is made."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("old_database"))
    return f"sqlite:///{tmp_path / 'index.db'}"


def all_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("revision", upgrade.REVISIONS)
def test_an_index_of_every_schema_opens_with_all_it_holds(url: str, revision: str) -> None:
    old_indexes.maker(url, revision)()
    held = old_indexes.content_of(url)
    index = GalleryIndex.open(url, clock=CLOCK)
    try:
        with index.read() as tx:
            assert upgrade.is_current(tx)
            context = MigrationContext.configure(tx, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
            (gallery,) = galleries.list_all(tx)
            found = versions.list_all(tx)
            assert operations.list_recent(tx, 10)
    finally:
        index.close()
    assert gallery.id.gallery == "golden"
    assert sorted(str(version.id.version) for version in found) == ["1.0.0", "1.1.0"]
    now = old_indexes.content_of(url)
    for table, (columns, _, rows) in held.items():
        assert set(columns) <= set(now[table][0]), table
        assert len(rows) == len(now[table][2]), table


def test_processes_that_open_an_old_index_together_migrate_it_once(url: str) -> None:
    make = old_indexes.maker(url, upgrade.REVISIONS[0])
    make()
    code = (
        "from imgrepl.clock import SystemClock\n"
        "from imgrepl.gallery.database import GalleryIndex\n"
        f"index = GalleryIndex.open({url!r}, clock=SystemClock())\n"
        "print(index.identity.store_id)\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    said = {process.communicate()[0] for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(said) == 1
    together = old_indexes.content_of(url)
    make()
    GalleryIndex.open(url, clock=CLOCK).close()
    assert old_indexes.content_of(url) == together


def test_a_process_killed_before_any_statement_of_a_migration_leaves_the_old_index_or_the_new(
    url: str,
) -> None:
    script = TESTS / "gallery" / "killed_migration.py"
    run = subprocess.run(
        [sys.executable, str(script), url, upgrade.REVISIONS[0]],
        env=ENVIRONMENT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 4 * len(upgrade.REVISIONS)


def test_a_new_sqlite_index_is_what_all_migrations_make_of_an_empty_file(tmp_path: Path) -> None:
    """`python scripts/schema_snapshot.py` writes it again."""
    made = {}
    for name, make in (
        ("snapshot", upgrade.make_from_snapshot),
        ("migrations", lambda tx: old_indexes.migrated(tx, "head")),
    ):
        url = f"sqlite:///{tmp_path / name}.db"
        engine = sa.create_engine(url)
        with engine.begin() as tx:
            make(tx)
        engine.dispose()
        made[name] = old_indexes.dump_of(url)
    assert made["snapshot"] == made["migrations"]


def test_an_index_of_a_later_schema_keeps_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    url = f"sqlite:///{path}"
    GalleryIndex.open(url, clock=CLOCK).close()
    engine = sa.create_engine(url)
    with engine.begin() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        tx.execute(sa.text("CREATE TABLE of_later (id INTEGER)"))
    with engine.connect() as tx:
        tx.execute(sa.text("PRAGMA journal_mode = DELETE"))
    engine.dispose()
    before = all_files(tmp_path)
    for act in (GalleryIndex.open, GalleryIndex.upgrade):
        with pytest.raises(Conflict) as caught:
            act(url, clock=CLOCK)
        assert caught.value.code == "IndexNewerThanProgram"
        assert all_files(tmp_path) == before


def test_a_database_of_something_else_keeps_every_byte(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'bookmarks.db'}")
    with engine.begin() as tx:
        tx.execute(sa.text("CREATE TABLE bookmarks (url TEXT)"))
    engine.dispose()
    before = all_files(tmp_path)
    for act in (GalleryIndex.open, GalleryIndex.upgrade):
        with pytest.raises(Conflict) as caught:
            act(f"sqlite:///{tmp_path / 'bookmarks.db'}", clock=CLOCK)
        assert caught.value.code == "NotAnIndex"
        assert all_files(tmp_path) == before
