"""Bars on a terminal: one for every stage of every region."""

import threading
from typing import Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from imgrepl.cli import human
from imgrepl.cli.progress import Notices
from imgrepl.model.events import Event, Notice, Progressed, StageEnded, StageStarted


class Bars:
    """A sink that draws bytes, rate and the time it will take; leaving it takes the bars away."""

    def __init__(self, stream: TextIO, notices: Notices) -> None:
        self._stream = stream
        self._notices = notices
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def __call__(self, event: Event) -> None:
        with self._lock:
            match event:
                case Notice():
                    self._notice(event)
                case StageStarted():
                    self._start(event)
                case Progressed():
                    self._advance(event)
                case StageEnded():
                    self._end(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _display(self) -> Progress:
        if self._progress is None:
            self._progress = _new_display(self._stream)
            self._progress.start()
        return self._progress

    def _notice(self, event: Notice) -> None:
        line = self._notices.text_of(event)
        if line is not None:
            self._display().console.print(line)

    def _start(self, event: StageStarted) -> None:
        self._tasks[event.stage, event.subject] = self._display().add_task(
            f"{event.stage} {event.subject}", total=event.bytes_total
        )

    def _advance(self, event: Progressed) -> None:
        task = self._tasks.get((event.stage, event.subject))
        if task is not None:
            self._display().update(task, completed=event.bytes_done)

    def _end(self, event: StageEnded) -> None:
        task = self._tasks.get((event.stage, event.subject))
        if task is None:
            return
        name = f"{event.stage} {event.subject}"
        self._display().update(task, description=f"{name}: {event.outcome}")
        self._display().stop_task(task)


class _Done(ProgressColumn):
    """Bytes so far, and of how many where that is known."""

    def render(self, task: Task) -> Text:
        done = human.size(task.completed)
        return Text(done if task.total is None else f"{done} of {human.size(task.total)}")


class _Rate(ProgressColumn):
    """Bytes a second, in binary units as everywhere."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else human.rate(speed))


def _new_display(stream: TextIO) -> Progress:
    def whole() -> Column:
        return Column(no_wrap=True)

    return Progress(
        TextColumn("{task.description}", markup=False, table_column=whole()),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),  # what is left of the width
        _Done(table_column=whole()),
        _Rate(table_column=whole()),
        TimeRemainingColumn(table_column=whole()),
        console=Console(file=stream, markup=False, highlight=False, emoji=False),
        transient=True,
        expand=True,
    )
