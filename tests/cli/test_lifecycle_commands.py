"""Staging, promoting, deleting and keeping, from end to end over a directory."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imgrepl.cli.app import main

DEFINITION = ("-r", "golden", "-i", "debian")
MIB = 1 << 20


class Ran(NamedTuple):
    status: int
    out: Any
    error: Any


Cli = Callable[..., Ran]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line over a gallery of one region; gives exit status, result and error."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "IMGREPL_INDEX"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object) -> Ran:
        status = main([*map(str, words), "-o", "json"])
        out, err = capsys.readouterr()
        last = err.splitlines()[-1] if status else "null"
        return Ran(status, json.loads(out) if out else None, json.loads(last))

    assert run("region", "add", "eastus", "--url", f"file://{tmp_path}/east").status == 0
    assert run("gallery", "create", "-r", "golden", "-l", "eastus").status == 0
    return run


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(random.Random(7).randbytes(MIB) + bytes(MIB))
    return path


def create(cli: Cli, image: Path, version: str, *words: object) -> Any:
    base = ("image-version", "create", *DEFINITION, "-e", version, "--os-disk", image)
    ran = cli(*base, "--create-parents", *words)
    assert ran.status == 0, ran.error
    return ran.out


def version(cli: Cli, command: str, name: str, *words: object) -> Ran:
    return cli("image-version", command, *DEFINITION, "-e", name, *words)


def latest(cli: Cli) -> str:
    return str(version(cli, "show", "latest").out["name"])


def code(ran: Ran) -> tuple[int, str]:
    return ran.status, ran.error["error"]["code"]


def test_a_staged_version_is_the_latest_only_once_it_is_promoted(cli: Cli, image: Path) -> None:
    create(cli, image, "1.0.9")
    staged = create(cli, image, "1.0.10", "--stage")
    assert staged["publishingProfile"]["excludeFromLatest"] is True
    shown = version(cli, "show", "latest", "--region", "eastus", "--explain").out
    assert shown["name"] == "1.0.9"
    assert shown["imgrepl"]["explained"][0] == ("in eastus, 1.0.10: it is excluded from latest")
    promoted = version(cli, "promote", "1.0.10").out
    assert promoted["publishingProfile"]["excludeFromLatest"] is False
    assert latest(cli) == "1.0.10"
    assert version(cli, "promote", "1.0.10").out["etag"] == promoted["etag"]


def test_a_region_can_be_promoted_first_and_its_answer_be_unset(cli: Cli, image: Path) -> None:
    create(cli, image, "1.0.0", "--stage")
    word = "--exclude-from-latest-in"

    def own(ran: Ran) -> object:
        return ran.out["publishingProfile"]["targetRegions"][0]["excludeFromLatest"]

    assert own(version(cli, "promote", "1.0.0", "--regions", "East US")) is False
    assert latest(cli) == "1.0.0"
    assert own(version(cli, "update", "1.0.0", word, "eastus=unset")) is None
    assert code(version(cli, "show", "latest")) == (3, "NoLatestVersion")
    assert own(version(cli, "update", "1.0.0", word, "eastus=true")) is True
    assert code(version(cli, "update", "1.0.0", word, "mars=true")) == (5, "InvalidTargetRegions")
    assert code(version(cli, "update", "1.0.0", word, "eastus=maybe")) == (2, "Usage")


def test_stage_and_its_opposite_exclude_each_other(cli: Cli, image: Path) -> None:
    words = ("image-version", "create", *DEFINITION, "-e", "1.0.0", "--os-disk", image)
    assert cli(*words, "--stage", "--exclude-from-latest", "false").status == 2


def test_what_was_deleted_into_the_bin_is_listed_used_brought_back_and_purged(
    cli: Cli, image: Path, tmp_path: Path
) -> None:
    policy = ("--soft-delete", "--soft-delete-retention-days", 3, "--soft-delete-grace-days", 1)
    changed = cli("gallery", "update", "-r", "golden", *policy).out["softDeletePolicy"]
    assert changed == {
        "isSoftDeleteEnabled": True,
        "retentionPeriodInDays": 3,
        "gracePeriodInDays": 1,
    }
    create(cli, image, "1.0.0")
    planned = version(cli, "delete", "1.0.0", "--dry-run").out
    assert (planned["deleted"], planned["softDeleted"]) == (False, True)
    assert version(cli, "delete", "1.0.0", "--yes").out["softDeleted"] is True
    (binned,) = cli("image-version", "list-soft-deleted", *DEFINITION).out
    assert binned["softDeletedArtifactType"] == "Images"
    assert binned["softDeletedTime"] < binned["consumptionEndTime"]
    assert binned["consumptionEndTime"] < binned["hardDeletionTargetTime"]
    assert cli("image-version", "list", *DEFINITION).out == []
    assert version(cli, "show", "1.0.0").out["imgrepl"]["imageState"] == "SoftDeleted"
    words = ("--format", "raw", "--file", tmp_path / "out.raw")
    assert version(cli, "download", "1.0.0", *words).status == 0
    back = version(cli, "undelete", "1.0.0").out
    assert back["imgrepl"]["imageState"] == "Active"
    assert code(version(cli, "purge", "1.0.0", "--yes")) == (4, "NotSoftDeleted")
    version(cli, "delete", "1.0.0", "--yes")
    assert version(cli, "purge", "1.0.0", "--yes").out["purged"] is True
    assert code(version(cli, "undelete", "1.0.0")) == (3, "VersionNotFound")


def test_a_recursive_deletion_lists_everything_and_what_stands_in_the_way(
    cli: Cli, image: Path
) -> None:
    create(cli, image, "1.0.0")
    create(
        cli,
        image,
        "1.0.1",
        "--end-of-life-date",
        "2999-01-01",
        "--block-deletion-before-end-of-life",
    )
    cli("gallery", "update", "-r", "golden", "--soft-delete")
    version(cli, "delete", "1.0.0", "--yes")
    whole = ("gallery", "delete", "-r", "golden", "--recursive")
    planned = cli(*whole, "--dry-run")
    assert planned.status == 0
    assert planned.out["definitions"] == ["golden/debian"]
    assert planned.out["versions"] == ["golden/debian/1.0.0", "golden/debian/1.0.1"]
    assert planned.out["softDeletedVersions"] == ["golden/debian/1.0.0"]
    reasons = [obstacle["code"] for obstacle in planned.out["blocked"]]
    assert reasons == ["SoftDeleteEnabled", "DeletionBlocked"]
    both = cli(*whole, "--yes")
    assert code(both) == (4, "DeletionBlocked")
    assert len(both.error["error"]["details"]) == 2
    assert code(cli(*whole, "--yes", "--bypass-soft-delete")) == (4, "DeletionBlocked")
    assert len(cli("image-version", "list", *DEFINITION).out) == 1
    version(cli, "update", "1.0.1", "--block-deletion-before-end-of-life", "false")
    part = ("image-definition", "delete", *DEFINITION, "--yes")
    assert code(cli(*part)) == (4, "NotEmpty")
    assert cli(*part, "--recursive", "--bypass-soft-delete").out["deleted"] is True
    assert cli(*whole, "--yes").out == {
        "gallery": "golden",
        "definitions": [],
        "versions": [],
        "softDeletedVersions": [],
        "stagedVersions": [],
        "blocked": [],
        "deleted": True,
    }


def test_who_saw_an_older_state_is_told_whatever_the_resource(cli: Cli, image: Path) -> None:
    create(cli, image, "1.0.0")
    resources: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
        (("gallery",), ("-r", "golden")),
        (("image-definition",), DEFINITION),
        (("image-version",), (*DEFINITION, "-e", "1.0.0")),
    ]
    for noun, names in resources:
        seen = cli(*noun, "show", *names).out["etag"]
        first = cli(*noun, "update", *names, "--tags", "a=1", "--if-match", seen)
        assert first.status == 0
        assert first.out["etag"] != seen
        second = cli(*noun, "update", *names, "--tags", "b=2", "--if-match", seen)
        assert code(second) == (4, "ChangedMeanwhile")
        deleted = cli(*noun, "delete", *names, "--yes", "--if-match", seen)
        assert code(deleted) == (4, "ChangedMeanwhile")
        assert cli(*noun, "show", *names).out["tags"] == {"a": "1"}


def test_retention_shows_why_and_applies_the_same_rules(cli: Cli, image: Path) -> None:
    for name in ("1.0.0", "1.0.1", "1.0.2", "1.0.10"):
        create(cli, image, name, *(("--tags", "keep=yes") if name == "1.0.1" else ()))
    rules = (*DEFINITION, "--keep-last", 2, "--pin", "keep")
    planned = cli("retention", "plan", *rules)
    fates = {one["version"]: one["decision"] for one in planned.out["versions"]}
    assert fates == {
        "golden/debian/1.0.10": "keep",
        "golden/debian/1.0.2": "keep",
        "golden/debian/1.0.1": "keep",
        "golden/debian/1.0.0": "delete",
    }
    assert planned.out["versions"][2]["reasons"] == ["tag keep pins it"]
    assert (planned.out["kept"], planned.out["toDelete"]) == (3, 1)
    assert cli("retention", "apply", *rules, "--dry-run").out == planned.out
    assert code(cli("retention", "apply", *rules)) == (2, "ConfirmationRequired")
    done = cli("retention", "apply", *rules, "--yes")
    assert done.status == 0
    assert [one["outcome"] for one in done.out["versions"]] == ["kept", "kept", "kept", "deleted"]
    assert cli("retention", "apply", "-r", "golden", "--keep-last", 2, "--pin", "keep").status == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), (5, "NoRetentionRule")),
        (("--keep-last", 0), (5, "OutOfRange")),
        (("--keep-newer-than", "soon"), (2, "Usage")),
        (("--keep-last", 1, "--pin", "=x"), (2, "Usage")),
    ],
)
def test_rules_that_make_no_sense_are_refused(
    cli: Cli, words: tuple[object, ...], expected: tuple[int, str]
) -> None:
    assert code(cli("retention", "plan", "-r", "golden", *words)) == expected


def test_a_condition_of_ones_own_is_waited_for(cli: Cli, image: Path) -> None:
    create(cli, image, "1.0.0")
    holds = "publishingProfile.targetRegions[?name=='eastus'] && provisioningState=='Succeeded'"
    assert version(cli, "wait", "1.0.0", "--custom", holds).out["name"] == "1.0.0"
    ended = version(cli, "wait", "1.0.0", "--custom", "tags.tried", "--timeout", 0)
    assert code(ended) == (7, "WaitTimedOut")
    both = version(cli, "wait", "1.0.0", "--custom", holds, "--deleted")
    assert code(both) == (2, "Usage")


def test_a_condition_that_is_no_jmespath_is_refused(cli: Cli) -> None:
    refused = version(cli, "wait", "1.0.0", "--custom", "[?")
    assert code(refused) == (2, "InvalidQuery")
    assert refused.error["error"]["message"].startswith("--custom '[?' cannot be evaluated")


def test_words_of_az_that_change_nothing_here_are_taken(cli: Cli, image: Path) -> None:
    create(cli, image, "1.0.0")
    shown = cli("sig", "show", "-r", "golden", "--select", "Permissions", "--sharing-groups")
    assert shown.out["sharingProfile"]["permissions"] == "Private"
    assert cli("sig", "update", "-r", "golden", "--description", "new", "--no-wait").status == 0
    assert version(cli, "delete", "1.0.0", "--no-wait", "--yes").status == 0
    deleted = cli("sig", "image-definition", "delete", *DEFINITION, "--no-wait", "--yes")
    assert deleted.status == 0
    assert cli("sig", "delete", "-r", "golden", "--no-wait", "--yes").status == 0


def test_an_id_names_a_resource_as_its_options_do(cli: Cli, image: Path) -> None:
    name = create(cli, image, "1.0.0")["id"]
    shown = cli("sig", "image-version", "show", "--ids", name)
    assert (shown.status, shown.out["id"]) == (0, name)
    definition, _slash, _number = name.rpartition("/versions/")
    listed = cli("image-definition", "show", f"--ids={definition}", "--query", "name")
    assert listed.out == "debian"
    gallery = definition.rpartition("/images/")[0].upper()
    assert cli("gallery", "show", "--ids", gallery).out["name"] == "golden"
    for words in (["nothing"], [name, name], []):
        refused = cli("image-version", "show", "--ids", *words)
        assert code(refused) == (2, "Usage"), words


def test_what_comes_back_may_be_told_to_keep_its_regions(cli: Cli, image: Path) -> None:
    assert cli("gallery", "update", "-r", "golden", "--soft-delete", "true").status == 0
    create(cli, image, "1.0.0")
    assert version(cli, "delete", "1.0.0", "--yes").status == 0
    back = version(cli, "undelete", "1.0.0", "--allow-replicated-location-deletion", "false").out
    assert back["safetyProfile"]["allowDeletionOfReplicatedLocations"] is False
    shown = version(cli, "show", "1.0.0").out
    assert shown["safetyProfile"]["allowDeletionOfReplicatedLocations"] is False


def test_a_hint_names_the_group_too(cli: Cli, image: Path) -> None:
    group = ("-g", "rg", "-r", "silver", "-i", "debian")
    words = ("image-version", "create", *group, "-e", "1.0.0", "--os-disk", image, "-l", "eastus")
    assert cli(*words, "--create-parents").status == 0
    other = cli(*words, "--exclude-from-latest")
    assert code(other) == (4, "VersionExists")
    assert (
        "image-version update -g rg -r silver -i debian -e 1.0.0 " in other.error["error"]["hint"]
    )
    gone = cli("image-version", "show", *group, "-e", "2.0.0")
    assert "image-version list -g rg -r silver -i debian`" in gone.error["error"]["hint"]


def test_a_version_made_from_the_latest_says_which_that_was(cli: Cli, image: Path) -> None:
    first = create(cli, image, "1.0.0")
    words = ("image-version", "create", *DEFINITION, "-e", "1.0.1")
    made = cli(*words, "--image-version", "imgrepl:golden/debian/latest").out
    assert made["storageProfile"]["source"] == {"id": first["id"]}
    assert made["storageProfile"]["osDiskImage"]["source"]["uri"] == "imgrepl:golden/debian/1.0.0"
    again = cli(*words, "--image-version", first["id"])
    assert (again.status, again.out["etag"]) == (0, made["etag"])
