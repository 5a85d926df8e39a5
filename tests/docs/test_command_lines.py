"""Every command line that we show: in pages, in help and in the hints of errors."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import CycloptsError

import imgrepl
from docs import command_lines

PROJECT = Path(__file__).parents[2]
SOURCE = Path(imgrepl.__file__).parent
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{p.name}" for p in (PROJECT / "docs").glob("*.md")),
]
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")


def page(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


WHOLE = [(name, words) for name in PAGES for words in command_lines.in_fences(page(name))]
PARTS = [(name, words) for name in PAGES for words in command_lines.in_prose(page(name))]


def shown(value: object) -> str:
    return " ".join(value) if isinstance(value, list) else str(value)


@pytest.mark.parametrize(("name", "words"), WHOLE, ids=shown)
def test_every_command_line_of_a_page_would_run(name: str, words: list[str]) -> None:
    try:
        command_lines.parse(words)
    except CycloptsError as error:
        error.verbose = False
        pytest.fail(f"{name}: imgrepl {' '.join(words)}: {error}")


@pytest.mark.parametrize(("name", "words"), PARTS, ids=shown)
def test_every_command_that_a_page_mentions_exists_with_its_options(
    name: str, words: list[str]
) -> None:
    assert command_lines.unknown_in(words) == [], name


def texts(tree: ast.AST) -> Iterator[str]:
    """Every text in a piece of source, with X for what is filled in while it runs."""
    pieces = {id(part) for node in ast.walk(tree) for part in getattr(node, "values", ())}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "X" for part in node.values]
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and id(node) not in pieces:
            yield str(node.value)


def hints(tree: ast.AST) -> Iterator[str]:
    """Every text that an error gives as the way out."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    words = (word for call in calls for word in call.keywords if word.arg == "hint")
    return (text for word in words for text in texts(word.value))


SOURCES = {
    str(path.relative_to(SOURCE)): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(SOURCE.rglob("*.py"))
}
MENTIONED = [
    (where, words)
    for where, tree in SOURCES.items()
    for text in texts(tree)
    for words in command_lines.in_prose(text)
    if words[0] != "X"
]
ADVISED = [
    (where, option)
    for where, tree in SOURCES.items()
    for text in hints(tree)
    for option in _OPTION.findall(text)
]


@pytest.mark.parametrize(("where", "words"), MENTIONED, ids=shown)
def test_every_command_that_a_message_names_exists_with_its_options(
    where: str, words: list[str]
) -> None:
    assert command_lines.unknown_in(words) == [], where


@pytest.mark.parametrize(("where", "option"), ADVISED, ids=shown)
def test_every_option_that_a_hint_advises_exists(where: str, option: str) -> None:
    assert option in command_lines.option_names() | {"--help"}, where


def test_commands_are_found_wherever_a_shell_would_run_them() -> None:
    script = 'imgrepl a -x "b c" | sort\nfor v in $(imgrepl d); do imgrepl e \\\n -f || x; done # g'

    assert list(command_lines.commands_of(script)) == [["a", "-x", "b c"], ["d"], ["e", "-f"]]


def test_a_line_with_an_option_that_there_is_not_is_caught() -> None:
    assert command_lines.unknown_in(["gallery", "list", "--nothing"]) == ["--nothing"]
    assert command_lines.unknown_in(["galery", "list"]) == ["galery", "list"]
    with pytest.raises(CycloptsError):
        command_lines.parse(["gallery", "show", "-r", "golden", "--nothing"])
