"""The options that stand before or after any command."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from imgrepl.cli.nouns import GLOBAL_OPTIONS
from imgrepl.settings import OUTPUT_FORMATS, Given

_HELP = {flags.split(",")[0].split()[0]: text for flags, text in GLOBAL_OPTIONS.items()}


@Parameter(name="*", group=Group("Global options", sort_key=1_000))
@dataclass(frozen=True, kw_only=True)
class GlobalOptions:
    """What every command accepts. A repeated option's last value counts."""

    output: Annotated[
        str | None,
        Parameter(
            name=["--output", "-o"],
            choices=OUTPUT_FORMATS,
            allow_repeating=True,
            help=_HELP["--output"],
        ),
    ] = None
    query: Annotated[str | None, Parameter(allow_repeating=True, help=_HELP["--query"])] = None
    index: Annotated[str | None, Parameter(allow_repeating=True, help=_HELP["--index"])] = None
    principal: Annotated[
        str | None,
        Parameter(allow_repeating=True, help=_HELP["--principal"], metavar="NAME[,group=…][,…]"),
    ] = None
    config: Annotated[str | None, Parameter(allow_repeating=True, help=_HELP["--config"])] = None
    verbose: Annotated[bool, Parameter(allow_repeating=True, help=_HELP["--verbose"])] = False
    debug: Annotated[bool, Parameter(allow_repeating=True, help=_HELP["--debug"])] = False
    only_show_errors: Annotated[
        bool, Parameter(allow_repeating=True, help=_HELP["--only-show-errors"])
    ] = False
    no_progress: Annotated[
        bool, Parameter(name="--no-progress", allow_repeating=True, help=_HELP["--no-progress"])
    ] = False

    def as_settings(self) -> list[Given]:
        """The settings that these flags state."""
        stated = [
            Given("index", self.index, "--index"),
            Given("principal", self.principal, "--principal"),
            Given("output", self.output, "--output"),
            Given("log_level", "info" if self.verbose else None, "--verbose"),
            Given("log_level", "error" if self.only_show_errors else None, "--only-show-errors"),
            Given("log_level", "debug" if self.debug else None, "--debug"),
        ]
        return [given for given in stated if given.value is not None]


def asks_for_json(tokens: Sequence[str], environ: Mapping[str, str], *, on_terminal: bool) -> bool:
    """Whether errors are written as JSON, as far as unparsed tokens tell.

    For the one error that must be written before the options are known: their own. Off a terminal
    JSON is what who says nothing gets.
    """
    stated = _OUTPUT_STATED.findall(" ".join(["", *tokens, ""]))
    chosen = stated[-1] if stated else environ.get("IMGREPL_OUTPUT")
    return chosen in {"json", "jsonl"} if chosen else not on_terminal


_OUTPUT_STATED = re.compile(r"(?<= )(?:-o|--output)[ =]([a-z]+)(?= )")
