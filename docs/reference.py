"""Writes `commands.md` and `settings.md` from the program itself: `python docs/reference.py`."""

import io
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from cyclopts import App
from rich.console import Console

from imgrepl.azure.codes import EXIT_MEANINGS
from imgrepl.cli.frame import build
from imgrepl.cli.nouns import help_page
from imgrepl.settings import documented_settings

DOCS = Path(__file__).parent
WIDTH = 88
_WRITTEN_BY = "<!-- Written by docs/reference.py. -->"
_STREAMS = """\
Global options stand before or after the command. stdout carries the result and nothing
else; progress, warnings and errors go to stderr. With `-o json` the error is the last line
of stderr, one object: `{"error": {"code", "message", "target", "details", "hint"}}`."""
_PRECEDENCE = """\
A flag wins over the variable `IMGREPL_` and the setting's name in capitals, that over the TOML
file that `--config` or `IMGREPL_CONFIG` names, that over the default. A key of the file that is
no setting is refused. Whole numbers may carry KiB, MiB, GiB or TiB. `imgrepl config show` prints
every value with its origin."""


@cache
def tree() -> App:
    """The program's tree of commands."""
    return build()


def commands(app: App | None = None, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command, in the order of the help pages."""
    group = app or tree()
    for name, command in group.resolved_commands().items():
        if name.startswith("-"):
            continue
        if command.default_command is None:
            yield from commands(command, (*words, name))
        else:
            yield (*words, name)


@cache
def help_text(words: tuple[str, ...]) -> str:
    """What `imgrepl WORDS --help` prints, without the global options, at a fixed width."""
    stream = io.StringIO()
    tree().help_print(words, console=Console(file=stream, width=WIDTH, color_system=None))
    return stream.getvalue().partition("Global options:")[0].rstrip()


def shell_words(example: str) -> list[str]:
    """The words of an example up to a redirection, as a shell would split them."""
    return shlex.split(example.replace("\\\n", " ").partition(" > ")[0])


def commands_page() -> str:
    """The page of commands."""
    parts = [
        "# Commands",
        _WRITTEN_BY,
        _STREAMS,
        f"```text\n{help_page().rstrip()}\n```",
        "## Exit codes",
        _exit_codes(),
    ]
    for words in commands():
        parts += [f"## imgrepl {' '.join(words)}", f"```text\n{help_text(words)}\n```"]
    return "\n\n".join(parts) + "\n"


def _exit_codes() -> str:
    rows = [f"| {status} | {meaning} |" for status, meaning in EXIT_MEANINGS.items()]
    return "\n".join(["| exit | when |", "|---|---|", *rows])


def settings_page() -> str:
    """The page of settings."""
    rows = [
        f"| `{entry.name}` | {f'`{entry.default}`' if entry.default else 'unset'} | {entry.bound} "
        f"| {entry.doc} |"
        for entry in documented_settings()
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            _WRITTEN_BY,
            "",
            _PRECEDENCE,
            "",
            "| setting | default | bounds | |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


PAGES = {"commands.md": commands_page, "settings.md": settings_page}

if __name__ == "__main__":
    for page, text in PAGES.items():
        (DOCS / page).write_text(text(), encoding="utf-8")
        sys.stdout.write(f"{page}\n")
