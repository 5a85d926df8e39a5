"""The reference pages and the help of every command: nothing undocumented, nothing stale."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from docs import command_lines
from imgrepl.cli.app import main
from imgrepl.cli.globals import GlobalOptions
from imgrepl.cli.nouns import GLOBAL_OPTIONS, NOUNS, help_page
from imgrepl.settings import documented_settings

DOCS = Path(__file__).parents[2] / "docs"


def load_reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_reference", DOCS / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


reference = load_reference()
COMMANDS: list[tuple[str, ...]] = list(reference.commands())
by_name = pytest.mark.parametrize("words", COMMANDS, ids=" ".join)


def option_names(words: tuple[str, ...]) -> set[str]:
    """What a command's options are called; those of no command are the global ones."""
    app = reference.tree()
    _, apps, _ = app.parse_commands(words)
    chosen = apps[-1] if words else app.meta
    with app.app_stack(apps):
        arguments = chosen.assemble_argument_collection()
        parsed = [item for item in arguments if item.parse]
    return {name for item in parsed for name in item.names if name.startswith("-")}


@pytest.mark.parametrize("page", ["commands.md", "settings.md"])
def test_a_page_is_what_the_program_would_write_now(page: str) -> None:
    written = (DOCS / page).read_text(encoding="utf-8")

    assert written == reference.PAGES[page](), "run `python docs/reference.py`"


@by_name
def test_every_command_is_documented_with_all_its_options(words: tuple[str, ...]) -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    section = page.partition(f"## imgrepl {' '.join(words)}\n")[2].partition("\n## ")[0]

    assert section, f"docs/commands.md lacks {' '.join(words)}"
    for name in option_names(words):
        assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", section), name


@by_name
def test_every_command_has_an_example_that_names_it_and_its_exit_codes(
    words: tuple[str, ...],
) -> None:
    text = reference.help_text(words)
    example = text.partition("For example:")[2].partition("Exit codes:")[0]

    assert f"imgrepl {' '.join(words)}" in example
    codes = re.findall(r"(?:^|; )(\d+) ", text.partition("Exit codes: ")[2].replace("\n", " "))
    assert codes[0] == "0"
    assert set(codes) <= {str(code) for code in (*range(10), 130)}


@by_name
def test_every_example_parses(words: tuple[str, ...]) -> None:
    example = reference.help_text(words).partition("For example:")[2].partition("Exit codes:")[0]
    tokens = reference.shell_words(example)

    assert tokens[0] == "imgrepl"
    command_lines.parse(tokens[1:])


@by_name
def test_no_command_takes_the_name_of_a_global_option(words: tuple[str, ...]) -> None:
    assert option_names(words) & option_names(()) == set()


def test_the_first_page_lists_every_noun_and_every_global_option() -> None:
    page = help_page()

    assert {words[0] for words in COMMANDS} == {noun.name for noun in NOUNS}
    assert {flags.split()[0].rstrip(",") for flags in GLOBAL_OPTIONS} == {
        name for name in option_names(()) if name.startswith("--")
    }
    assert all(f"  {noun.name} " in page for noun in NOUNS)
    assert len(GLOBAL_OPTIONS) == len(GlobalOptions.__dataclass_fields__)


def test_what_does_not_work_yet_is_not_listed() -> None:
    assert not {"bench", "serve"} & {noun.name for noun in NOUNS}


@pytest.mark.parametrize("name", [entry.name for entry in documented_settings()])
def test_every_setting_is_documented(name: str) -> None:
    assert f"| `{name}` |" in (DOCS / "settings.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("shell", "mark"), [("bash", "complete"), ("zsh", "#compdef imgrepl"), ("fish", "complete -c")]
)
def test_each_shell_gets_a_completion_script(
    capsys: pytest.CaptureFixture[str], shell: str, mark: str
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert mark in script
    assert "--target-regions" in script
