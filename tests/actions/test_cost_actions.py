"""What a month costs, what a change would cost, and a budget that warns or refuses."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from engine.world import DATA_BYTES, World
from imgrepl.actions import costs, creating, updating
from imgrepl.actions.pricing import Pricing
from imgrepl.actions.version_requests import TargetRequest, UpdateVersion
from imgrepl.errors import Invalid, NotFound
from imgrepl.gallery import ledger
from imgrepl.gallery.ledger import Brought
from imgrepl.model.bill import Month, cents
from imgrepl.model.budget import Budget, BudgetAction
from imgrepl.model.gallery import GalleryId

TWO_EACH = [TargetRequest("eastus", 2), TargetRequest("westeurope", 2)]
PRICES = """
[default]
egress_usd_per_gigabyte = 1024
requests_usd_per_10000 = 0
[default.storage_usd_per_gigabyte_month]
Standard_LRS = 1024
Standard_ZRS = 1024
Premium_LRS = 1024
"""
"""One dollar a mebibyte."""


@pytest.fixture
def dollar(world: World) -> World:
    """A world in which a mebibyte costs a dollar, a month or on its way."""
    return priced(world, None)


def priced(world: World, budget: Budget | None) -> World:
    path = world.folder / "prices.toml"
    path.write_text(PRICES, encoding="utf-8")
    return replace(world, ctx=replace(world.ctx, pricing=Pricing(path, budget)))


def this_month(world: World) -> Month:
    return Month.of(world.clock.now())


def test_occupied_times_replicas_and_one_copy_into_each_other_region(dollar: World) -> None:
    dollar.publish(regions=TWO_EACH)

    found = costs.report(dollar.ctx)

    occupied = Decimal(DATA_BYTES >> 20)
    assert found.month == this_month(dollar)
    assert found.total.bill.storage_usd_month == 4 * occupied
    assert found.total.bill.egress_usd == occupied
    assert found.versions[dollar.id("1.0.0")] == found.total
    assert found.galleries[dollar.definition.gallery] == found.total
    west = found.version_regions[dollar.id("1.0.0")]["westeurope"]
    assert (west.bill.storage_usd_month, west.bill.egress_usd) == (2 * occupied, occupied)
    assert found.regions["eastus"].bill.egress_usd == 0


def test_what_dedup_saved_is_told_apart_from_what_is_billed(dollar: World) -> None:
    dollar.publish("1.0.0", regions=TWO_EACH)
    dollar.publish("1.0.1", disk="other", like="debian", regions=TWO_EACH)

    found = costs.report(dollar.ctx)

    occupied = Decimal(DATA_BYTES >> 20)
    assert found.total.bill.storage_usd_month == 8 * occupied
    really = Decimal(found.total.stored_bytes) / (1 << 20)
    assert found.stored_usd_month == pytest.approx(really)
    assert 4 * (occupied + 1) <= found.stored_usd_month < 4 * (occupied + 1) + 1
    assert found.total.bill.egress_usd == 2 * occupied
    assert found.sent_usd < occupied + 2


def test_a_region_that_was_filled_in_the_month_costs_from_that_day_on(dollar: World) -> None:
    dollar.publish(regions=["eastus"])

    total = costs.report(dollar.ctx).total

    month, now = this_month(dollar), dollar.clock.now()
    share = Decimal(month.days - now.day + 1) / month.days
    assert total.storage_usd == total.bill.storage_usd_month * share
    following = costs.report(dollar.ctx, month=month.next()).total
    assert following.storage_usd == total.bill.storage_usd_month
    assert following.bill.egress_usd == following.bill.requests_usd == 0


def test_a_deleted_version_still_has_the_egress_of_its_month(dollar: World) -> None:
    dollar.publish(regions=TWO_EACH)
    dollar.delete()

    found = costs.report(dollar.ctx)

    assert found.total.bill.storage_usd_month == 0
    assert found.total.bill.egress_usd == DATA_BYTES >> 20
    assert found.versions[dollar.id("1.0.0")].usd == found.total.usd


def test_months_go_from_the_first_entry_to_the_current_one(dollar: World) -> None:
    at = dollar.clock.now().replace(year=dollar.clock.now().year - 1)
    entry = Brought(
        from_region="eastus",
        to_region="westeurope",
        is_first=True,
        egress_bytes=5 << 20,
        sent_bytes=1 << 20,
        requests=1,
    )
    with dollar.index.begin() as tx:
        ledger.note(tx, dollar.id("0.9.0"), entry, at)

    found = costs.report(dollar.ctx)

    assert len(found.months) == 13
    assert next(iter(found.months.values())).usd == 5
    assert next(reversed(found.months)) == this_month(dollar)
    assert costs.report(dollar.ctx, month=Month.of(at)).total.usd == 5


def test_a_gallery_that_is_not_there_and_a_list_that_is_not_there_are_not_found(
    world: World,
) -> None:
    with pytest.raises(NotFound):
        costs.report(world.ctx, GalleryId(gallery="none"))
    with pytest.raises(NotFound) as missing:
        costs.report(world.ctx, pricing=Pricing(Path("/nowhere/prices.toml")))
    assert missing.value.code == "PricesNotFound"


def test_a_dry_run_of_a_publication_says_what_it_will_cost_and_dedup_would_save(
    dollar: World,
) -> None:
    dollar.publish("1.0.0", regions=TWO_EACH)
    request = dollar.request("1.0.1", disk="other", like="debian", regions=TWO_EACH)

    planned = creating.create(dollar.ctx, request, dry_run=True)

    occupied = DATA_BYTES >> 20
    assert planned.cost is not None
    assert planned.cost.total.snapshots == 4
    assert planned.cost.total.storage_usd_month == 4 * occupied
    assert planned.cost.total.egress_usd == occupied
    assert planned.cost.really is not None
    assert planned.transfer is not None
    new_usd = Decimal(planned.transfer.new_bytes) / (1 << 20)
    assert planned.cost.really.storage_usd_month == 4 * new_usd < 4 * occupied
    assert planned.cost.total.requests == planned.transfer.puts
    before = costs.report(dollar.ctx).total.bill
    dollar.publish("1.0.1", disk="other", like="debian", regions=TWO_EACH)
    after = costs.report(dollar.ctx).total.bill
    assert cents((after - before).storage_usd_month) == cents(planned.cost.total.storage_usd_month)
    assert cents((after - before).egress_usd) == cents(planned.cost.total.egress_usd)


def test_a_dry_run_of_an_update_says_the_difference(dollar: World) -> None:
    dollar.publish(regions=TWO_EACH)
    change = UpdateVersion(
        add_regions=[TargetRequest("southeastasia", 1)], remove_regions=["westeurope"]
    )

    planned = updating.update(dollar.ctx, dollar.id("1.0.0"), change, dry_run=True)

    occupied = DATA_BYTES >> 20
    assert planned.cost is not None
    assert planned.cost.total.storage_usd_month == -occupied
    assert planned.cost.total.egress_usd == occupied
    assert planned.cost.regions["westeurope"].egress_usd == 0
    assert planned.cost.total.requests == len(dollar.pack_ids())
    assert len(dollar.view().replicas) == 4


def refuse(usd: int) -> Budget:
    return Budget(monthly_usd=Decimal(usd), action=BudgetAction.REFUSE)


def test_a_publication_over_the_budget_is_refused_before_anything_is_sent(world: World) -> None:
    poor = priced(world, refuse(8))

    with pytest.raises(Invalid) as refused:
        poor.publish(regions=["eastus", "westeurope"])

    assert refused.value.code == "BudgetExceeded"
    assert "9.00 USD" in refused.value.message
    assert world.keys() == []
    with pytest.raises(NotFound):
        world.view()
    priced(world, refuse(9)).publish(regions=["eastus", "westeurope"])


def test_the_budget_goes_by_what_is_occupied_not_by_what_is_allocated(world: World) -> None:
    full = world.folder / "full.raw"
    full.write_bytes(bytes(world.disk().stat().st_size // 2) + world.disk().read_bytes()[: 2 << 20])
    thrifty = priced(world, refuse(1))

    view = thrifty.publish(os_disk=str(full), regions=["eastus"])

    assert view.version.disks[0].occupied_bytes == 1 << 20


def test_a_budget_that_only_warns_lets_it_happen(world: World) -> None:
    warned = priced(world, Budget(monthly_usd=Decimal(1)))

    warned.publish(regions=["eastus"])

    assert [text for text in world.notices if "the budget is 1.00" in text]
    assert world.view().version.committed


def change_to(count: int) -> UpdateVersion:
    return UpdateVersion(target_regions=[TargetRequest("eastus", count)])


def test_an_update_over_the_budget_is_refused_and_one_that_saves_never_is(world: World) -> None:
    world.publish(regions=[TargetRequest("eastus", 3)])
    poor = priced(world, refuse(4))

    with pytest.raises(Invalid) as refused:
        updating.update(poor.ctx, world.id("1.0.0"), change_to(4))
    assert refused.value.code == "BudgetExceeded"
    assert len(world.view().replicas) == 3

    updating.update(poor.ctx, world.id("1.0.0"), change_to(2))

    assert len(world.view().replicas) == 2


def test_the_report_says_how_the_budget_stands(world: World) -> None:
    poor = priced(world, Budget(monthly_usd=Decimal(5)))
    poor.publish(regions=["eastus", "westeurope"])

    state = costs.report(poor.ctx).budget

    assert state is not None
    assert state.exceeded
    assert state.projected_usd == 3 * (DATA_BYTES >> 20)
    assert costs.report(poor.ctx, poor.definition.gallery).budget is None


def test_requests_are_counted_where_objects_are_written(world: World) -> None:
    world.publish(regions=["eastus", "westeurope"])

    found = costs.report(world.ctx)

    assert found.regions["westeurope"].bill.requests >= len(world.pack_ids("westeurope"))
    assert found.total.bill.requests_usd == Decimal(found.total.bill.requests) * Decimal("0.000005")


def test_last_month_has_none_of_this_months_egress(dollar: World) -> None:
    dollar.publish(regions=TWO_EACH)
    before = Month.of(datetime(2000, 1, 1, tzinfo=UTC))

    assert costs.report(dollar.ctx, month=before).total.usd == 0
