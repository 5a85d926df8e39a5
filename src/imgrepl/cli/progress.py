"""Shows the engine's events on stderr: bars on a terminal, lines elsewhere where asked for."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from imgrepl.cli import human
from imgrepl.cli.cell_text import visible
from imgrepl.model.events import Event, EventSink, Notice, Progressed, StageEnded, StageStarted

_STEP_PERCENT = 10


@contextmanager
def shown_events(
    *, bars: bool, verbose: bool, only_errors: bool, stream: TextIO | None = None
) -> Iterator[EventSink]:
    """A sink that shows events on `stream` (stderr) for as long as the block lasts.

    `bars` draws them on a terminal, `verbose` prints a line a step where there are no bars.
    Notices are shown unless `only_errors`; those of level `info` only with `verbose`.
    """
    target = stream or sys.stderr
    notices = Notices(verbose=verbose, only_errors=only_errors)
    if bars and target.isatty():
        from imgrepl.cli.bars import Bars

        with Bars(target, notices) as display:
            yield display
    else:
        yield _Lines(target, notices, steps=verbose and not only_errors)


class Notices:
    """Which notices are worth showing, and how they read."""

    def __init__(self, *, verbose: bool, only_errors: bool) -> None:
        self._levels = {"error"} | (set() if only_errors else {"warning"})
        if verbose and not only_errors:
            self._levels.add("info")

    def text_of(self, notice: Notice) -> str | None:
        """The line to show, or None."""
        if notice.level not in self._levels:
            return None
        subject = f"{notice.subject}: " if notice.subject else ""
        return visible(f"{notice.level}: {subject}{notice.text}")


class _Lines:
    """A line when a stage starts, at every tenth of it, and when it ends."""

    def __init__(self, stream: TextIO, notices: Notices, *, steps: bool) -> None:
        self._stream = stream
        self._notices = notices
        self._steps = steps
        self._lock = threading.Lock()
        self._totals: dict[tuple[str, str], int | None] = {}
        self._shown_percent: dict[tuple[str, str], int] = {}

    def __call__(self, event: Event) -> None:
        with self._lock:
            line = self._line(event)
            if line is not None:
                self._stream.write(line + "\n")
                self._stream.flush()

    def _line(self, event: Event) -> str | None:
        if isinstance(event, Notice):
            return self._notices.text_of(event)
        if not self._steps:
            return None
        match event:
            case StageStarted():
                self._totals[event.stage, event.subject] = event.bytes_total
                self._shown_percent[event.stage, event.subject] = 0
                total = "" if event.bytes_total is None else f", {human.size(event.bytes_total)}"
                return f"{event.stage} {event.subject}: started{total}"
            case Progressed():
                return self._step(event)
            case StageEnded():
                detail = f": {event.detail}" if event.detail else ""
                return f"{event.stage} {event.subject}: {event.outcome}{detail}"
        return None

    def _step(self, event: Progressed) -> str | None:
        key = event.stage, event.subject
        total = self._totals.get(key)
        if not total:
            return None
        percent = 100 * event.bytes_done // total
        if percent < self._shown_percent[key] + _STEP_PERCENT:
            return None
        self._shown_percent[key] = percent - percent % _STEP_PERCENT
        done = f"{human.size(event.bytes_done)} of {human.size(total)}"
        return f"{event.stage} {event.subject}: {percent}%, {done}"
