"""How help pages look: plain text in two columns, wrapped to the terminal."""

import io
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

_COMMAND_COLUMN = 24
_TEXT_COLUMN = 8
_UNWRAPPED = 10_000


class PlainHelp:
    """A help formatter without boxes or colours: the same on a terminal, in a pipe and in a log."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        """Prints one panel: a heading, then an entry for every command or option."""
        if not panel.entries:
            return
        write = _command if panel.format == "command" else _option
        lines = [f"{panel.title}:"]
        for entry in panel.entries:
            lines += write(entry, options.max_width)
        _print(console, "\n".join([*lines, ""]))

    def render_usage(self, console: "Console", _options: "ConsoleOptions", usage: object) -> None:
        """Prints the usage line."""
        if usage:
            _print(console, f"Usage: {_plain(usage)}\n")

    def render_description(
        self, console: "Console", options: "ConsoleOptions", description: object
    ) -> None:
        """Prints the text of a page: paragraphs are wrapped, indented lines are left alone."""
        paragraphs = _plain(description).split("\n\n")
        _print(console, "\n\n".join(_paragraph(text, options.max_width) for text in paragraphs))
        _print(console, "")


def _command(entry: "HelpEntry", width: int) -> list[str]:
    name = ", ".join(entry.positive_names)
    text = textwrap.wrap(_plain(entry.description), max(width - _COMMAND_COLUMN - 2, 20))
    lines = [f"  {name:<{_COMMAND_COLUMN}}{text[0] if text else ''}".rstrip()]
    return lines + [" " * (_COMMAND_COLUMN + 2) + line for line in text[1:]]


def _option(entry: "HelpEntry", width: int) -> list[str]:
    facts = [_plain(entry.description)]
    if entry.choices:
        facts.append(f"One of {', '.join(entry.choices)}.")
    if entry.default is not None:
        facts.append(f"Default: {entry.default}.")
    if entry.required:
        facts.append("Required.")
    indent = " " * _TEXT_COLUMN
    labels = ", ".join(entry.display_labels_with_metavar)
    text = " ".join(fact for fact in facts if fact)
    return [
        *textwrap.wrap(labels, width, initial_indent="  ", subsequent_indent="      "),
        *textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent),
    ]


def _paragraph(text: str, width: int) -> str:
    if any(line.startswith(" ") for line in text.splitlines()):
        return text
    return textwrap.fill(text, width)


def _plain(text: object) -> str:
    """The words of a renderable, wrapped nowhere."""
    if text is None or isinstance(text, str):
        return (text or "").rstrip()
    from rich.console import Console

    console = Console(file=io.StringIO(), width=_UNWRAPPED, color_system=None)
    with console.capture() as captured:
        console.print(text, end="", markup=False, highlight=False, emoji=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()).rstrip()


def _print(console: "Console", text: str) -> None:
    console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)
