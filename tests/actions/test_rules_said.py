"""Every broken rule is refused with its code, the value, what is allowed and a way out."""

import pytest

from actions.broken_regions import REGION_RULES
from actions.broken_rules import RULES, Broken, from_version
from actions.broken_sharing import SHARING_RULES
from engine.world import World
from imgrepl.errors import ImgreplError, Invalid
from imgrepl.model.gallery import PurchasePlan

EVERY_RULE = (*RULES, *REGION_RULES, *SHARING_RULES)


@pytest.mark.parametrize("broken", EVERY_RULE, ids=lambda one: one.rule)
def test_a_broken_rule_is_refused_and_says_all_of_it(broken: Broken, world: World) -> None:
    with pytest.raises(ImgreplError) as refused:
        broken.act(world)
    error = refused.value
    assert (error.code, error.exit_status) == (broken.code, broken.exit_status), error.message
    text = " ".join([error.message, *error.details, error.hint or ""])
    assert [part for part in broken.said if part not in text] == [], text
    assert error.hint, f"no way out: {error.message}"
    assert error.target, f"nothing is named: {error.message}"


def test_each_rule_has_a_name_of_its_own() -> None:
    names = [broken.rule for broken in EVERY_RULE]
    assert sorted(set(names)) == sorted(names)


def test_a_purchase_plan_that_differs_is_told_as_people_write_it(world: World) -> None:
    plan = PurchasePlan(name="standard", publisher="contoso", product="web")
    with pytest.raises(Invalid) as refused:
        from_version(world, purchase_plan=plan)
    assert refused.value.details == (
        "purchasePlan: contoso/web/standard, and golden/debian has none",
    )
