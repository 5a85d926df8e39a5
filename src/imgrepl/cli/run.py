"""One run of the program: what the global options say, and how a command reaches the engine."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from imgrepl.cli import garbage
from imgrepl.cli.answer import Answer
from imgrepl.cli.confirm import confirm
from imgrepl.cli.globals import GlobalOptions
from imgrepl.cli.interrupts import Interrupts
from imgrepl.cli.output import OutputFormat, Query, compiled_query, write
from imgrepl.cli.progress import shown_events
from imgrepl.model.events import EventSink
from imgrepl.model.peer import Peer
from imgrepl.settings import Loaded, Settings

if TYPE_CHECKING:
    from imgrepl.actions.context import Context


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a command is handed beside its own options."""

    options: GlobalOptions
    loaded: Loaded
    query: Query | None
    interrupts: Interrupts = field(default_factory=Interrupts)

    @property
    def settings(self) -> Settings:
        """The settings of this run."""
        return self.loaded.settings

    @property
    def output(self) -> OutputFormat:
        """How results are written: as asked, else a table on a terminal and JSON elsewhere."""
        if self.settings.output is not None:
            return OutputFormat(self.settings.output)
        return OutputFormat.TABLE if sys.stdout.isatty() else OutputFormat.JSON

    @contextmanager
    def events(self) -> Iterator[EventSink]:
        """Where progress goes while the block lasts."""
        quiet = self.options.no_progress or self.options.only_show_errors
        with shown_events(
            bars=not quiet,
            verbose=self.options.verbose or self.options.debug,
            only_errors=self.options.only_show_errors,
        ) as sink:
            yield sink

    @contextmanager
    def open(self, settings: Settings | None = None) -> Iterator["Context"]:
        """The wired objects that actions take; a first Ctrl-C inside asks them to stop.

        By `settings` where they are not quite those of this run.
        """
        from imgrepl.assembly.app import open_app

        with (
            self.interrupts.cooperative() as stop,
            self.events() as events,
            open_app(settings or self.settings, events, stop) as app,
        ):
            yield app.ctx

    @contextmanager
    def open_peer(self, peer: Peer) -> Iterator["Context"]:
        """Another gallery than that of the index, for reading; as `open` in all else."""
        from imgrepl.assembly.app import open_peer

        with (
            self.interrupts.cooperative() as stop,
            self.events() as events,
            open_peer(self.settings, peer, events, stop) as app,
        ):
            garbage.settle()
            yield app.ctx

    def emit(self, answer: Answer) -> None:
        """Writes a result to stdout at once."""
        write(answer, self.output, self.query, sys.stdout)
        sys.stdout.flush()

    def confirm(self, question: str, *, yes: bool, rehearsable: bool = True) -> None:
        """Asks a person before something is lost; `yes` is the command's `--yes`."""
        confirm(question, yes=yes, rehearsable=rehearsable)


Injected = Annotated[Run, Parameter(parse=False)]
"""The type of a command's `run` parameter: handed in by the frame, no option of the command."""


def new_run(options: GlobalOptions, loaded: Loaded) -> Run:
    """A run of these options. Raises `UsageError` where `--query` is no JMESPath."""
    query = None if options.query is None else compiled_query(options.query)
    return Run(options=options, loaded=loaded, query=query)
