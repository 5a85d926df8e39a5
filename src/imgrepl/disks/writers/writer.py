"""What every writer of disk images does, and how to open one."""

from pathlib import Path
from typing import Protocol

from imgrepl import errors
from imgrepl.disks.writers import dynamic_vhd, qcow2, vhd_layout
from imgrepl.disks.writers.dynamic_vhd import DynamicVhdWriter
from imgrepl.disks.writers.fixed_vhd import FixedVhdWriter
from imgrepl.disks.writers.part_file import PartFile
from imgrepl.disks.writers.qcow2 import Qcow2Writer
from imgrepl.disks.writers.raw import RawWriter

FORMATS = ("raw", "vhd", "vhd-dynamic", "qcow2")
_SIZE_BYTES_MAX = {
    "raw": 2**63 - 1,
    "vhd": 2**63 - 1 - vhd_layout.FOOTER_BYTES,
    "vhd-dynamic": vhd_layout.DYNAMIC_DISK_BYTES_MAX,
    "qcow2": 1 << 47,  # cluster numbers are kept in 32 bits; this leaves room for the tables
}


class DiskWriter(Protocol):
    """A new image file for one disk, invisible under its name until it is whole and durable.

    Ends with exactly one of `finish` and `abort`, called when no `write` is under way; after an
    error from anything but `abort`, call `abort`. Faults of the local disk are raised as
    `part_file.PartFile` says; none of them leaves a part file.
    """

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Puts the guest's bytes at `offset` of the disk.

        Called from many threads at once, in any order. Offset and length are multiples of 4,096
        but at the disk's end; no two ranges overlap; a range that never comes reads as zeros.
        Nothing is flushed.
        """

    def finish(self) -> None:
        """Writes what the format needs beside the data, makes all of it durable, names the file.

        `Conflict` (`TargetExists`) when a file of that name came into being meanwhile.
        """

    def abort(self) -> None:
        """Removes everything. Harmless after `finish` and a second time."""


def open_writer(
    path: Path,
    format: str,  # noqa: A002 - what the option and the readers call it
    size_bytes: int,
    *,
    identity: bytes,
    created_seconds: int,
    overwrite: bool = False,
) -> DiskWriter:
    """A writer for a disk of `size_bytes` that becomes the file `path`.

    `format` is one of `FORMATS`; `vhd` is the fixed one. `identity` is the 16 bytes of the VHD's
    own id; `created_seconds` counts from 1970, UTC. The bytes go to `.<name>.imgrepl-part` beside
    `path` until `finish`.

    Raises `Conflict` (`TargetExists`, `TargetInUse`), `Invalid` (`DiskSizeInvalid`,
    `FormatUnknown`), or what `PartFile` raises.
    """
    assert len(identity) == 16
    check_writable(format, size_bytes)
    part = PartFile(path, file_bytes_max=file_bytes_max(format, size_bytes), overwrite=overwrite)
    try:
        return _writer(part, format, size_bytes, identity, created_seconds)
    except BaseException:
        part.discard()
        raise


def file_bytes_max(disk_format: str, size_bytes: int) -> int:
    """The length of the file when every block of the disk is written."""
    match disk_format:
        case "vhd":
            return size_bytes + vhd_layout.FOOTER_BYTES
        case "vhd-dynamic":
            return dynamic_vhd.file_bytes_max(size_bytes)
        case "qcow2":
            return qcow2.file_bytes_max(size_bytes)
        case _:
            return size_bytes


def _writer(
    part: PartFile, disk_format: str, size_bytes: int, identity: bytes, created_seconds: int
) -> DiskWriter:
    match disk_format:
        case "vhd":
            return FixedVhdWriter(
                part, size_bytes, identity=identity, created_seconds=created_seconds
            )
        case "vhd-dynamic":
            return DynamicVhdWriter(
                part, size_bytes, identity=identity, created_seconds=created_seconds
            )
        case "qcow2":
            return Qcow2Writer(part, size_bytes)
        case _:
            return RawWriter(part, size_bytes)


def check_writable(disk_format: str, size_bytes: int) -> None:
    """Whether a disk of this size can be a file of this format.

    Raises `Invalid` (`FormatUnknown`, `DiskSizeInvalid`).
    """
    if disk_format not in FORMATS:
        raise errors.Invalid(
            f"{disk_format!r} is no format that can be written",
            code="FormatUnknown",
            hint=f"Use one of {', '.join(FORMATS)}.",
        )
    if size_bytes <= 0 or size_bytes % vhd_layout.SECTOR_BYTES:
        raise errors.Invalid(
            f"a disk's size is a positive multiple of 512 bytes, not {size_bytes}",
            code="DiskSizeInvalid",
        )
    if size_bytes > _SIZE_BYTES_MAX[disk_format]:
        raise errors.Invalid(
            f"a disk of {size_bytes} bytes is above the limit of {disk_format}, "
            f"{_SIZE_BYTES_MAX[disk_format]} bytes",
            code="DiskSizeInvalid",
            hint="Write it as raw or vhd, which have no limit of their own.",
        )
