"""No hot look-up walks a whole table: SQLite's own plans say so."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, event

from gallery import samples
from gallery.query_plans import plan_of, walks
from gallery.samples import PUT, VERSION, content_id, pack_id
from imgrepl.clock import SystemClock
from imgrepl.gallery import (
    candidates,
    contents,
    definitions,
    galleries,
    moved,
    operations,
    packs,
    proofs,
    replicas,
    unneeded,
    versions,
)
from imgrepl.gallery.database import GalleryIndex
from imgrepl.model.gallery import ProvisioningState
from imgrepl.model.ids import OperationId, PlaceId
from imgrepl.model.operation import OperationKind
from imgrepl.model.replica import ReplicaState

HERE = PlaceId(1)
A = pack_id("a")
OP = OperationId("op-hot")

HOT: dict[str, Callable[[Connection], object]] = {
    "find a gallery": lambda tx: galleries.find(tx, samples.GALLERY),
    "find a definition": lambda tx: definitions.find(tx, samples.DEFINITION),
    "find a version": lambda tx: versions.find(tx, VERSION),
    "latest": lambda tx: next(candidates.newest_first(tx, samples.DEFINITION), None),
    "count galleries": lambda tx: galleries.count(tx, "default", "eastus"),
    "count definitions": lambda tx: definitions.count(tx, "default", "eastus"),
    "count versions": lambda tx: versions.count(tx, "default", "eastus"),
    "stage a version": lambda tx: versions.stage(tx, samples.version("7.0.0"), OP),
    "plan replicas": lambda tx: replicas.plan(tx, VERSION, []),
    "set a version's state": lambda tx: versions.set_state(
        tx, VERSION, ProvisioningState.SUCCEEDED
    ),
    "who else names a content": lambda tx: versions.naming(tx, content_id("c"), but=VERSION),
    "where a content is at home": lambda tx: versions.homes_of(tx, content_id("c")),
    "list versions": lambda tx: versions.list_of(tx, samples.DEFINITION),
    "completed regions": lambda tx: replicas.completed_regions(tx, samples.DEFINITION),
    "replicas": lambda tx: replicas.of_version(tx, VERSION),
    "replicas of a definition": lambda tx: replicas.of_definition(tx, samples.DEFINITION),
    "lost packs": lambda tx: versions.lost_packs(tx, VERSION),
    "set a replica": lambda tx: replicas.set_state(
        tx, VERSION, "eastus", 0, state=ReplicaState.COMPLETED
    ),
    "intend": lambda tx: packs.intend(tx, OP, HERE, A, 1000),
    "confirm": lambda tx: packs.confirm(tx, HERE, A, PUT),
    "open intents": lambda tx: packs.open_intents(tx, OP),
    "pin": lambda tx: packs.pin_present(tx, OP, HERE, [A]),
    "present": lambda tx: packs.present_in(tx, HERE, [A]),
    "holders": lambda tx: packs.holders(tx, [A]),
    "oldest proofs": lambda tx: proofs.oldest_packs(tx, [HERE], samples.NOON, 10),
    "versions that need a pack here": lambda tx: proofs.versions_here(tx, HERE, [A]),
    "copies": lambda tx: packs.copies(tx, A),
    "record proofs": lambda tx: packs.record_proofs(tx, HERE, [(A, PUT)]),
    "unreferenced": lambda tx: unneeded.packs_in(tx, HERE, 10),
    "abandoned intents": lambda tx: unneeded.abandoned_intents(tx, HERE, 10),
    "packs of a content": lambda tx: contents.packs_of(tx, [content_id("c")]),
    "sealed": lambda tx: contents.sealed_in(tx, HERE, [content_id("c")]),
    "sealed places": lambda tx: contents.sealed_places(tx, content_id("c")),
    "what leads elsewhere": lambda tx: moved.find(tx, HERE, [A]),
    "what a place lacks": lambda tx: moved.lacking(tx, HERE, [content_id("c")]),
    "who uses a pack here": lambda tx: moved.users(tx, HERE, [A]),
    "where needs are met": lambda tx: moved.places_meeting(tx, A, [content_id("c")]),
    "retire moved": lambda tx: moved.retire(tx, HERE),
    "operation": lambda tx: operations.get(tx, OP),
    "open operations": lambda tx: operations.open_for(tx, "golden/debian/1.0.0"),
    "recent operations": lambda tx: operations.list_recent(tx, 10),
    "release pins": lambda tx: packs.release_pins(tx, OP),
}


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[GalleryIndex]:
    index = GalleryIndex.open(f"sqlite:///{tmp_path / 'index.db'}", clock=SystemClock())
    with index.begin() as tx:
        samples.hierarchy(tx)
        samples.stored(tx, samples.place(tx).id, "a")
        samples.published(tx, "1.0.0", "c", "a")
        operations.create(tx, operation_id=OP, kind=OperationKind.PUBLISH, target="t", request={})
    yield index
    index.close()


@pytest.mark.parametrize("name", HOT)
def test_no_full_scan_to(name: str, filled: GalleryIndex) -> None:
    issued: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, statement: str, values: object, *_: object) -> None:
        issued.append((statement, values))

    with filled.begin() as tx:
        event.listen(tx, "before_cursor_execute", note)
        HOT[name](tx)
        event.remove(tx, "before_cursor_execute", note)
        assert issued
        for statement, values in issued:
            for step in plan_of(tx, statement, values):
                assert not walks(step, statement), f"{step}\n{statement}"


def test_the_plans_are_really_looked_at(filled: GalleryIndex) -> None:
    with filled.read() as tx:
        steps = plan_of(tx, "SELECT * FROM packs WHERE pack_bytes = ?", (1,))
        assert [walks(step, "") for step in steps] == [True]
        assert sa.inspect(tx).get_indexes("packs") == []
