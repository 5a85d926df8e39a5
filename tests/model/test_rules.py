"""Limits and what fields may hold."""

from datetime import UTC, datetime, timedelta

import pytest

from imgrepl.errors import Invalid
from imgrepl.model import rules
from imgrepl.model.gallery import Range
from imgrepl.model.limits import AZURE_2021, AZURE_TODAY, Limits
from imgrepl.model.overlap import overlap
from imgrepl.model.region import Endpoint

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_the_defaults_are_azures() -> None:
    limits = AZURE_TODAY
    assert (limits.galleries_max, limits.definitions_max, limits.versions_max) == (100, 1000, 10000)
    assert (limits.replicas_max, limits.disk_bytes_max) == (100, 2048 << 30)
    assert (AZURE_2021.replicas_max, AZURE_2021.disk_bytes_max) == (10, 1024 << 30)


@pytest.mark.parametrize("count", [-1, 0, 101])
def test_a_replica_count_out_of_range_names_both_bounds(count: int) -> None:
    with pytest.raises(Invalid, match="1 to 100") as caught:
        Limits().check_replica_count(count, "eastus")
    assert caught.value.code == "OutOfRange"


def test_a_replica_count_in_range_passes() -> None:
    for count in (1, 100):
        Limits().check_replica_count(count, "eastus")


def test_room_ends_at_the_limit() -> None:
    Limits().check_room("galleries", 99, 100, "here")
    with pytest.raises(Invalid, match="100") as caught:
        Limits().check_room("galleries", 100, 100, "here")
    assert caught.value.code == "LimitExceeded"


def test_features_get_azures_spelling() -> None:
    given = {"securitytype": "trustedlaunch", "ISHIBERNATESUPPORTED": "true"}
    assert rules.check_features(given) == {
        "SecurityType": "TrustedLaunch",
        "IsHibernateSupported": "True",
    }


@pytest.mark.parametrize("features", [{"Secure": "x"}, {"SecurityType": "Trusted"}])
def test_an_unknown_feature_or_value_is_refused(features: dict[str, str]) -> None:
    with pytest.raises(Invalid, match=r"known are|allowed are") as caught:
        rules.check_features(features)
    assert caught.value.code == "InvalidFeature"


def test_disk_types_get_azures_spelling_and_are_kept_once() -> None:
    assert rules.check_disk_types(("standard_lrs", "Standard_LRS")) == ("Standard_LRS",)
    with pytest.raises(Invalid, match="Premium_LRS"):
        rules.check_disk_types(("floppy",))


@pytest.mark.parametrize("bounds", [Range(8, 4), Range(0, 4), Range(None, 1025), Range(-1)])
def test_a_range_that_is_none_is_refused(bounds: Range) -> None:
    with pytest.raises(Invalid) as caught:
        rules.check_range("vCPUs", bounds, 1024)
    assert caught.value.code == "OutOfRange"


@pytest.mark.parametrize("bounds", [Range(), Range(4, 4), Range(1), Range(None, 1024)])
def test_an_open_range_passes(bounds: Range) -> None:
    assert rules.check_range("vCPUs", bounds, 1024) == bounds


def test_an_end_of_life_must_lie_in_the_future() -> None:
    later = NOW + timedelta(seconds=1)
    assert rules.check_end_of_life(later, NOW) == later
    assert rules.check_end_of_life(None, NOW) is None
    with pytest.raises(Invalid, match="2026-11-23T00:00:00Z") as caught:
        rules.check_end_of_life(NOW, NOW)
    assert caught.value.code == "OutOfRange"


@pytest.mark.parametrize("text", ["", "notes", "ftp://h/x", "javascript:alert(1)", "http://"])
def test_what_is_no_web_address_is_refused(text: str) -> None:
    assert rules.check_uri("releaseNoteUri", "https://example.org/a") == "https://example.org/a"
    with pytest.raises(Invalid) as caught:
        rules.check_uri("releaseNoteUri", text)
    assert caught.value.code == "InvalidUri"


@pytest.mark.parametrize(
    "tags",
    [{str(n): "" for n in range(51)}, {"": "v"}, {"n" * 513: ""}, {"n": "v" * 257},
     {"a": "", "A": ""}],
)  # fmt: skip
def test_tags_out_of_their_limits_are_refused(tags: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        rules.check_tags(tags, Limits())
    assert caught.value.code == "InvalidTag"


def test_tags_within_their_limits_pass() -> None:
    tags = {f"{n:0512}": "v" * 256 for n in range(50)}
    assert rules.check_tags(tags, Limits()) == tags


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("s3://b", "s3://b", True),
        ("s3://b", "s3://b/r0", True),
        ("s3://b/east/", "s3://b/east", True),
        ("s3://b/east", "s3://b/eastus", False),
        ("s3://b", "s3://bb", False),
        ("file:///a", "file:///a/b", True),
        ("file:///a", "file:///b", False),
    ],
)
def test_overlap_is_by_whole_parts_of_the_path(one: str, other: str, expected: bool) -> None:
    first, second = Endpoint(url=one), Endpoint(url=other)
    assert overlap(first, second) is overlap(second, first) is expected


def test_the_same_bucket_on_two_servers_does_not_overlap() -> None:
    first = Endpoint(url="s3://b", endpoint_url="http://127.0.0.1:1")
    second = Endpoint(url="s3://b", endpoint_url="http://127.0.0.1:2")
    assert not overlap(first, second)
    assert overlap(first, Endpoint(url="s3://b", endpoint_url="http://127.0.0.1:1/"))
