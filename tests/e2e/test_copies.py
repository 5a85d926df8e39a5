"""Copies, exports and imports as processes, between indexes and servers; killed, they go on."""

import signal
import time
from pathlib import Path

import pytest

from e2e.command_line import VERSION, Cli
from servers import S3Server

THROTTLE = {"IMGREPL_THROTTLE_BYTES_PER_SECOND": str(6 << 20)}
SECONDS_MAX = 120
COPY = ("image-version", "copy", "golden/debian/1.0.0", "golden/debian/1.0.0", "--create-parents")


@pytest.fixture
def other(tmp_path: Path) -> Cli:
    """Another machine, whose index has one directory as its region."""
    home = tmp_path / "other"
    home.mkdir()
    cli = Cli(home)
    cli.add_region("northeurope")
    return cli


def packs_below(root: Path) -> dict[str, int]:
    found = (path for path in root.rglob("packs/*/*") if path.is_file())
    return {path.name: path.stat().st_ino for path in found}


def killed_once_packs_are_there(cli: Cli, root: Path, *words: object) -> dict[str, int]:
    """Kills a slow command as soon as a pack lies below `root`; gives those that do then."""
    process = cli.start(*words, **THROTTLE)
    give_up_at = time.monotonic() + SECONDS_MAX
    while not packs_below(root):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up_at, "no pack was ever put"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return packs_below(root)


def test_a_killed_copy_goes_on_from_another_index(
    one_region: Cli, other: Cli, image: Path, tmp_path: Path
) -> None:
    one_region.done(*one_region.create(image, "--tags", "build=7"))
    source = f"sqlite:///{one_region.index}"
    before = one_region.index.read_bytes()
    root = other.home / "regions" / "northeurope"
    durable = killed_once_packs_are_there(other, root, *COPY, "--from-index", source)
    planned = other.done(*COPY, "--from-index", source, "--dry-run")["imgrepl"]["transfer"]
    done = other.done(*COPY, "--from-index", source)
    assert done["tags"] == {"build": "7"}
    assert done["replicationStatus"]["aggregatedState"] == "Completed"
    assert durable.items() <= packs_below(root).items(), "a pack was written twice"
    assert done["imgrepl"]["transfer"]["sentBytes"] < 21 << 20
    assert planned["sentBytes"] <= 21 << 20
    assert other.download("1.0.0", tmp_path / "out").read_bytes() == image.read_bytes()
    assert one_region.index.read_bytes() == before


@pytest.mark.slow
def test_a_killed_export_goes_on_and_is_imported_elsewhere(
    one_region: Cli, other: Cli, image: Path, tmp_path: Path
) -> None:
    one_region.done(*one_region.create(image))
    out = tmp_path / "carried"
    export = ("gallery", "export", "-r", "golden", "--to", out)
    durable = killed_once_packs_are_there(one_region, out, *export)
    one_region.done(*export)
    assert durable.items() <= packs_below(out).items(), "a pack was written twice"
    again = one_region.done(*export)
    assert (again["sentBytes"], again["newVersions"]) == (0, 0)
    one_region.index.unlink()
    verified = other.done("image-version", "verify", *VERSION, "--deep", "--from-bucket", out)
    assert [one["state"] for one in verified["replicas"]] == ["healthy"]
    done = other.done("gallery", "import", "--from", out)
    assert (done["imageVersions"], done["versions"][0]["regions"]) == (1, ["northeurope"])
    assert other.download("1.0.0", tmp_path / "out").read_bytes() == image.read_bytes()


def test_real_servers_hand_packs_to_one_another_by_themselves_where_they_are_one(
    cli: Cli, other: Cli, three_servers: list[S3Server], image: Path, tmp_path: Path
) -> None:
    """Two indexes, two buckets, one server: all packs are copied there; a second server is sent."""
    cli.add_region("eastus", three_servers[0])
    other.add_region("eastus", three_servers[0])
    other.add_region("westeurope", three_servers[1])
    cli.done(*cli.create(image))
    to = ("--to-index", f"sqlite:///{other.index}")
    copied = cli.done(*COPY, *to, "--target-regions", "eastus", "westeurope", "-l", "eastus")
    regions = {one["region"]: one for one in copied["imgrepl"]["transfer"]["regions"]}
    assert regions["eastus"]["serverCopiedBytes"] > 20 << 20
    assert regions["eastus"]["sentBytes"] < 100_000
    assert regions["westeurope"]["sentBytes"] > 20 << 20
    for region in ("eastus", "westeurope"):
        target = tmp_path / region
        got = other.download("1.0.0", target, "--region", region)
        assert got.read_bytes() == image.read_bytes()
    verified = other.done("image-version", "verify", *VERSION, "--deep")
    assert {one["state"] for one in verified["replicas"]} == {"healthy"}
