"""What an image is, how large it is in each sense, and what a gallery would object to."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from imgrepl.disks.detect import open_disk
from imgrepl.disks.disk import ByteSource, Disk, Extent, Problem, Severity
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.source import open_source
from imgrepl.model.manifest import BLOCK_BYTES

MEBIBYTE = 1 << 20
DISK_BYTES_MAX = 2048 << 30
"""The largest disk of which a version can keep full replicas."""

_WINDOW_BYTES = 4 << 20
_ZEROS = bytes(_WINDOW_BYTES)

Progress = Callable[[int], None]
"""Told how far on the disk the scan is, in bytes; never goes back, ends with the disk's size."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What `imgrepl image inspect` shows.

    `file_bytes` is the image's own file, without parents. `occupied_bytes` is counted by content,
    None where it was not scanned. `holes` is how many ranges of the disk the format or the file
    system know to be zeros. `sha256` is of the guest-visible disk, in hex. `parent` is the file
    name of the direct parent.
    """

    format: str
    subformat: str
    provisioned_bytes: int
    file_bytes: int
    occupied_bytes: int | None
    holes: int
    sha256: str | None
    parent: str | None
    problems: tuple[Problem, ...]

    @property
    def refused(self) -> bool:
        """Whether a gallery would refuse the image."""
        return any(problem.severity is Severity.REFUSED for problem in self.problems)


def inspect(
    image: ByteSource | str | os.PathLike[str],
    options: OpenOptions | None = None,
    *,
    scan: bool = True,
    sha256: bool = False,
    disk_bytes_max: int = DISK_BYTES_MAX,
    progress: Progress | None = None,
) -> Inspection:
    """Opens an image, reads all that it says is not a hole, and closes it.

    `scan` counts the occupied blocks; without it and `sha256` no content is read. Memory: one
    window of 4 MiB. Raises what opening raises; `Invalid` where content cannot be read; `Conflict`
    (`SourceChanged`) when a file of the chain changed meanwhile.
    """
    source = open_source(image) if isinstance(image, str | os.PathLike) else image
    try:
        disk = open_disk(source, options)
    except BaseException:
        source.close()
        raise
    try:
        return _inspect_disk(disk, scan, sha256, disk_bytes_max, progress or (lambda _done: None))
    finally:
        disk.close()


def gallery_problems(size_bytes: int, disk_bytes_max: int = DISK_BYTES_MAX) -> tuple[Problem, ...]:
    """What a gallery, or Azure after it, has against a disk of this size."""
    problems = []
    if size_bytes > disk_bytes_max:
        message = (
            f"the disk has {size_bytes} bytes; the limit is {disk_bytes_max} "
            f"({disk_bytes_max >> 30} GiB)"
        )
        problems.append(_problem("DiskTooLarge", message, Severity.REFUSED))
    if size_bytes % MEBIBYTE:
        rounded = -(-size_bytes // MEBIBYTE) * MEBIBYTE
        message = (
            f"the disk has {size_bytes} bytes, no multiple of 1 MiB: Azure would not take it as a "
            f"VHD; the next size it takes is {rounded}"
        )
        problems.append(_problem("NotMebibyteAligned", message, Severity.WARNING))
    return tuple(problems)


def _inspect_disk(
    disk: Disk, scan: bool, sha256: bool, disk_bytes_max: int, progress: Progress
) -> Inspection:
    extents = disk.data_extents(0, disk.size_bytes)
    holes = _Holes(disk.size_bytes)
    occupied_bytes, digest = None, None
    if scan or sha256:
        occupied_bytes, digest = _scan(disk, holes.passing(extents), sha256, progress)
    else:
        for _extent in holes.passing(extents):
            pass
    for source in disk.sources:
        source.check_unchanged()
    return Inspection(
        format=disk.format,
        subformat=disk.subformat,
        provisioned_bytes=disk.size_bytes,
        file_bytes=disk.sources[0].size_bytes,
        occupied_bytes=occupied_bytes if scan else None,
        holes=holes.count,
        sha256=digest,
        parent=PurePath(disk.sources[1].name).name if len(disk.sources) > 1 else None,
        problems=(*disk.problems, *gallery_problems(disk.size_bytes, disk_bytes_max)),
    )


class _Holes:
    """Counts the gaps before, between and behind extents that are passed on."""

    def __init__(self, size_bytes: int) -> None:
        self.count = 0
        self._size_bytes = size_bytes

    def passing(self, extents: Iterator[Extent]) -> Iterator[Extent]:
        at = 0
        for extent in extents:
            self.count += extent.offset > at
            yield extent
            at = extent.offset + extent.length
        self.count += at < self._size_bytes


def _scan(
    disk: Disk, extents: Iterator[Extent], sha256: bool, progress: Progress
) -> tuple[int, str | None]:
    """Occupied bytes, and the hex digest of the whole disk where it is wanted."""
    buffer = memoryview(bytearray(_WINDOW_BYTES))
    digest = hashlib.sha256() if sha256 else None
    occupied_blocks = at = 0
    for start, stop in _windows(extents, disk.size_bytes):
        window = buffer[: stop - start]
        disk.read_into(start, window)
        occupied_blocks += _occupied_blocks(buffer, stop - start)
        if digest is not None:
            _hash_zeros(digest, at, start, progress)
            digest.update(window)
        at = stop
        progress(at)
    if digest is not None:
        _hash_zeros(digest, at, disk.size_bytes, progress)
    progress(disk.size_bytes)
    return occupied_blocks * BLOCK_BYTES, digest.hexdigest() if digest is not None else None


def _windows(extents: Iterator[Extent], size_bytes: int) -> Iterator[tuple[int, int]]:
    """Whole blocks around the extents, each once, in pieces of at most a window."""
    at = 0
    for offset, length in extents:
        start = max(offset // BLOCK_BYTES * BLOCK_BYTES, at)
        at = max(min(-(-(offset + length) // BLOCK_BYTES) * BLOCK_BYTES, size_bytes), at)
        for first in range(start, at, _WINDOW_BYTES):
            yield first, min(first + _WINDOW_BYTES, at)


def _occupied_blocks(buffer: memoryview, length: int) -> int:
    """Blocks of the first `length` bytes that are not zero; the last may be cut short."""
    padded = -(-length // BLOCK_BYTES) * BLOCK_BYTES
    if padded > length:
        buffer[length:padded] = bytes(padded - length)
    words = np.frombuffer(buffer[:padded], dtype=np.uint64).reshape(-1, BLOCK_BYTES // 8)
    return int(np.count_nonzero(np.bitwise_or.reduce(words, axis=1)))


def _hash_zeros(digest: "hashlib._Hash", start: int, stop: int, progress: Progress) -> None:
    for at in range(start, stop, _WINDOW_BYTES):
        digest.update(_ZEROS[: min(_WINDOW_BYTES, stop - at)])
        progress(at)


def _problem(rule: str, message: str, severity: Severity) -> Problem:
    return Problem(rule=rule, message=message, severity=severity)
