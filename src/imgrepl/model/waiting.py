"""How long a caller waits for a version: until it is durable, usable somewhere, or everywhere."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from imgrepl.errors import Invalid
from imgrepl.model.region import normal_region_name


class Milestone(StrEnum):
    """What is waited for.

    `none`: nothing. `source`: the content is durable and committed in the home region. `any`: one
    region is `Completed`. `region`: that one is. `all`: every region is `Completed` or `Failed`.
    """

    NONE = "none"
    SOURCE = "source"
    ANY = "any"
    REGION = "region"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class WaitFor:
    """A milestone, and for `region` which one."""

    milestone: Milestone = Milestone.ALL
    region: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `all`, `any`, `source`, `none` or `region=NAME`. Raises `Invalid`."""
        word, equals, name = text.partition("=")
        if word == Milestone.REGION and name:
            return cls(milestone=Milestone.REGION, region=normal_region_name(name))
        if equals or word == Milestone.REGION or word not in set(Milestone):
            raise Invalid(
                f"{text!r} is nothing to wait for: all, any, source, none or region=NAME",
                code="InvalidWaitFor",
                target=text,
                hint="`all` is the default",
            )
        return cls(milestone=Milestone(word))

    def __str__(self) -> str:
        return f"region={self.region}" if self.region else self.milestone.value


WAIT_FOR_ALL = WaitFor()
WAIT_FOR_NOTHING = WaitFor(milestone=Milestone.NONE)
