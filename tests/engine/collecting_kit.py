"""What tests of collecting share."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from engine.world import REGIONS, World
from imgrepl.actions import collecting
from imgrepl.engine.collect_report import CollectReport
from imgrepl.errors import ImgreplError
from imgrepl.gallery import operations, packs, regions, schema, versions
from imgrepl.model.ids import OperationId
from imgrepl.model.operation import Operation, OperationKind, OperationState
from imgrepl.model.region import Endpoint, Region
from imgrepl.testing.faulty import Crashed

PATCHED: dict[str, Any] = {"disk": "patched", "like": "debian"}


def collect(world: World, **options: Any) -> CollectReport:
    return collecting.collect(world.ctx, dry_run=False, **options)


def everything(world: World) -> dict[str, list[str]]:
    return {region: world.keys(region=region) for region in REGIONS}


def patched(world: World) -> bytes:
    return world.disk("patched", like="debian").read_bytes()


def dump(world: World) -> dict[str, list[Any]]:
    with world.index.read() as tx:
        return {
            table.name: [tuple(row) for row in tx.execute(sa.select(table))]
            for table in schema.metadata.sorted_tables
        }


def forget(world: World, name: str) -> None:
    """The index loses a version, and knows nothing of it."""
    with world.index.begin() as tx:
        versions.remove(tx, world.id(name))


def age_condemned(world: World) -> None:
    """An hour and more ago is when everything condemned was condemned."""
    with world.index.begin() as tx:
        condemned = schema.place_packs.c.state == packs.CONDEMNED
        old = world.clock.now().replace(year=2000)
        tx.execute(sa.update(schema.place_packs).where(condemned).values(changed_at=old))


def open_operation(world: World) -> OperationId:
    operation_id = OperationId("holder")
    with world.index.begin() as tx:
        operations.create(
            tx, operation_id=operation_id, kind=OperationKind.REPAIR, target="x", request={}
        )
    return operation_id


def open_operations(world: World) -> list[Operation]:
    with world.index.read() as tx:
        return operations.list_open(tx)


def operation_states(world: World) -> dict[OperationId, OperationState]:
    with world.index.read() as tx:
        return {one.id: one.state for one in operations.list_recent(tx, 100)}


def publish_again(world: World, name: str) -> None:
    """Publishes, again where the collector came between."""
    for _ in range(5):
        try:
            world.publish(name)
        except ImgreplError as error:
            if error.code not in {"PacksNotLive", "ManifestRemoved"}:
                raise
        else:
            return
    raise AssertionError(f"{name} could not be published")


def add_rich_region(world: World) -> None:
    def at(name: str) -> Endpoint:
        return Endpoint(url=f"s3://{name}", endpoint_url=f"http://{name}.example")

    zones = (at("zone-a"), at("zone-b"), at("zone-c"))
    region = Region(
        name="rich", display_name="Rich", standard=(at("rich"),), zones=zones, premium=at("fast")
    )
    with world.index.begin() as tx:
        regions.add(tx, region)


def prepare_two_in_one_region(world: World) -> None:
    world.publish("1.0.0", regions=["eastus"])
    world.publish("1.0.1", regions=["eastus"], **PATCHED)
    world.delete("1.0.0")


def goes_on(twin: World, expected: list[str], where: str) -> None:
    report = collect(twin)
    assert report.error is None, where
    assert twin.keys() == expected, where
    assert twin.download("1.0.1") == patched(twin), where
    assert len(open_operations(twin)) == 0, where


@contextmanager
def counted(world: World, die_after: int | None = None) -> Iterator[list[int]]:
    """Counts the index's write transactions; behind number `die_after` the process is dead."""
    real: Callable[[], Any] = world.index.begin
    seen: list[int] = []
    lock = threading.Lock()

    @contextmanager
    def begin() -> Iterator[Any]:
        with lock:
            if die_after is not None and len(seen) >= die_after:
                raise Crashed(f"transaction {len(seen)}")
            seen.append(1)
        with real() as tx:
            yield tx

    world.index.begin = begin  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        world.index.begin = real  # type: ignore[method-assign]
