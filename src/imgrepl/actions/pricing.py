"""What actions go by when they say what something costs: a price list and a budget."""

from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

from imgrepl.errors import Invalid, NotFound
from imgrepl.model.budget import Budget
from imgrepl.model.prices import Prices, parse_prices

_SHIPPED = "prices.toml"


@dataclass(frozen=True)
class Pricing:
    """A price list of one's own, if any, and the budget, if there is one.

    The list is read when a price is first asked for.
    """

    prices_file: Path | None = None
    budget: Budget | None = None

    @cached_property
    def prices(self) -> Prices:
        """The prices, those of the shipped list where one's own leaves them out.

        Raises `NotFound` (`PricesNotFound`) and `Invalid` (`InvalidPrices`).
        """
        shipped = resources.files("imgrepl.model").joinpath(_SHIPPED).read_text(encoding="utf-8")
        prices = parse_prices(shipped, _SHIPPED)
        if self.prices_file is None:
            return prices
        return parse_prices(_text_of(self.prices_file), str(self.prices_file), prices)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no price list {path}",
            code="PricesNotFound",
            target=str(path),
            hint="without --prices and the setting prices_file the shipped list counts",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(
            f"the price list {path} cannot be read: {error}",
            code="InvalidPrices",
            target=str(path),
        ) from error
