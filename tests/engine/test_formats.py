"""The same disk in another format is the same content: nothing of it is stored again."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from disks.vhd_builder import DIFFERENCING, Vhd
from engine.world import DISK_BYTES, MEBIBYTE, World
from imgrepl.actions import creating
from imgrepl.disks.writers.writer import open_writer
from qemu import needs_qemu_img, qemu_img

BLOCK_BYTES = 2 * MEBIBYTE


def written(disk_format: str) -> Callable[[World, Path], Path]:
    """By our own writer."""

    def make(world: World, folder: Path) -> Path:
        raw = world.disk().read_bytes()
        path = folder / f"disk.{disk_format.partition('-')[0]}"
        writer = open_writer(
            path, disk_format, len(raw), identity=b"\1" * 16, created_seconds=1_000_000_000
        )
        for at in range(0, len(raw), MEBIBYTE):
            if any(raw[at : at + MEBIBYTE]):
                writer.write(at, raw[at : at + MEBIBYTE])
        writer.finish()
        return path

    return make


def converted(disk_format: str, *options: str) -> Callable[[World, Path], Path]:
    """By qemu-img."""

    def make(world: World, folder: Path) -> Path:
        path = folder / f"disk.{disk_format}"
        qemu_img("convert", "-f", "raw", "-O", disk_format, *options, world.disk(), path)
        return path

    return make


def without_holes(world: World, folder: Path) -> Path:
    """Raw again, with every zero written out."""
    path = folder / "full.raw"
    path.write_bytes(world.disk().read_bytes())
    return path


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(without_holes, id="raw without holes"),
        pytest.param(written("vhd"), id="fixed VHD"),
        pytest.param(written("vhd-dynamic"), id="dynamic VHD"),
        pytest.param(written("qcow2"), id="qcow2"),
        pytest.param(converted("vhdx"), id="VHDX", marks=needs_qemu_img),
        pytest.param(
            converted("vhdx", "-o", "subformat=fixed"), id="fixed VHDX", marks=needs_qemu_img
        ),
        pytest.param(converted("qcow2", "-c"), id="compressed qcow2", marks=needs_qemu_img),
    ],
)
def test_equal_content_has_one_content_id_and_sends_no_pack(
    world: World, tmp_path: Path, make: Callable[[World, Path], Path]
) -> None:
    world.publish("1.0.0", regions=("eastus",))
    before = world.keys()
    image = make(world, tmp_path)
    request = world.request("1.0.1", regions=("eastus",), os_disk=str(image))
    again = creating.create(world.ctx, request)
    assert again.version.content_ids == world.view("1.0.0").version.content_ids
    assert again.transfer is not None
    assert (again.transfer.new_bytes, again.transfer.packs_written) == (0, 0)
    new = set(world.keys()) - set(before)
    assert all(key.startswith("records/") for key in new), new
    assert world.download("1.0.1") == world.disk().read_bytes()


def test_a_child_that_changes_nothing_of_its_parent_is_the_same_content(
    world: World, tmp_path: Path
) -> None:
    world.publish("1.0.0", regions=("eastus",))
    parent = written("vhd-dynamic")(world, tmp_path)
    child = tmp_path / "child.vhd"
    empty = Vhd(
        size=DISK_BYTES,
        block_bytes=BLOCK_BYTES,
        kind=DIFFERENCING,
        identity=b"\2" * 16,
        parent_identity=b"\1" * 16,
        parent_name=parent.name,
    )
    child.write_bytes(empty.build())
    request = world.request(
        "1.0.1", regions=("eastus",), os_disk=str(child), parents={None: [str(parent)]}
    )
    again = creating.create(world.ctx, request)
    assert again.version.content_ids == world.view("1.0.0").version.content_ids


def test_a_sha256_that_was_asked_for_is_that_of_the_guests_disk(
    world: World, tmp_path: Path
) -> None:
    image = written("qcow2")(world, tmp_path)
    request = world.request("1.0.0", regions=("eastus",), os_disk=str(image), sha256=True)
    made = creating.create(world.ctx, request)
    (disk,) = made.version.disks
    assert disk.sha256 == hashlib.sha256(world.disk().read_bytes()).hexdigest()
