"""Azure's worked example as it stands in an index: the reports and plans of a user, to the cent.

10 GiB occupied of 159 provisioned, an OS disk and an empty data disk, in three regions with two
replicas each. The versions are rows: no test moves 10 GiB.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from actions.broken_rules import DEBIAN, definition, version
from engine.world import REGIONS, World
from gallery import samples
from imgrepl.actions import costs, galleries, updating, usage, version_bin, version_deleting
from imgrepl.actions.galleries import GalleryChanges
from imgrepl.actions.pricing import Pricing
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion
from imgrepl.gallery import ledger, regions, replicas
from imgrepl.gallery.ledger import Brought
from imgrepl.model.bill import Bill, cents
from imgrepl.model.gallery import ImageVersion, ReplicationMode
from imgrepl.model.replica import Replica, ReplicaState, replicas_of

GIB = 1 << 30
A, B, C = REGIONS


@pytest.fixture
def priced(world: World) -> World:
    """The shipped prices but for requests, which the example does not count."""
    path = world.folder / "prices.toml"
    path.write_text("[default]\nrequests_usd_per_10000 = 0\n", encoding="utf-8")
    return replace(world, ctx=replace(world.ctx, pricing=Pricing(path)))


def example(world: World, number: str = "1.0.0", **fields: object) -> ImageVersion:
    """The version of the example, complete everywhere, with its two first copies in the ledger."""
    system = replace(samples.disk("c"), provisioned_bytes=127 * GIB, occupied_bytes=10 * GIB)
    data = replace(samples.disk("d", 0), provisioned_bytes=32 * GIB, occupied_bytes=0)
    targets = tuple(samples.target(name, 2) for name in REGIONS)
    told = {"target_regions": targets, "disks": (system, data)}
    made = version(world, number, **told | fields)
    with world.index.begin() as tx:
        wanted = replicas_of(made.target_regions)
        replicas.plan(tx, made.id, [_complete(one) for one in wanted])
        for region in (B, C):
            ledger.note(tx, made.id, _first_copy(region), world.clock.now())
    return made


def _complete(one: Replica) -> Replica:
    return replace(one, state=ReplicaState.COMPLETED)


def _first_copy(region: str) -> Brought:
    return Brought(
        from_region=A,
        to_region=region,
        is_first=True,
        egress_bytes=10 * GIB,
        sent_bytes=0,
        requests=0,
    )


def _usd(bill: Bill) -> tuple[Decimal, Decimal]:
    """Storage a month and egress, in dollars and cents."""
    return cents(bill.storage_usd_month), cents(bill.egress_usd)


def test_the_report_says_three_dollars_a_month_and_forty_cents_once(priced: World) -> None:
    made = example(priced)
    report = costs.report(priced.ctx)
    assert _usd(report.total.bill) == (Decimal("3.00"), Decimal("0.40"))
    assert cents(report.total.usd) == Decimal("3.40")
    assert (report.total.bill.snapshots, report.total.bill.billed_bytes) == (6, 60 * GIB)
    assert report.total.bill.egress_bytes == 20 * GIB
    by_region = {region: _usd(one.bill) for region, one in report.regions.items()}
    assert by_region == {
        A: (Decimal("1.00"), Decimal("0.00")),
        B: (Decimal("1.00"), Decimal("0.20")),
        C: (Decimal("1.00"), Decimal("0.20")),
    }
    used = usage.report(priced.ctx).versions[made.id]
    assert (used.provisioned_bytes, used.occupied_bytes) == (159 * GIB, 10 * GIB)
    assert (used.billed_bytes, used.replicas) == (60 * GIB, 6)


@pytest.mark.parametrize(
    ("change", "snapshots", "gibibytes", "storage", "egress"),
    [
        (UpdateVersion(add_regions=[TargetRequest("far", 1)]), 1, 10, "0.50", "0.20"),
        (UpdateVersion(add_regions=[TargetRequest(B, 5)]), 3, 30, "1.50", "0.00"),
        (UpdateVersion(remove_regions=(C,)), -2, -20, "-1.00", "0.00"),
        (UpdateVersion(replica_count=1), -3, -30, "-1.50", "0.00"),
    ],
    ids=["a region more", "three replicas more", "a region less", "one replica each"],
)
def test_a_plan_says_what_a_change_of_regions_costs(
    priced: World,
    change: UpdateVersion,
    snapshots: int,
    gibibytes: int,
    storage: str,
    egress: str,
) -> None:
    made = example(priced)
    with priced.index.begin() as tx:
        regions.add(tx, samples.region("far"))
    cost = updating.update(priced.ctx, made.id, change, dry_run=True).cost
    assert cost is not None
    assert (cost.total.snapshots, cost.total.billed_bytes) == (snapshots, gibibytes * GIB)
    assert _usd(cost.total) == (Decimal(storage), Decimal(egress))


def test_in_the_bin_half_is_billed_and_brought_back_all_of_it_without_egress(
    priced: World,
) -> None:
    definition(priced)
    galleries.update(priced.ctx, DEBIAN.gallery, GalleryChanges(soft_delete_enabled=True))
    made = example(priced)
    version_deleting.delete(priced.ctx, made.id)
    binned = costs.report(priced.ctx).total.bill
    assert (binned.snapshots, binned.billed_bytes) == (3, 30 * GIB)
    assert cents(binned.storage_usd_month) == Decimal("1.50")
    plan = version_bin.undelete(priced.ctx, made.id, dry_run=True)
    assert len(plan.replicas) == 6
    assert costs.report(priced.ctx).total.bill.egress_bytes == 20 * GIB


def test_a_second_version_is_billed_whole_whatever_it_shares(priced: World) -> None:
    example(priced)
    before = costs.report(priced.ctx).total.bill
    example(priced, "1.0.1")
    after = costs.report(priced.ctx).total.bill
    assert _usd(after - before) == (Decimal("3.00"), Decimal("0.40"))


def test_a_shallow_version_is_billed_for_nothing(priced: World) -> None:
    target = (samples.target(A),)
    version(
        priced,
        target_regions=target,
        replication_mode=ReplicationMode.SHALLOW,
        disks=(replace(samples.disk("c"), occupied_bytes=10 * GIB),),
    )
    assert costs.report(priced.ctx).total.bill == Bill()
