"""Parents are found by plain name or by the caller's word, and by nothing else."""

import os
from pathlib import Path

import pytest

from disks.memory import BytesSource, read_all
from disks.vhd_builder import DIFFERENCING, Vhd, patched_header
from imgrepl.disks.detect import open_disk
from imgrepl.disks.options import CHAIN_LENGTH_MAX, OpenOptions
from imgrepl.disks.parents import open_parent
from imgrepl.disks.source import open_source
from imgrepl.errors import Conflict, Invalid, NotFound

FULL = (b"\xff", b"x" * 4096)


def identity(name: str) -> bytes:
    return name.encode().ljust(16, b"\0")


def relative(path: str) -> tuple[bytes, bytes]:
    return (b"W2ru", path.encode("utf-16-le"))


def absolute(path: str) -> tuple[bytes, bytes]:
    return (b"W2ku", path.encode("utf-16-le"))


def write_parent(path: Path) -> Path:
    path.write_bytes(Vhd(size=8192, identity=identity("parent"), blocks={0: FULL}).build())
    return path


def child_of_parent(*locators: tuple[bytes, bytes], parent_name: str = "") -> bytes:
    return Vhd(
        size=8192,
        kind=DIFFERENCING,
        identity=identity("child"),
        parent_identity=identity("parent"),
        parent_name=parent_name,
        locators=list(locators),
    ).build()


def content(path: Path, *parents: Path) -> bytes:
    disk = open_disk(open_source(path), OpenOptions(parents=parents))
    try:
        for source in disk.sources:
            source.check_unchanged()
        return read_all(disk)
    finally:
        disk.close()


def refusal(path: Path, *parents: Path) -> Invalid:
    source = open_source(path)
    try:
        with pytest.raises(Invalid) as caught:
            open_disk(source, OpenOptions(parents=parents))
    finally:
        source.close()
    return caught.value


@pytest.mark.parametrize(
    "image",
    [
        child_of_parent(relative(".\\parent.vhd")),
        child_of_parent(relative("parent.vhd\0")),
        child_of_parent(relative("./parent.vhd")),
        child_of_parent(absolute("C:\\images\\parent.vhd")),
        child_of_parent(absolute("\\\\server\\share\\parent.vhd")),
        child_of_parent(parent_name="parent.vhd"),
        child_of_parent(parent_name="D:\\vm\\parent.vhd"),
        child_of_parent(relative("moved.vhd"), absolute("C:\\parent.vhd")),
    ],
)
def test_a_parent_beside_its_child_is_found(tmp_path: Path, image: bytes) -> None:
    write_parent(tmp_path / "parent.vhd")
    child = tmp_path / "child.vhd"
    child.write_bytes(image)
    assert content(child) == b"x" * 4096 + bytes(4096)


@pytest.mark.parametrize(
    "path",
    [
        "..\\parent.vhd",
        "../parent.vhd",
        "sub\\parent.vhd",
        "sub/parent.vhd",
        "/parent.vhd",
        "C:parent.vhd",
        "..",
        ".\\..\\parent.vhd",
        "\\\\?\\C:\\parent.vhd",
        "\\\\.\\PhysicalDrive0",
        "file:///parent.vhd",
    ],
)
def test_a_relative_path_that_leads_elsewhere_is_refused_even_where_the_name_exists(
    tmp_path: Path, path: str
) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for place in (tmp_path, folder, folder / "sub"):
        write_parent(place / "parent.vhd")
    child = folder / "child.vhd"
    child.write_bytes(child_of_parent(relative(path)))
    found = refusal(child)
    assert found.code == "ParentOutsideDirectory"
    assert "--parent FILE" in (found.hint or "")
    assert content(child, tmp_path / "parent.vhd") == b"x" * 4096 + bytes(4096)


@pytest.mark.parametrize("name", ["par\0ent.vhd", "p\n.vhd", "n" * 256, "\x1b[2J"])
def test_a_name_that_no_file_has_is_damage(tmp_path: Path, name: str) -> None:
    child = tmp_path / "child.vhd"
    child.write_bytes(child_of_parent(relative(name)))
    found = refusal(child)
    assert found.code == "ImageDamaged"
    assert found.message.isprintable()


def test_a_parent_that_is_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    write_parent(tmp_path / "real.vhd")
    (tmp_path / "parent.vhd").symlink_to("real.vhd")
    child = tmp_path / "child.vhd"
    child.write_bytes(child_of_parent(relative("parent.vhd")))
    assert "symbolic link" in refusal(child).message


def test_a_parent_that_is_a_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "parent.vhd")
    child = tmp_path / "child.vhd"
    child.write_bytes(child_of_parent(relative("parent.vhd")))
    assert "a FIFO" in refusal(child).message


def test_a_parent_with_another_identifier_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "parent.vhd").write_bytes(Vhd(size=8192, identity=identity("other")).build())
    child = tmp_path / "child.vhd"
    child.write_bytes(child_of_parent(relative("parent.vhd")))
    found = refusal(child)
    assert found.code == "ParentMismatch"
    assert str(tmp_path / "parent.vhd") in found.message


@pytest.mark.parametrize("junk", [b"", b"no VHD at all", b"QFI\xfb" + bytes(600)])
def test_a_parent_that_is_no_vhd_is_a_mismatch(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "parent.vhd").write_bytes(junk)
    child = tmp_path / "child.vhd"
    child.write_bytes(child_of_parent(relative("parent.vhd")))
    assert refusal(child).code == "ParentMismatch"


def test_a_missing_parent_is_told_by_name_with_the_way_out(tmp_path: Path) -> None:
    child = tmp_path / "child.vhd"
    child.write_bytes(child_of_parent(relative("gone.vhd")))
    found = refusal(child)
    assert found.code == "ParentNotFound"
    assert "'gone.vhd'" in found.message
    assert "--parent FILE" in (found.hint or "")


def test_a_parent_that_the_caller_named_but_that_is_missing_is_not_found(tmp_path: Path) -> None:
    child = tmp_path / "child.vhd"
    child.write_bytes(child_of_parent(relative("parent.vhd")))
    source = open_source(child)
    with pytest.raises(NotFound):
        open_disk(source, OpenOptions(parents=(tmp_path / "gone.vhd",)))
    source.close()


def test_named_parents_are_matched_by_identifier_in_any_order(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    parent = write_parent(folder / "renamed.vhd")
    middle = folder / "middle.vhd"
    middle.write_bytes(child_of_parent(relative("..\\unknown.vhd")))
    child = tmp_path / "child.vhd"
    child.write_bytes(
        Vhd(
            size=8192,
            kind=DIFFERENCING,
            identity=identity("grandchild"),
            parent_identity=identity("child"),
        ).build()
    )
    expected = b"x" * 4096 + bytes(4096)
    assert content(child, parent, middle) == content(child, middle, parent) == expected


def write_chain(folder: Path, length: int) -> Path:
    """`length` files; the last one is a dynamic VHD."""
    for number in range(length):
        last = number == length - 1
        (folder / f"{number}.vhd").write_bytes(
            Vhd(
                size=8192,
                kind=3 if last else DIFFERENCING,
                identity=identity(str(number)),
                parent_identity=bytes(16) if last else identity(str(number + 1)),
                locators=[] if last else [relative(f"{number + 1}.vhd")],
                blocks={0: FULL} if last else {},
            ).build()
        )
    return folder / "0.vhd"


def test_the_longest_chain_is_read_and_a_longer_one_refused(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    assert content(write_chain(good, CHAIN_LENGTH_MAX)) == b"x" * 4096 + bytes(4096)
    found = refusal(write_chain(bad, CHAIN_LENGTH_MAX + 1))
    assert found.code == "ParentChainTooLong"
    assert "64" in found.message


def test_a_chain_that_bites_its_tail_is_refused_also_through_a_hard_link(tmp_path: Path) -> None:
    child = tmp_path / "child.vhd"
    image = child_of_parent(relative("link.vhd"))
    child.write_bytes(patched_header(image, 40, identity("child")))
    (tmp_path / "link.vhd").hardlink_to(child)
    assert refusal(child).code == "ParentCycle"


def test_a_chain_without_identifiers_takes_the_named_parents_one_after_the_other() -> None:
    first, second, third = (BytesSource(bytes(512), name) for name in ("a", "b", "c"))
    options = OpenOptions(parents=(second, third))

    def parent_of(child: BytesSource, options: OpenOptions) -> str:
        matches = {"matches": lambda _candidate: True}
        disk = open_parent(child, [], options, **matches, wanted="it", expected_format="raw")
        return disk.sources[0].name

    assert parent_of(first, options) == "b"
    assert parent_of(second, options.below(first)) == "c"
    with pytest.raises(Invalid) as caught:
        parent_of(third, options.below(first).below(second))
    assert caught.value.code == "ParentNotFound"


def test_a_parent_that_changes_is_noticed(tmp_path: Path) -> None:
    parent = write_parent(tmp_path / "parent.vhd")
    child = tmp_path / "child.vhd"
    child.write_bytes(child_of_parent(relative("parent.vhd")))
    disk = open_disk(open_source(child))
    parent.write_bytes(parent.read_bytes() + b"x")
    disk.sources[0].check_unchanged()
    with pytest.raises(Conflict):
        disk.sources[1].check_unchanged()
    disk.close()


def test_after_a_refusal_the_sources_are_still_the_callers() -> None:
    child = BytesSource(child_of_parent(relative("parent.vhd")), "child.vhd")
    other = BytesSource(Vhd(size=8192, identity=identity("other")).build(), "other.vhd")
    with pytest.raises(Invalid):
        open_disk(child, OpenOptions(parents=(other,)))
    assert not child.closed
    assert not other.closed
