"""From what a user names to a disk that can be read: files, devices, objects."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imgrepl.actions.context import Context
from imgrepl.disks.detect import open_disk
from imgrepl.disks.inspect import gallery_problems
from imgrepl.disks.options import OpenOptions
from imgrepl.engine.publisher import DiskSource
from imgrepl.errors import Invalid
from imgrepl.model.events import Notice

VERSION_SCHEME = "imgrepl:"


@dataclass(frozen=True, kw_only=True)
class DiskRequest:
    """One disk of a version to be, as an operation keeps it: paths are absolute."""

    lun: int | None
    source: str
    parents: tuple[str, ...] = ()
    sha256: bool = False
    ignore_checksum: bool = False
    size_from_geometry: bool = False

    def as_json(self) -> dict[str, Any]:
        """For an operation's request."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "DiskRequest":
        """Back from an operation's request."""
        return cls(**{**value, "parents": tuple(value["parents"])})


def absolute(source: str) -> str:
    """A local path as an absolute one, so that another process finds it; URLs stay as they are."""
    return source if source.startswith(("s3://", VERSION_SCHEME)) else str(Path(source).absolute())


@contextmanager
def opened(
    ctx: Context, requests: Sequence[DiskRequest], *, quiet: bool = False
) -> Iterator[list[DiskSource]]:
    """Opens every disk, and closes them all at the end.

    Says what is odd about each, unless `quiet`.

    Raises `Invalid` for an image that is not what it says, is larger than the limit or is named
    twice.
    """
    named = [request.source for request in requests]
    twice = {source for source in named if named.count(source) > 1}
    if twice:
        raise Invalid(
            f"{min(twice)} is named for two disks of one version",
            code="InvalidDiskLayout",
            target=min(twice),
            hint="each disk has a source of its own",
        )
    with ExitStack() as stack:
        disks = []
        for request in requests:
            source = _open(ctx, request, quiet=quiet)
            stack.callback(source.disk.close)
            disks.append(source)
        yield disks


def _open(ctx: Context, request: DiskRequest, *, quiet: bool) -> DiskSource:
    options = OpenOptions(
        parents=request.parents,
        ignore_checksum=request.ignore_checksum,
        size_from_geometry=request.size_from_geometry,
    )
    disk = open_disk(ctx.open_source(request.source), options)
    try:
        ctx.limits.check_disk_bytes(request.source, disk.size_bytes)
        problems = [*disk.problems, *gallery_problems(disk.size_bytes)]
        for problem in () if quiet else problems:
            ctx.events(
                Notice(
                    level="warning",
                    text=f"{problem.rule}: {problem.message}",
                    subject=request.source,
                )
            )
    except BaseException:
        disk.close()
        raise
    return DiskSource(lun=request.lun, disk=disk, sha256=request.sha256)
