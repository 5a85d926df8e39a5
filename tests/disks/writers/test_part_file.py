"""Nothing but a whole, durable file ever has the target's name, whatever goes wrong."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from disks.writers.opening import opened
from imgrepl import errors
from imgrepl.disks.writers import part_file
from imgrepl.disks.writers.part_file import part_path
from imgrepl.disks.writers.writer import FORMATS

MIB, GIB = 1 << 20, 1 << 30
NOBODY = 65_534

every_format = pytest.mark.parametrize("image_format", FORMATS)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "disk.img"


@every_format
def test_the_name_appears_with_the_last_step_and_the_part_file_goes(
    image_format: str, target: Path
) -> None:
    writer = opened(target, image_format)
    writer.write(0, b"x" * 4096)
    assert list(target.parent.iterdir()) == [target.with_name(".disk.img.imgrepl-part")]
    writer.finish()
    assert list(target.parent.iterdir()) == [target]


@every_format
def test_abort_leaves_nothing(image_format: str, target: Path) -> None:
    writer = opened(target, image_format)
    writer.write(4096, b"x" * 4096)
    writer.abort()
    writer.abort()
    assert list(target.parent.iterdir()) == []


def test_abort_after_finish_keeps_the_file(target: Path) -> None:
    writer = opened(target)
    writer.finish()
    writer.abort()
    assert target.stat().st_size == 8192


def test_an_existing_file_is_refused_before_anything_is_made(target: Path) -> None:
    target.write_bytes(b"precious")
    with pytest.raises(errors.Conflict, match="exists already") as refused:
        opened(target)
    assert refused.value.code == "TargetExists"
    assert list(target.parent.iterdir()) == [target]


def test_a_file_that_came_meanwhile_is_not_replaced(target: Path) -> None:
    writer = opened(target)
    target.write_bytes(b"precious")
    with pytest.raises(errors.Conflict) as refused:
        writer.finish()
    writer.abort()
    assert refused.value.code == "TargetExists"
    assert target.read_bytes() == b"precious"
    assert list(target.parent.iterdir()) == [target]


def test_overwriting_keeps_the_old_file_until_the_last_step(target: Path) -> None:
    target.write_bytes(b"old")
    writer = opened(target, overwrite=True)
    writer.write(0, b"x" * 8192)
    assert target.read_bytes() == b"old"
    writer.finish()
    assert target.read_bytes() == b"x" * 8192


def test_a_folder_or_device_is_never_replaced(target: Path) -> None:
    target.mkdir()
    for path in (target, Path("/dev/null")):
        with pytest.raises(errors.Conflict) as refused:
            opened(path, overwrite=True)
        assert refused.value.code == "TargetNotAFile"


def test_a_second_writer_of_the_same_target_is_refused(target: Path) -> None:
    first = opened(target)
    with pytest.raises(errors.Conflict) as refused:
        opened(target)
    assert refused.value.code == "TargetInUse"
    first.finish()
    assert target.exists()


def test_the_part_file_of_a_killed_process_is_replaced(target: Path) -> None:
    program = (
        "import os, signal, pathlib, sys\n"
        "from disks.writers.opening import opened\n"
        "opened(pathlib.Path(sys.argv[1])).write(0, b'old' + bytes(4093))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    tests = str(Path(__file__).parents[2])
    died = subprocess.run(
        [sys.executable, "-c", program, target],
        env={**os.environ, "PYTHONPATH": tests},
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    assert part_path(target).exists()
    assert not target.exists()
    opened(target).finish()
    assert target.read_bytes() == bytes(8192)
    assert list(target.parent.iterdir()) == [target]


def test_a_crash_between_naming_and_tidying_does_not_cost_the_finished_file(target: Path) -> None:
    target.write_bytes(b"finished")
    os.link(target, part_path(target))
    opened(target, overwrite=True).abort()
    assert target.read_bytes() == b"finished"
    assert list(target.parent.iterdir()) == [target]


def test_a_file_system_without_links_still_gets_its_file(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    opened(target).finish()
    assert list(target.parent.iterdir()) == [target]
    with pytest.raises(errors.Conflict):
        opened(target)


def test_the_order_is_data_durable_then_named_then_folder_durable(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, link = os.fsync, os.link

    def seen_fsync(fd: int) -> None:
        steps.append(f"fsync {Path(f'/proc/self/fd/{fd}').readlink().name}")
        fsync(fd)

    def seen_link(source: Path, name: Path) -> None:
        steps.append("link")
        link(source, name)

    writer = opened(target)
    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(os, "link", seen_link)
    writer.write(0, b"x" * 4096)
    assert steps == []
    writer.finish()
    assert steps == ["fsync .disk.img.imgrepl-part", "link", f"fsync {target.parent.name}"]


def test_a_short_write_is_carried_on(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(
        os, "pwrite", lambda fd, data, offset: pwrite(fd, memoryview(data)[:1000], offset)
    )
    data = bytes(range(256)) * 32
    writer = opened(target)
    writer.write(0, data)
    writer.finish()
    assert target.read_bytes() == data


@pytest.mark.parametrize(
    ("number", "error", "code"),
    [
        (errno.ENOSPC, errors.Unavailable, "LocalDiskFull"),
        (errno.EDQUOT, errors.Unavailable, "LocalDiskFull"),
        (errno.EIO, errors.Unavailable, "LocalDiskFailed"),
        (errno.EFBIG, errors.Invalid, "LocalFileTooLarge"),
        (errno.EROFS, errors.NotAllowed, "LocalPathNotWritable"),
    ],
)
@pytest.mark.parametrize("step", ["pwrite", "fsync", "link"])
def test_a_fault_in_any_step_leaves_nothing_and_says_what_it_was(
    step: str,
    number: int,
    error: type[errors.ImgreplError],
    code: str,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def faulty(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    writer = opened(target, "vhd")
    monkeypatch.setattr(os, step, faulty)
    with pytest.raises(error) as raised:
        writer.finish()
    assert list(target.parent.iterdir()) == []
    writer.abort()
    assert (raised.value.code, raised.value.target) == (code, str(target))
    assert str(target) in raised.value.message
    assert isinstance(raised.value.__cause__, OSError)


@contextmanager
def as_one_who_may_not_write() -> Iterator[Path]:
    """A folder that this process may read only: root, who may write everywhere, is nobody then."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        if os.geteuid() != 0:
            yield Path(folder)
            return
        os.seteuid(NOBODY)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


def test_a_folder_without_permission_is_named(target: Path) -> None:
    opened(target).abort()  # all that is imported on the way is there now, whoever may read it
    with as_one_who_may_not_write() as folder, pytest.raises(errors.NotAllowed) as raised:
        opened(folder / "disk.img")
    assert str(folder) in raised.value.message


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound, match="nowhere does not exist") as raised:
        opened(tmp_path / "nowhere" / "disk.img")
    assert raised.value.code == "TargetFolderNotFound"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "imgrepl-test", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a small tmpfs")
    yield folder
    subprocess.run(["umount", folder], check=True)


@every_format
def test_a_full_disk_is_told_with_the_bytes_it_takes_and_left_as_it_was(
    image_format: str, small_disk: Path
) -> None:
    target = small_disk / "disk.img"
    free_before = os.statvfs(small_disk).f_bavail
    writer = opened(target, image_format, 4 * MIB)
    with pytest.raises(errors.Unavailable) as raised:
        writer.write(0, b"x" * 4 * MIB)
    assert list(small_disk.iterdir()) == []
    writer.abort()
    assert raised.value.code == "LocalDiskFull"
    assert str(target) in raised.value.message
    needed = [int(word) for word in raised.value.message.split() if word.isdigit()]
    assert [4 * MIB <= bytes_ <= 9 * MIB for bytes_ in needed] == [True]
    assert str(needed[0]) in (raised.value.hint or "")
    assert os.statvfs(small_disk).f_bavail == free_before


def test_a_limit_on_file_sizes_is_told(target: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard))
    try:
        with pytest.raises(errors.Invalid) as raised:
            opened(target, "raw", 4 * MIB)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert raised.value.code == "LocalFileTooLarge"
    assert list(target.parent.iterdir()) == []


@every_format
@pytest.mark.parametrize("size_bytes", [0, -512, 513, 4095])
def test_a_size_that_is_no_number_of_sectors_is_refused(
    image_format: str, size_bytes: int, target: Path
) -> None:
    with pytest.raises(errors.Invalid, match=str(size_bytes)):
        opened(target, image_format, size_bytes)
    assert list(target.parent.iterdir()) == []


def test_a_dynamic_vhd_ends_at_2040_gib(target: Path) -> None:
    opened(target, "vhd-dynamic", 2040 * GIB).abort()
    with pytest.raises(errors.Invalid, match=str(2040 * GIB)) as raised:
        opened(target, "vhd-dynamic", 2040 * GIB + 512)
    assert raised.value.code == "DiskSizeInvalid"


def test_an_unknown_format_is_refused_with_those_that_exist(target: Path) -> None:
    with pytest.raises(errors.Invalid, match="vmdk") as raised:
        opened(target, "vmdk")
    assert raised.value.hint is not None
    assert all(name in raised.value.hint for name in FORMATS)


def test_part_names_are_hidden_and_lie_beside_their_target() -> None:
    assert part_file.part_path(Path("/a/b.vhd")) == Path("/a/.b.vhd.imgrepl-part")
