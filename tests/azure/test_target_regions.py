"""The grammar of `--target-regions`, item by item."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrepl.actions.version_requests import TargetRequest
from imgrepl.azure import target_regions
from imgrepl.errors import ImgreplError, Invalid, UsageError
from imgrepl.model.region import StorageAccountType, normal_region_name

ZRS = StorageAccountType.STANDARD_ZRS
LRS = StorageAccountType.STANDARD_LRS


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("eastus2", ("eastus2", None, None)),
        ("East US 2", ("eastus2", None, None)),
        ("ukwest=3", ("ukwest", 3, None)),
        ("ukwest=standard_zrs", ("ukwest", None, ZRS)),
        ("eastus=3=standard_zrs", ("eastus", 3, ZRS)),
        ("eastus=3=Standard_ZRS", ("eastus", 3, ZRS)),
        ("eastus=1=STANDARD_LRS", ("eastus", 1, LRS)),
        ("eastus=2=Premium_LRS", ("eastus", 2, StorageAccountType.PREMIUM_LRS)),
        ("eastus=0", ("eastus", 0, None)),
        ("eastus=-1", ("eastus", -1, None)),
    ],
)
def test_an_item_means(
    item: str, expected: tuple[str, int | None, StorageAccountType | None]
) -> None:
    assert target_regions.parse([item]) == [TargetRequest(*expected)]


@pytest.mark.parametrize(
    ("item", "kind", "code"),
    [
        ("eastus=standard_zrs=3", UsageError, "InvalidTargetRegions"),
        ("eastus=3=standard_zrs=x", UsageError, "InvalidTargetRegions"),
        ("=3", UsageError, "InvalidTargetRegions"),
        ("", UsageError, "InvalidTargetRegions"),
        ("eastus==standard_zrs", UsageError, "InvalidTargetRegions"),
        ("eastus=3=premiumv2_lrs", Invalid, "InvalidStorageAccountType"),
        ("eastus=", Invalid, "InvalidStorageAccountType"),
        ("eastus=two", Invalid, "InvalidStorageAccountType"),
        ("eastus=3=", Invalid, "InvalidStorageAccountType"),
        ("east/us=3", Invalid, "InvalidRegionName"),
        ("eastus=٣", Invalid, "InvalidStorageAccountType"),
    ],
)
def test_an_item_that_is_wrong(item: str, kind: type[ImgreplError], code: str) -> None:
    with pytest.raises(kind) as caught:
        target_regions.parse([item])
    assert caught.value.code == code


def test_a_region_named_twice_is_refused_whatever_its_spelling() -> None:
    with pytest.raises(Invalid, match="East US=1") as caught:
        target_regions.parse(["East US=1", "eastus"])
    assert caught.value.code == "InvalidTargetRegions"


def test_nothing_said_is_not_an_empty_list() -> None:
    assert target_regions.parse(None) is None
    with pytest.raises(UsageError) as caught:
        target_regions.parse([])
    assert caught.value.code == "InvalidTargetRegions"


def test_the_order_is_kept() -> None:
    found = target_regions.parse(["westeurope=2", "eastus", "asia=1=standard_lrs"])
    assert [request.name for request in found or []] == ["westeurope", "eastus", "asia"]


@given(st.text(max_size=30))
def test_any_text_is_an_item_or_an_error_that_says_why(text: str) -> None:
    with suppress(UsageError, Invalid):
        name = target_regions.parse_item(text).name
        assert normal_region_name(name) == name


@given(
    st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True),
    st.none() | st.integers(1, 100),
    st.none() | st.sampled_from(StorageAccountType),
)
def test_what_is_written_by_the_grammar_reads_back(
    name: str, count: int | None, kind: StorageAccountType | None
) -> None:
    item = "=".join([name, *([] if count is None else [str(count)]), *([kind] if kind else [])])
    assert target_regions.parse_item(item) == TargetRequest(name, count, kind)
