"""Price lists: the shipped one, one's own, and what is no price list."""

from decimal import Decimal
from pathlib import Path

import pytest

from imgrepl.errors import Invalid
from imgrepl.model import prices
from imgrepl.model.prices import Prices, parse_prices
from imgrepl.model.region import StorageAccountType

LRS = StorageAccountType.STANDARD_LRS
PREMIUM = StorageAccountType.PREMIUM_LRS
SHIPPED = Path(prices.__file__).with_name("prices.toml").read_text(encoding="utf-8")


@pytest.fixture
def shipped() -> Prices:
    return parse_prices(SHIPPED, "shipped")


def test_the_page_of_costs_shows_the_shipped_list() -> None:
    page = (Path(__file__).parents[2] / "docs" / "costs.md").read_text(encoding="utf-8")

    assert f"```toml\n{SHIPPED}```" in page


def test_the_shipped_list_has_the_prices_of_the_worked_example(shipped: Prices) -> None:
    assert shipped.gigabyte_bytes == 1 << 30
    assert shipped.of("anywhere").storage_usd_per_gigabyte_month[LRS] == Decimal("0.05")
    assert shipped.of("anywhere").egress_usd_per_gigabyte == Decimal("0.02")


def test_a_list_of_ones_own_states_only_what_differs(shipped: Prices) -> None:
    own = """
        gigabyte = "GB"
        [default]
        egress_usd_per_gigabyte = 0
        [regions."Southeast Asia"]
        storage_usd_per_gigabyte_month.Standard_LRS = 0.07
    """
    found = parse_prices(own, "own", shipped)

    assert found.gigabyte_bytes == 10**9
    assert found.of("eastus").egress_usd_per_gigabyte == 0
    assert found.of("eastus").storage_usd_per_gigabyte_month[LRS] == Decimal("0.05")
    asia = found.of("southeastasia")
    assert asia.storage_usd_per_gigabyte_month == {
        **shipped.default.storage_usd_per_gigabyte_month,
        LRS: Decimal("0.07"),
    }
    assert asia.egress_usd_per_gigabyte == 0


def test_amounts_are_exact_where_binary_fractions_are_not(shipped: Prices) -> None:
    assert shipped.storage_usd_month("eastus", LRS, 3 << 30) == Decimal("0.15")
    assert shipped.requests_usd("eastus", 1) == Decimal("0.000005")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gigabyte =", "no TOML"),
        ("gigabyte = 'TB'", "GiB or GB"),
        ("gigabyte = ['GiB']", "GiB or GB"),
        ("currency = 'EUR'", "currency"),
        ("default = 3", "a table"),
        ("regions = 3", "a table"),
        ("[default]\negress = 1", "egress"),
        ("[default]\negress_usd_per_gigabyte = -0.1", "0 or more"),
        ("[default]\negress_usd_per_gigabyte = nan", "0 or more"),
        ("[default]\negress_usd_per_gigabyte = '1'", "a number"),
        ("[default]\nrequests_usd_per_10000 = true", "a number"),
        ("[default.storage_usd_per_gigabyte_month]\nCold = 1", "Cold"),
    ],
)
def test_what_is_no_price_list_is_refused_with_its_reason(
    shipped: Prices, text: str, why: str
) -> None:
    with pytest.raises(Invalid) as refused:
        parse_prices(text, "own.toml", shipped)

    assert refused.value.code == "InvalidPrices"
    assert refused.value.target == "own.toml"
    assert why in refused.value.message


@pytest.mark.parametrize(
    "missing",
    ["gigabyte", "egress_usd_per_gigabyte", "requests_usd_per_10000", "Premium_LRS"],
)
def test_a_list_that_stands_alone_states_everything(missing: str) -> None:
    lines = [line for line in SHIPPED.splitlines() if not line.startswith(missing)]

    with pytest.raises(Invalid) as refused:
        parse_prices("\n".join(lines), "shipped")

    assert missing in refused.value.message
