"""What the engine tells while it works: a stream of values that a door renders, or drops."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Event:
    """Anything the engine reports."""


@dataclass(frozen=True, kw_only=True)
class StageStarted(Event):
    """A stage begins.

    It is `read`, `copy`, `replicate`, `verify`, `download`, `repair`, `collect`, `scrub`, `rebuild`
    or `move-home`. `subject` is a region's name, or the version for stages that have none;
    `bytes_total` is None where it is unknown.
    """

    stage: str
    subject: str
    bytes_total: int | None = None
    items_total: int | None = None


@dataclass(frozen=True, kw_only=True)
class Progressed(Event):
    """More of a stage is done. `bytes_done` counts from the stage's start and never goes back."""

    stage: str
    subject: str
    bytes_done: int
    items_done: int = 0


@dataclass(frozen=True, kw_only=True)
class StageEnded(Event):
    """A stage ended; `outcome` is `Completed`, `Failed` or `Interrupted`.

    `detail` the reason of the latter two.
    """

    stage: str
    subject: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Notice(Event):
    """Something a person should read.

    A warning about the image, a slow region, a pack that was mended.
    """

    level: str
    text: str
    subject: str = ""


EventSink = Callable[[Event], None]
"""Called from several threads, one event at a time per thread.

Must not block long and must not raise.
"""


def silent(_event: Event) -> None:
    """An `EventSink` that drops everything."""
