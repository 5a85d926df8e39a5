"""What operations note in the ledger: egress once a region, and what really moved."""

import sqlalchemy as sa

from engine.world import DATA_BYTES, World
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.gallery import schema
from imgrepl.gallery.ledger import Brought
from imgrepl.testing.faulty import Fault, FaultKind


def noted(world: World, version: str | None = None) -> list[Brought]:
    with world.index.read() as tx:
        columns = [schema.ledger.c[name] for name in Brought._fields]
        chosen = sa.select(*columns).order_by(schema.ledger.c.id)
        if version is not None:
            chosen = chosen.where(schema.ledger.c.version == version)
        return [Brought(*row) for row in tx.execute(chosen)]


def test_the_first_copy_into_each_other_region_is_egress_and_the_home_region_is_none(
    world: World,
) -> None:
    world.publish(regions=[TargetRequest("eastus", 2), TargetRequest("westeurope", 2)])

    found = {entry.to_region: entry for entry in noted(world)}
    assert {region: (e.is_first, e.egress_bytes) for region, e in found.items()} == {
        "eastus": (True, 0),
        "westeurope": (True, DATA_BYTES),
    }
    assert {entry.from_region for entry in found.values()} == {"eastus"}
    packs = len(world.pack_ids())
    assert packs <= found["westeurope"].sent_bytes // (1 << 19)
    assert found["westeurope"].requests >= 2 * packs
    assert found["eastus"].requests >= 2 * packs


def test_more_replicas_in_a_region_are_requests_but_no_egress(world: World) -> None:
    world.publish(regions=["eastus", "westeurope"])
    before = noted(world)

    world.update(add_regions=[TargetRequest("westeurope", 3)])

    new = [entry for entry in noted(world) if entry not in before]
    assert [(e.to_region, e.is_first, e.egress_bytes) for e in new if e.requests] == [
        ("westeurope", False, 0)
    ]


def test_a_region_that_comes_back_is_a_first_copy_again(world: World) -> None:
    world.publish(regions=["eastus", "westeurope"])
    world.update(remove_regions=["westeurope"])
    world.update(add_regions=[TargetRequest("westeurope", 1)])

    firsts = [e for e in noted(world) if e.to_region == "westeurope" and e.is_first]
    assert [entry.egress_bytes for entry in firsts] == [DATA_BYTES] * 2


def test_a_region_that_failed_is_billed_when_it_is_complete_and_not_before(world: World) -> None:
    world.store("westeurope").faults.append(Fault(FaultKind.LOST_REQUEST, times=None))
    world.publish(regions=["eastus", "westeurope"])
    assert sum(entry.egress_bytes for entry in noted(world)) == 0

    world.store("westeurope").faults.clear()
    world.retry()

    assert sum(entry.egress_bytes for entry in noted(world)) == DATA_BYTES


def test_what_dedup_kept_from_being_sent_is_billed_all_the_same(world: World) -> None:
    world.publish("1.0.0", regions=["eastus", "westeurope"])
    world.publish("1.0.1", disk="other", like="debian", regions=["eastus", "westeurope"])

    second = [e for e in noted(world, "1.0.1") if e.is_first]
    away = next(entry for entry in second if entry.to_region == "westeurope")
    assert away.egress_bytes == DATA_BYTES
    assert away.sent_bytes < DATA_BYTES * 2 // 3
