"""Packs that are live, condemned, deleting and gone, against a model of them, in any order.

The rows move by the statements that publishing and collecting use, one transaction a rule; requests
are on their way for as long as Hypothesis likes, arrive twice, or an hour late. Versions name packs
by their row or by a record alone, operations pin and die, another index takes the store over. After
each rule the rows are those of the model, and nothing is gone that a version names.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.world import World, open_world
from gallery import samples
from gallery.samples import PUT, pack_id
from imgrepl.engine import rebuild_doubts
from imgrepl.engine.collect_roots import Need, Roots
from imgrepl.engine.collect_steps import Inspected, Steps
from imgrepl.engine.collect_survey import Survey
from imgrepl.gallery import (
    contents,
    definitions,
    galleries,
    moved,
    operations,
    pack_objects,
    packs,
    replicas,
    unneeded,
    versions,
)
from imgrepl.gallery.pack_objects import FoundPack
from imgrepl.gallery.schema import PackState
from imgrepl.layout import keys
from imgrepl.model.gallery import VersionId
from imgrepl.model.ids import OperationId, PackId
from imgrepl.model.operation import OperationState
from imgrepl.model.region import Place
from imgrepl.model.replica import Replica
from imgrepl.store.protocols import Store

NAMES = ("a", "b")
IDS = {pack_id(name): name for name in NAMES}
SIZE = 1000
PER_EPOCH = 1 << 16
Key = tuple[str, int]
"""A pack's name and its generation: one object."""

INTENDED, PRESENT, CONDEMNED = PackState.INTENDED, PackState.PRESENT, PackState.CONDEMNED
DELETING, GONE = PackState.DELETING, PackState.GONE
LIVE = (INTENDED, PRESENT, CONDEMNED)


@dataclass
class Model:
    """What must be true. `named` are packs of versions with a row, `recorded` of those without."""

    rows: dict[Key, PackState] = field(default_factory=dict)
    pins: set[tuple[OperationId, str]] = field(default_factory=set)
    named: dict[VersionId, str] = field(default_factory=dict)
    recorded: set[str] = field(default_factory=set)
    floor: int = 0

    def live(self, name: str) -> Key | None:
        return next((k for k, s in self.rows.items() if k[0] == name and s in LIVE), None)

    def wants(self, operation: OperationId, name: str) -> Key:
        """An operation is to use this pack: the object that it will be."""
        self.pins.add((operation, name))
        key = self.live(name)
        if key is not None and self.rows[key] is CONDEMNED:
            self.rows[key] = PRESENT if key[1] >= self.floor else DELETING
        if key is None or self.rows[key] is DELETING:
            used = [generation + 1 for known, generation in self.rows if known == name]
            key = (name, max([self.floor, *used]))
            self.rows[key] = INTENDED
        return key

    def is_needed(self, name: str) -> bool:
        by_rows = name in self.named.values() or name in self.recorded
        return by_rows or any(pinned == name for _, pinned in self.pins)

    def condemn(self) -> None:
        for key, state in self.rows.items():
            if state is PRESENT and not self.is_needed(key[0]):
                self.rows[key] = CONDEMNED

    def doom(self) -> set[Key]:
        """Gives what is to be deleted now, what an earlier run left included."""
        for key, state in self.rows.items():
            if state is CONDEMNED and not self.is_needed(key[0]):
                self.rows[key] = DELETING
        held = {*self.named.values(), *(name for _, name in self.pins)}
        return {
            key
            for key, state in self.rows.items()
            if state is DELETING and (key[0] not in held or self._is_present(key[0]))
        }

    def _is_present(self, name: str) -> bool:
        key = self.live(name)
        return key is not None and self.rows[key] is PRESENT

    def is_taken_over(self) -> None:
        self.floor += PER_EPOCH
        self.pins.clear()
        self.condemn()


class Collecting(RuleBasedStateMachine):
    """One place with two packs, whoever writes there, and a collector."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.model = Model()
        self.operations: list[OperationId] = []
        self.puts: list[Key] = []
        """On their way, by a writer or by a network that sends them twice."""
        self.deletes: list[Key] = []
        self.sent: set[Key] = set()
        """Deletions that the collector waits for."""
        self._number = 0
        self.world: World
        self.place: Place
        self.bucket: Store

    @initialize()
    def begin(self) -> None:
        folder = Path(self._stack.enter_context(TemporaryDirectory()))
        self.world = self._stack.enter_context(open_world(folder, region_names=("eastus",)))
        self.place = self.world.place("eastus")
        self.bucket = self.world.store("eastus").inner
        with self.world.index.begin() as tx:
            galleries.create(tx, samples.gallery())
            definitions.create(tx, samples.definition())

    # ------------------------------------------------------------------ writers

    @rule(name=st.sampled_from(NAMES), new=st.booleans(), share=st.floats(0, 1, exclude_max=True))
    def a_writer_wants_a_pack(self, name: str, new: bool, share: float) -> None:
        with self.world.index.begin() as tx:
            if new or not self.operations:
                self.operations.append(samples.operation(tx))
            operation = self.operations[int(share * len(self.operations))]
            held = packs.pin_present(tx, operation, self.place.id, [pack_id(name)])
            state = PRESENT
            if not held:
                row = packs.intend(tx, operation, self.place.id, pack_id(name), SIZE)
                state = row.state
        key = self.model.wants(operation, name)
        if state is not PRESENT:
            self.puts.append(key)

    @precondition(lambda self: self.puts)
    @rule(share=st.floats(0, 1, exclude_max=True), again=st.booleans())
    def a_put_arrives(self, share: float, again: bool) -> None:
        at = int(share * len(self.puts))
        key = self.puts[at] if again else self.puts.pop(at)
        if not self._is_there(key):
            self.bucket.put(self._object(key), b"x" * SIZE)

    @precondition(lambda self: self.model.rows)
    @rule(name=st.sampled_from(NAMES))
    def a_put_is_confirmed(self, name: str) -> None:
        key = self.model.live(name)
        if key is None or self.model.rows[key] is not INTENDED or not self._is_there(key):
            return
        with self.world.index.begin() as tx:
            packs.confirm(tx, self.place.id, pack_id(name), PUT)
        self.model.rows[key] = PRESENT

    @precondition(lambda self: self.operations)
    @rule(name=st.sampled_from(NAMES), by_record=st.booleans())
    def a_version_is_committed(self, name: str, by_record: bool) -> None:
        """As the sealer does; by its record alone where its process dies before the row."""
        operation = self.operations[-1]
        self._number += 1
        content = f"{name}{self._number}"
        with self.world.index.begin() as tx:
            contents.add(tx, samples.manifest(content, name), 0)
            moved.pin(tx, operation, self.place.id, [samples.content_id(content)])
            lacking = moved.lacking(tx, self.place.id, [samples.content_id(content)])
            if not lacking and not by_record:
                made = samples.version(f"1.0.{self._number}", content=content)
                versions.stage(tx, made, None)
                versions.commit(tx, made.id, samples.NOON, 2)
                only = Replica(region="eastus", number=0, storage_account_type=samples.LRS)
                replicas.plan(tx, made.id, [only])
        key = self.model.live(name)
        can_be_pinned = key is not None and self.model.rows[key] is not INTENDED
        if can_be_pinned and key is not None and self._may_be_used(key):
            self.model.wants(operation, name)
        assert bool(lacking) == (key is None or self.model.rows[key] is not PRESENT)
        if not lacking:
            if by_record:
                self.model.recorded.add(name)
            else:
                self.model.named[made.id] = name

    def _may_be_used(self, key: Key) -> bool:
        return self.model.rows[key] is PRESENT or key[1] >= self.model.floor

    @precondition(lambda self: self.operations)
    @rule()
    def an_operation_ends(self) -> None:
        """Done, given up or dead: what it pinned is free, what it intended is nobody's."""
        operation = self.operations.pop(0)
        with self.world.index.begin() as tx:
            operations.request_cancel(tx, operation)
            assert operations.get(tx, operation).state is OperationState.CANCELED
        self.model.pins = {pin for pin in self.model.pins if pin[0] != operation}

    @precondition(lambda self: self.model.named)
    @rule(share=st.floats(0, 1, exclude_max=True))
    def a_version_is_deleted(self, share: float) -> None:
        version_id = sorted(self.model.named, key=str)[int(share * len(self.model.named))]
        with self.world.index.begin() as tx:
            versions.remove(tx, version_id)
        del self.model.named[version_id]

    @precondition(lambda self: self.model.recorded)
    @rule()
    def what_only_records_named_is_deleted(self) -> None:
        self.model.recorded.clear()

    # ------------------------------------------------------------------ the collector

    @rule()
    def intents_of_nobody_are_settled(self) -> None:
        with self.world.index.begin() as tx:
            for row in unneeded.abandoned_intents(tx, self.place.id, 10):
                key = (IDS[row.pack_id], row.generation)
                if self._is_there(key):
                    packs.confirm(tx, self.place.id, row.pack_id, PUT)
                    self.model.rows[key] = PRESENT
                else:
                    packs.drop_intent(tx, self.place.id, row.pack_id)
                    del self.model.rows[key]

    @rule()
    def what_nothing_needs_is_condemned(self) -> None:
        with self.world.index.begin() as tx:
            self._steps().condemn(tx, "")
        self.model.condemn()

    @rule()
    def what_is_condemned_is_doomed(self) -> None:
        with self.world.index.begin() as tx:
            steps = self._steps()
            doomed = [*steps.leftovers(tx), *steps.doom(tx, "")[1]]
        found = {(IDS[row.pack_id], row.generation) for row in doomed}
        assert found == self.model.doom()
        self.deletes += sorted(found)
        self.sent |= found

    @precondition(lambda self: self.deletes)
    @rule(share=st.floats(0, 1, exclude_max=True), again=st.booleans())
    def a_delete_arrives(self, share: float, again: bool) -> None:
        at = int(share * len(self.deletes))
        key = self.deletes[at] if again else self.deletes.pop(at)
        self.bucket.delete([self._object(key)])

    @rule()
    def deletions_are_confirmed(self) -> None:
        done = {key for key in self.sent if not self._is_there(key)}
        with self.world.index.begin() as tx:
            rows = packs.in_state(tx, self.place.id, DELETING, 10)
            mine = [row for row in rows if (IDS[row.pack_id], row.generation) in done]
            pack_objects.set_gone(tx, self.place.id, mine)
        for key in done:
            self.model.rows[key] = GONE
        self.sent -= done

    @rule()
    def an_object_that_came_after_its_deletion_is_deleted_again(self) -> None:
        late = [k for k, s in self.model.rows.items() if s is GONE and self._is_there(k)]
        self.deletes += late

    # ------------------------------------------------------------------ another index

    @rule()
    def another_index_takes_over(self) -> None:
        """A restored one: it has the rows and looks at what is there. Requests are on their way."""
        with self.world.index.begin() as tx:
            self.world.index.take_over(tx)
            listed = [FoundPack(key.pack_id, key.generation, SIZE) for key in self._listed()]
            pack_objects.adopt(tx, self.place.id, listed, samples.NOON)
        found = {(one.pack_id, one.generation) for one in listed}
        rebuild_doubts.look_for_unlisted(self.world.engine, self.place, set(found))
        rebuild_doubts.settle(self.world.engine, [self.place])
        self._adopt({(IDS[PackId(p)], generation) for p, generation in found})
        self.sent.clear()

    def _adopt(self, found: set[Key]) -> None:
        """What the model says of it: of several objects of a pack without rows the last lives."""
        rows = self.model.rows
        for key in sorted(found - rows.keys()):
            newest = max(generation for name, generation in {*found, *rows} if name == key[0])
            alive = key[1] == newest and self.model.live(key[0]) is None
            rows[key] = PRESENT if alive else DELETING
        for key, state in rows.items():
            if key not in found and state is CONDEMNED:
                rows[key] = DELETING
        named = {*self.model.named.values()}
        self.model.floor += PER_EPOCH
        self.model.pins.clear()
        for key, state in rows.items():
            if state in (PRESENT, CONDEMNED):
                rows[key] = PRESENT if key[0] in named else CONDEMNED

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def rows_are_those_of_the_model(self) -> None:
        if not hasattr(self, "world"):
            return
        with self.world.index.read() as tx:
            states = pack_objects.states(tx, self.place.id, IDS)
        assert {(IDS[p], g): s for (p, g), s in states.items()} == self.model.rows

    @invariant()
    def nothing_is_gone_that_a_version_names(self) -> None:
        if not hasattr(self, "world"):
            return
        for name in self.model.named.values():
            key = self.model.live(name)
            assert key is not None, f"{name} is named and nowhere"
            assert self.model.rows[key] is PRESENT
            assert self._is_there(key), f"{name} is named, present, and not there"

    def teardown(self) -> None:
        self._stack.close()

    # ------------------------------------------------------------------ looks

    def _steps(self) -> Steps:
        needs = tuple(
            Need(
                record=f"records/of-{name}",
                unknown=True,
                regions=frozenset({"eastus"}),
                contents=frozenset(),
                packs=frozenset({pack_id(name)}),
            )
            for name in sorted(self.model.recorded)
        )
        survey = Survey(
            gone_packs=(), manifests={}, seals={}, moved={}, unknown_objects=0, unknown_bytes=0
        )
        inspected = Inspected(
            place=self.place,
            survey=survey,
            roots=Roots(needs=needs),
            intents=(),
            given_up=frozenset(),
        )
        return Steps(inspected, grace_seconds=0)

    def _listed(self) -> list[keys.PackKey]:
        found = (keys.parse_pack_key(info.key) for info in self.bucket.list("packs/"))
        return [key for key in found if key is not None]

    def _object(self, key: Key) -> str:
        return keys.pack_key(pack_id(key[0]), key[1])

    def _is_there(self, key: Key) -> bool:
        return any(True for _ in self.bucket.list(self._object(key)))


_COMMON = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


class TestCollecting(Collecting.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(_COMMON, max_examples=12, stateful_step_count=30, derandomize=True)


@pytest.mark.slow
@pytest.mark.timeout(7200)
class TestCollectingAtLength(Collecting.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(_COMMON, max_examples=5_000, stateful_step_count=60)
