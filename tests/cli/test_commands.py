"""Commands from end to end: directories as regions, an index and an image of the test's own."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from imgrepl.cli.app import main
from imgrepl.cli.verdicts import verdict_of
from imgrepl.model.region import StorageAccountType
from imgrepl.model.replica import Replica, ReplicaState


class Ran(NamedTuple):
    status: int
    out: Any
    error: Any


Cli = Callable[..., Ran]
GALLERY = ("-r", "golden")
DEFINITION = (*GALLERY, "-i", "debian")
VERSION = (*DEFINITION, "-e", "1.0.0")


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line and gives its exit status, its result and its error."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "IMGREPL_INDEX"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object) -> Ran:
        status = main([*map(str, words), "-o", "json"])
        out, err = capsys.readouterr()
        last = err.splitlines()[-1] if status else "null"
        return Ran(status, json.loads(out) if out else None, json.loads(last))

    return run


@pytest.fixture
def regions(cli: Cli, tmp_path: Path) -> None:
    for name in ("East US", "westeurope"):
        assert cli("region", "add", name, "--url", f"file://{tmp_path}/{name[:4]}").status == 0


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(random.Random(7).randbytes(2 << 20) + bytes(6 << 20))
    return path


@pytest.mark.usefixtures("regions")
def test_a_gallery_that_is_made_on_the_way_lives_where_its_first_version_does(
    cli: Cli, image: Path
) -> None:
    base = ("image-version", "create", *VERSION, "--os-disk", image, "--create-parents")
    made = cli(*base, "--target-regions", "westeurope", "eastus")
    assert made.out["location"] == "westeurope"
    assert cli("gallery", "show", *GALLERY).out["location"] == "westeurope"


@pytest.mark.usefixtures("regions")
def test_a_region_whose_places_cannot_be_used_fails_its_check(
    cli: Cli, image: Path, tmp_path: Path
) -> None:
    create(cli, image, "--create-parents")
    assert cli("region", "check", "eastus").status == 0
    (tmp_path / "East" / "r0" / "owner.json").unlink()
    ran = cli("region", "check", "eastus")
    assert (ran.status, ran.error["error"]["code"]) == (4, "NotOwner")
    (place,) = ran.out["places"]
    assert (place["state"], place["hint"]) == ("refused", ran.error["error"]["hint"])


def create(cli: Cli, image: Path, *words: object) -> Ran:
    base = ("image-version", "create", *VERSION, "--os-disk", image)
    return cli(*base, "--target-regions", "eastus=2", "westeurope", "-l", "eastus", *words)


@pytest.mark.usefixtures("regions")
def test_the_first_minute_needs_one_command_and_its_answer_has_azures_shape(
    cli: Cli, image: Path
) -> None:
    ran = create(cli, image, "--create-parents", "--sha256")

    assert ran.status == 0
    assert ran.out["name"] == "1.0.0"
    assert ran.out["provisioningState"] == "Succeeded"
    assert ran.out["replicationStatus"]["aggregatedState"] == "Completed"
    assert [t["name"] for t in ran.out["publishingProfile"]["targetRegions"]] == [
        "eastus",
        "westeurope",
    ]
    disk = ran.out["imgrepl"]["disks"][0]
    assert (disk["lun"], disk["provisionedBytes"], disk["occupiedBytes"]) == (
        None,
        8 << 20,
        2 << 20,
    )
    assert len(ran.out["imgrepl"]["replicas"]) == 3
    assert ran.out["imgrepl"]["transfer"]["readBytes"] >= 2 << 20


@pytest.mark.usefixtures("regions")
def test_a_dry_run_shows_the_same_shape_and_changes_nothing(cli: Cli, image: Path) -> None:
    ran = create(cli, image, "--create-parents", "--dry-run")

    assert ran.status == 0
    assert ran.out["imgrepl"]["transfer"]["newBytes"] == 2 << 20
    assert cli("gallery", "list").out == []


@pytest.mark.usefixtures("regions")
def test_a_version_is_found_verified_downloaded_and_deleted(
    cli: Cli, image: Path, tmp_path: Path
) -> None:
    create(cli, image, "--create-parents")

    latest = cli("image-version", "show", *DEFINITION, "-e", "latest", "--region", "westeurope")
    assert latest.out["name"] == "1.0.0"
    assert [v["name"] for v in cli("image-version", "list", *DEFINITION).out] == ["1.0.0"]
    status = cli("image-version", "status", *VERSION, "--watch")
    assert status.out["replicationStatus"]["summary"][0]["progress"] == 100
    verified = cli("image-version", "verify", *VERSION, "--deep").out["replicas"]
    assert {replica["state"] for replica in verified} == {"healthy"}
    copy = tmp_path / "copy.raw"
    words = ("image-version", "download", *VERSION, "--format", "raw", "--file", copy)
    assert cli(*words).status == 0
    assert copy.read_bytes() == image.read_bytes()
    assert cli("usage").out["total"]["billedBytes"] == 3 * (2 << 20)
    assert cli("image-version", "delete", *VERSION, "--yes").status == 0
    gone = cli("image-version", "show", *VERSION)
    assert (gone.status, gone.error["error"]["code"]) == (3, "VersionNotFound")


@pytest.mark.usefixtures("regions")
def test_the_same_content_again_is_a_success_and_other_content_a_conflict(
    cli: Cli, image: Path
) -> None:
    create(cli, image, "--create-parents")

    assert create(cli, image).status == 0
    image.write_bytes(bytes(1 << 20) + b"x" * (1 << 20))
    other = create(cli, image)
    assert other.status == 4
    assert other.out is None


@pytest.mark.usefixtures("regions")
def test_damage_is_reported_on_stdout_and_is_exit_code_six(
    cli: Cli, image: Path, tmp_path: Path
) -> None:
    create(cli, image, "--create-parents")
    pack = next(path for path in (tmp_path / "west").rglob("packs/*/*") if path.is_file())
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(content)

    ran = cli("image-version", "verify", *VERSION, "--deep")

    assert ran.status == 6
    states = {(r["region"], r["replica"]): r["state"] for r in ran.out["replicas"]}
    assert states["westeurope", 0] == "damaged"
    assert states["eastus", 0] == "healthy"
    assert ran.error["error"]["code"] == "DamageFound"
    rehearsed = cli("image-version", "repair", *VERSION, "--dry-run")
    assert (rehearsed.status, rehearsed.out["replicas"]) == (6, ran.out["replicas"])
    assert cli("image-version", "verify", *VERSION).status == 6
    assert cli("image-version", "repair", *VERSION).status == 0
    assert cli("image-version", "verify", *VERSION, "--deep").status == 0


@pytest.mark.parametrize(
    "words",
    [
        ("gallery", "delete", *GALLERY),
        ("image-definition", "delete", *DEFINITION),
        ("image-version", "delete", *VERSION),
    ],
    ids=lambda words: words[0],
)
@pytest.mark.usefixtures("regions")
def test_a_script_that_deletes_without_yes_is_refused_and_nothing_is_gone(
    cli: Cli, image: Path, words: tuple[str, ...]
) -> None:
    create(cli, image, "--create-parents")

    ran = cli(*words)

    assert ran.status == 2
    assert ran.error["error"]["code"] == "ConfirmationRequired"
    assert cli("image-version", "show", *VERSION).status == 0


@pytest.mark.usefixtures("regions")
def test_a_gallery_goes_with_all_that_is_in_it_only_when_asked(cli: Cli, image: Path) -> None:
    create(cli, image, "--create-parents")

    for mode in (("--yes",), ("--dry-run",)):
        refused = cli("gallery", "delete", *GALLERY, *mode)
        assert (refused.status, refused.error["error"]["code"]) == (4, "NotEmpty")
    planned = cli("gallery", "delete", *GALLERY, "--recursive", "--dry-run")
    assert planned.out["versions"] == ["golden/debian/1.0.0"]
    assert cli("image-version", "show", *VERSION).status == 0
    done = cli("gallery", "delete", *GALLERY, "--recursive", "--yes")
    assert done.out == planned.out | {"deleted": True}
    assert cli("gallery", "list").out == []


@pytest.mark.usefixtures("regions")
def test_galleries_and_definitions_are_made_changed_and_listed(cli: Cli) -> None:
    cli("gallery", "create", *GALLERY, "-l", "East US", "--tags", "a=b")
    changed = cli("gallery", "update", *GALLERY, "--set", "tags.c=d", "description=hardened")
    assert changed.out["tags"] == {"a": "b", "c": "d"}
    assert changed.out["description"] == "hardened"

    words = ("image-definition", "create", *DEFINITION, "-p", "P", "-f", "O", "-s", "S")
    made = cli(*words, "--os-type", "linux")
    assert made.out["identifier"] == {"publisher": "P", "offer": "O", "sku": "S"}
    assert cli(*words, "--os-type", "Windows").status == 4
    assert [d["name"] for d in cli("image-definition", "list", *GALLERY).out] == ["debian"]
    assert cli("image-definition", "delete", *DEFINITION, "--yes").status == 0
    assert cli("image-definition", "show", *DEFINITION).status == 3


@pytest.mark.usefixtures("regions")
def test_numbers_are_chosen_after_the_highest(cli: Cli, image: Path) -> None:
    create(cli, image, "--create-parents")
    base = ("image-version", "create", *DEFINITION, "--os-disk", image, "-l", "eastus")

    assert cli(*base, "--auto-version", "minor", "--dry-run").out["name"] == "1.1.0"
    assert cli(*base, "--auto-version", "minor", "-e", "1.2.0").status == 2
    assert cli(*base).status == 2


def test_inspect_exits_with_five_for_what_a_gallery_would_refuse(
    cli: Cli, tmp_path: Path, image: Path
) -> None:
    fine = cli("image", "inspect", image, "--sha256")
    assert (fine.status, fine.out["format"], fine.out["occupiedBytes"]) == (0, "raw", 2 << 20)
    broken = tmp_path / "broken.vhdx"
    broken.write_bytes(b"vhdxfile" + bytes(1 << 20))

    ran = cli("image", "inspect", broken)

    assert ran.status == 5
    assert ran.error["error"]["target"] == str(broken)
    assert cli("image", "inspect", tmp_path / "absent").status == 3


def test_an_operation_that_does_not_exist_is_not_found(cli: Cli) -> None:
    assert cli("operation", "list").out == []
    assert cli("operation", "show", "20260101T000000-none").status == 3


def test_settings_are_shown_with_their_origin_and_without_passwords(cli: Cli) -> None:
    ran = cli("config", "show", "--index", "postgresql://me:hunter2@db/imgrepl")
    shown = {entry["name"]: (entry["value"], entry["origin"]) for entry in ran.out}

    assert shown["index"] == ("postgresql://me:***@db/imgrepl", "--index")
    assert shown["lease_seconds"] == (60.0, "default")


def replica(region: str, state: ReplicaState) -> Replica:
    kind = StorageAccountType.STANDARD_LRS
    return Replica(region=region, number=0, storage_account_type=kind, state=state, detail="why")


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ({"a": ReplicaState.COMPLETED, "b": ReplicaState.COMPLETED}, None),
        ({"a": ReplicaState.COMPLETED, "b": ReplicaState.REPLICATING}, None),
        ({"a": ReplicaState.COMPLETED, "b": ReplicaState.FAILED}, 8),
        ({"a": ReplicaState.FAILED, "b": ReplicaState.FAILED}, 7),
    ],
)
def test_partly_done_is_eight_and_nothing_done_is_seven(
    states: dict[str, ReplicaState], status: int | None
) -> None:
    error = verdict_of([replica(region, state) for region, state in states.items()])

    assert (error and error.exit_status) == status
    assert error is None or "b: why" in error.details


@pytest.mark.usefixtures("regions")
def test_a_check_says_what_a_server_can_do_in_keys_like_all_others(cli: Cli) -> None:
    place = cli("region", "check", "eastus").out["places"][0]

    assert place["state"] == "ok"
    assert place["capabilities"]["conditionalPut"] is True
    assert not any("_" in key for key in place["capabilities"])


@pytest.mark.usefixtures("regions")
def test_every_moment_in_json_ends_in_z(cli: Cli, image: Path) -> None:
    made = create(cli, image, "--create-parents").out
    operation = cli("operation", "list").out[0]

    moments = [made["publishingProfile"]["publishedDate"], operation["createdAt"]]
    moments += [replica["verifiedAt"] for replica in made["imgrepl"]["replicas"]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", at) for at in moments)


@pytest.mark.usefixtures("regions")
def test_a_scrub_proves_and_mends_and_the_status_says_since_when(
    cli: Cli, image: Path, tmp_path: Path
) -> None:
    create(cli, image, "--create-parents")
    pack = next(path for path in (tmp_path / "west").rglob("packs/*/*") if path.is_file())
    pack.chmod(0o644)
    pack.write_bytes(b"rotten" + pack.read_bytes()[6:])

    ran = cli("scrub", "--budget", "1GiB", "--max-duration", "10m", "--region", "West Europe")

    assert ran.status == 0
    (found,) = ran.out["found"]
    assert (found["outcome"], found["place"]) == ("mended", "westeurope/standard/0")
    assert ran.out["complete"] is True
    again = cli("scrub", "--region", "westeurope").out
    assert (again["found"], again["oldestProof"]["level"]) == ([], "fullRead")
    status = cli("image-version", "status", *VERSION).out["replicas"]
    proven = {(one["region"], one["replica"]): one["proof"]["level"] for one in status}
    assert proven["westeurope", 0] == "fullRead"


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (("--budget", "much"), 2, "Usage"),
        (("--budget", "1MiB"), 5, "OutOfRange"),
        (("--max-duration", "soon"), 2, "Usage"),
        (("--region", "nowhere"), 3, "RegionNotFound"),
    ],
)
@pytest.mark.usefixtures("regions")
def test_a_scrub_that_cannot_be_is_refused(
    cli: Cli, words: tuple[str, ...], status: int, code: str
) -> None:
    ran = cli("scrub", *words)
    assert (ran.status, ran.error["error"]["code"]) == (status, code)
