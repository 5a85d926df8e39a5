"""What a new user reads when something is missing or mistaken: what is wrong, and the way out."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from imgrepl.cli.app import main

DEFINITION = ("-r", "golden", "-i", "debian")
VERSION = (*DEFINITION, "-e", "1.0.0")


class Told(NamedTuple):
    status: int
    text: str


Tell = Callable[..., Told]


@pytest.fixture
def tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Tell:
    """Runs a command line without a terminal and gives what stderr says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "IMGREPL_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    (tmp_path / "disk.raw").write_bytes(b"guest" + bytes((1 << 20) - 5))

    def run(*words: str) -> Told:
        status = main([*words, "-o", "none"])
        return Told(status, capsys.readouterr().err)

    return run


@pytest.fixture
def disk(tmp_path: Path) -> str:
    return str(tmp_path / "disk.raw")


@pytest.fixture
def regions(tell: Tell, tmp_path: Path) -> None:
    for name in ("eastus", "westeurope"):
        assert tell("region", "add", name, "--url", f"file://{tmp_path}/{name}").status == 0


@pytest.fixture
def published(tell: Tell, disk: str, regions: None) -> None:  # noqa: ARG001 - needs them
    """One version, in eastus alone."""
    words = ("image-version", "create", *VERSION, "--os-disk", disk, "--create-parents")
    assert tell(*words).status == 0


def test_without_a_region_the_first_minute_says_how_to_get_one(tell: Tell, disk: str) -> None:
    told = tell("image-version", "create", *VERSION, "--os-disk", disk, "--create-parents")

    assert told.status == 3
    assert "no region is registered" in told.text
    assert "`imgrepl lab up`" in told.text
    assert "`imgrepl region add`" in told.text


@pytest.mark.usefixtures("regions")
def test_without_a_gallery_or_definition_the_option_that_makes_them_is_named(
    tell: Tell, disk: str
) -> None:
    words = ("image-version", "create", *VERSION, "--os-disk", disk)
    for what in ("there is no gallery golden", "there is no image definition debian"):
        told = tell(*words)
        assert told.status == 3
        assert what in told.text
        assert "--create-parents" in told.text
        tell("gallery", "create", "-r", "golden", "-l", "eastus")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gallery", "create", "-r", "golden"), "error: --location or -l is missing (Usage)"),
        (("region", "add", "eastus", "--url"), "error: --url needs a value (Usage)"),
        (("operation", "show"), "error: OPERATION is missing (Usage)"),
        (("region", "check", "a", "b c"), "error: nothing takes 'b c' (Usage)"),
        (("gallery", "lst"), 'Did you mean "list"?'),
    ],
)
def test_a_command_line_that_is_not_whole_is_answered_in_plain_words(
    tell: Tell, words: tuple[str, ...], said: str
) -> None:
    told = tell(*words)

    assert told.status == 2
    assert said in told.text
    assert "--help` shows what is accepted" in told.text


@pytest.mark.parametrize(
    ("targets", "status", "said"),
    [
        ((), 2, "no target region is named"),
        (("eastus,westeurope",), 2, "regions are separated by spaces"),
        (("eastus:2",), 2, "a region from its count by '='"),
        (("eastus=2=Standard_LRS=1",), 2, "more than three parts"),
        (("=2",), 2, "names no region"),
        (("eastus=two",), 5, "a count is a whole number"),
        (("eastus=1=Cheap",), 5, "known are: Standard_LRS"),
        (("eastus=1=zrs",), 5, "known are: Standard_LRS"),
        (("eastus", "East US"), 5, "name each region once"),
        (("eastus", "mars"), 3, "there is no region mars; known are: eastus, westeurope"),
        (("westeurope",), 5, "the home region eastus is not among"),
        (("eastus=0",), 5, "a region takes 1 to 100"),
        (("eastus=1=Standard_ZRS",), 5, "does not offer Standard_ZRS"),
    ],
)
@pytest.mark.usefixtures("published")
def test_what_is_wrong_with_target_regions_is_said(
    tell: Tell, targets: tuple[str, ...], status: int, said: str
) -> None:
    told = tell("image-version", "update", *VERSION, "--target-regions", *targets)

    assert told.status == status
    assert said in told.text


@pytest.mark.usefixtures("published")
def test_a_version_does_not_leave_its_home_region(tell: Tell) -> None:
    told = tell("image-version", "update", *VERSION, "--remove-regions", "eastus")

    assert told.status == 5
    assert "cannot leave its home region eastus" in told.text


@pytest.mark.usefixtures("published")
def test_latest_is_for_looking_and_never_for_changing(tell: Tell) -> None:
    latest = (*DEFINITION, "-e", "latest")

    for command in ("show", "status", "verify", "checksum", "repair"):
        assert tell("image-version", command, *latest).status == 0, command
    for command in ("update", "retry", "delete"):
        told = tell("image-version", command, *latest)
        assert (told.status, "name the version by its number" in told.text) == (2, True), command


@pytest.mark.usefixtures("regions")
def test_latest_of_nothing_says_that_there_is_nothing(tell: Tell) -> None:
    tell("gallery", "create", "-r", "golden", "-l", "eastus")
    identifier = ("-p", "P", "-f", "O", "-s", "S", "--os-type", "Linux")
    tell("image-definition", "create", *DEFINITION, *identifier)

    told = tell("image-version", "show", *DEFINITION, "-e", "latest")

    assert told.status == 3
    assert "golden/debian has no versions yet (NoLatestVersion)" in told.text


@pytest.mark.parametrize("command", ["wait", "create"])
@pytest.mark.usefixtures("published")
def test_waiting_for_a_region_that_is_no_target_is_refused_and_not_forgotten(
    tell: Tell, disk: str, command: str
) -> None:
    words = ("--os-disk", disk) if command == "create" else ()

    told = tell("image-version", command, *VERSION, *words, "--wait-for", "region=westeurope")

    assert told.status == 5
    assert "westeurope cannot be waited for: the target regions are eastus" in told.text


@pytest.mark.usefixtures("published")
def test_a_deletion_without_a_terminal_says_what_was_asked_and_how_to_answer(tell: Tell) -> None:
    told = tell("image-version", "delete", *VERSION)

    assert told.status == 2
    assert "no terminal: Delete image version golden/debian/1.0.0?" in told.text
    assert "--yes" in told.text
