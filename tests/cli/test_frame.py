"""The frame: global options anywhere, one error per run, one exit code per kind of error."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imgrepl import errors
from imgrepl.cli.answer import Answer
from imgrepl.cli.app import main
from imgrepl.cli.run import Run

ACT = ["probe", "act"]


Install = Callable[[Callable[[Run], object]], None]


def raising(error: BaseException) -> Callable[[Run], object]:
    def act(_run: Run) -> object:
        raise error

    return act


@pytest.mark.parametrize(
    "words",
    [
        ["-o", "yaml", "--index", "sqlite:///x", *ACT],
        [*ACT, "--index", "sqlite:///x", "-o", "yaml"],
        ["probe", "--output=yaml", "act", "--index=sqlite:///x"],
        ["--index", "sqlite:///x", *ACT, "--words", "a", "b", "-o", "yaml"],
        ["-o", "json", *ACT, "-o", "yaml", "--index", "sqlite:///x"],
    ],
)
def test_global_options_stand_before_between_and_after(
    install: Install, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    install(lambda run: Answer({"index": run.settings.index}))

    assert main(words) == 0
    assert capsys.readouterr().out == "index: sqlite:///x\n"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.UsageError("m"), 2),
        (errors.NotFound("m"), 3),
        (errors.Conflict("m"), 4),
        (errors.Invalid("m"), 5),
        (errors.Corrupt("m"), 6),
        (errors.Unavailable("m"), 7),
        (errors.PartlyDone("m"), 8),
        (errors.NotAllowed("m"), 9),
        (errors.Interrupted("m"), 130),
        (KeyboardInterrupt(), 130),
        (FileNotFoundError(2, "No such file or directory", "/x"), 3),
        (PermissionError(13, "Permission denied", "/x"), 9),
        (OSError(28, "No space left on device", "/x"), 7),
        (ZeroDivisionError("division by zero"), 1),
    ],
)
def test_every_kind_of_error_has_its_exit_code(
    install: Install,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
) -> None:
    install(raising(error))

    assert main([*ACT, "-o", "table"]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "Traceback" not in err


def test_with_json_the_error_is_the_last_line_of_stderr_as_one_object(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = errors.Conflict(
        "it\nexists", code="VersionExists", target="g/i/1.0.0", hint="update it", details=["a", "b"]
    )
    install(raising(failure))

    assert main([*ACT, "-o", "json", "--debug"]) == 4
    lines = capsys.readouterr().err.splitlines()
    assert json.loads(lines[-1]) == {
        "error": {
            "code": "VersionExists",
            "message": "it\nexists",
            "target": "g/i/1.0.0",
            "details": ["a", "b"],
            "hint": "update it",
        }
    }
    assert any("Traceback" in line for line in lines), "--debug shows where it came from"


@pytest.mark.parametrize(
    "words",
    [
        ["-o", "json", "prob"],
        ["probe", "acte", "-o", "json"],
        [*ACT, "--unknown", "--output", "json"],
        [*ACT, "-o=json", "--query", "[0"],
        [*ACT, "stray", "-o", "jsonl"],
        [*ACT, "stray"],
        ["-o", "table", "prob", "-o", "json"],
        [*ACT, "-o", "json", "--index"],
    ],
)
def test_wrong_usage_is_two_and_json_where_json_was_asked_for(
    install: Install, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    install(lambda _run: None)

    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err.splitlines()[-1])["error"]["message"]


@pytest.mark.parametrize(
    "words",
    [["-o", "table", "prob"], [*ACT, "--output=yaml", "stray"], ["-o", "json", "prob", "-o=tsv"]],
)
def test_wrong_usage_is_told_in_words_where_another_format_was_asked_for(
    install: Install, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    install(lambda _run: None)

    assert main(words) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_the_environment_says_how_wrong_usage_is_told(
    install: Install, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(lambda _run: None)
    monkeypatch.setenv("IMGREPL_OUTPUT", "table")

    assert main(["prob"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert main(["prob", "-o", "json"]) == 2
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "Usage"


def test_an_unknown_format_is_refused_with_the_choices(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(lambda _run: None)

    assert main(["-o", "xml", *ACT]) == 2
    assert '"json", "jsonl", "yaml", "table", "tsv", "none"' in capsys.readouterr().err.replace(
        "\\", ""
    )


def test_a_verdict_is_written_before_it_becomes_the_exit_code(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(lambda _run: Answer([1], error=errors.Corrupt("damage")))

    assert main([*ACT, "-o", "jsonl"]) == 6
    out, err = capsys.readouterr()
    assert out == "1\n"
    assert json.loads(err)["error"]["code"] == "Corrupt"


def test_off_a_terminal_results_and_errors_are_json(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(lambda _run: Answer({"a": 1}, error=errors.NotFound("m")))

    assert main(ACT) == 3
    out, err = capsys.readouterr()
    assert json.loads(out) == {"a": 1}
    assert json.loads(err)["error"]["code"] == "NotFound"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_results_are_tables(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(lambda _run: Answer([{"name": "golden"}], {"Gallery": "name"}))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("NO_COLOR", "1")

    assert main(ACT) == 0
    assert "Gallery" in terminal.getvalue()
    assert "\x1b[3" not in terminal.getvalue(), "NO_COLOR is honoured"


def test_a_reader_that_left_is_no_failure(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = f"{sys.executable} -m imgrepl config show -o jsonl; echo status $? >&2"

    shell = subprocess.run(
        ["bash", "-c", f"({command}) | true"], capture_output=True, text=True, env=environ
    )

    assert shell.stderr == "status 0\n"


def test_a_bad_settings_file_is_refused_before_the_command_runs(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(raising(AssertionError("the command ran")))

    assert main([*ACT, "--config", "/nowhere.toml"]) == 3
    assert "ConfigNotFound" in capsys.readouterr().err


def test_the_first_page_of_help_is_the_same_wherever_it_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pages = []
    for words in ([], ["--help"], ["-h"], ["-o", "json", "--help"]):
        assert main(words) == 0
        pages.append(capsys.readouterr().out)

    assert len(set(pages)) == 1
    assert "image-version" in pages[0]


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("imgrepl ")
