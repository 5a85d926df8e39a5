"""The directory store keeps the contract, and what only a file system can break."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imgrepl.errors import Invalid, NotAllowed, NotFound, Unavailable
from imgrepl.store.directory import DirectoryStore
from imgrepl.store.directory_files import PARTS_NAME
from imgrepl.store.memory import MemoryStore
from imgrepl.store.protocols import Store
from imgrepl.testing.store_suite import StoreSuite


class TestDirectoryStore(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        (tmp_path / "one").mkdir()
        return DirectoryStore(tmp_path / "one")

    @pytest.fixture
    def neighbour(self, tmp_path: Path) -> Store:
        return DirectoryStore(tmp_path / "two")

    def peek(self, store: Store, key: str) -> bytes:
        assert isinstance(store, DirectoryStore)
        return (store._root / key).read_bytes()

    def plant(self, store: Store, key: str, content: bytes) -> None:
        assert isinstance(store, DirectoryStore)
        (store._root / key).parent.mkdir(parents=True, exist_ok=True)
        (store._root / key).write_bytes(content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "place"


@pytest.fixture
def place(root: Path) -> DirectoryStore:
    return DirectoryStore(root)


def test_a_root_that_is_not_there_never_looks_like_an_empty_place(place: DirectoryStore) -> None:
    for read in (lambda: list(place.list("")), lambda: place.get("k"), lambda: place.delete(["k"])):
        with pytest.raises(NotFound) as caught:
            read()
        assert caught.value.code == "BucketMissing"


def test_a_link_inside_the_root_is_not_followed(place: DirectoryStore, tmp_path: Path) -> None:
    place.put("k", b"x")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (tmp_path / "place" / "link").symlink_to(outside)
    (tmp_path / "place" / "file-link").symlink_to(outside / "secret")
    for act in (
        lambda: place.get("link/secret"),
        lambda: place.get("file-link"),
        lambda: place.put("link/new", b"x"),
        lambda: place.put("link/new", b"x", if_absent=True),
        lambda: place.copy_from(place, "k", "link/new"),
    ):
        with pytest.raises(Invalid):
            act()
    assert [failure.key for failure in place.delete(["link/secret"])] == ["link/secret"]
    assert [info.key for info in place.list("")] == ["k"]
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]


def test_a_put_over_a_link_replaces_the_link_and_not_its_target(
    place: DirectoryStore, tmp_path: Path
) -> None:
    place.put("k", b"x")
    (tmp_path / "target").write_bytes(b"target")
    (tmp_path / "place" / "link").symlink_to(tmp_path / "target")
    place.put("link", b"new")
    assert (tmp_path / "target").read_bytes() == b"target"
    assert place.get("link") == b"new"


def test_a_pipe_is_refused_and_does_not_hang_the_reader(place: DirectoryStore, root: Path) -> None:
    place.put("k", b"x")
    os.mkfifo(root / "pipe")
    with pytest.raises(Invalid):
        place.get("pipe")


def test_a_put_that_fails_leaves_nothing_behind(place: DirectoryStore, root: Path) -> None:
    place.put("k", b"x")
    with pytest.raises(Invalid):
        place.put("k/below", b"y")
    assert list((root / PARTS_NAME).iterdir()) == []


def test_the_part_of_a_writer_that_died_is_removed_and_that_of_a_living_one_is_not(
    place: DirectoryStore, root: Path
) -> None:
    program = (
        "import os, sys; from pathlib import Path; "
        "from imgrepl.store.directory_files import new_part, opened_root\n"
        "with opened_root(Path(sys.argv[1])) as root, new_part(root) as part:\n"
        "    os.write(part.descriptor, b'half'); print('ready', flush=True); sys.stdin.read()\n"
    )
    root.mkdir()
    command = [sys.executable, "-c", program, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        place.put("k", b"x")
        assert len(list((root / PARTS_NAME).iterdir())) == 1
        writer.kill()
    DirectoryStore(root).put("l", b"x")
    assert list((root / PARTS_NAME).iterdir()) == []
    assert [info.key for info in place.list("")] == ["k", "l"]


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (errno.ENOSPC, Unavailable, "PlaceFull"),
        (errno.EDQUOT, Unavailable, "PlaceFull"),
        (errno.EROFS, NotAllowed, "AccessDenied"),
    ],
)
def test_a_write_that_the_file_system_refuses_is_named(
    place: DirectoryStore,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[Exception],
    code: str,
) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    place.put("k", b"before")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(kind) as caught:
        place.put("k", b"after")
    assert getattr(caught.value, "code", "") == code
    assert place.get("k") == b"before"
    assert list((root / PARTS_NAME).iterdir()) == []


def test_a_full_disk_is_told_apart() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    from imgrepl.store.directory_files import translated

    with pytest.raises(OSError) as caught, full.open("wb", buffering=0) as device:
        device.write(b"x")
    assert translated(caught.value, "PUT k", full).code == "PlaceFull"


def test_a_copy_falls_back_to_plain_copying_where_the_kernel_has_no_range_copy(
    place: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> int:
        raise OSError(errno.EXDEV, "cross-device")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    body = bytes(range(256)) * 5000
    place.put("k", body)
    place.copy_from(place, "k", "copy")
    assert place.get("copy") == body


def test_a_copy_that_ends_early_is_not_given_a_name(
    place: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "copy_file_range", lambda *_: 0)
    place.put("k", b"content")
    with pytest.raises(Exception, match="COPY copy"):
        place.copy_from(place, "k", "copy")
    with pytest.raises(NotFound):
        place.head("copy")


def test_a_copy_is_no_hard_link(place: DirectoryStore, root: Path) -> None:
    place.put("k", b"content")
    place.copy_from(place, "k", "copy")
    assert (root / "k").stat().st_ino != (root / "copy").stat().st_ino


def test_large_objects_have_etags_that_change(place: DirectoryStore) -> None:
    first = place.put("k", b"a" * 100_000)
    assert place.head("k").etag == first.etag
    assert place.put("k", b"b" * 100_000).etag != first.etag


def test_a_directory_and_a_memory_store_do_not_copy(place: DirectoryStore) -> None:
    assert not place.can_copy_from(MemoryStore())


def test_files_that_are_no_objects_are_left_out_of_a_listing(
    place: DirectoryStore, root: Path
) -> None:
    place.put("a/k", b"x")
    for name in ("caf\xe9", "new\nline", "\x1b[2J", "a/\u212a", "bad\udcff", "x" * 255):
        (root / name).write_bytes(b"planted")
    (root / "\xe9").mkdir()
    (root / "\xe9" / "k").write_bytes(b"planted")
    assert [info.key for info in place.list("")] == ["a/k", "x" * 255]


def test_directories_that_are_endlessly_deep_do_not_end_a_listing(
    place: DirectoryStore, root: Path
) -> None:
    place.put("k", b"x")
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(os.open("k", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    try:
        assert [info.key for info in place.list("")] == ["k"]
    finally:
        subprocess.run(["rm", "-rf", str(root)], check=True)


def test_a_key_has_a_bounded_number_of_segments(place: DirectoryStore) -> None:
    place.put("/".join(["s"] * 32), b"x")
    with pytest.raises(Invalid, match="segments"):
        place.put("/".join(["s"] * 33), b"x")
