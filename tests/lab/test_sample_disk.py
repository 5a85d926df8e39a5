"""The sample disk is a disk of real files, the same each time, and changes a little."""

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from imgrepl import errors
from imgrepl.lab import ext4, gpt, sample_disk
from imgrepl.lab.real_files import FILE_BYTES_MAX, RealFile, real_files
from imgrepl.lab.sample_disk import make_sample, write_disk_of_files

MIB = 1 << 20
DISK_BYTES = 32 * MIB

needs_e2fsprogs = pytest.mark.skipif(
    not ext4.can_make_ext4(), reason="e2fsprogs is not installed (apt install e2fsprogs)"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two hundred files in three folders."""
    root = tmp_path / "root"
    for number in range(200):
        path = root / f"folder {number % 3}" / f"file-{number:03}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"{number}\n".encode() * (number * 40 + 1))
    return root


def all_files(root: Path) -> list[RealFile]:
    return real_files([root], bytes_max=MIB * 64, root_bytes_max=MIB * 64, root_files_max=1000)


def disk_of(root: Path, path: Path, generation: int = 1) -> bytes:
    write_disk_of_files(path, all_files(root), size_bytes=DISK_BYTES, generation=generation)
    return path.read_bytes()


def from_file_system(disk: Path, name: str) -> bytes:
    command = [
        "debugfs",
        "-R",
        f'cat "/{name}"',
        f"{disk}?offset={gpt.PARTITION_OFFSET}",
    ]
    return subprocess.run(
        command, capture_output=True, check=True, env={"PATH": "/usr/sbin:/sbin:/usr/bin"}
    ).stdout


@needs_e2fsprogs
def test_every_file_is_in_the_file_system_with_its_bytes(root: Path, tmp_path: Path) -> None:
    disk_of(root, tmp_path / "disk.raw")
    for file in all_files(root)[::20]:
        assert from_file_system(tmp_path / "disk.raw", file.name) == file.path.read_bytes()


@needs_e2fsprogs
def test_the_file_system_is_sound(root: Path, tmp_path: Path) -> None:
    disk_of(root, tmp_path / "disk.raw", generation=3)
    ext4.run_e2fs_tool("e2fsck", "-fn", f"{tmp_path / 'disk.raw'}?offset={gpt.PARTITION_OFFSET}")


def test_the_same_files_give_the_same_bytes(root: Path, tmp_path: Path) -> None:
    first = disk_of(root, tmp_path / "one.raw")
    for path in root.rglob("*"):
        path.touch()
    assert disk_of(root, tmp_path / "two.raw") == first


def test_a_later_generation_changes_3_files_of_100_and_keeps_the_others(root: Path) -> None:
    files = all_files(root)
    changed = [file for file in files if file.content(2) != file.content(1)]
    assert changed == [file for file in files if file.changes_in(2)]
    assert 1 <= len(changed) <= len(files) // 8  # 3 of 100 on average; names decide which
    assert all(b"changed in generation 2" in file.content(2) for file in changed)
    again = [file for file in files if file.content(3) != file.content(2)]
    assert again
    assert again != changed


def test_generations_are_different_disks(root: Path, tmp_path: Path) -> None:
    assert disk_of(root, tmp_path / "1.raw") != disk_of(root, tmp_path / "2.raw", generation=2)


def test_files_that_cannot_serve_are_left_out(root: Path) -> None:
    (root / "empty").touch()
    (root / "link").symlink_to(root / "folder 0" / "file-000")
    (root / 'quo"te').write_bytes(b"x")
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "x.pyc").write_bytes(b"x")
    with (root / "huge").open("wb") as huge:
        huge.truncate(FILE_BYTES_MAX + 1)
    assert len(all_files(root)) == 200


def test_limits_on_bytes_and_files_hold(root: Path) -> None:
    few = real_files([root], bytes_max=50_000, root_bytes_max=MIB, root_files_max=1000)
    assert 0 < sum(file.length for file in few) <= 50_000
    by_root = real_files([root], bytes_max=MIB, root_bytes_max=20_000, root_files_max=1000)
    assert 0 < sum(file.length for file in by_root) <= 20_000
    assert len(real_files([root], bytes_max=MIB, root_bytes_max=MIB, root_files_max=7)) == 7


def test_without_e2fsprogs_the_files_lie_at_blocks_of_the_partition(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_disk, "can_make_ext4", lambda: False)
    disk = disk_of(root, tmp_path / "disk.raw")
    offset = gpt.PARTITION_OFFSET
    for file in all_files(root):
        name, length = disk[offset : offset + 4096].rstrip(b"\0").decode().splitlines()
        assert (name, int(length)) == (file.name, file.length)
        assert disk[offset + 4096 : offset + 4096 + file.length] == file.path.read_bytes()
        offset += 4096 + -(-file.length // 4096) * 4096


def test_files_that_do_not_fit_are_refused_and_leave_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_disk, "can_make_ext4", lambda: False)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(errors.Invalid, match=str(3 * MIB)):
        write_disk_of_files(out / "disk", all_files(root), size_bytes=3 * MIB)
    assert list(out.iterdir()) == []


@needs_e2fsprogs
def test_a_failing_tool_is_told_and_leaves_nothing(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(errors.Unavailable) as raised:
        write_disk_of_files(out / "disk", all_files(root), size_bytes=3 * MIB)
    assert raised.value.code == "SampleToolFailed"
    assert list(out.iterdir()) == []


@needs_e2fsprogs
def test_a_failing_debugfs_command_is_told_although_its_status_is_0(
    root: Path, tmp_path: Path
) -> None:
    disk_of(root, tmp_path / "disk.raw")
    with pytest.raises(errors.Unavailable, match="rm: File not found"):
        ext4.debugfs(tmp_path / "disk.raw", gpt.PARTITION_OFFSET, 'rm "/no-such-file"\n')


def test_the_partition_table_is_whole_at_both_ends(tmp_path: Path, root: Path) -> None:
    disk = disk_of(root, tmp_path / "disk.raw")
    assert disk[510:512] == b"\x55\xaa"
    for header in (disk[512:1024], disk[-512:]):
        assert header[:8] == b"EFI PART"
        (own_crc,) = struct.unpack("<I", header[16:20])
        assert zlib.crc32(header[:16] + bytes(4) + header[20:92]) == own_crc
        entries_sector, _, _, entries_crc = struct.unpack("<QIII", header[72:92])
        entries = disk[entries_sector * 512 : entries_sector * 512 + 128 * 128]
        assert zlib.crc32(entries) == entries_crc
    first, last = struct.unpack("<QQ", disk[1024 + 32 : 1024 + 48])
    assert (first * 512, (last + 1) * 512) == (MIB, DISK_BYTES - MIB)


@pytest.mark.skipif(shutil.which("sfdisk") is None, reason="sfdisk is not installed")
def test_sfdisk_accepts_the_partition_table(tmp_path: Path, root: Path) -> None:
    disk_of(root, tmp_path / "disk.raw")
    verdict = subprocess.check_output(["sfdisk", "-V", tmp_path / "disk.raw"], text=True)
    assert "No errors detected" in verdict


def test_a_sample_is_a_fixed_vhd_of_1_gib_under_its_generation(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_disk, "_sample_files", lambda: all_files(root))
    path = make_sample(tmp_path / "new" / "folder", 2)
    assert path == tmp_path / "new" / "folder" / "sample-v2.vhd"
    assert path.stat().st_size == (1 << 30) + 512
    assert [entry.name for entry in path.parent.iterdir()] == ["sample-v2.vhd"]
    with path.open("rb") as file:
        file.seek(-512, 2)
        assert file.read(8) == b"conectix"
    with pytest.raises(errors.Conflict):
        make_sample(path.parent, 2)


def test_a_machine_without_files_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_disk, "real_files", lambda *_, **__: [])
    with pytest.raises(errors.NotFound) as raised:
        make_sample(tmp_path, 1)
    assert raised.value.code == "SampleFilesNotFound"
    assert list(tmp_path.iterdir()) == []
