"""`cost`, `advise`, planned costs and budgets from end to end, over directories."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imgrepl.cli import human
from imgrepl.cli.app import main

VERSION = ("-r", "golden", "-i", "debian", "-e", "1.0.0")
PRICES = """
[default]
egress_usd_per_gigabyte = 1024
[default.storage_usd_per_gigabyte_month]
Standard_LRS = 1024
"""
"""One dollar a mebibyte."""


class Ran(NamedTuple):
    status: int
    out: Any
    error: str


Cli = Callable[..., Ran]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line over two regions, in which a mebibyte costs a dollar."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "IMGREPL_INDEX"):
        monkeypatch.delenv(name, raising=False)
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES, encoding="utf-8")
    monkeypatch.setenv("IMGREPL_PRICES_FILE", str(prices))

    def run(*words: object, output: str = "json") -> Ran:
        status = main([*map(str, words), "-o", output])
        out, err = capsys.readouterr()
        return Ran(status, json.loads(out) if out and output == "json" else out, err)

    for name in ("eastus", "westeurope"):
        assert run("region", "add", name, "--url", f"file://{tmp_path}/{name}").status == 0
    return run


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(random.Random(7).randbytes(2 << 20) + bytes(6 << 20))
    return path


def create(cli: Cli, image: Path, *words: object, output: str = "json") -> Ran:
    base = ("image-version", "create", *VERSION, "--os-disk", image, "--create-parents")
    targets = ("--target-regions", "eastus=2", "westeurope", "-l", "eastus")
    return cli(*base, *targets, *words, output=output)


def test_the_plan_says_what_the_bill_says_afterwards(cli: Cli, image: Path) -> None:
    planned = create(cli, image, "--dry-run").out["imgrepl"]["cost"]

    assert (planned["replicas"], planned["billedBytes"]) == (3, 6 << 20)
    assert (planned["storageUsdPerMonth"], planned["egressUsd"]) == (6.0, 2.0)
    assert [region["egressUsd"] for region in planned["regions"]] == [0.0, 2.0]
    assert planned["saved"] == {"storageUsdPerMonth": 0.0, "egressUsd": 0.0}
    assert planned["budget"] is None

    assert create(cli, image).status == 0
    bill = cli("cost").out
    assert bill["total"]["storageUsdPerMonth"] == planned["storageUsdPerMonth"]
    assert bill["total"]["egressUsd"] == planned["egressUsd"]
    assert bill["versions"][0]["regions"][1]["region"] == "westeurope"
    assert bill["months"][-1]["month"] == bill["month"]
    assert cli("cost", "-r", "golden").out["galleries"] == bill["galleries"]


def test_an_updates_plan_carries_the_difference(cli: Cli, image: Path) -> None:
    create(cli, image)
    words = ("image-version", "update", *VERSION, "--add-regions", "westeurope=3", "--dry-run")

    planned = cli(*words).out["imgrepl"]["cost"]

    assert (planned["storageUsdPerMonth"], planned["egressUsd"]) == (4.0, 0.0)
    assert planned["firstMonthUsd"] == pytest.approx(4.0, abs=0.01)


def test_pages_for_people_show_dollars_and_cents(cli: Cli, image: Path) -> None:
    planned = create(cli, image, "--dry-run", output="table").out
    create(cli, image)
    shown = cli("cost", output="table").out

    for text in (planned, shown):
        assert "6.00" in text
        assert "Saved by deduplication" in text
    assert "golden" in shown
    assert human.usd(1234.5) == "1,234.50"
    assert human.usd(0.0001) == "< 0.01"
    assert human.usd(-0.0001) == "> -0.01"
    assert human.usd(0) == human.usd(-0.0) == "0.00"


def test_a_price_list_of_its_own_and_another_month(cli: Cli, image: Path, tmp_path: Path) -> None:
    create(cli, image)
    free = tmp_path / "free.toml"
    free.write_text("default.storage_usd_per_gigabyte_month.Standard_LRS = 0", encoding="utf-8")

    found = cli("cost", "--prices", free, "--month", "2020-01").out

    assert found["month"] == "2020-01"
    assert found["total"]["totalUsd"] == 0
    assert cli("cost", "--prices", tmp_path / "absent.toml").status == 3
    assert cli("cost", "--month", "November").status == 5
    free.write_text("gigabyte = 'TB'", encoding="utf-8")
    assert cli("cost", "--prices", free).status == 5


def test_a_budget_refuses_with_five_and_warns_otherwise(
    cli: Cli, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMGREPL_BUDGET_MONTHLY_USD", "7.50")
    monkeypatch.setenv("IMGREPL_BUDGET_ACTION", "refuse")

    refused = create(cli, image)
    assert refused.status == 5
    assert json.loads(refused.error.splitlines()[-1])["error"]["code"] == "BudgetExceeded"
    planned = create(cli, image, "--dry-run")
    assert (planned.status, planned.out["imgrepl"]["cost"]["budget"]["exceeded"]) == (0, True)
    assert cli("gallery", "list").out == []

    monkeypatch.setenv("IMGREPL_BUDGET_ACTION", "warn")
    warned = create(cli, image)
    assert warned.status == 0
    assert "the budget is 7.50" in warned.error
    assert cli("cost").out["budget"]["exceeded"] is True


def test_advice_by_the_rules_and_by_what_replicas_give(cli: Cli, image: Path) -> None:
    rules = cli("advise", "--vms", "500", "--region", "East US").out
    assert rules["replicas"] == {
        "recommended": 25,
        "at20VmsEach": 25,
        "at50VmsEach": 10,
        "bySpeed": None,
        "present": None,
    }
    create(cli, image)
    base = ("advise", "--scale-sets", "5", "-r", "golden", "-i", "debian", "--measure")

    measured = cli(*base, "--measure-seconds", "0.1", "--measure-bytes", "8388608").out

    assert measured["replicas"]["at20VmsEach"] == 5
    assert measured["replicas"]["present"] == 2
    assert [one["replica"] for one in measured["measured"]] == [0, 1]
    assert all(one["megabytesPerSecond"] > 0 for one in measured["measured"])
    assert "Replicas to have" in cli("advise", "--vms", "20", output="table").out


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ((), 2),
        (("--vms", "1", "--scale-sets", "1"), 2),
        (("--vms", "1", "-r", "golden"), 2),
        (("--vms", "-1"), 5),
        (("--scale-sets", "1", "--instances", "1001"), 5),
        (("--vms", "1", "--measure"), 5),
        (("--vms", "1", "--region", "nowhere"), 3),
    ],
)
def test_advice_on_nothing_or_on_too_much_is_refused(
    cli: Cli, words: tuple[str, ...], status: int
) -> None:
    assert cli("advise", *words).status == status
