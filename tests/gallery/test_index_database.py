"""Opening, migrating, and transactions of the index."""

import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from gallery import samples
from imgrepl.clock import SystemClock
from imgrepl.errors import Conflict, Corrupt, Invalid, NotFound, Unavailable
from imgrepl.gallery import activity, galleries, upgrade
from imgrepl.gallery.database import GalleryIndex
from imgrepl.gallery.schema import metadata
from imgrepl.model.chunker import ChunkerParameters
from imgrepl.model.domain import DEFAULT_DOMAIN, DedupDomain, DomainId
from imgrepl.model.ids import StoreId

CLOCK = SystemClock()


def test_a_new_index_has_an_identity_that_stays(index: GalleryIndex) -> None:
    again = GalleryIndex.open(_url(index), clock=CLOCK)
    assert again.identity == index.identity
    assert index.identity.epoch == 1
    assert len(index.identity.store_id) == len(index.identity.index_id) == 32
    again.close()


def test_two_new_indexes_are_not_one_store(tmp_path: Path) -> None:
    first, second = (
        GalleryIndex.open(f"sqlite:///{tmp_path / name}", clock=CLOCK) for name in ("a", "b")
    )
    assert first.identity.store_id != second.identity.store_id
    assert first.identity.index_id != second.identity.index_id
    first.close()
    second.close()


def test_a_new_index_cuts_as_it_is_told_and_an_old_one_as_it_always_did(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'index'}"
    coarse = replace(DEFAULT_DOMAIN, chunker=ChunkerParameters(average_bytes=256 << 10))
    made = GalleryIndex.open(url, clock=CLOCK, new_domain=coarse)
    assert made.identity.domain == coarse
    made.close()

    again = GalleryIndex.open(url, clock=CLOCK)
    assert again.identity.domain == coarse
    again.close()


def test_taking_over_raises_the_epoch_and_adopting_sets_the_store(index: GalleryIndex) -> None:
    domain = DedupDomain(domain_id=DomainId(b"d" * 16), chunk_key=b"k" * 32)
    index_id = index.identity.index_id
    with index.begin() as tx:
        assert index.take_over(tx).epoch == 2
    with index.begin() as tx:
        index.adopt(tx, store_id=StoreId("f" * 32), domain=domain, epoch=9)
    adopted = index.identity
    assert (adopted.store_id, adopted.domain, adopted.epoch) == ("f" * 32, domain, 9)
    assert adopted.index_id == index_id


def test_the_migrations_make_exactly_the_schema(index: GalleryIndex) -> None:
    with index.read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_constraint_of_the_schema_is_in_the_migrated_database(index: GalleryIndex) -> None:
    with index.read() as tx:
        inspector = sa.inspect(tx)
        for table in metadata.sorted_tables:
            checks = {c.name for c in table.constraints if isinstance(c, sa.CheckConstraint)}
            made = {check["name"] for check in inspector.get_check_constraints(table.name)}
            assert checks == made, table.name


def test_the_program_knows_every_revision_in_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(upgrade.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(script.revision for script in scripts)[::-1] == upgrade.REVISIONS


def test_opening_twice_migrates_once(index_url: str) -> None:
    first = GalleryIndex.open(index_url, clock=CLOCK)
    with first.begin() as tx:
        galleries.create(tx, samples.gallery())
    first.close()
    second = GalleryIndex.open(index_url, clock=CLOCK)
    with second.read() as tx:
        assert len(galleries.list_all(tx)) == 1
        assert upgrade.is_current(tx)
    second.close()


def test_a_current_index_opens_without_alembic(index_url: str) -> None:
    code = (
        "import sys\n"
        "from imgrepl.clock import SystemClock\n"
        "from imgrepl.gallery.database import GalleryIndex\n"
        f"GalleryIndex.open({index_url!r}, clock=SystemClock()).close()\n"
        "print('alembic' in sys.modules)\n"
    )
    GalleryIndex.open(index_url, clock=CLOCK).close()
    assert _python(code).strip() == "False"


def test_an_index_of_a_later_release_is_refused_and_left_alone(index: GalleryIndex) -> None:
    with index.begin() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match="9999") as caught:
        GalleryIndex.open(_url(index), clock=CLOCK)
    assert caught.value.code == "IndexNewerThanProgram"
    with index.read() as tx:
        assert upgrade.revision_of(tx) == "9999"


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bookmarks.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()
    with pytest.raises(Conflict, match="bookmarks") as caught:
        GalleryIndex.open(f"sqlite:///{path}", clock=CLOCK)
    assert caught.value.code == "NotAnIndex"
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]
    other.close()


def test_a_file_that_is_no_database_is_corrupt_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    path.write_bytes(b"not a database, whatever its name says" * 100)
    with pytest.raises(Corrupt) as caught:
        GalleryIndex.open(f"sqlite:///{path}", clock=CLOCK)
    assert caught.value.code == "IndexUnreadable"
    assert path.read_bytes().startswith(b"not a database")


def test_without_create_nothing_is_made(empty_url: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        GalleryIndex.open(empty_url, clock=CLOCK, create=False)
    assert caught.value.code == "IndexNotFound"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://h/d", "index.db", "", "oracle+x://h"]
)
def test_a_url_that_cannot_hold_an_index_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        GalleryIndex.open(url, clock=CLOCK)
    assert caught.value.code == "InvalidIndexUrl"


def test_a_server_that_is_away_is_unavailable_and_the_password_is_not_shown() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(Unavailable) as caught:
        GalleryIndex.open("postgresql+psycopg://u:hunter2@127.0.0.1:1/x", clock=CLOCK)
    assert "hunter2" not in f"{caught.value.message} {caught.value.target}"


def test_a_transaction_that_raises_leaves_nothing(index: GalleryIndex) -> None:
    def create_twice() -> None:
        with index.begin() as tx:
            galleries.create(tx, samples.gallery())
            galleries.create(tx, samples.gallery())

    with pytest.raises(Conflict):
        create_twice()
    with index.read() as tx:
        assert galleries.list_all(tx) == []


def test_a_reader_sees_one_snapshot_while_a_writer_commits(index: GalleryIndex) -> None:
    with index.read() as before:
        assert galleries.list_all(before) == []
        with index.begin() as tx:
            galleries.create(tx, samples.gallery())
        assert galleries.list_all(before) == []
    with index.read() as after:
        assert len(galleries.list_all(after)) == 1


def test_a_writer_that_waits_too_long_is_told_that_the_index_is_busy(index_url: str) -> None:
    holder = GalleryIndex.open(index_url, clock=CLOCK)
    waiter = GalleryIndex.open(index_url, clock=CLOCK, busy_seconds=0.2)
    with holder.begin() as tx:
        galleries.create(tx, samples.gallery())
        with pytest.raises(Unavailable) as caught, waiter.begin():
            pass
    assert caught.value.code == "IndexBusy"
    holder.close()
    waiter.close()


def test_threads_of_one_process_take_turns(index: GalleryIndex) -> None:
    with index.begin() as tx:
        galleries.create(tx, samples.gallery())
    allocated: list[int] = []

    def work() -> None:
        for _ in range(20):
            with index.begin() as tx:
                allocated.append(galleries.next_revision(tx, samples.GALLERY))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(allocated) == list(range(2, 82))


def test_four_processes_make_one_new_index_together(empty_url: str) -> None:
    code = (
        "from imgrepl.clock import SystemClock\n"
        "from imgrepl.gallery.database import GalleryIndex\n"
        f"index = GalleryIndex.open({empty_url!r}, clock=SystemClock())\n"
        "print(index.identity.store_id)\n"
    )
    assert len(set(_together(code, 4))) == 1


def test_processes_never_get_the_same_revision(index: GalleryIndex) -> None:
    with index.begin() as tx:
        galleries.create(tx, samples.gallery())
    code = (
        "from imgrepl.clock import SystemClock\n"
        "from imgrepl.gallery.database import GalleryIndex\n"
        "from imgrepl.gallery import galleries\n"
        "from imgrepl.model.gallery import GalleryId\n"
        f"index = GalleryIndex.open({_url(index)!r}, clock=SystemClock())\n"
        "for _ in range(50):\n"
        "    with index.begin() as tx:\n"
        "        print(galleries.next_revision(tx, GalleryId(gallery='golden')))\n"
    )
    allocated = [int(line) for out in _together(code, 3) for line in out.split()]
    assert sorted(allocated) == list(range(2, 152))


def test_a_process_killed_in_a_transaction_leaves_an_index_that_works(index: GalleryIndex) -> None:
    code = (
        "import os, signal\n"
        "from imgrepl.clock import SystemClock\n"
        "from imgrepl.gallery.database import GalleryIndex\n"
        "from imgrepl.gallery import activity\n"
        f"index = GalleryIndex.open({_url(index)!r}, clock=SystemClock())\n"
        "with index.begin() as tx:\n"
        "    activity.log(tx, 'a', 'b', 'c', {}, 'd')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], env=_environment(), check=False)
    assert ended.returncode == -9
    with index.begin() as tx:
        assert activity.list_recent(tx, 10) == []
        activity.log(tx, "a", "b", "c", {}, "d")


def _url(index: GalleryIndex) -> str:
    return index.url


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(upgrade.__file__).parents[2])}


def _python(code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code], env=_environment(), check=True, capture_output=True, text=True
    )
    return run.stdout


def _together(code: str, count: int) -> list[str]:
    command = [sys.executable, "-c", code]
    started = [
        subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    outputs = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0] * count
    return outputs
