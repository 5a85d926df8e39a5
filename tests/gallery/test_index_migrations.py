"""An index that an older program made is brought to this program's schema with all it holds."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from gallery import samples
from imgrepl.clock import SystemClock
from imgrepl.errors import NotFound
from imgrepl.gallery import galleries, identity, upgrade
from imgrepl.gallery.database import GalleryIndex
from imgrepl.gallery.schema import metadata
from imgrepl.model.domain import DEFAULT_DOMAIN


def _index_of_revision(path: Path, revision: str) -> str:
    """An index with one gallery, as the program of that schema left it."""
    url = f"sqlite:///{path}"
    engine = sa.create_engine(url)
    with engine.begin() as tx:
        config = Config()
        migrations = Path(upgrade.__file__).parent / "migrations"
        config.set_main_option("script_location", str(migrations))
        config.attributes["connection"] = tx
        command.upgrade(config, revision)
        identity.make(tx, DEFAULT_DOMAIN)
        _gallery_of_then(tx)
    engine.dispose()
    return url


def _gallery_of_then(tx: sa.Connection) -> None:
    """A row with the columns of that schema, whatever today's program writes."""
    table = sa.Table("galleries", sa.MetaData(), autoload_with=tx)
    wanted = samples.gallery()
    tx.execute(
        table.insert().values(
            subscription=wanted.id.subscription,
            subscription_key=wanted.id.subscription.lower(),
            group_name=wanted.id.group,
            group_key=wanted.id.group.lower(),
            name=wanted.id.gallery,
            name_key=wanted.id.gallery.lower(),
            incarnation=wanted.incarnation,
            revision=1,
            next_revision=2,
            location=wanted.location,
            tags={},
            soft_delete_enabled=False,
            soft_delete_retention_days=7,
            provisioning_state="Succeeded",
        )
    )


def test_an_index_of_the_first_schema_is_migrated_and_keeps_what_it_holds(tmp_path: Path) -> None:
    url = _index_of_revision(tmp_path / "old.db", upgrade.REVISIONS[0])
    index = GalleryIndex.open(url, clock=SystemClock())
    with index.read() as tx:
        assert upgrade.is_current(tx)
        context = MigrationContext.configure(tx, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        (kept,) = galleries.list_all(tx)
        assert (kept.id, kept.soft_delete_grace_days) == (samples.gallery().id, 0)
    index.close()


def test_an_upgrade_tells_from_where_to_where_and_keeps_a_copy_of_the_file(tmp_path: Path) -> None:
    first, last = upgrade.REVISIONS[0], upgrade.REVISIONS[-1]
    url = _index_of_revision(tmp_path / "old.db", first)
    done = GalleryIndex.upgrade(url, clock=SystemClock())
    assert (done.before, done.after) == (first, last)
    assert done.backup == str(tmp_path / f"old.{first}.bak")
    copy = sa.create_engine(f"sqlite:///{done.backup}")
    with copy.connect() as tx:
        assert upgrade.revision_of(tx) == first
        assert tx.execute(sa.text("SELECT name FROM galleries")).all() == [("golden",)]
    copy.dispose()
    again = GalleryIndex.upgrade(url, clock=SystemClock())
    assert (again.before, again.after, again.backup) == (last, last, None)


def test_an_upgrade_makes_no_index_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        GalleryIndex.upgrade(f"sqlite:///{tmp_path / 'none.db'}", clock=SystemClock())
    assert not (tmp_path / "none.db").exists()
