"""Ctrl-C, kill -9 and servers that die: nothing half is seen, and the same command goes on."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from e2e.command_line import DEFINITION, VERSION, Cli, assert_nothing_left, assert_refused
from e2e.conftest import make_image
from servers import S3Server, kill_server, revive_server, start_server

TWO = ("-l", "eastus", "--target-regions", "eastus", "westeurope")
SECONDS_MAX = 120


@pytest.fixture
def two_regions(one_region: Cli) -> Cli:
    """Two directories: what is tested is the process, and the file system does not slow it."""
    one_region.add_region("westeurope")
    return one_region


def slowed(cli: Cli) -> Cli:
    """20 MiB take some seconds, so that a signal finds the work under way."""
    cli.variables = {"IMGREPL_THROTTLE_BYTES_PER_SECOND": str(6 << 20)}
    return cli


def wait_for_pack(cli: Cli, process: "subprocess.Popen[str]", region: str = "eastus") -> None:
    """Until a pack lies in the region."""
    packs = cli.home / "regions" / region / "r0" / "packs"
    give_up_at = time.monotonic() + SECONDS_MAX
    while not (packs.exists() and any(path.is_file() for path in packs.rglob("*"))):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up_at, "no pack was ever put"
        time.sleep(0.01)


def packs_in(cli: Cli, region: str) -> dict[str, int]:
    root = cli.home / "regions" / region / "r0" / "packs"
    return {path.name: path.stat().st_ino for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_with_130_says_how_to_go_on_and_the_same_command_does(
    two_regions: Cli, image: Path, tmp_path: Path, name: str
) -> None:
    cli = slowed(two_regions)
    process = cli.start(*cli.create(image, *TWO))
    wait_for_pack(cli, process)
    process.send_signal(getattr(signal, name))
    ran = cli.ended(process)
    assert ran.status == 130, ran.stderr
    assert ran.error["code"] == "Interrupted"
    assert "same command" in ran.error["hint"]
    assert "Stopping" in ran.stderr
    assert_not_visible(cli)
    durable = packs_in(cli, "eastus")
    assert durable

    cli.variables = {}
    done = cli.done(*cli.create(image, *TWO))
    assert done["replicationStatus"]["aggregatedState"] == "Completed"
    assert durable.items() <= packs_in(cli, "eastus").items(), "a pack was written twice"
    assert cli.download("1.0.0", tmp_path / "out").read_bytes() == image.read_bytes()


def test_a_second_signal_ends_at_once(two_regions: Cli, image: Path) -> None:
    cli = two_regions
    cli.variables = {"IMGREPL_THROTTLE_BYTES_PER_SECOND": str(64 << 10)}
    process = cli.start(*cli.create(image, *TWO))
    give_up_at = time.monotonic() + SECONDS_MAX
    while not (cli.home / "regions" / "eastus" / "r0" / "store.json").exists():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    asked_at = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert cli.ended(process).status == 130
    assert time.monotonic() - asked_at < 5
    cli.variables = {}
    assert cli.done(*cli.create(image, *TWO))["provisioningState"] == "Succeeded"


def test_a_download_that_is_stopped_leaves_no_file(one_region: Cli, image: Path) -> None:
    one_region.done(*one_region.create(image))
    cli, folder = slowed(one_region), one_region.home / "out"
    folder.mkdir()
    words = ("image-version", "download", *VERSION, "--format", "raw", "--file", folder / "disk")
    process = cli.start(*words)
    give_up_at = time.monotonic() + SECONDS_MAX
    while not list(folder.iterdir()):
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert cli.ended(process).status == 130
    assert list(folder.iterdir()) == []


def test_a_download_that_was_killed_is_in_nobodys_way(one_region: Cli, image: Path) -> None:
    one_region.done(*one_region.create(image))
    cli, target = slowed(one_region), one_region.home / "out" / "disk"
    target.parent.mkdir()
    words = ("image-version", "download", *VERSION, "--format", "raw", "--file", target)
    process = cli.start(*words)
    give_up_at = time.monotonic() + SECONDS_MAX
    while not list(target.parent.iterdir()):
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not target.exists()
    cli.variables = {}
    assert cli.download("1.0.0", target).read_bytes() == image.read_bytes()
    assert list(target.parent.iterdir()) == [target]


def test_an_operation_can_be_cancelled_and_leaves_no_version(two_regions: Cli, image: Path) -> None:
    cli = two_regions
    cli.variables = {
        "IMGREPL_LEASE_SECONDS": "5",  # a cancellation is seen with the next renewal
        "IMGREPL_THROTTLE_BYTES_PER_SECOND": str(1 << 20),
    }
    process = cli.start(*cli.create(image, *TWO))
    wait_for_pack(cli, process)
    ((operation,),) = cli.rows("SELECT operation_id FROM operations")
    cli.done("operation", "cancel", operation)
    assert cli.ended(process).status == 130
    assert cli.rows("SELECT state FROM operations") == [("Canceled",)]
    assert_nothing_left(cli)


def test_a_detached_worker_that_dies_is_told_and_its_operation_can_be_taken_up(
    two_regions: Cli, image: Path, tmp_path: Path
) -> None:
    cli = slowed(two_regions)
    cli.done(*cli.create(image, *TWO, "--no-wait"))
    give_up_at = time.monotonic() + SECONDS_MAX
    while not packs_in(cli, "eastus"):
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    ((operation, owner),) = cli.rows("SELECT operation_id, owner FROM operations")
    os.kill(json.loads(owner)["pid"], signal.SIGKILL)
    ran = cli("image-version", "wait", *VERSION)
    assert_refused(ran, 7, "OperationStalled")
    assert operation in ran.error["hint"]
    assert_not_visible(cli)
    cli.variables = {}
    cli.done("operation", "run", operation)
    got = cli.download("1.0.0", tmp_path / "out", "--region", "westeurope")
    assert got.read_bytes() == image.read_bytes()


def assert_not_visible(cli: Cli) -> None:
    """No version to a user, whatever the index keeps of one that is being published."""
    assert cli.done("image-version", "list", *DEFINITION) == []
    ran = cli("image-version", "show", *VERSION)
    assert (ran.status, ran.error["code"]) == (3, "VersionNotFound")


def kill_at_random(cli: Cli, versions: dict[str, Path], kills: int, seed: int) -> int:
    """Publishes `versions` in turn, and kills so many of the processes; gives how many completed.

    After a kill a version is either committed and whole wherever it is complete, or not to be seen.
    """
    moments, completed, killed = random.Random(seed), 0, 0
    waiting = list(versions.items())
    while waiting:
        name, disk = waiting[0]
        process = cli.start("image-version", "create", *DEFINITION, "-e", name, "--os-disk", disk,
                            "--create-parents", *TWO)  # fmt: skip
        try:
            process.wait(moments.uniform(0.3, 2.5) if killed < kills else SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        _, stderr = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), stderr
        if process.returncode == 0:
            waiting.pop(0)
            completed += 1
            if killed < kills and not waiting:
                number = completed + 1
                fresh = make_image(disk.with_name(f"{number}.raw"), changed_bytes=2 << 20)
                versions[f"1.0.{number}"] = fresh
                waiting.append((f"1.0.{number}", fresh))
        assert_only_whole_versions(cli, versions)
    assert killed >= kills
    return completed


def assert_only_whole_versions(cli: Cli, versions: dict[str, Path]) -> None:
    """What says Completed has all its packs, by the index and by the folder."""
    if not cli.index.exists():
        return
    incomplete = cli.rows(
        "SELECT v.major, v.minor, v.patch, r.region, cp.pack_id FROM versions v"
        " JOIN replicas r ON r.version_id = v.id AND r.state = 'Completed'"
        " JOIN version_disks d ON d.version_id = v.id"
        " JOIN content_packs cp ON cp.content_id = d.content_id"
        " JOIN places p ON p.region = r.region AND p.number = r.number"
        " LEFT JOIN place_packs pp ON pp.place_id = p.id AND pp.pack_id = cp.pack_id"
        " AND pp.state = 'present' WHERE pp.pack_id IS NULL OR NOT v.committed"
    )
    assert incomplete == []
    for region, pack_id, generation in cli.rows(
        "SELECT p.region, pp.pack_id, pp.generation FROM place_packs pp"
        " JOIN places p ON p.id = pp.place_id WHERE pp.state = 'present'"
    ):
        folder = cli.home / "regions" / region / "r0" / "packs" / pack_id[:2]
        assert (folder / f"{pack_id}.{generation}").exists()
    assert len(versions) >= len(cli.rows("SELECT id FROM versions"))


def assert_all_published(cli: Cli, versions: dict[str, Path], tmp_path: Path) -> None:
    """Every version is in both regions, byte for byte, and nobody is still at work."""
    for name, disk in versions.items():
        got = cli.download(name, tmp_path / f"{name}.out", "--region", "westeurope")
        assert got.read_bytes() == disk.read_bytes(), name
        got.unlink()
    assert {state for (state,) in cli.rows("SELECT state FROM operations")} == {"Succeeded"}
    assert cli.rows("SELECT count(*) FROM pins") == [(0,)]
    rows = cli.rows(
        "SELECT p.region, pp.pack_id || '.' || pp.generation FROM place_packs pp"
        " JOIN places p ON p.id = pp.place_id"
    )
    for region in ("eastus", "westeurope"):
        assert {name for where, name in rows if where == region} == set(packs_in(cli, region))


def run_kills(cli: Cli, tmp_path: Path, kills: int) -> None:
    seed = int(os.environ.get("IMGREPL_TEST_SEED", str(int(time.time()))))
    sys.stdout.write(f"IMGREPL_TEST_SEED={seed} makes the same moments\n")
    versions = {"1.0.1": make_image(tmp_path / "1.raw")}
    kill_at_random(cli, versions, kills, seed)
    assert_all_published(cli, versions, tmp_path)


def test_a_publisher_that_is_killed_at_random_moments_loses_nothing(
    two_regions: Cli, tmp_path: Path
) -> None:
    run_kills(two_regions, tmp_path, 8)


@pytest.mark.servers
def test_a_server_that_dies_fails_its_region_alone_and_retry_completes_it(
    cli: Cli, image: Path, tmp_path: Path
) -> None:
    """The server is killed while it is sent packs, and started again on its own data."""
    server = quick_server()
    cli.add_region("eastus")
    cli.add_region("westeurope", server)
    cli.variables = {
        "IMGREPL_THROTTLE_BYTES_PER_SECOND": str(10 << 20),
        "IMGREPL_RETRY_DEADLINE_SECONDS": "2",
    }
    process = cli.start(*cli.create(image, *TWO))
    wait_for_pack(cli, process)
    kill_server(server)
    ran = cli.ended(process)
    assert ran.status == 8, ran.stderr
    assert ran.error["code"] == "PartiallyCompleted"
    assert "retry" in ran.error["hint"]
    states = {s["region"]: s["state"] for s in ran.out["replicationStatus"]["summary"]}
    assert states == {"eastus": "Completed", "westeurope": "Failed"}
    got = cli.download("latest", tmp_path / "first", "--region", "eastus")
    assert got.read_bytes() == image.read_bytes()
    refused = cli("image-version", "download", *VERSION, "--format", "raw", "--region",
                  "westeurope", "--file", tmp_path / "none")  # fmt: skip
    assert (refused.status, refused.error["code"]) == (3, "NotAvailableInRegion")

    cli.variables = {}
    revive_server(server)
    done = cli.done("image-version", "retry", *VERSION)
    assert done["replicationStatus"]["aggregatedState"] == "Completed"
    got = cli.download("latest", tmp_path / "second", "--region", "westeurope")
    assert got.read_bytes() == image.read_bytes()
    assert cli.done("image-version", "verify", *VERSION, "--deep")


def quick_server() -> S3Server:
    """One for this test alone."""
    for kind in ("versitygw", "minio"):
        try:
            return start_server(kind)
        except pytest.skip.Exception:
            continue
    return start_server("seaweedfs")
