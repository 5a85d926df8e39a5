"""Looks at a disk image before anybody publishes it; needs no gallery index."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from imgrepl.disks.detect import detect
from imgrepl.disks.disk import ByteSource, Problem, Severity
from imgrepl.disks.inspect import Inspection
from imgrepl.disks.inspect import inspect as inspect_disk
from imgrepl.disks.options import OpenOptions
from imgrepl.errors import Invalid
from imgrepl.model.events import EventSink, Progressed, StageEnded, StageStarted
from imgrepl.model.limits import Limits


@dataclass(frozen=True, kw_only=True)
class RefusedImage:
    """What can be said of an image that cannot be read as what it says it is."""

    format: str | None
    file_bytes: int
    problems: tuple[Problem, ...]
    subformat: str | None = None
    provisioned_bytes: int | None = None
    occupied_bytes: int | None = None
    holes: int | None = None
    sha256: str | None = None
    parent: str | None = None


def inspect(
    open_source: Callable[[str], ByteSource],
    limits: Limits,
    events: EventSink,
    file: str,
    *,
    parents: Sequence[str] = (),
    sha256: bool = False,
    options: OpenOptions | None = None,
) -> Inspection | RefusedImage:
    """What `file` is and what a gallery would object to.

    All of its data is read, its holes are not.

    Raises `Invalid` with the rule for an image that cannot be read as what it says it is, and
    `NotFound`.
    """
    source = open_source(file)
    file_bytes, file_format = source.size_bytes, _format_of(source)
    events(StageStarted(stage="read", subject=file, bytes_total=None))
    try:
        found = inspect_disk(
            source,
            replace(options or OpenOptions(), parents=tuple(parents)),
            sha256=sha256,
            disk_bytes_max=limits.disk_bytes_max,
            progress=lambda done: events(Progressed(stage="read", subject=file, bytes_done=done)),
        )
    except Invalid as error:
        events(StageEnded(stage="read", subject=file, outcome="Failed", detail=str(error)))
        return _refused(file_bytes, file_format, error)
    except BaseException as error:
        events(StageEnded(stage="read", subject=file, outcome="Failed", detail=str(error)))
        raise
    events(StageEnded(stage="read", subject=file, outcome="Completed"))
    return found


def _format_of(source: ByteSource) -> str | None:
    try:
        return detect(source)
    except Invalid:
        return None


def _refused(file_bytes: int, file_format: str | None, error: Invalid) -> RefusedImage:
    message = f"{error.message}; {error.hint}" if error.hint else error.message
    problem = Problem(rule=error.code, message=message, severity=Severity.REFUSED)
    return RefusedImage(format=file_format, file_bytes=file_bytes, problems=(problem,))
