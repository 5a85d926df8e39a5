"""What `inspect` says of an image, against numbers that were counted another way."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disks.memory import BytesSource
from disks.vhd_builder import DIFFERENCING, Vhd, fixed_vhd
from imgrepl.disks.disk import Extent, Severity
from imgrepl.disks.inspect import Inspection, gallery_problems, inspect
from imgrepl.disks.options import OpenOptions
from imgrepl.errors import Conflict, Invalid

MIB = 1 << 20
FULL = (b"\xff", b"x" * 4096)


def occupied(content: bytes) -> int:
    blocks = [content[at : at + 4096] for at in range(0, len(content), 4096)]
    return 4096 * sum(any(block) for block in blocks)


@given(st.lists(st.sampled_from([bytes(512), b"x" * 512, b"\0" * 511 + b"y"]), min_size=1))
@settings(max_examples=50, deadline=None)
def test_occupied_bytes_are_the_blocks_that_hold_anything(sectors: list[bytes]) -> None:
    content = b"".join(sectors)
    found = inspect(BytesSource(content, "disk.raw"), sha256=True)
    assert found.occupied_bytes == occupied(content)
    assert found.sha256 == hashlib.sha256(content).hexdigest()


def test_a_short_last_block_of_zeros_is_not_occupied_by_what_was_read_before() -> None:
    found = inspect(BytesSource(b"x" * (4 * MIB) + bytes(512), "disk.raw"))
    assert found.occupied_bytes == 4 * MIB


def test_a_block_with_two_extents_is_counted_once() -> None:
    content = b"x" * 100 + bytes(900) + b"y" * 100 + bytes(7092)
    source = BytesSource(content, "disk.raw", [Extent(0, 100), Extent(1000, 100)])
    found = inspect(source, sha256=True)
    assert found.occupied_bytes == 4096
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.holes == 2


def test_a_sparse_image_is_counted_hashed_and_told_of(tmp_path: Path) -> None:
    content = bytearray(9 * MIB)
    content[4096:8192] = b"a" * 4096
    content[5 * MIB + 100 : 5 * MIB + 5000] = b"b" * 4900
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.truncate(len(content))
        for start, stop in ((4096, 8192), (5 * MIB + 100, 5 * MIB + 5000), (7 * MIB, 8 * MIB)):
            file.seek(start)
            file.write(content[start:stop])
    done: list[int] = []
    found = inspect(path, sha256=True, progress=done.append)
    assert found == Inspection(
        format="raw",
        subformat="raw",
        provisioned_bytes=9 * MIB,
        file_bytes=9 * MIB,
        occupied_bytes=3 * 4096,
        holes=4,
        sha256=hashlib.sha256(content).hexdigest(),
        parent=None,
        problems=(),
    )
    assert done == sorted(done)
    assert done[-1] == 9 * MIB


def test_a_child_is_counted_with_its_parent_and_names_it(tmp_path: Path) -> None:
    parent = Vhd(size=2 * MIB, identity=b"p" * 16, blocks={0: FULL, 3: FULL})
    (tmp_path / "parent.vhd").write_bytes(parent.build())
    child = Vhd(
        size=2 * MIB,
        kind=DIFFERENCING,
        parent_identity=b"p" * 16,
        parent_name="parent.vhd",
        blocks={1: FULL, 3: (b"\xff", bytes(4096))},
    )
    path = tmp_path / "child.vhd"
    path.write_bytes(child.build())
    found = inspect(path)
    assert (found.format, found.subformat) == ("vhd", "differencing")
    assert found.parent == "parent.vhd"
    assert found.occupied_bytes == 2 * 4096
    assert found.file_bytes == path.stat().st_size
    assert not found.refused


def test_without_a_scan_no_content_is_read() -> None:
    source = BytesSource(fixed_vhd(b"x" * MIB), "disk.vhd")
    found = inspect(source, scan=False)
    assert found.occupied_bytes is None
    assert found.sha256 is None
    assert found.holes == 0
    assert sum(length for _offset, length in source.reads) < 70 << 10


def test_the_source_is_closed_after_a_success_and_after_a_refusal() -> None:
    good = BytesSource(bytes(MIB), "disk.raw")
    inspect(good)
    assert good.closed
    bad = BytesSource(bytes(MIB), "disk.vhd")
    with pytest.raises(Invalid):
        inspect(bad)
    assert bad.closed


def test_a_file_that_changes_while_it_is_read_is_a_conflict(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(b"x" * MIB)

    def change(_done: int) -> None:
        path.write_bytes(b"y" * MIB + b"z")

    with pytest.raises(Conflict) as caught:
        inspect(path, progress=change)
    assert caught.value.code == "SourceChanged"


@pytest.mark.parametrize(
    ("size_bytes", "rules"),
    [
        (MIB, []),
        (2048 << 30, []),
        ((2048 << 30) + MIB, ["DiskTooLarge"]),
        (MIB + 512, ["NotMebibyteAligned"]),
        ((2048 << 30) + 512, ["DiskTooLarge", "NotMebibyteAligned"]),
    ],
)
def test_a_gallery_objects_to_size_and_alignment(size_bytes: int, rules: list[str]) -> None:
    assert [problem.rule for problem in gallery_problems(size_bytes)] == rules


def test_azures_own_example_is_told_the_next_size() -> None:
    (problem,) = gallery_problems(21_475_270_656)
    assert "21475885056" in problem.message
    assert problem.severity is Severity.WARNING


def test_a_disk_over_the_limit_is_refused_and_the_limit_can_be_another() -> None:
    found = inspect(BytesSource(bytes(2 * MIB), "disk.raw"), disk_bytes_max=MIB)
    assert found.refused
    assert "2097152" in found.problems[0].message


def test_problems_of_the_reader_and_of_the_gallery_are_both_told() -> None:
    image = fixed_vhd(bytes(4096), saved=1)
    found = inspect(BytesSource(image, "disk.vhd"), OpenOptions())
    assert [problem.rule for problem in found.problems] == ["VhdSavedState", "NotMebibyteAligned"]
