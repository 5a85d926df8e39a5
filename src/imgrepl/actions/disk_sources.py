"""From what a user names to a disk that can be read: files, devices, objects."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imgrepl.actions.context import Context
from imgrepl.disks.detect import open_disk
from imgrepl.disks.disk import ByteSource
from imgrepl.disks.inspect import gallery_problems
from imgrepl.disks.options import OpenOptions
from imgrepl.engine.publisher import DiskSource
from imgrepl.engine.source_states import check_state
from imgrepl.errors import Invalid, NotFound
from imgrepl.model.events import Notice
from imgrepl.model.gallery import VersionDisk
from imgrepl.model.source_state import SourceState

VERSION_SCHEME = "imgrepl:"


@dataclass(frozen=True, kw_only=True)
class DiskRequest:
    """One disk of a version to be, as an operation keeps it: paths are absolute.

    With a `state` only the source that has it is read: a shallow version points at it.
    """

    lun: int | None
    source: str
    parents: tuple[str, ...] = ()
    sha256: bool = False
    ignore_checksum: bool = False
    size_from_geometry: bool = False
    state: SourceState | None = None

    def as_json(self) -> dict[str, Any]:
        """For an operation's request."""
        return asdict(self) | {"state": None if self.state is None else self.state.as_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "DiskRequest":
        """Back from an operation's request."""
        state = value.get("state")
        read = None if state is None else SourceState.from_json(state)
        return cls(**{**value, "parents": tuple(value["parents"]), "state": read})


def pointed_at(disk: VersionDisk, *, sha256: bool = False) -> DiskRequest:
    """How the source of a shallow version's disk is read: as it was, or not at all."""
    assert disk.source_state is not None, "a disk of a committed shallow version"
    return DiskRequest(
        lun=disk.lun,
        source=disk.source,
        sha256=sha256 or disk.sha256 is not None,
        ignore_checksum=disk.source_state.ignore_checksum,
        size_from_geometry=disk.source_state.size_from_geometry,
        state=disk.source_state,
    )


def absolute(source: str) -> str:
    """A local path as an absolute one, so that another process finds it; URLs stay as they are."""
    return source if source.startswith(("s3://", VERSION_SCHEME)) else str(Path(source).absolute())


@contextmanager
def opened(
    ctx: Context, requests: Sequence[DiskRequest], *, quiet: bool = False, shallow: bool = False
) -> Iterator[list[DiskSource]]:
    """Opens every disk, and closes them all at the end.

    Says what is odd about each, unless `quiet`. With `shallow` the limit of shallow versions holds.

    Raises `Invalid` for an image that is not what it says, is larger than the limit or is named
    twice; for a source that a shallow version points at `Corrupt` (`ShallowSourceChanged`) and
    `NotFound` (`ShallowSourceMissing`).
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
            source = _open(ctx, request, quiet=quiet, shallow=shallow)
            stack.callback(source.disk.close)
            disks.append(source)
        yield disks


def _open(ctx: Context, request: DiskRequest, *, quiet: bool, shallow: bool) -> DiskSource:
    options = OpenOptions(
        parents=request.parents,
        ignore_checksum=request.ignore_checksum,
        size_from_geometry=request.size_from_geometry,
    )
    source = _source(ctx, request)
    disk = open_disk(source, options)
    try:
        ctx.limits.check_disk_bytes(request.source, disk.size_bytes, shallow=shallow)
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
    return DiskSource(
        lun=request.lun,
        disk=disk,
        source=source,
        sha256=request.sha256,
        ignore_checksum=request.ignore_checksum,
        size_from_geometry=request.size_from_geometry,
    )


def _source(ctx: Context, request: DiskRequest) -> ByteSource:
    if request.state is None:
        return ctx.open_source(request.source)
    try:
        source = ctx.open_source(request.source, endpoint_url=request.state.endpoint_url)
    except NotFound as error:
        raise NotFound(
            f"{request.source}, which the version points at, is gone: {error.message}",
            code="ShallowSourceMissing",
            target=request.source,
            hint="bring it back as it was, or publish another source under another number",
        ) from error
    try:
        check_state(source, request.state)
    except BaseException:
        source.close()
        raise
    return source
