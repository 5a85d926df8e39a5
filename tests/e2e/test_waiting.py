"""`--wait-for` with detached workers: commands return at their milestone, the rest goes on."""

import time
from pathlib import Path

import pytest

from e2e.command_line import VERSION, Cli

NAMES = ("eastus", "westeurope", "southeastasia")


@pytest.fixture
def regions(cli: Cli) -> Cli:
    for name in NAMES:
        cli.add_region(name)
    return cli


def states(version: dict[str, object]) -> dict[str, str]:
    status = version["replicationStatus"]
    assert isinstance(status, dict)
    return {one["region"]: one["state"] for one in status["summary"]}


def await_all_operations_ended(cli: Cli) -> None:
    """A worker ends its operation a moment after the last replica that is waited for."""
    open_ones = "SELECT count(*) FROM operations WHERE ended_at IS NULL"
    patience_ends = time.monotonic() + 60
    while cli.rows(open_ones) != [(0,)]:
        assert time.monotonic() < patience_ends, cli.rows("SELECT * FROM operations")
        time.sleep(0.1)


def test_create_update_and_retry_return_at_their_milestone_and_a_worker_goes_on(
    regions: Cli, image: Path
) -> None:
    cli = regions
    words = ("--target-regions", "eastus", "westeurope", "-l", "eastus")
    made = cli.done(*cli.create(image, *words, "--wait-for", "source"))
    assert made["imgrepl"]["committed"]
    assert made["imgrepl"]["transfer"]["newBytes"] > 0
    some = cli.done("image-version", "wait", *VERSION, "--wait-for", "any")
    assert "Completed" in states(some).values()
    there = cli.done("image-version", "wait", *VERSION, "--wait-for", "region=westeurope")
    assert states(there)["westeurope"] == "Completed"
    cli.done("image-version", "wait", *VERSION)
    grown = cli.done(
        *("image-version", "update", *VERSION, "--add-regions", "southeastasia"),
        *("--wait-for", "region=southeastasia"),
    )
    assert states(grown) == dict.fromkeys(NAMES, "Completed")
    again = cli.done("image-version", "retry", *VERSION, "--wait-for", "any")
    assert states(again)["eastus"] == "Completed"
    cli.done("image-version", "wait", *VERSION)
    await_all_operations_ended(cli)


def test_a_detached_roll_out_stops_where_a_region_fails_and_says_so(
    regions: Cli, image: Path
) -> None:
    cli = regions
    blocked = cli.home / "regions" / "westeurope"
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("a file where the region's directory should be")
    words = ("--target-regions", *NAMES, "-l", "eastus", "--phases", *NAMES)
    made = cli(*cli.create(image, *words, "--wait-for", "source"))
    assert made.status == 0, made.stderr
    waited = cli("image-version", "wait", *VERSION)
    assert waited.status == 8, waited.stderr
    assert states(waited.out)["westeurope"] == "Failed"
    assert states(waited.out)["southeastasia"] == "Unknown"
    blocked.unlink()
    done = cli.done("image-version", "retry", *VERSION)
    assert [group["state"] for group in done["imgrepl"]["phases"]["groups"]] == ["Completed"] * 3
