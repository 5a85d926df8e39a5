"""Sharing from the command line: who is named, what is answered, how a refusal ends."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imgrepl.cli.app import main

GOLDEN = ("-r", "golden")
DEBIAN = (*GOLDEN, "-i", "debian")
MIB = 1 << 20


class Ran(NamedTuple):
    status: int
    out: Any
    error: Any


Cli = Callable[..., Ran]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line over a gallery with one version; gives exit status, result and error."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("imgrepl.assembly.wiring.getuser", lambda: "root")
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "IMGREPL_INDEX"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object) -> Ran:
        status = main([*map(str, words), "-o", "json"])
        out, err = capsys.readouterr()
        last = err.splitlines()[-1] if status else "null"
        return Ran(
            status, json.loads(out) if out else None, json.loads(last)["error"] if status else None
        )

    disk = tmp_path / "disk.raw"
    disk.write_bytes(random.Random(7).randbytes(MIB) + bytes(MIB))
    assert run("region", "add", "eastus", "--url", f"file://{tmp_path}/east").status == 0
    create = ("image-version", "create", *DEBIAN, "-e", "1.0.0", "--os-disk", disk)
    assert run(*create, "--create-parents").status == 0
    return run


def test_a_role_is_tried_out_as_somebody_else_and_a_refusal_says_the_way_out(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = ("image-version", "show", *DEBIAN, "-e", "latest")
    refused = cli(*show, "--principal", "alice")
    assert (refused.status, refused.error["code"]) == (9, "NotAllowed")
    assert "galleries/images/versions/read on golden/debian" in refused.error["message"]
    command = refused.error["hint"].partition("`imgrepl ")[2].partition("`")[0]
    assert command == "share add -r golden -i debian --assignee alice --role 'Reader'"

    given = cli(*command.replace("'", "").split())
    assert [(one["who"], one["role"]) for one in given.out] == [("alice", "Reader")]
    monkeypatch.setenv("IMGREPL_PRINCIPAL", "alice")
    assert cli(*show).out["name"] == "1.0.0"
    assert cli("region", "list").status == 0
    assert cli("region", "remove", "eastus").status == 9
    with_me = cli("share", "list", "--with-me").out
    assert [(one["resource"], one["how"], one["role"]) for one in with_me] == [
        ("golden/debian", "Role", "Reader")
    ]
    assert cli("share", "remove", *DEBIAN, "--assignee", "alice").status == 9
    monkeypatch.setenv("IMGREPL_PRINCIPAL", "Root")
    assert cli("share", "remove", *DEBIAN, "--assignee", "alice").out == []
    refusals = cli("activity", "list", "--caller", "alice", "--status", "Refused").out
    assert [one["action"] for one in refusals] == [
        "roleAssignments/write",
        "index/write",
        "galleries/images/versions/read",
    ]


def test_share_check_explains_each_action_and_ends_as_one_would(cli: Cli) -> None:
    cli("share", "add", *DEBIAN, "--assignee", "group:ops", "--role", "contributor")
    check = ("share", "check", "alice,group=ops", *DEBIAN)

    explained = {one["action"]: one for one in cli(*check).out}
    assert explained["galleries/images/versions/write"]["allowed"]
    assert explained["galleries/images/versions/write"]["grantedOn"] == "golden/debian"
    assert not explained["roleAssignments/write"]["allowed"]
    assert explained["roleAssignments/write"]["rolesNeeded"] == ["Owner"]
    assert cli(*check, "--action", "galleries/images/delete").status == 0
    one = cli(*check, "--action", "roleAssignments/write")
    assert (one.status, one.out[0]["allowed"]) == (9, False)
    assert cli(*check, "--action", "fly").error["code"] == "UnknownAction"
    assert cli("share", "check", "a b").error["code"] == "InvalidPrincipal"


def test_a_direct_share_is_accepted_and_used_by_its_unique_name(cli: Cli) -> None:
    assert cli("share", "add", *GOLDEN, "--subscription-ids", "contoso").error["code"] == (
        "SharingNotEnabled"
    )
    cli("gallery", "update", *GOLDEN, "--permissions", "groups")
    cli("share", "add", *GOLDEN, "--subscription-ids", "contoso", "--tenant-ids", "fabrikam")
    bob = ("--principal", "bob,subscription=contoso")

    offered = cli("invitation", "list", *bob).out
    assert [(one["gallery"], one["state"]) for one in offered] == [("default-GOLDEN", "Pending")]
    accepted = cli("invitation", "accept", "-r", "default-GOLDEN", *bob).out
    assert [one["state"] for one in accepted] == ["Accepted"]
    assert cli("gallery", "list-shared", *bob).out[0]["uniqueId"] == (
        "/SharedGalleries/default-GOLDEN"
    )
    shared = ("-r", "default-GOLDEN", "-i", "debian")
    assert cli("image-version", "list", *shared, *bob).out[0]["name"] == "1.0.0"
    of_gallery = ("image-version", "list", "-r", "default-golden", *bob)
    assert [one["name"] for one in cli(*of_gallery).out] == ["1.0.0"]
    images = cli("image-definition", "list", "-r", "default-GOLDEN", *bob).out
    assert [one["name"] for one in images] == ["debian"]
    assert (
        cli("gallery", "show-shared", "--gallery-unique-name", "default-golden", *bob).out[
            "location"
        ]
        == "eastus"
    )
    profile = cli("gallery", "show", *GOLDEN).out["sharingProfile"]
    assert profile["groups"][1] == {"type": "AADTenants", "ids": ["fabrikam"]}
    assert cli("invitation", "reject", "-r", "default-GOLDEN", *bob).out[0]["state"] == "Rejected"
    assert cli("image-version", "list", *shared, *bob).status == 9
    assert cli("invitation", "accept", "-r", "golden").error["code"] == "InvitationNotFound"


def test_a_community_gallery_is_made_enabled_read_and_reset(cli: Cli) -> None:
    info = ["--publisher-uri", "https://contoso.example", "--publisher-email", "a@contoso.example"]
    info += ["--eula", "as is", "--public-name-prefix", "contoso"]
    lacking = cli("gallery", "update", *GOLDEN, "--permissions", "community", *info[:-2])
    assert (lacking.status, lacking.error["code"]) == (5, "CommunityInfoMissing")
    made = cli("gallery", "update", *GOLDEN, "--permissions", "community", *info).out
    assert not made["sharingProfile"]["communityGalleryInfo"]["communityGalleryEnabled"]

    enabled = cli("share", "enable-community", *GOLDEN).out
    (public_name,) = enabled["sharingProfile"]["communityGalleryInfo"]["publicNames"]
    assert enabled["sharingStatus"]["aggregatedState"] == "Succeeded"
    anybody = ("--principal", "anybody")
    assert cli("gallery", "list-community", *anybody).out[0]["name"] == public_name
    show = ("image-version", "show", "-r", public_name, "-i", "debian", "-e", "latest")
    assert cli(*show, *anybody).out["name"] == "1.0.0"
    delete = cli("gallery", "delete", *GOLDEN, "--recursive", "--yes")
    assert (delete.status, delete.error["code"]) == (4, "GalleryShared")
    named = ("gallery", "show-community", "--public-gallery-name", public_name)
    assert cli(*named, *anybody).out["communityMetadata"]["eula"] == "as is"

    assert cli("share", "reset", *GOLDEN, "--yes").out["sharingProfile"]["permissions"] == "Private"
    assert cli(*named).error["code"] == "GalleryNotFound"
    assert cli(*show, *anybody).status == 9


@pytest.mark.parametrize(
    "words",
    [
        ("share", "add", *DEBIAN),
        ("share", "add", *DEBIAN, "--assignee", "alice"),
        ("share", "add", *DEBIAN, "--role", "Reader", "--tenant-ids", "t"),
        ("share", "add", *DEBIAN, "--tenant-ids", "t"),
        ("share", "add", *GOLDEN, "-e", "1.0.0", "--assignee", "alice", "--role", "Reader"),
        ("share", "list"),
        ("share", "list", *GOLDEN, "--with-me"),
        ("share", "check", "alice", "-i", "debian"),
    ],
    ids=" ".join,
)
def test_what_does_not_go_together_is_refused(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli(*words).status == 2
