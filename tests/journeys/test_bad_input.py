"""What a person gets for what cannot work: an exit status, a code, a way out, and nothing left."""

import os
import subprocess
from pathlib import Path

import pytest

from images.hostile import hostile_images
from journeys.disks import MIB, make_disk, same_content
from journeys.person import Person


def refuse(
    person: Person, exit_status: int, code: str, disk: Path, *targets: str
) -> dict[str, object]:
    """A publication that must fail and leave no version, gallery or part behind."""
    before = person.versions()
    error = person.is_refused(
        exit_status, code, *person.create("9.9.9", disk, *(targets or ("eastus=1",)))
    )
    assert person.versions() == before
    assert error["message"]
    return error


def hostile(name: str, folder: Path) -> Path:
    """One of the hostile images, as a file."""
    image = next(image for image in hostile_images() if image.name == name)
    path = folder / name
    path.write_bytes(image.data.read(0, image.data.length))
    return path


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("empty.vhd", "ImageEmpty"),
        ("fixed-size-larger.vhd", "ImageTruncated"),
        ("fixed-bad-checksum.vhd", "VhdChecksumWrong"),
        ("dyn-bat-overlap.vhd", "VhdBlockInvalid"),
        ("q-backing-abs.qcow2", "BackingFileNotNamed"),
        ("x-cut.vhdx", "ImageTruncated"),
        ("m-extent-abs.vmdk", "ImageFormatUnsupported"),
    ],
)
def test_a_bad_image_is_refused_with_its_rule_and_leaves_no_gallery(
    person: Person, tmp_path: Path, name: str, code: str
) -> None:
    refuse(person, 5, code, hostile(name, tmp_path))
    assert person.does("gallery", "list") == []


def test_an_image_with_a_damaged_cluster_is_refused_half_way(
    person: Person, tmp_path: Path
) -> None:
    refuse(person, 5, "ImageDamaged", hostile("q-compressed-junk.qcow2", tmp_path))


def test_a_source_that_is_not_there_is_not_found(person: Person, tmp_path: Path) -> None:
    refuse(person, 3, "SourceNotFound", tmp_path / "nothing.raw")


def test_a_pipe_is_refused_and_does_not_hang(person: Person, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refuse(person, 5, "SourceNotReadable", tmp_path / "pipe")


def test_an_unregistered_target_region_names_those_there_are(
    person: Person, tmp_path: Path
) -> None:
    disk = make_disk(tmp_path / "disk.raw")
    error = refuse(person, 3, "RegionNotFound", disk, "eastus=1", "mars=1")
    assert "westeurope" in str(error["message"])


def test_a_version_with_other_content_is_a_conflict(person: Person, tmp_path: Path) -> None:
    person.publishes("1.0.0", make_disk(tmp_path / "one.raw", seed=1), "eastus=1")
    other = make_disk(tmp_path / "two.raw", seed=2)
    person.is_refused(4, "VersionExists", *person.create("1.0.0", other, "eastus=1"))


def test_a_version_with_other_targets_prints_the_update_command(
    person: Person, tmp_path: Path
) -> None:
    disk = make_disk(tmp_path / "disk.raw")
    person.publishes("1.0.0", disk, "eastus=1")
    error = person.is_refused(
        4, "VersionExists", *person.create("1.0.0", disk, "eastus=2", "westeurope=1")
    )
    assert "imgrepl image-version update" in error["hint"]


def test_the_same_again_is_a_success_that_sends_nothing(person: Person, tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk.raw")
    person.publishes("1.0.0", disk, "eastus=1")
    again = person.publishes("1.0.0", disk, "eastus=1")
    assert again["imgrepl"].get("transfer") is None


def test_a_directory_of_another_index_is_refused(person: Person, tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk.raw")
    person.publishes("1.0.0", disk, "eastus=1")
    stranger = Person(tmp_path / "stranger")
    stranger.home.mkdir()
    stranger.does("region", "add", "eastus", "--url", f"file://{tmp_path / 'eastus'}")
    stranger.is_refused(4, "BucketOfAnotherStore", *stranger.create("1.0.0", disk, "eastus=1"))
    assert stranger.versions() == []
    assert person.version("verify", "1.0.0", "--deep").exit_status == 0


def test_a_download_onto_a_full_disk_leaves_no_file(person: Person, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    person.publishes("1.0.0", make_disk(tmp_path / "disk.raw"), "eastus=1")
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={4 * MIB}", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        person.is_refused(
            7,
            "LocalDiskFull",
            *("image-version", "download", "-r", "demo", "-i", "web", "-e", "1.0.0"),
            *("--file", small / "copy.raw"),
        )
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_region_that_is_not_mounted_fails_alone_and_comes_back_as_it_was(
    person: Person, tmp_path: Path
) -> None:
    """A directory that is away is no empty one: nothing is written in its stead, or held lost."""
    disk = make_disk(tmp_path / "disk.raw")
    person.publishes("1.0.0", disk, "eastus=1", "westeurope=1")
    mounted, away = tmp_path / "westeurope", tmp_path / "westeurope.away"
    mounted.rename(away)

    other = make_disk(tmp_path / "other.raw", seed=2)
    said = person.says(*person.create("1.1.0", other, "eastus=1", "westeurope=1"))
    assert (said.exit_status, said.error["code"]) == (8, "PartiallyCompleted")
    assert "BucketMissing" in str(said.error["details"])
    assert not mounted.exists()
    assert person.version("verify", "1.0.0").exit_status == 6
    person.downloads("1.0.0", tmp_path / "over.raw", "--region", "westeurope")
    assert same_content(disk, tmp_path / "over.raw")

    (mounted / "r0").mkdir(parents=True)
    again = person.says(*person.create("1.1.0", other, "eastus=1", "westeurope=1"))
    assert "NotOwner" in str(again.error["details"])
    assert list((mounted / "r0").iterdir()) == []
    (mounted / "r0").rmdir()
    mounted.rmdir()
    away.rename(mounted)
    assert person.version("verify", "1.0.0").exit_status == 0
    assert person.version("retry", "1.1.0").exit_status == 0
    report = person.downloads("1.0.0", tmp_path / "back.raw", "--region", "westeurope")
    assert report["region"] == "westeurope"


def test_a_region_whose_disk_is_full_fails_alone(person: Person, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    small = tmp_path / "westeurope"
    small.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={4 * MIB}", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        disk = make_disk(tmp_path / "disk.raw")
        said = person.says(*person.create("1.0.0", disk, "eastus=1", "westeurope=1"))
        assert (said.exit_status, said.error["code"]) == (8, "PartiallyCompleted")
        assert "PlaceFull" in str(said.error["details"])
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_deletion_without_a_terminal_and_without_yes_is_refused(
    person: Person, tmp_path: Path
) -> None:
    person.publishes("1.0.0", make_disk(tmp_path / "disk.raw"), "eastus=1")
    said = person.version("delete", "1.0.0")
    assert said.exit_status == 2
    assert person.versions() == ["1.0.0"]
