"""What options mean: the words of a command line as the request that an action gets."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gallery import samples
from imgrepl.actions.version_requests import TargetRequest
from imgrepl.azure.resource_ids import id_of_source, source_of
from imgrepl.cli.frame import build
from imgrepl.cli.nouns import as_ours
from imgrepl.cli.region_options import RegionOptions
from imgrepl.errors import Conflict, ImgreplError, Invalid, UsageError
from imgrepl.model.gallery import HostCaching, OsType, Range, SafetyProfile, VersionName
from imgrepl.model.region import Endpoint, StorageAccountType
from imgrepl.model.waiting import WAIT_FOR_ALL, WAIT_FOR_NOTHING

NAMES = ["-r", "golden", "-i", "debian"]
CREATE = ["image-version", "create", *NAMES, "--os-disk", "os.vhd"]


def options_of(words: list[str]) -> Any:
    _, bound, _ = build().parse_args(words, exit_on_error=False, print_error=False)
    return bound.kwargs["options"]


def request(*words: str) -> Any:
    options = options_of([*CREATE, *words])
    return options.request(options.definition_id.version(VersionName(1, 0, 0)))


def test_target_regions_take_several_words_counts_and_types() -> None:
    asked = request(
        "--target-regions", "East US=2", "westeurope=1=standard_zrs", "--replica-count", "3"
    )

    assert asked.target_regions == [
        TargetRequest("eastus", 2),
        TargetRequest("westeurope", 1, StorageAccountType.STANDARD_ZRS),
    ]
    assert asked.replica_count == 3
    assert request().target_regions is None


@pytest.mark.parametrize("name", ["--os-disk", "--os-vhd-uri", "--image-version"])
def test_the_os_disk_has_the_names_that_az_gives_it(name: str) -> None:
    options = options_of(["image-version", "create", *NAMES, name, "imgrepl:g/n/1.0.0"])

    assert options.os_disk == "imgrepl:g/n/1.0.0"


def test_long_names_are_those_of_az() -> None:
    words = ["--gallery-name", "g", "--gallery-image-definition", "n", "--resource-group", "rg"]
    options = options_of(["image-version", "show", *words, "--gallery-image-version", "1.0.0"])

    assert str(options.definition_id) == "default/rg/g/n"
    assert options.version == "1.0.0"


def test_data_disks_are_named_by_lun_in_either_spelling() -> None:
    assert request("--data-disk", "0=a.vhd", "7=b=c.vhd").data_disks == {0: "a.vhd", 7: "b=c.vhd"}
    assert request("--data-disk", "0=a", "--data-disk", "1=b").data_disks == {0: "a", 1: "b"}
    assert request("--data-vhds-uris", "a", "b").data_disks == {0: "a", 1: "b"}
    az = ["--data-vhds-uris", "a", "b", "--data-vhds-luns", "4", "2"]
    assert request(*az).data_disks == {4: "a", 2: "b"}


def test_parents_belong_to_the_os_disk_unless_a_lun_is_named() -> None:
    asked = request("--parent", "base.vhd", "os=top=1.vhd", "3=data.vhd", "./0=odd.vhd")

    assert asked.parents == {None: ("base.vhd", "top=1.vhd", "./0=odd.vhd"), 3: ("data.vhd",)}


@pytest.mark.parametrize(
    "words",
    [
        ["--data-disk", "a.vhd"],
        ["--data-vhds-uris", "a", "--data-vhds-luns", "1", "2"],
        ["--tags", "a=1", "a=2"],
        ["--tags", "=1"],
        ["--end-of-life-date", "soon"],
        ["--target-regions", "eastus=two=standard_lrs"],
        ["--host-caching", "0=Often"],
        ["--host-caching", "x=ReadOnly"],
    ],
)
def test_words_that_mean_nothing_are_wrong_usage(words: list[str]) -> None:
    with pytest.raises(UsageError):
        request(*words)


@pytest.mark.parametrize(
    "words",
    [["--data-disk", "0=a", "0=b"], ["--data-disk", "0=a", "--data-vhds-uris", "b"]],
)
def test_two_data_disks_of_one_lun_are_no_layout(words: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        request(*words)
    assert refused.value.code == "InvalidDiskLayout"


def test_spellings_of_az_mean_the_same() -> None:
    base = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/galleries/G"
    words = ["--data-snapshots", "a", "b", "--data-snapshot-luns", "4", "5"]
    asked = request(*words, "--data-vhds-sa", "sa", "--host-caching", "ReadOnly", "4=readwrite")

    assert dict(asked.data_disks) == {4: "a", 5: "b"}
    assert asked.host_caching == {None: HostCaching.READ_ONLY, 4: HostCaching.READ_WRITE}
    assert source_of(f"{base}/images/web/versions/1.0.0") == "imgrepl:s/rg/G/web/1.0.0"
    assert source_of("/SharedGalleries/s-G/Images/web/Versions/1.0.0") == "imgrepl:s-G/web/1.0.0"
    assert source_of("/communitygalleries/c-1/images/w/versions/latest") == "imgrepl:c-1/w/latest"
    assert source_of("disk.vhd") == "disk.vhd"


def test_a_source_that_is_a_version_has_its_id() -> None:
    base = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/galleries/G"
    assert id_of_source("imgrepl:s/rg/G/web/1.0.0") == f"{base}/images/web/versions/1.0.0"
    for other in ("disk.vhd", "s3://b/k", "imgrepl:c-1/web/1.0.0", "imgrepl:", "imgrepl:a"):
        assert id_of_source(other) is None, other


@pytest.mark.parametrize(
    ("az", "ours"),
    [
        (("sig", "create", "-r", "g"), ("gallery", "create", "-r", "g")),
        (("sig", "image-version", "list"), ("image-version", "list")),
        (("sig", "image-definition", "show"), ("image-definition", "show")),
        (("sig",), ("gallery",)),
        (("gallery", "list"), ("gallery", "list")),
    ],
)
def test_what_az_has_below_sig_is_found(az: tuple[str, ...], ours: tuple[str, ...]) -> None:
    assert as_ours(az) == ours


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ([], None),
        (["--exclude-from-latest"], True),
        (["--exclude-from-latest", "true"], True),
        (["--exclude-from-latest", "false"], False),
        (["--exclude-from-latest=false"], False),
    ],
)
def test_a_flag_of_three_states_stands_alone_or_takes_a_value(
    words: list[str], value: bool | None
) -> None:
    options = options_of(["image-version", "update", *NAMES, "-e", "1.0.0", *words])

    assert options.request().exclude_from_latest is value


def test_no_wait_wins_and_all_is_the_default() -> None:
    assert options_of(CREATE).milestone == WAIT_FOR_ALL
    assert options_of([*CREATE, "--no-wait"]).milestone == WAIT_FOR_NOTHING
    assert str(options_of([*CREATE, "--wait-for", "region=East US"]).milestone) == "region=eastus"


def test_the_rest_of_a_version_reaches_the_request() -> None:
    asked = request(
        *("--end-of-life-date", "2028-06-30", "--tags", "a=b", "empty", "-l", "eastus"),
        *("--storage-account-type", "premium_lrs", "--create-parents", "--sha256"),
        *("--block-deletion-before-end-of-life", "--allow-replicated-location-deletion", "false"),
    )

    assert asked.end_of_life_date == datetime(2028, 6, 30, tzinfo=UTC)
    assert asked.tags == {"a": "b", "empty": ""}
    assert asked.location == "eastus"
    assert asked.storage_account_type is StorageAccountType.PREMIUM_LRS
    assert asked.create_parents
    assert asked.sha256
    assert asked.safety == SafetyProfile(
        allow_deletion_of_replicated_locations=False, block_deletion_before_end_of_life=True
    )


def definition(*words: str) -> Any:
    base = ["image-definition", "create", *NAMES, "-p", "P", "-f", "O", "-s", "S"]
    return options_of([*base, *words]).request()


def test_a_definition_takes_enums_in_any_case_and_features_as_az_writes_them() -> None:
    asked = definition(
        "--os-type", "WINDOWS", "--architecture", "arm64", "--features", "A=1 B=2", "C=3"
    )

    assert asked.os_type is OsType.WINDOWS
    assert asked.architecture.value == "Arm64"
    assert asked.features == {"A": "1", "B": "2", "C": "3"}
    assert tuple(asked.identifier) == ("P", "O", "S")


def test_a_plan_is_whole_or_absent() -> None:
    assert definition("--os-type", "Linux").purchase_plan is None
    with pytest.raises(UsageError, match="--plan-product"):
        definition("--os-type", "Linux", "--plan-name", "x")


def test_half_a_range_keeps_its_other_half() -> None:
    present = samples.definition(recommended_memory=Range(2, 8))
    options = options_of(["image-definition", "update", *NAMES, "--minimum-memory", "4"])

    assert options.changes(present).recommended_memory == Range(4, 8)
    assert options.changes(present).recommended_vcpus is None


def test_an_empty_text_clears_a_field_and_set_reaches_what_az_reaches() -> None:
    present = samples.definition(tags={"a": "b"})
    words = ["--description", "", "--set", "tags.c=d", "endOfLifeDate=2030-01-01"]
    changes = options_of(["image-definition", "update", *NAMES, *words]).changes(present)

    assert changes.clear == {"description"}
    assert changes.tags == {"a": "b", "c": "d"}
    assert changes.end_of_life_date == datetime(2030, 1, 1, tzinfo=UTC)


def test_set_refuses_what_cannot_change() -> None:
    options = options_of(["image-definition", "update", *NAMES, "--set", "osType=Windows"])

    with pytest.raises(Conflict) as caught:
        options.changes(samples.definition())
    assert caught.value.code == "ImmutableProperty"


def test_a_place_may_stand_on_a_server_of_its_own() -> None:
    options = RegionOptions(
        endpoint="http://one:9000",
        credentials_env="EAST",
        addressing="path",
        replica_urls=("s3://b2/p", "https://two:9000/b3/p", "file:///srv"),
        premium="s3://fast",
        premium_storage_class="SSD",
    )
    region = options.region("East US", "s3://b1")

    assert (region.name, region.display_name) == ("eastus", "East US")
    assert [(place.url, place.endpoint_url) for place in region.standard] == [
        ("s3://b1", "http://one:9000"),
        ("s3://b2/p", "http://one:9000"),
        ("s3://b3/p", "https://two:9000"),
        ("file:///srv", None),
    ]
    assert {place.credentials_env for place in region.standard[:3]} == {"EAST"}
    assert region.premium is not None
    assert region.premium.storage_class == "SSD"


def test_an_update_keeps_what_is_not_named_and_replaces_credentials_whole() -> None:
    before = RegionOptions(endpoint="http://one:9000", credentials_env="EAST").region(
        "eastus", "s3://b1"
    )
    after = RegionOptions(profile="ops", ca_file="/ca.pem").changed(before, None)

    assert after.standard == (
        Endpoint(url="s3://b1", endpoint_url="http://one:9000", profile="ops", ca_file="/ca.pem"),
    )
    assert RegionOptions().changed(before, None) == before


def test_two_ways_to_name_credentials_are_refused() -> None:
    with pytest.raises(ImgreplError, match="give one"):
        RegionOptions(profile="a", credentials_env="B").region("eastus", "s3://b1")
