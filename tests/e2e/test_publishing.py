"""From an image to three regions on real servers and back, by the command line alone."""

import time
from pathlib import Path

import pytest

from e2e.command_line import DEFINITION, VERSION, Cli, assert_refused
from e2e.conftest import MEBIBYTE, OCCUPIED_BYTES, make_image

pytestmark = pytest.mark.servers

REGIONS = ("eastus", "westeurope", "southeastasia")
TARGETS = ("-l", "eastus", "--target-regions", "eastus=2", "westeurope=1", "southeastasia=3")


def test_a_version_stands_in_three_regions_and_the_next_sends_only_what_is_new(
    three_regions: Cli, image: Path, tmp_path: Path
) -> None:
    cli = three_regions
    first = cli.done(*cli.create(image, *TARGETS))
    assert first["provisioningState"] == "Succeeded"
    assert first["replicationStatus"]["aggregatedState"] == "Completed"
    assert [s["state"] for s in first["replicationStatus"]["summary"]] == ["Completed"] * 3
    assert len(first["imgrepl"]["replicas"]) == 6

    transfer = first["imgrepl"]["transfer"]
    sent = {part["region"]: part["sentBytes"] for part in transfer["regions"]}
    copied = {part["region"]: part["serverCopiedBytes"] for part in transfer["regions"]}
    assert transfer["readBytes"] == transfer["occupiedBytes"] == OCCUPIED_BYTES
    for region, replicas in zip(REGIONS, (2, 1, 3), strict=True):
        assert OCCUPIED_BYTES < sent[region] < 1.02 * OCCUPIED_BYTES
        wanted_bytes = (replicas - 1) * OCCUPIED_BYTES
        assert copied[region] == pytest.approx(wanted_bytes, rel=0.02, abs=65536)

    second = make_image(tmp_path / "second.raw", changed_bytes=2 * MEBIBYTE)
    update = cli.done("image-version", "create", *DEFINITION, "-e", "1.0.1", "--os-disk", second,
                      *TARGETS)  # fmt: skip
    transfer = update["imgrepl"]["transfer"]
    assert transfer["newBytes"] < 2.3 * MEBIBYTE
    assert transfer["sentBytes"] < 3 * 1.05 * transfer["newBytes"] + 6 * 65536

    for region in REGIONS:
        for version, wanted in (("1.0.0", image), ("latest", second)):
            got = cli.download(version, tmp_path / f"{region}-{version}", "--region", region)
            assert got.read_bytes() == wanted.read_bytes()

    verified = cli.done("image-version", "verify", *DEFINITION, "-e", "1.0.1", "--deep")
    assert [replica["state"] for replica in verified["replicas"]] == ["healthy"] * 6


def test_the_same_command_again_is_a_success_that_sends_nothing(
    one_region: Cli, image: Path
) -> None:
    first = one_region.done(*one_region.create(image))
    again = one_region.done(*one_region.create(image))
    assert again["imgrepl"]["disks"] == first["imgrepl"]["disks"]
    assert (
        again["imgrepl"].get("transfer") in (None, {})
        or not again["imgrepl"]["transfer"]["sentBytes"]
    )
    assert one_region.rows("SELECT count(*) FROM operations") == [(1,)]


def test_other_content_under_the_same_number_is_a_conflict(
    one_region: Cli, image: Path, tmp_path: Path
) -> None:
    first = one_region.done(*one_region.create(image))
    other = make_image(tmp_path / "other.raw", seed=2)
    ran = one_region(*one_region.create(other))
    assert_refused(ran, 4, "VersionExists")
    assert "--auto-version" in ran.error["hint"]
    shown = one_region.done("image-version", "show", *VERSION)
    assert shown["imgrepl"]["disks"] == first["imgrepl"]["disks"]


def test_other_regions_under_the_same_number_are_a_conflict_that_prints_the_way(
    one_region: Cli, image: Path
) -> None:
    one_region.add_region("westeurope")
    one_region.done(*one_region.create(image))
    ran = one_region(*one_region.create(image, "--target-regions", "eastus", "westeurope=2"))
    assert_refused(ran, 4, "VersionExists")
    assert any("target_regions" in line for line in ran.error["details"])
    command = ran.error["hint"].split()
    assert command[:3] == ["imgrepl", "image-version", "update"]
    updated = one_region.done(*command[1:])
    assert updated["replicationStatus"]["aggregatedState"] == "Completed"
    assert len(updated["imgrepl"]["replicas"]) == 3
    one_region.done(*one_region.create(image, "--target-regions", "eastus", "westeurope=2"))


def test_no_wait_returns_before_the_work_is_done_and_a_detached_worker_does_it(
    one_region: Cli, image: Path, tmp_path: Path
) -> None:
    one_region.add_region("westeurope")
    words = ("--target-regions", "eastus", "westeurope", "--no-wait")
    left = one_region.done(*one_region.create(image, *words))
    assert left["provisioningState"] != "Succeeded"
    waited = one_region.done("image-version", "wait", *VERSION)
    assert waited["replicationStatus"]["aggregatedState"] == "Completed"
    for region in ("eastus", "westeurope"):
        got = one_region.download("1.0.0", tmp_path / region, "--region", region)
        assert got.read_bytes() == image.read_bytes()
    for _ in range(100):  # the last region is complete a moment before the operation has ended
        states = one_region.rows("SELECT state FROM operations")
        if states == [("Succeeded",)]:
            break
        time.sleep(0.1)
    assert states == [("Succeeded",)]
    logs = list((one_region.home / "state").rglob("operations/*.log"))
    assert len(logs) == 1
