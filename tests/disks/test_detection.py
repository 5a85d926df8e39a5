"""Formats are told by content; a name only counts against an image."""

import gzip
import lzma
from pathlib import Path

import pytest

from disks.memory import BytesSource, read_all
from disks.vhd_builder import Vhd, fixed_vhd
from imgrepl.disks.detect import detect, open_disk
from imgrepl.disks.source import open_source
from imgrepl.errors import Invalid


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xeb\x63" + bytes(4094), "raw"),
        (b"x", "raw"),
        (bytes(1 << 20), "raw"),
        (fixed_vhd(bytes(4096)), "vhd"),
        (Vhd(size=4096).build(), "vhd"),
        (Vhd(size=4096).build()[:-512], "vhd"),
        (b"vhdxfile" + bytes(70000), "vhdx"),
        (b"QFI\xfb" + bytes(600), "qcow2"),
    ],
)
def test_content_tells_the_format_whatever_the_name(content: bytes, expected: str) -> None:
    assert detect(BytesSource(content, "image.img")) == expected


@pytest.mark.parametrize("suffix", ["vhd", "vhdx", "qcow2", "VHD", "avhdx", "vmdk", "vdi"])
def test_raw_content_under_the_name_of_a_format_is_refused(suffix: str) -> None:
    with pytest.raises(Invalid) as caught:
        detect(BytesSource(b"\xeb\x63" + bytes(4094), f"/images/disk.{suffix}"))
    assert caught.value.code == "ImageFormatMismatch"
    assert caught.value.hint


def test_a_vhd_named_qcow2_is_refused() -> None:
    with pytest.raises(Invalid, match="its content is vhd"):
        detect(BytesSource(fixed_vhd(bytes(4096)), "disk.qcow2"))


@pytest.mark.parametrize(
    ("content", "what", "command"),
    [
        (b"KDMV" + bytes(600), "VMDK", "qemu-img convert -f vmdk -O qcow2 disk.bin"),
        (b"# Disk DescriptorFile\n", "VMDK", "qemu-img convert"),
        (b"COWD" + bytes(600), "VMDK", "qemu-img convert"),
        (bytes(64) + b"\x7f\x10\xda\xbe" + bytes(600), "VDI", "qemu-img convert -f vdi"),
        (gzip.compress(b"x" * 1000, mtime=0), "gzip", "gunzip --keep disk.bin"),
        (lzma.compress(b"x" * 1000), "xz", "unxz --keep disk.bin"),
        (b"\x28\xb5\x2f\xfd" + bytes(600), "zstd", "unzstd disk.bin"),
        (b"PK\x03\x04" + bytes(600), "ZIP", "unzip disk.bin"),
        (bytes(257) + b"ustar" + bytes(600), "OVA", "tar -xf disk.bin"),
        (bytes(32769) + b"CD001" + bytes(600), "ISO 9660", "install from it"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_command_that_helps(
    content: bytes, what: str, command: str
) -> None:
    with pytest.raises(Invalid) as caught:
        detect(BytesSource(content, "disk.bin"))
    assert caught.value.code == "ImageFormatUnsupported"
    assert what in caught.value.message
    assert command in (caught.value.hint or "")


def test_an_empty_file_is_refused_as_such() -> None:
    with pytest.raises(Invalid) as caught:
        detect(BytesSource(b"", "disk.vhd"))
    assert caught.value.code == "ImageEmpty"


def test_a_format_that_a_chain_states_is_taken_without_a_look() -> None:
    disk = open_disk(BytesSource(b"QFI\xfb" + bytes(508), "base"), expected_format="raw")
    assert disk.format == "raw"
    assert read_all(disk).startswith(b"QFI\xfb")


def test_a_format_that_nobody_reads_is_refused() -> None:
    with pytest.raises(Invalid, match="'luks'") as caught:
        open_disk(BytesSource(bytes(512), "base"), expected_format="luks")
    assert caught.value.code == "ImageFormatUnsupported"


def test_a_raw_image_whose_last_sector_is_cut_is_padded_with_a_warning() -> None:
    disk = open_disk(BytesSource(b"x" * 1000, "disk.raw"))
    assert disk.size_bytes == 1024
    assert read_all(disk) == b"x" * 1000 + bytes(24)
    assert list(disk.data_extents(0, 1024)) == [(0, 1000)]
    assert [problem.rule for problem in disk.problems] == ["RawSizeUnaligned"]


def test_a_sparse_raw_image_has_the_files_extents(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.truncate(1 << 20)
        file.seek(8192)
        file.write(b"x" * 4096)
    disk = open_disk(open_source(path))
    assert list(disk.data_extents(0, 1 << 20)) == [(8192, 4096)]
    assert read_all(disk) == (bytes(8192) + b"x" * 4096).ljust(1 << 20, b"\0")
    assert disk.problems == ()
    disk.close()
