"""What `--wait-for` takes."""

import pytest

from imgrepl.errors import Invalid
from imgrepl.model.waiting import WaitFor


@pytest.mark.parametrize("text", ["all", "any", "source", "none", "region=eastus"])
def test_a_milestone_reads_back_as_it_was_written(text: str) -> None:
    assert str(WaitFor.parse(text)) == text


def test_a_region_may_be_named_as_people_do() -> None:
    assert WaitFor.parse("region=East US").region == "eastus"


@pytest.mark.parametrize("text", ["", "region", "region=", "all=eastus", "first"])
def test_anything_else_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(Invalid, match=r"all, any, source, none or region=NAME"):
        WaitFor.parse(text)
