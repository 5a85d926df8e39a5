"""Command lines in pages and messages, taken out of their text and held against the program."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Any

from cyclopts import App

from imgrepl.cli.frame import build

_FENCE = re.compile(r"^```(?:console|sh|cron|bash)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(imgrepl [^`]+)`")
_COMMENT = re.compile(r"(?:^|\s)#.*$", re.MULTILINE)
_SHELL = "();<>|&"
_NO_WORDS = {"…", "..."}


def in_fences(text: str) -> list[list[str]]:
    """The words of every whole `imgrepl` command in the text's blocks of shell."""
    blocks = [match[1] for match in _FENCE.finditer(text)]
    return [words for block in blocks for words in commands_of(block)]


def in_prose(text: str) -> list[list[str]]:
    """The words of what stands between backticks and begins with `imgrepl`; it may be a part."""
    return [shlex.split(match[1].replace("\\|", "|"))[1:] for match in _INLINE.finditer(text)]


def commands_of(script: str) -> Iterator[list[str]]:
    """Every command of ours in a piece of shell, up to whatever ends it."""
    text = _COMMENT.sub("", script.replace("\\\n", " "))
    lexer = shlex.shlex(text, posix=True, punctuation_chars=_SHELL)
    lexer.whitespace = lexer.whitespace.replace("\n", "")
    lexer.whitespace_split = True
    lexer.commenters = ""
    command: list[str] | None = None
    for token in [*lexer, "\n"]:
        for word in _lines(token):
            if word == "imgrepl":
                command = []
            elif command is not None and (set(word) <= set(_SHELL) or word == "\n"):
                yield command
                command = None
            elif command is not None:
                command.append(word)


def _lines(token: str) -> list[str]:
    """A newline ends a command; inside of quotes none of our examples has one."""
    return [part for part in re.split(r"(\n)", token) if part]


@cache
def tree() -> App:
    """The program's commands."""
    return build()


def parse(words: list[str]) -> None:
    """Raises `CycloptsError` unless the program would run this command."""
    _, bound, _ = tree().meta.parse_args(words, exit_on_error=False, print_error=False)
    tokens: Any = bound.args
    tree().parse_args(tokens, exit_on_error=False, print_error=False)


def unknown_in(words: list[str]) -> list[str]:
    """What is no command or option of the program in a line that may leave out the rest."""
    app = tree()
    _, apps, rest = app.parse_commands([word for word in words if word not in _NO_WORDS])
    is_group = apps[-1].default_command is None
    if is_group and any(word[0] != "-" for word in rest):
        return words
    known = _option_names(app.meta, [app]) | {"--help", "-h", "--version"}
    known |= set() if is_group else _option_names(apps[-1], apps)
    given = [word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)]
    return [name for name in given if name not in known]


@cache
def option_names() -> frozenset[str]:
    """Every option that any command has."""
    return frozenset(_all_names(tree())) | _option_names(tree().meta, [tree()])


def _all_names(app: App, above: tuple[App, ...] = ()) -> Iterator[str]:
    apps = (*above, app)
    for name, command in app.resolved_commands().items():
        if not name.startswith("-"):
            yield from _all_names(command, apps)
    if app.default_command is not None:
        yield from _option_names(app, list(apps))


def _option_names(app: App, stack: Any) -> set[str]:
    with tree().app_stack(stack):
        arguments = app.assemble_argument_collection()
    return {name for one in arguments if one.parse for name in one.names if name[0] == "-"}
