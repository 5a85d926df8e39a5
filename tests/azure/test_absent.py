"""What az has and means nothing here is refused with the way out, and nothing else is."""

import json

import pytest

from imgrepl.azure import absent
from imgrepl.cli.app import main

CREATE = ("image-version", "create", "-r", "g", "-i", "d", "-e", "1.0.0")


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ((*CREATE, "--managed-image", "/subscriptions/s/x"), "--managed-image"),
        (("sig", *CREATE, "--virtual-machine=vm"), "--virtual-machine"),
        (
            (*CREATE, "--os-disk", "x", "--target-region-encryption", "k"),
            "--target-region-encryption",
        ),
        (
            ("sig", "create", "-r", "g", "-l", "eastus", "--mi-system-assigned"),
            "--mi-system-assigned",
        ),
        (("sig", "identity", "show", "-r", "g"), "gallery identity"),
        (("sig", "gallery-application", "list", "-r", "g"), "gallery gallery-application"),
        (("image-version", "list-community", "-l", "eastus"), "image-version list-community"),
    ],
)
def test_what_only_azure_has_is_refused_with_the_way_out(
    words: tuple[str, ...], target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "-o", "json"]) == 2
    error = json.loads(capsys.readouterr().err.splitlines()[-1])["error"]
    assert (error["code"], error["target"]) == (absent.CODE, target)
    assert error["message"].startswith(f"{target} is for Azure alone: ")
    assert error["hint"]


def test_an_ordinary_mistake_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CREATE, "--os-disc", "x", "-o", "json"]) == 2
    error = json.loads(capsys.readouterr().err.splitlines()[-1])["error"]
    assert error["code"] == "Usage"


def test_each_says_why_and_what_to_do() -> None:
    everything = (*absent.OPTIONS.values(), *absent.COMMANDS.values(), *absent.FIELDS.values())
    assert all(one.why and one.way_out for one in everything)
    assert absent.refusal(["image-version", "create", "--os-disk", "x"]) is None
