"""A noun for tests of the frame: its command does what the test says."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Annotated

import pytest
from cyclopts import App, Parameter

from imgrepl.cli import frame
from imgrepl.cli.nouns import Noun
from imgrepl.cli.run import Injected, Run

Install = Callable[[Callable[[Run], object]], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes `imgrepl probe act [--words WORD …]` call a function for as long as the test runs."""
    for name in ("IMGREPL_INDEX", "IMGREPL_OUTPUT", "IMGREPL_CONFIG"):
        monkeypatch.delenv(name, raising=False)

    def install_probe(act: Callable[[Run], object]) -> None:
        app = App(name="probe", version_flags=(), help="A probe.")

        @app.command(name="act")
        def command(
            *,
            words: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
            run: Injected,
        ) -> object:
            """Act."""
            assert "--output" not in words
            return act(run)

        module = ModuleType("imgrepl.cli.probe")
        module.app = app  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "imgrepl.cli.probe", module)
        monkeypatch.setattr(frame, "NOUNS", (Noun("probe", "probe", "A probe."),))

    return install_probe
