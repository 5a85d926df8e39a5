"""Files as sources: what is opened, what is refused, what is noticed."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imgrepl.disks import source as source_module
from imgrepl.disks.source import FileSource, open_source
from imgrepl.errors import Conflict, Invalid, NotAllowed, NotFound

BLOCK = 4096


@contextmanager
def opened(path: Path) -> Iterator[FileSource]:
    source = open_source(path)
    try:
        yield source
    finally:
        source.close()


def read(source: FileSource, offset: int, length: int) -> bytes:
    buffer = bytearray(length)
    source.read_into(offset, memoryview(buffer))
    return bytes(buffer)


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """Data in blocks 2 and 8 of 16."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(16 * BLOCK)
        for block in (2, 8):
            file.seek(block * BLOCK)
            file.write(b"x" * BLOCK)
    return path


def test_a_file_is_read_at_any_offset(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)))
    with opened(path) as source:
        assert source.size_bytes == 256
        assert read(source, 17, 5) == bytes(range(17, 22))
        assert read(source, 256, 0) == b""


def test_reads_of_many_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"".join(bytes([n]) * BLOCK for n in range(64)))
    wrong: list[int] = []
    with opened(path) as source:

        def check(start: int) -> None:
            for n in [*range(start, 64), *range(start)] * 5:
                list(source.data_extents(n * BLOCK, BLOCK))
                if read(source, n * BLOCK, BLOCK) != bytes([n]) * BLOCK:
                    wrong.append(n)

        threads = [threading.Thread(target=check, args=(start,)) for start in (0, 20, 40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_short_reads_of_the_kernel_are_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    real = os.preadv
    with opened(path) as source, monkeypatch.context() as patch:
        patch.setattr(os, "preadv", lambda fd, buffers, offset: real(fd, [buffers[0][:3]], offset))
        assert read(source, 1, 8) == b"12345678"


def test_reading_past_the_end_is_a_truncated_image(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    with opened(path) as source, pytest.raises(Invalid) as caught:
        read(source, 90, 20)
    assert caught.value.code == "ImageTruncated"
    assert "100 bytes" in caught.value.message


def test_a_file_that_shrinks_has_changed_and_is_not_zeros(sparse: Path) -> None:
    with opened(sparse) as source:
        os.truncate(sparse, 4 * BLOCK)
        with pytest.raises(Conflict) as read_fault:
            read(source, 8 * BLOCK, BLOCK)
        with pytest.raises(Conflict) as extent_fault:
            list(source.data_extents(0, source.size_bytes))
    assert read_fault.value.code == extent_fault.value.code == "SourceChanged"


def test_an_input_output_error_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)

    def fail(*_arguments: object) -> int:
        raise OSError(5, "Input/output error")

    with opened(path) as source, monkeypatch.context() as patch:
        patch.setattr(os, "preadv", fail)
        with pytest.raises(Invalid, match="byte 40: Input/output error") as caught:
            read(source, 40, 10)
    assert caught.value.code == "SourceNotReadable"


def test_holes_are_left_out_and_ranges_cut(sparse: Path) -> None:
    with opened(sparse) as source:
        if len(list(source.data_extents(0, source.size_bytes))) < 2:
            pytest.skip("this file system does not tell holes")
        whole = list(source.data_extents(0, 1 << 40))
        assert whole == [(2 * BLOCK, BLOCK), (8 * BLOCK, BLOCK)]
        assert list(source.data_extents(2 * BLOCK + 10, 20)) == [(2 * BLOCK + 10, 20)]
        assert list(source.data_extents(3 * BLOCK, BLOCK)) == []
        assert list(source.data_extents(16 * BLOCK, BLOCK)) == []


@pytest.mark.parametrize("number", [22, 95, 38])
def test_a_file_system_that_tells_no_holes_makes_everything_data(
    sparse: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(_descriptor: int, _offset: int, _whence: int) -> int:
        raise OSError(number, "no")

    with opened(sparse) as source, monkeypatch.context() as patch:
        patch.setattr(os, "lseek", fail)
        assert list(source.data_extents(100, 5000)) == [(100, 5000)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("append", "size was 100, is 101"),
        ("rewrite", "modification time was"),
        ("replace", "inode was"),
        ("remove", "No such file"),
        ("touch", "modification time was"),
    ],
)
def test_a_change_is_noticed_and_told(tmp_path: Path, change: str, told: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    with opened(path) as source:
        source.check_unchanged()
        match change:
            case "append":
                path.write_bytes(b"x" * 101)
            case "rewrite":
                path.write_bytes(b"y" * 100)
                os.utime(path, ns=(1, 1))
            case "replace":
                other = tmp_path / "other"
                other.write_bytes(b"x" * 100)
                other.rename(path)
            case "remove":
                path.unlink()
            case "touch":
                os.utime(path, ns=(1, 1))
        with pytest.raises(Conflict, match=told) as caught:
            source.check_unchanged()
    assert caught.value.code == "SourceChanged"


def test_a_relative_path_is_still_checked_after_a_change_of_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    with opened(Path("file")) as source:
        monkeypatch.chdir("/")
        source.check_unchanged()


def test_what_is_no_image_is_refused_by_its_kind_and_nothing_hangs(tmp_path: Path) -> None:
    fifo, unix_socket = tmp_path / "fifo", tmp_path / "socket"
    os.mkfifo(fifo)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(unix_socket))
        kinds = {
            fifo: "a FIFO",
            tmp_path: "a directory",
            unix_socket: "a socket",
            Path("/dev/zero"): "a character device",
        }
        for path, kind in kinds.items():
            with pytest.raises(Invalid, match=kind) as caught:
                open_source(path)
            assert caught.value.code == "SourceNotReadable"


def test_a_file_that_turns_into_a_fifo_before_it_is_opened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    checked: list[object] = []
    real = source_module._refuse_kind

    def pass_first(found: os.stat_result, name: str) -> None:
        checked.append(found)
        if len(checked) > 1:
            real(found, name)

    monkeypatch.setattr(source_module, "_refuse_kind", pass_first)
    with pytest.raises(Invalid, match="a FIFO"):
        open_source(fifo)


def test_a_symbolic_link_is_followed_only_when_allowed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    link = tmp_path / "link"
    link.symlink_to("file")
    with opened(link) as source:
        assert source.size_bytes == 1
    with pytest.raises(Invalid, match="a symbolic link"):
        open_source(link, follow_symlink=False)


@pytest.mark.parametrize("name", ["missing", "file/below", "missing/below"])
def test_a_file_that_is_not_there_is_not_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(NotFound) as caught:
        open_source(tmp_path / name)
    assert caught.value.code == "SourceNotFound"


@pytest.mark.parametrize("name", ["nul\0name", "n" * 300])
def test_an_impossible_name_is_invalid(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        open_source(tmp_path / name)
    assert caught.value.code == "SourceNotReadable"


def test_missing_permission_is_not_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")

    def deny(*_arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(NotAllowed) as caught:
        open_source(path)
    assert caught.value.code == "SourceNotReadable"


def test_names_that_a_terminal_would_act_on_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"a\n\x1b[2J\xff.raw")
    path.write_bytes(b"x")
    with opened(path) as source:
        assert source.name.endswith("/a\\n\\x1b[2J\\udcff.raw")
        assert source.name.isprintable()
        source.check_unchanged()


def test_a_closed_source_reads_nothing_and_closes_twice(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    source = open_source(path)
    source.close()
    source.close()
    with pytest.raises(Invalid, match="descriptor"):
        read(source, 0, 1)


def test_two_names_of_one_file_are_one_identity(tmp_path: Path) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_bytes(b"x")
    other.hardlink_to(path)
    with opened(path) as left, opened(other) as right:
        assert left.identity == right.identity
