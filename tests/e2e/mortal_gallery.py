"""A gallery on real servers whose commands are killed, and what must be true after each death."""

import json
import random
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from e2e.command_line import DEFINITION, Cli
from imgrepl.clock import SystemClock
from imgrepl.gallery import contents, moved, packs, places, replicas, upgrade, versions
from imgrepl.gallery import regions as region_rows
from imgrepl.gallery.database import GalleryIndex
from imgrepl.layout import keys
from imgrepl.model.region import Endpoint, Place, PlaceRole, Region, roles_of
from imgrepl.model.replica import ReplicaState
from imgrepl.store.opening import open_store
from imgrepl.store.options import StoreOptions
from imgrepl.store.protocols import Store
from imgrepl.testing.faulty import flipped
from imgrepl.testing.killing import DieAt, Fate, Mortals
from servers import S3Server, kill_server, revive_server

MEBIBYTE = 1 << 20
PACK_BYTES = MEBIBYTE // 2
"""A pack is closed at this; the last chunk makes it a little longer."""
PACK_BYTES_MAX = PACK_BYTES + (192 << 10)
SENDERS = 4
"""Threads that send packs at once: `uploads_in_flight`, later `region_uploads` for each region."""
HOME, AWAY, NEAR = "eastus", "westeurope", "southeastasia"
FEW = (HOME, AWAY)
MANY = (HOME, f"{AWAY}=2", NEAR)


@dataclass(frozen=True, kw_only=True)
class Work:
    """One command: how it is called, how it may end after deaths, and what is true afterwards."""

    kind: str
    words: Sequence[object]
    done: Callable[[], None]
    variables: dict[str, str] = field(default_factory=dict)
    statuses: frozenset[int] = frozenset({0})


@dataclass
class Tally:
    """What happened so far, by kind of command."""

    kills: Counter[str] = field(default_factory=Counter)
    completed: Counter[str] = field(default_factory=Counter)
    servers_killed: int = 0
    sent_bytes: int = 0
    resent_bytes: int = 0
    resent_bytes_max: int = 0
    points_died_at: set[tuple[str, str]] = field(default_factory=set)
    points_seen: set[tuple[str, str]] = field(default_factory=set)

    def __str__(self) -> str:
        return (
            f"{sum(self.kills.values())} kills ({dict(self.kills)}),"
            f" {self.servers_killed} of a server;"
            f" {len(self.points_died_at)} of {len(self.points_seen)} named points;"
            f" {self.resent_bytes} of {self.sent_bytes} bytes sent twice,"
            f" at most {self.resent_bytes_max} after one death"
        )


class MortalGallery:
    """Publishes, updates, deletes, collects, repairs, scrubs, rebuilds and upgrades, and dies."""

    def __init__(
        self, cli: Cli, mortals: Mortals, servers: Sequence[S3Server], dice: random.Random
    ) -> None:
        self.cli = cli
        self._mortals = mortals
        self._servers = servers
        self._dice = dice
        self._endpoints = {
            HOME: servers[0].new_endpoint(),
            AWAY: servers[1].new_endpoint(),
            NEAR: servers[0].new_endpoint(),
        }
        self._stores: dict[str, Store] = {}
        self._index = cli.index
        self._indexes = 0
        self._numbers = 0
        self._points: dict[str, Counter[str]] = {}
        self._seconds: dict[str, float] = {}
        self._sent: Counter[tuple[str, str]] = Counter()
        self._injured: set[tuple[str, str]] = set()
        self.images: dict[str, bytes] = {}
        self.tally = Tally()
        self._register(self._index)

    # ------------------------------------------------------------------ dying

    def die_in(self, work: Work) -> None:
        """Kills the command once or twice, looks around after each death, and lets it complete."""
        fate = self._run(work, *self._end(work))
        while fate.killed:
            self.tally.kills[work.kind] += 1
            tell(f"{' '.join(map(str, work.words))} died: {fate.points[-1:]}")
            self._assert_nothing_lost()
            again = self._dice.random() < 0.25
            fate = self._run(work, *(self._end(work) if again else (None, None)), after_death=True)
        self._assert_ended(work, fate)

    def live_through(self, work: Work) -> None:
        """The command runs undisturbed, and shows the points that it passes."""
        fate = self._run(work, None, None)
        self._points[work.kind] = Counter(fate.points)
        self._seconds[work.kind] = fate.seconds
        self.tally.points_seen |= {(work.kind, name) for name in fate.points}
        self._assert_ended(work, fate)

    def survive_server(self, work: Work) -> None:
        """A server dies and comes back meanwhile: the command waits for it, and goes on.

        The server is started by this thread, as it ends with the thread that started it.
        """
        server = self._dice.choice(self._servers)
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(self._run, work, None, None)
            time.sleep(self._dice.uniform(0.1, 0.5))
            kill_server(server)
            time.sleep(0.2)
            revive_server(server)
            fate = running.result()
        self.tally.servers_killed += 1
        self._assert_ended(work, fate)

    def _end(self, work: Work) -> tuple[DieAt | None, float | None]:
        """At a named point two times of three, those first at which nobody died; else any time."""
        known = self._points.get(work.kind)
        if not known or self._dice.random() < 0.33:
            return None, self._dice.uniform(0.02, self._seconds.get(work.kind, 1.0))
        fresh = [name for name in known if (work.kind, name) not in self.tally.points_died_at]
        name = self._dice.choice(sorted(fresh or known))
        return DieAt(name, self._dice.randint(1, known[name]) if not fresh else 1), None

    def _run(
        self,
        work: Work,
        die_at: DieAt | None,
        seconds: float | None,
        *,
        after_death: bool = False,
    ) -> Fate:
        variables = {"IMGREPL_INDEX": f"sqlite:///{self._index}", **work.variables}
        fate = self._mortals.run(
            [*map(str, work.words), "-o", "json", "--no-progress"],
            die_at=die_at,
            die_after_seconds=seconds,
            variables=variables,
        )
        self._account(fate, after_death=after_death)
        self.tally.points_seen |= {(work.kind, name) for name in fate.points}
        if fate.killed and die_at is not None:
            self.tally.points_died_at.add((work.kind, die_at.name))
        assert "Traceback" not in fate.stderr, fate.stderr
        return fate

    def _account(self, fate: Fate, *, after_death: bool) -> None:
        """What was sent twice: at most one pack for each thread that sends, for each death."""
        resent = 0
        for one in fate.sent:
            if self._sent[one.url, one.key]:
                resent += one.bytes
            self._sent[one.url, one.key] += 1
            self.tally.sent_bytes += one.bytes
            assert one.bytes <= PACK_BYTES_MAX
        self.tally.resent_bytes += resent
        if after_death:
            self.tally.resent_bytes_max = max(self.tally.resent_bytes_max, resent)
            assert resent <= SENDERS * PACK_BYTES_MAX, (resent, fate.sent)

    def _assert_ended(self, work: Work, fate: Fate) -> None:
        assert fate.status in work.statuses, (work.kind, fate.status, fate.out, fate.stderr)
        work.done()
        self.tally.completed[work.kind] += 1

    # ------------------------------------------------------------------ commands

    def publish(self) -> Work:
        """A new version that shares half of its content with every other."""
        self._numbers += 1
        name = f"1.0.{self._numbers}"
        image = self.cli.home / f"{name}.raw"
        content = random.Random(0).randbytes(MEBIBYTE) + self._dice.randbytes(MEBIBYTE)
        with image.open("wb") as file:
            file.seek(MEBIBYTE)
            file.write(content)
            file.truncate(8 * MEBIBYTE)
        words = ("image-version", "create", *DEFINITION, "-e", name, "--os-disk", image)

        def done() -> None:
            self.images[name] = image.read_bytes()
            image.unlink()

        targets = ("-l", HOME, "--target-regions", *FEW)
        return Work(kind="ingest", words=(*words, "--create-parents", *targets), done=done)

    def replicate(self) -> Work:
        """To a third region, and a second replica; or back to two."""
        small = [name for name in sorted(self.images) if len(self._regions_of(name)) == 2]
        name = self._dice.choice(small or sorted(self.images))
        targets = MANY if small else FEW
        words = ("image-version", "update", *DEFINITION, "-e", name, "--target-regions", *targets)
        kind = "replicate" if targets is MANY else "withdraw"

        def done() -> None:
            with self._reading() as tx:
                (version,) = [v for v in versions.list_all(tx) if str(v.id.version) == name]
                states = [one.state for one in replicas.of_version(tx, version.id)]
            assert states == [ReplicaState.COMPLETED] * (4 if targets is MANY else 2), states

        return Work(kind=kind, words=words, done=done)

    def update(self) -> Work:
        """Fields that records carry to every region."""
        name = self._dice.choice(sorted(self.images))
        words = ("image-version", "update", *DEFINITION, "-e", name)
        tags = ("--tags", f"turn={self._dice.randrange(1000)}")
        return Work(kind="update", words=(*words, *tags), done=lambda: None)

    def delete(self) -> Work:
        """The oldest version; after a death it may be gone already."""
        name = min(self.images, key=lambda one: int(one.rpartition(".")[2]))
        words = ("image-version", "delete", *DEFINITION, "-e", name, "--yes")

        def done() -> None:
            del self.images[name]

        return Work(kind="delete", words=words, done=done, statuses=frozenset({0, 3}))

    def collect(self) -> Work:
        """All that nothing names."""
        return Work(kind="collect", words=("collect", "--yes", "--compact"), done=lambda: None)

    def repair(self) -> Work:
        """Of a version of which a few objects were damaged just now."""
        name = self._dice.choice(sorted(self.images))
        self._injure(name)
        words = ("image-version", "repair", *DEFINITION, "-e", name)
        return Work(kind="repair", words=words, done=self._injured.clear)

    def scrub(self) -> Work:
        """Everything, with some damage in it."""
        self._injure(self._dice.choice(sorted(self.images)))
        return Work(kind="scrub", words=("scrub",), done=self._injured.clear)

    def rebuild(self) -> Work:
        """A new index out of the buckets; from then on it is the one that counts."""
        fresh = self._fresh_index()
        self._register(fresh)

        def done() -> None:
            self._index = fresh

        names = tuple(self._endpoints)
        return Work(
            kind="rebuild",
            words=("index", "rebuild", "--from", *names, "--yes"),
            done=done,
            variables={"IMGREPL_INDEX": f"sqlite:///{fresh}"},
        )

    def migrate(self) -> Work:
        """The index as an older release would have left it; from then on it is the one."""
        old = self._fresh_index()
        _as_of_revision(self._index, old, self._dice.choice(upgrade.REVISIONS[1:-1]))

        def done() -> None:
            self._index = old

        return Work(
            kind="migrate",
            words=("index", "upgrade"),
            done=done,
            variables={"IMGREPL_INDEX": f"sqlite:///{old}"},
        )

    # ------------------------------------------------------------------ what must be true

    def assert_all_is_well(self) -> None:
        """Every version that stands is whole everywhere and byte for byte; nobody is at work."""
        for name, image in self.images.items():
            for region in self._regions_of(name):
                assert self._downloaded(name, region) == image, (name, region)
            self._done("image-version", "verify", *DEFINITION, "-e", name, "--deep")
        with self._reading() as tx:
            assert sorted(str(v.id.version) for v in versions.list_all(tx)) == sorted(self.images)
            unended = tx.execute(sa.text("SELECT kind FROM operations WHERE ended_at IS NULL"))
            assert unended.all() == []
            assert tx.execute(sa.text("SELECT count(*) FROM pins")).scalar() == 0
        report = json.loads(self._done("index", "check").out)
        assert report["faults"] == []

    def _assert_nothing_lost(self) -> None:
        """What is called complete is there, whole, and belongs to a version that was asked for."""
        with self._reading() as tx:
            known = versions.list_all(tx)
            for version in known:
                for replica in replicas.of_version(tx, version.id):
                    if replica.state is not ReplicaState.COMPLETED:
                        continue
                    for role in roles_of(replica.storage_account_type):
                        region = region_rows.get(tx, replica.region)
                        place = _place(tx, region, role, replica.number)
                        lacking = moved.lacking(tx, place.id, version.content_ids)
                        unhurt = self._unhurt(tx, place, lacking)
                        assert not unhurt, (str(version.id), place, unhurt, self._injured)
            every = places.list_all(tx)
            rows = {place: packs.all_in(tx, place.id) for place in every}
        for place, those in rows.items():
            listed = self._store(place.endpoint).list("packs/")
            here = {info.key: info.size_bytes for info in listed}
            for row in those:
                key = keys.pack_key(row.pack_id, row.generation)
                if row.state == packs.PRESENT and not self._is_injured(place, key):
                    assert here.get(key) == row.pack_bytes, (place.name, key)
        expected = set(self.images) | {f"1.0.{self._numbers}"}
        assert {str(version.id.version) for version in known} <= expected

    def _unhurt(self, tx: sa.Connection, place: Place, lacking: set[Any]) -> list[Any]:
        """Those of the packs that the test itself did not damage there."""
        hurt = {keys.parse_pack_key(key) for url, key in self._injured if url == place.endpoint.url}
        damaged = {key.pack_id for key in hurt if key is not None}
        parts = moved.served_by(tx, place.id, damaged)
        excused = damaged | {pack for served in parts.values() for pack in served}
        if any(url == place.endpoint.url and "moved/" in key for url, key in self._injured):
            return []
        return [pack for pack in lacking if pack not in excused]

    # ------------------------------------------------------------------ means

    def _done(self, *words: object) -> Fate:
        fate = self._mortals.run(
            [*map(str, words), "-o", "json", "--no-progress"],
            variables={"IMGREPL_INDEX": f"sqlite:///{self._index}"},
        )
        assert fate.status == 0, (words, fate.out, fate.stderr)
        return fate

    def _downloaded(self, name: str, region: str) -> bytes:
        target = self.cli.home / "out.raw"
        words = ("image-version", "download", *DEFINITION, "-e", name, "--region", region)
        self._done(*words, "--file", target)
        content = target.read_bytes()
        target.unlink()
        return content

    def _regions_of(self, name: str) -> list[str]:
        with self._reading() as tx:
            (version,) = [v for v in versions.list_all(tx) if str(v.id.version) == name]
            return [target.name for target in version.target_regions]

    def _injure(self, name: str) -> None:
        """A pack in one region, and a small object in another."""
        with self._reading() as tx:
            (version,) = [v for v in versions.list_all(tx) if str(v.id.version) == name]
            (content_id,) = version.content_ids
            named = set(contents.packs_of(tx, [content_id]))
            away = _place(tx, region_rows.get(tx, AWAY), PlaceRole.STANDARD, 0)
            for row in moved.find(tx, away.id, named).values():
                named |= row.parts
        for region, kinds in ((AWAY, ("packs/",)), (HOME, ("manifests/", "seals/"))):
            store = self._store(self._endpoints[region].below("r0"))
            kind = self._dice.choice(kinds)
            listed = [info.key for info in store.list(kind)]
            mine = [k for k in listed if any(i in k for i in (*named, content_id))]
            key = self._dice.choice(sorted(mine))
            self._injured.add((self._endpoints[region].below("r0").url, key))
            if self._dice.random() < 0.5:
                store.delete([key])
            else:
                content = store.get(key)
                store.put(key, flipped(content, self._dice.randrange(8 * len(content))))

    def _is_injured(self, place: Place, key: str) -> bool:
        return (place.endpoint.url, key) in self._injured

    def _store(self, endpoint: Endpoint) -> Store:
        if endpoint.url not in self._stores:
            environment = self._servers[0].environment
            self._stores[endpoint.url] = open_store(
                endpoint, environment=environment, options=StoreOptions()
            )
        return self._stores[endpoint.url]

    def _fresh_index(self) -> Path:
        self._indexes += 1
        return self.cli.home / f"index{self._indexes}.sqlite3"

    def _register(self, path: Path) -> None:
        index = GalleryIndex.open(f"sqlite:///{path}", clock=SystemClock())
        try:
            with index.begin() as tx:
                for name, endpoint in self._endpoints.items():
                    region_rows.add(tx, Region(name=name, display_name=name, standard=(endpoint,)))
        finally:
            index.close()

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """The index that counts, as whoever opens it next finds it."""
        index = GalleryIndex.open(f"sqlite:///{self._index}", clock=SystemClock())
        try:
            with index.read() as tx:
                yield tx
        finally:
            index.close()


def _place(tx: sa.Connection, region: Region, role: Any, number: int) -> Place:
    found = [p for p in places.of_region(tx, region.name) if (p.role, p.number) == (role, number)]
    assert len(found) == 1, (region.name, role, number)
    return found[0]


def _as_of_revision(current: Path, old: Path, revision: str) -> None:
    """Copies an index into the schema of an older release, with all that fits there."""
    engine = sa.create_engine(f"sqlite:///{old}")
    with engine.begin() as tx:
        config = Config()
        migrations = Path(upgrade.__file__).parent / "migrations"
        config.set_main_option("script_location", str(migrations))
        config.attributes["connection"] = tx
        command.upgrade(config, revision)
    engine.dispose()
    with closing(sqlite3.connect(old)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("ATTACH ? AS now", (str(current),))
        tables = db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            if table == "alembic_version" or table.startswith("sqlite_"):
                continue
            both = _columns(db, "main", table) & _columns(db, "now", table)
            names = ", ".join(sorted(both))
            db.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM now.{table}")
        db.commit()


def _columns(db: sqlite3.Connection, schema: str, table: str) -> set[str]:
    return {row[1] for row in db.execute(f"PRAGMA {schema}.table_info({table})")}


def tell(text: str) -> None:
    """Shown where the test fails, or where output is not captured."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
