"""One image, end to end: three regions on real servers, the next version, and back."""

import shutil
from pathlib import Path

import pytest

from journeys.conftest import Lab
from journeys.disks import DebianImages, change_disk, make_disk, same_content
from journeys.person import Person
from qemu import needs_qemu_img, qemu_img

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

TARGETS = ("eastus=2", "westeurope=1", "southeastasia=3")
PATCHED_BYTES_MAX = 36_000_000
REBUILT_BYTES_MAX = 38_000_000
WRITES_MAX = 8


def test_an_image_reaches_every_replica_and_comes_back_equal(lab: Lab, tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk.raw")
    shown = lab.person.publishes("1.0.0", disk, *TARGETS)
    assert shown["replicationStatus"]["aggregatedState"] == "Completed"
    replicas = [(r["region"], r["replica"], r["state"]) for r in shown["imgrepl"]["replicas"]]
    assert replicas == [
        ("eastus", 0, "Completed"),
        ("eastus", 1, "Completed"),
        ("westeurope", 0, "Completed"),
        ("southeastasia", 0, "Completed"),
        ("southeastasia", 1, "Completed"),
        ("southeastasia", 2, "Completed"),
    ]
    transfer = shown["imgrepl"]["transfer"]
    new = transfer["regions"][0]["sentBytes"]
    assert transfer["sentBytes"] < 3.1 * new, "each region is sent its packs once"
    assert transfer["serverCopiedBytes"] > 2.9 * new, "further replicas pass no client"
    for region in ("eastus", "westeurope", "southeastasia"):
        lab.person.downloads("1.0.0", tmp_path / "copy.raw", "--region", region)
        assert same_content(disk, tmp_path / "copy.raw")
    said = lab.person.version("verify", "1.0.0", "--deep")
    assert said.exit_status == 0
    assert {replica["state"] for replica in said.json["replicas"]} == {"healthy"}


def test_the_next_version_sends_only_what_is_new(lab: Lab, tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk.raw", seed=2)
    first = lab.person.publishes("2.0.0", disk, *TARGETS)["imgrepl"]["transfer"]
    changed = change_disk(disk, tmp_path / "changed.raw", seed=3)
    second = lab.person.publishes("2.1.0", changed, *TARGETS)["imgrepl"]["transfer"]
    assert 0 < second["newBytes"] < first["newBytes"] / 4
    assert second["sentBytes"] < first["sentBytes"] / 4
    lab.person.downloads("latest", tmp_path / "copy.raw", "--region", "westeurope")
    assert same_content(changed, tmp_path / "copy.raw")


@needs_qemu_img
def test_equal_content_in_any_format_has_one_content_id_and_sends_nothing(
    lab: Lab, tmp_path: Path
) -> None:
    disk = make_disk(tmp_path / "disk.raw", seed=4)
    first = lab.person.publishes("3.0.0", disk, "eastus=1")["imgrepl"]
    formats = {
        "disk.vhd": ("-O", "vpc", "-o", "subformat=dynamic,force_size=on"),
        "disk.vhdx": ("-O", "vhdx"),
        "disk.qcow2": ("-c", "-O", "qcow2", "-o", "compression_type=zstd"),
    }
    for number, (name, options) in enumerate(formats.items(), 1):
        qemu_img("convert", "-f", "raw", *options, str(disk), str(tmp_path / name))
        again = lab.person.publishes(f"3.0.{number}", tmp_path / name, "eastus=1")["imgrepl"]
        assert again["disks"][0]["contentId"] == first["disks"][0]["contentId"]
        assert again["transfer"]["newBytes"] == 0
        assert again["transfer"]["packsWritten"] == 0


@needs_qemu_img
@pytest.mark.parametrize(
    ("form", "driver"), [("vhd", "vpc"), ("vhd-dynamic", "vpc"), ("qcow2", "qcow2")]
)
def test_a_download_in_any_format_is_what_qemu_reads(
    lab: Lab, tmp_path: Path, form: str, driver: str
) -> None:
    disk = make_disk(tmp_path / "disk.raw", seed=5)
    lab.person.publishes("4.0.0", disk, "eastus=1")
    lab.person.downloads("4.0.0", tmp_path / "copy", "--format", form)
    qemu_img("compare", "-f", "raw", "-F", driver, str(disk), str(tmp_path / "copy"))
    if driver == "qcow2":
        qemu_img("check", "-f", driver, str(tmp_path / "copy"))


def test_a_server_that_died_costs_its_own_region_only_and_retry_goes_on(
    lab: Lab, tmp_path: Path
) -> None:
    disk = make_disk(tmp_path / "disk.raw", seed=6)
    lab.kill("westeurope")
    said = lab.person.says(*lab.person.create("5.0.0", disk, *TARGETS))
    assert (said.exit_status, said.error["code"]) == (8, "PartiallyCompleted")
    states = {s["region"]: s["state"] for s in said.json["replicationStatus"]["summary"]}
    assert states == {"eastus": "Completed", "westeurope": "Failed", "southeastasia": "Completed"}
    assert "retry" in said.error["hint"]
    lab.person.downloads("5.0.0", tmp_path / "copy.raw", "--region", "southeastasia")
    assert same_content(disk, tmp_path / "copy.raw")
    assert lab.servers()["westeurope"]["state"] == "died"
    lab.restart()
    again = lab.person.version("retry", "5.0.0")
    assert again.exit_status == 0, again
    assert again.json["replicationStatus"]["aggregatedState"] == "Completed"
    lab.person.downloads("5.0.0", tmp_path / "copy.raw", "--region", "westeurope")
    assert same_content(disk, tmp_path / "copy.raw")


def test_deleted_and_collected_versions_leave_what_others_need(lab: Lab, tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk.raw", seed=7)
    changed = change_disk(disk, tmp_path / "changed.raw", seed=8)
    lab.person.publishes("6.0.0", disk, *TARGETS)
    lab.person.publishes("6.1.0", changed, *TARGETS)
    lab.person.does("image-version", "delete", "-r", "demo", "-i", "web", "-e", "6.0.0", "--yes")
    lab.person.does("collect", "--yes")
    assert "6.0.0" not in lab.person.versions()
    assert lab.person.version("verify", "6.1.0", "--deep").exit_status == 0
    lab.person.downloads("6.1.0", tmp_path / "copy.raw")
    assert same_content(changed, tmp_path / "copy.raw")


@pytest.mark.debian
def test_debian_updates_send_what_changed_patched_or_rebuilt(
    lab: Lab, debian: DebianImages, tmp_path: Path
) -> None:
    for version, name in (("7.0.0", "v1"), ("7.1.0", "v2")):
        lab.person.publishes(version, debian.raw(name), "eastus=1")
    patched = lab.person.publishes("7.2.0", debian.raw("v3"), "eastus=1")["imgrepl"]["transfer"]
    assert patched["sentBytes"] <= PATCHED_BYTES_MAX
    assert patched["puts"] <= WRITES_MAX
    lab.person.downloads("7.2.0", tmp_path / "copy.raw")
    assert same_content(debian.raw("v3"), tmp_path / "copy.raw")


@pytest.mark.debian
def test_a_rebuilt_debian_shares_what_did_not_change(
    person: Person, debian: DebianImages, tmp_path: Path
) -> None:
    for version, name in (("1.0.0", "v1"), ("1.1.0", "v2r")):
        person.publishes(version, debian.raw(name), "eastus=1")
    rebuilt = person.publishes("1.2.0", debian.raw("v3r"), "eastus=1")["imgrepl"]["transfer"]
    assert rebuilt["sentBytes"] <= REBUILT_BYTES_MAX
    shutil.rmtree(tmp_path / "eastus")
