"""Deletions ask, and a script is never left waiting."""

import io
import sys

import pytest

from imgrepl.cli.confirm import confirm
from imgrepl.errors import Interrupted, UsageError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_yes_asks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    confirm("Delete it?", yes=True)

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("missing", ["stdin", "stderr"])
def test_without_a_terminal_it_is_refused_and_says_yes_is_the_way_out(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, missing, io.StringIO("y\n"))

    with pytest.raises(UsageError) as caught:
        confirm("Delete it?", yes=False)

    assert caught.value.code == "ConfirmationRequired"
    assert "--yes" in (caught.value.hint or "")


@pytest.mark.parametrize("answer", ["", "n", "no", "maybe", "yess"])
def test_anything_but_yes_changes_nothing(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    monkeypatch.setattr(sys, "stderr", Terminal())

    with pytest.raises(Interrupted):
        confirm("Delete it?", yes=False)


@pytest.mark.parametrize("answer", ["y", "Y", "yes", " Yes "])
def test_a_person_may_agree(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)

    confirm("Delete it?", yes=False)

    assert screen.getvalue() == "Delete it? [y/N] "
