"""Looks at a disk image before anybody publishes it; needs no gallery index."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from imgrepl.disks.disk import ByteSource
from imgrepl.disks.inspect import Inspection
from imgrepl.disks.inspect import inspect as inspect_disk
from imgrepl.disks.options import OpenOptions
from imgrepl.model.events import EventSink, Progressed, StageEnded, StageStarted
from imgrepl.model.limits import Limits


def inspect(
    open_source: Callable[[str], ByteSource],
    limits: Limits,
    events: EventSink,
    file: str,
    *,
    parents: Sequence[str] = (),
    sha256: bool = False,
    options: OpenOptions | None = None,
) -> Inspection:
    """What `file` is and what a gallery would object to.

    All of its data is read, its holes are not.

    Raises `Invalid` with the rule for an image that cannot be read as what it says it is, and
    `NotFound`.
    """
    source = open_source(file)
    events(StageStarted(stage="read", subject=file, bytes_total=None))
    try:
        found = inspect_disk(
            source,
            replace(options or OpenOptions(), parents=tuple(parents)),
            sha256=sha256,
            disk_bytes_max=limits.disk_bytes_max,
            progress=lambda done: events(Progressed(stage="read", subject=file, bytes_done=done)),
        )
    except BaseException as error:
        events(StageEnded(stage="read", subject=file, outcome="Failed", detail=str(error)))
        raise
    events(StageEnded(stage="read", subject=file, outcome="Completed"))
    return found
