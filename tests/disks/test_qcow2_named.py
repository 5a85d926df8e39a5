"""Backing and data files: opened when the caller named them, and never otherwise."""

import random
from pathlib import Path

import pytest

from disks.memory import read_all
from disks.qcow2_builder import BACKING_FORMAT, COPIED, DATA_FILE_NAME, ZERO, Qcow2
from disks.sources import MemorySource, assert_disk_is
from images.seeds import dynamic_vhd, qcow2, seed_disk
from images.sparse import SparseBytes
from imgrepl.disks.detect import open_disk
from imgrepl.disks.disk import Disk
from imgrepl.disks.options import OpenOptions
from imgrepl.disks.qcow2 import open_qcow2
from imgrepl.disks.source import open_source
from imgrepl.errors import Invalid

CLUSTER = 65536
BASE = random.Random(1).randbytes(3 * CLUSTER)
RAW = {BACKING_FORMAT: b"raw"}


def overlay(backing: str = "base.raw", disk_clusters: int = 4, **more: object) -> Qcow2:
    settings = {"extensions": RAW, "clusters": {1: b"o" * CLUSTER}, **more}
    return Qcow2(disk_bytes=disk_clusters * CLUSTER, backing=backing, **settings)  # type: ignore[arg-type]


def opened(image: Qcow2, *parents: MemorySource) -> Disk:
    options = OpenOptions(parents=parents)
    return open_qcow2(MemorySource(image.build(), "top.qcow2"), options)


def base(content: bytes = BASE, name: str = "base.raw") -> MemorySource:
    return MemorySource(content, name)


def test_what_the_overlay_lacks_comes_from_the_backing_file_and_zeros_behind_it() -> None:
    disk = opened(overlay(), base())
    assert_disk_is(disk, BASE[:CLUSTER] + b"o" * CLUSTER + BASE[2 * CLUSTER :] + bytes(CLUSTER))
    assert [source.name for source in disk.sources] == ["top.qcow2", "base.raw"]
    assert disk.problems == ()


def test_a_zero_cluster_hides_the_backing_file() -> None:
    image = overlay(raw_entries={0: ZERO, 2: 9 * CLUSTER | COPIED | ZERO})
    assert_disk_is(opened(image, base()), bytes(CLUSTER) + b"o" * CLUSTER + bytes(2 * CLUSTER))


def test_absent_sub_clusters_come_from_the_backing_file_and_zero_ones_do_not() -> None:
    disk = opened(overlay(disk_clusters=2, subclusters={1: (0b01, 0b10)}), base())
    own = b"o" * 2048 + bytes(2048) + BASE[CLUSTER + 4096 : 2 * CLUSTER]
    assert_disk_is(disk, BASE[:CLUSTER] + own)


def test_a_backing_file_that_ends_within_a_cluster_is_followed_by_zeros() -> None:
    disk = opened(overlay(disk_clusters=3), base(BASE[: 2 * CLUSTER + 1024]))
    rest = BASE[2 * CLUSTER : 2 * CLUSTER + 1024].ljust(CLUSTER, b"\0")
    assert_disk_is(disk, BASE[:CLUSTER] + b"o" * CLUSTER + rest)


def test_a_backing_file_longer_than_the_overlay_is_cut() -> None:
    disk = opened(overlay(disk_clusters=2), base())
    assert_disk_is(disk, BASE[:CLUSTER] + b"o" * CLUSTER)


@pytest.mark.parametrize(
    "name",
    [
        "base.raw",
        "../base.raw",
        "/etc/passwd",
        "nbd://127.0.0.1:10809/x",
        'json:{"driver":"file","filename":"/etc/passwd"}',
        "top.qcow2",
        "\x1b[31m\n",
    ],
)
def test_no_stored_name_is_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "base.raw").write_bytes(BASE)
    (tmp_path / "inner").mkdir()
    for folder in (tmp_path, tmp_path / "inner"):
        overlay(name).build().write_to(folder / "top.qcow2")
        source = open_source(folder / "top.qcow2")
        with pytest.raises(Invalid) as caught:
            open_disk(source)
        source.close()
        assert caught.value.code == "BackingFileNotNamed"
        assert caught.value.hint == "name it with --parent FILE"
        assert caught.value.message.isprintable()


def test_a_long_name_of_control_characters_is_shown_short(tmp_path: Path) -> None:
    overlay("base" + "\1" * 500 + ".raw").build().write_to(tmp_path / "top.qcow2")
    source = open_source(tmp_path / "top.qcow2")
    with pytest.raises(Invalid, match=r"base.*….*\.raw") as caught:
        open_disk(source)
    source.close()
    assert len(caught.value.message) < 1000


def test_a_stored_name_never_stands_for_another_of_the_named_files() -> None:
    with pytest.raises(Invalid) as caught:
        opened(overlay(), base(name="other.raw"), base(name="another.raw"))
    assert caught.value.code == "BackingFileNotNamed"


def test_the_only_file_named_is_the_backing_file_whatever_it_is_called_now() -> None:
    disk = opened(overlay("json:{}"), base(name="renamed.raw"))
    assert read_all(disk)[:CLUSTER] == BASE[:CLUSTER]


def test_a_chain_is_followed_by_file_names(tmp_path: Path) -> None:
    (tmp_path / "base.raw").write_bytes(BASE)
    qcow = {BACKING_FORMAT: b"qcow2"}
    overlay().build().write_to(tmp_path / "middle.qcow2")
    top = overlay("/srv/old/middle.qcow2", clusters={3: b"t" * CLUSTER}, extensions=qcow)
    top.build().write_to(tmp_path / "top.qcow2")
    named = (tmp_path / "base.raw", tmp_path / "middle.qcow2")
    disk = open_disk(open_source(tmp_path / "top.qcow2"), OpenOptions(parents=named))
    expected = BASE[:CLUSTER] + b"o" * CLUSTER + BASE[2 * CLUSTER :] + b"t" * CLUSTER
    assert_disk_is(disk, expected)
    assert len(disk.sources) == 3
    disk.close()


def test_the_next_of_a_chain_is_not_guessed_from_the_first(tmp_path: Path) -> None:
    overlay().build().write_to(tmp_path / "middle.qcow2")
    overlay("middle.qcow2", extensions={}).build().write_to(tmp_path / "top.qcow2")
    source = open_source(tmp_path / "top.qcow2")
    with pytest.raises(Invalid) as caught:
        open_disk(source, OpenOptions(parents=(tmp_path / "middle.qcow2",)))
    source.close()
    assert caught.value.code == "BackingFileNotNamed"
    assert "middle.qcow2 needs" in caught.value.message


def test_an_image_named_as_its_own_backing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "self.qcow2"
    overlay("self.qcow2", extensions={}).build().write_to(path)
    source = open_source(path)
    with pytest.raises(Invalid) as caught:
        open_disk(source, OpenOptions(parents=(path,)))
    source.close()
    assert caught.value.code == "ParentCycle"


def test_two_images_that_back_each_other_are_refused(tmp_path: Path) -> None:
    paths = (tmp_path / "a.qcow2", tmp_path / "b.qcow2")
    overlay("b.qcow2", extensions={}).build().write_to(paths[0])
    overlay("a.qcow2", extensions={}).build().write_to(paths[1])
    source = open_source(paths[0])
    with pytest.raises(Invalid) as caught:
        open_disk(source, OpenOptions(parents=paths))
    source.close()
    assert caught.value.code == "ParentCycle"


def test_a_stated_raw_format_keeps_a_guest_from_choosing_another() -> None:
    """A guest that wrote a qcow2 header into its raw disk must not open files of the host."""
    inside = overlay("/etc/passwd").build().to_bytes()
    disk = opened(overlay(disk_clusters=1, clusters={}), base(inside))
    assert_disk_is(disk, inside[:CLUSTER])


def test_a_format_that_is_not_stated_is_found_by_content_with_a_warning() -> None:
    disk = opened(overlay(extensions={}), base(qcow2().to_bytes(), name="base.raw"))
    assert [problem.rule for problem in disk.problems] == ["BackingFormatGuessed"]
    assert read_all(disk)[:CLUSTER] == seed_disk().read(0, CLUSTER)


def test_a_backing_vhd_is_called_vpc() -> None:
    parent = MemorySource(dynamic_vhd(), "base.vhd")
    disk = opened(overlay("base.vhd", extensions={BACKING_FORMAT: b"vpc"}), parent)
    assert read_all(disk)[:CLUSTER] == seed_disk().read(0, CLUSTER)


def test_a_backing_format_without_reader_is_refused_with_the_way_out() -> None:
    with pytest.raises(Invalid) as caught:
        opened(overlay(extensions={BACKING_FORMAT: b"vmdk"}), base())
    assert caught.value.code == "ImageFormatUnsupported"
    assert "qemu-img convert -f vmdk" in str(caught.value.hint)


def external(**more: object) -> Qcow2:
    settings = {"clusters": {0: b"", 2: b""}, "extensions": {DATA_FILE_NAME: b"disk.data"}, **more}
    return Qcow2(disk_bytes=4 * CLUSTER, data_file=True, **settings)  # type: ignore[arg-type]


def test_clusters_are_read_from_the_data_file_at_offset_0_too() -> None:
    data = MemorySource(BASE, "disk.data")
    disk = opened(external(), data)
    assert_disk_is(disk, BASE[:CLUSTER] + bytes(CLUSTER) + BASE[2 * CLUSTER :] + bytes(CLUSTER))
    assert [source.name for source in disk.sources] == ["top.qcow2", "disk.data"]
    disk.close()
    assert data.closed


def test_a_data_file_and_a_backing_file_are_told_apart_by_name() -> None:
    extensions = {**RAW, DATA_FILE_NAME: b"disk.data"}
    image = external(backing="base.raw", clusters={0: b""}, extensions=extensions)
    data = MemorySource(b"d" * CLUSTER, "disk.data")
    expected = b"d" * CLUSTER + BASE[CLUSTER:] + bytes(CLUSTER)
    assert_disk_is(opened(image, base(), data), expected)
    with pytest.raises(Invalid) as caught:
        opened(image, base())
    assert caught.value.code == "DataFileNotNamed"


def test_a_data_file_that_is_not_named_is_refused(tmp_path: Path) -> None:
    (tmp_path / "disk.data").write_bytes(BASE)
    external().build().write_to(tmp_path / "top.qcow2")
    source = open_source(tmp_path / "top.qcow2")
    with pytest.raises(Invalid) as caught:
        open_disk(source)
    with pytest.raises(Invalid) as itself:
        open_disk(source, OpenOptions(parents=(tmp_path / "top.qcow2",)))
    source.close()
    assert (caught.value.code, itself.value.code) == ("DataFileNotNamed", "DataFileNotNamed")


def test_a_cluster_past_the_end_of_the_data_file_is_refused() -> None:
    data = MemorySource(BASE[: 2 * CLUSTER], "disk.data")
    with pytest.raises(Invalid, match=r"disk.data: qcow2 cluster 2"):
        opened(external(), data)
    assert data.closed


def test_compressed_clusters_beside_a_data_file_are_refused() -> None:
    with pytest.raises(Invalid, match="external data file"):
        opened(external(packed={1: BASE[:CLUSTER]}), MemorySource(BASE, "disk.data"))


def test_a_refused_backing_file_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "base.qcow2").write_bytes(b"QFI\xfb" + bytes(100))
    image = SparseBytes.of(overlay("base.qcow2", extensions={}).build().to_bytes())
    with pytest.raises(Invalid):
        open_qcow2(
            MemorySource(image, "top.qcow2"), OpenOptions(parents=(tmp_path / "base.qcow2",))
        )
    opened_files = {Path(link).resolve() for link in Path("/proc/self/fd").iterdir()}
    assert (tmp_path / "base.qcow2").resolve() not in opened_files
