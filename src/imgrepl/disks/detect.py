"""Tells what an image is by its content, and opens it with the reader for that.

A name only counts against an image: one that is called `.vhd` and holds no VHD is refused, because
reading it as raw would publish a damaged image without a word.
"""

from pathlib import PurePath
from typing import NamedTuple

from imgrepl.disks.disk import SECTOR_BYTES, ByteSource, Disk
from imgrepl.disks.fields import read_field
from imgrepl.disks.options import OpenOptions
from imgrepl.errors import Invalid

_HEAD_BYTES = 64 * 1024


class _Foreign(NamedTuple):
    """A format that is no disk image of ours: where its magic stands and what to do about it."""

    offset: int
    magic: bytes
    what: str
    hint: str


def _convert(source_format: str) -> str:
    return f"qemu-img convert -f {source_format} -O qcow2 FILE image.qcow2"


_FOREIGN = (
    _Foreign(0, b"KDMV", "a VMDK", _convert("vmdk")),
    _Foreign(0, b"COWD", "a VMDK of ESX (COWD)", _convert("vmdk")),
    _Foreign(0, b"# Disk DescriptorFile", "the descriptor of a VMDK", _convert("vmdk")),
    _Foreign(64, b"\x7f\x10\xda\xbe", "a VDI of VirtualBox", _convert("vdi")),
    _Foreign(0, b"QED\0", "a QED image", _convert("qed")),
    _Foreign(0, b"WithoutFreeSpace", "a Parallels image", _convert("parallels")),
    _Foreign(0, b"WithouFreSpacExt", "a Parallels image", _convert("parallels")),
    _Foreign(0, b"\x1f\x8b\x08", "compressed with gzip", "gunzip --keep FILE"),
    _Foreign(0, b"\xfd7zXZ\0", "compressed with xz", "unxz --keep FILE"),
    _Foreign(0, b"\x28\xb5\x2f\xfd", "compressed with zstd", "unzstd FILE"),
    _Foreign(0, b"BZh", "compressed with bzip2", "bunzip2 --keep FILE"),
    _Foreign(0, b"PK\x03\x04", "a ZIP archive", "unzip FILE"),
    _Foreign(0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x FILE"),
    _Foreign(257, b"ustar", "a tar archive or OVA", "tar -xf FILE, then the disk inside"),
    _Foreign(32769, b"CD001", "an ISO 9660 image", "install from it, then publish the disk"),
)

_BY_SUFFIX = {
    ".vhd": "vhd",
    ".avhd": "vhd",
    ".vhdx": "vhdx",
    ".avhdx": "vhdx",
    ".qcow2": "qcow2",
    ".vmdk": "vmdk",
    ".vdi": "vdi",
}


def detect(source: ByteSource) -> str:
    """`raw`, `vhd`, `vhdx` or `qcow2`, by content.

    Raises `Invalid`: `ImageEmpty`; `ImageFormatUnsupported` for formats, archives and compression
    that have no reader here, with the command that helps; `ImageFormatMismatch` where the name
    promises a format that the content is not.
    """
    if source.size_bytes == 0:
        raise Invalid(
            f"{source.name} holds 0 bytes",
            code="ImageEmpty",
            target=source.name,
            hint="a copy that failed leaves such a file: fetch the image again",
        )
    head = read_field(source, "the head", 0, min(_HEAD_BYTES, source.size_bytes))
    found = _format_of(source, head)
    if found == "raw":
        _refuse_foreign(source, head)
    _refuse_mismatch(source, found)
    return found


def open_disk(
    source: ByteSource,
    options: OpenOptions | None = None,
    *,
    expected_format: str | None = None,
) -> Disk:
    """Opens an image with the reader for its content, or for `expected_format`.

    The disk owns `source` from then on; after an error it is still the caller's. Raises `Invalid`
    for everything that makes the image unreadable.
    """
    options = options or OpenOptions()
    match expected_format or detect(source):
        case "vhd":
            from imgrepl.disks.vhd import open_vhd

            return open_vhd(source, options)
        case "vhdx":
            from imgrepl.disks.vhdx import open_vhdx

            return open_vhdx(source, options)
        case "qcow2":
            from imgrepl.disks.qcow2 import open_qcow2

            return open_qcow2(source, options)
        case "raw":
            from imgrepl.disks.raw import RawDisk

            return RawDisk(source)
        case other:
            raise Invalid(
                f"{source.name} is of format {other!r}; raw, vhd, vhdx and qcow2 can be read",
                code="ImageFormatUnsupported",
                target=source.name,
                hint=_convert(other),
            )


def _format_of(source: ByteSource, head: bytes) -> str:
    if head.startswith(b"QFI\xfb"):
        return "qcow2"
    if head.startswith(b"vhdxfile"):
        return "vhdx"
    tail_offset = max(source.size_bytes - SECTOR_BYTES, 0)
    tail = read_field(source, "the tail", tail_offset, source.size_bytes - tail_offset)
    # Virtual PC before 2004 wrote footers of 511 bytes: their cookie stands one byte later.
    if head.startswith(b"conectix") or tail[:9].find(b"conectix") >= 0:
        return "vhd"
    return "raw"


def _refuse_foreign(source: ByteSource, head: bytes) -> None:
    for foreign in _FOREIGN:
        if head.startswith(foreign.magic, foreign.offset):
            raise Invalid(
                f"{source.name} is {foreign.what}; raw, vhd, vhdx and qcow2 can be read",
                code="ImageFormatUnsupported",
                target=source.name,
                hint=foreign.hint.replace("FILE", source.name),
            )


def _refuse_mismatch(source: ByteSource, found: str) -> None:
    promised = _BY_SUFFIX.get(PurePath(source.name).suffix.lower())
    if promised is None or promised == found:
        return
    raise Invalid(
        f"{source.name} is named like a {promised} image, its content is {found}: "
        f"{_SIGNS.get(promised, 'it lacks the mark of that format')}",
        code="ImageFormatMismatch",
        target=source.name,
        hint="a damaged copy is fetched again; an image that is what it should be is renamed",
    )


_SIGNS = {
    "vhd": "no 'conectix' footer in the last 512 bytes and no copy of it at the start",
    "vhdx": "no 'vhdxfile' at the start",
    "qcow2": "no 'QFI\\xfb' at the start",
}
