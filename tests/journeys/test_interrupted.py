"""Killed, stopped and left alone: the same command goes on, and nothing is wrong meanwhile."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from journeys.disks import MIB, change_disk, make_disk, same_content
from journeys.person import Person, ended

KILLS = int(os.environ.get("IMGREPL_TEST_KILLS", "6"))
WORKERS_IN_FLIGHT = 4
PACK_BYTES = 17 * MIB


@pytest.mark.timeout(60 + 30 * KILLS)
def test_kill_9_at_any_moment_loses_nothing_and_publishes_nothing_wrong(
    person: Person, tmp_path: Path
) -> None:
    seed = int(os.environ.get("IMGREPL_TEST_SEED", "20261123"))
    sys.stdout.write(f"seed {seed}\n")
    dice = random.Random(seed)
    disk = make_disk(tmp_path / "0.raw", size=256 * MIB, data=96 * MIB)
    began = time.monotonic()
    person.publishes("0.0.0", disk, "eastus=2", "westeurope=1")
    whole_seconds = time.monotonic() - began
    for number in range(1, KILLS + 1):
        disk = change_disk(disk, tmp_path / f"{number}.raw", seed=seed + number, changes=400)
        words = person.create(f"0.0.{number}", disk, "eastus=2", "westeurope=1")
        process = person.start(*words)
        time.sleep(dice.uniform(0.2, whole_seconds))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        seen = person.versions()
        said = person.says(*words)
        assert said.exit_status == 0, said
        if f"0.0.{number}" in seen:  # it was committed: its content was right from then on
            assert said.json["imgrepl"]["disks"][0]["contentId"]
        person.downloads(f"0.0.{number}", tmp_path / "copy.raw", "--region", "westeurope")
        assert same_content(disk, tmp_path / "copy.raw")
        (tmp_path / f"{number - 1}.raw").unlink()
    assert person.version("verify", f"0.0.{KILLS}", "--deep").exit_status == 0
    person.does("index", "check")


def test_a_killed_publication_sends_little_twice(person: Person, tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk.raw", size=512 * MIB, data=192 * MIB)
    words = person.create("1.0.0", disk, "eastus=1")
    process = person.start(*words)
    packs = tmp_path / "eastus" / "r0" / "packs"
    while sum(1 for _ in packs.rglob("*.0")) < 3:
        assert process.poll() is None, "it was over before it could be killed"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    durable = sum(path.stat().st_size for path in packs.rglob("*.0"))
    again = person.does(*words)["imgrepl"]["transfer"]
    whole = sum(path.stat().st_size for path in packs.rglob("*.0"))
    assert again["sentBytes"] <= whole - durable + WORKERS_IN_FLIGHT * PACK_BYTES
    person.downloads("1.0.0", tmp_path / "copy.raw")
    assert same_content(disk, tmp_path / "copy.raw")


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(person: Person, tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk.raw", size=512 * MIB, data=192 * MIB)
    words = person.create("1.0.0", disk, "eastus=1")
    process = person.start(*words)
    packs = tmp_path / "eastus" / "r0" / "packs"
    while not packs.exists():
        assert process.poll() is None, "it was over before it could be stopped"
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said = ended(process)
    assert (said.exit_status, said.error["code"]) == (130, "Interrupted")
    assert "again" in said.error["hint"]
    assert person.versions() == []
    person.does(*words)
    person.downloads("1.0.0", tmp_path / "copy.raw")
    assert same_content(disk, tmp_path / "copy.raw")


def test_no_wait_leaves_the_work_to_a_process_that_ends_it(person: Person, tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk.raw")
    words = [*person.create("1.0.0", disk, "eastus=1", "westeurope=2"), "--no-wait"]
    shown = person.does(*words)
    assert shown["imgrepl"]["operation"]
    waited = person.version("wait", "1.0.0")
    assert waited.exit_status == 0, waited
    assert waited.json["replicationStatus"]["aggregatedState"] == "Completed"
    person.downloads("1.0.0", tmp_path / "copy.raw", "--region", "westeurope")
    assert same_content(disk, tmp_path / "copy.raw")


def test_a_disk_that_changes_while_it_is_read_is_refused(person: Person, tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk.raw", size=2048 * MIB, data=512 * MIB)
    process = person.start(*person.create("1.0.0", disk, "eastus=1"))
    packs = tmp_path / "eastus" / "r0" / "packs"
    while not packs.exists():
        assert process.poll() is None, "it was over before the disk could change"
        time.sleep(0.02)
    with disk.open("r+b") as file:
        file.seek(MIB)
        file.write(b"changed")
    said = ended(process)
    assert (said.exit_status, said.error["code"]) == (4, "SourceChanged"), said
    assert person.versions() == []


def test_two_commands_at_once_publish_once(person: Person, tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk.raw", size=512 * MIB, data=128 * MIB)
    words = person.create("1.0.0", disk, "eastus=1")
    person.does("gallery", "create", "-r", "demo", "-l", "eastus")
    running = [person.start(*words) for _ in range(2)]
    said = [ended(process) for process in running]
    statuses = sorted(one.exit_status for one in said)
    assert statuses in ([0, 0], [0, 4]), said
    assert person.versions() == ["1.0.0"]


def test_an_index_that_was_lost_is_rebuilt_from_one_region(person: Person, tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk.raw")
    person.publishes("1.0.0", disk, "eastus=1", "westeurope=1")
    for leftover in person.home.glob("index.sqlite3*"):
        leftover.unlink()
    subprocess.run(["rm", "-rf", person.home / "cache"], check=True)
    person.does("region", "add", "westeurope", "--url", f"file://{tmp_path / 'westeurope'}")
    person.does("index", "rebuild", "--from", "westeurope", "--yes")
    assert person.versions() == ["1.0.0"]
    person.downloads("1.0.0", tmp_path / "copy.raw", "--region", "westeurope")
    assert same_content(disk, tmp_path / "copy.raw")
