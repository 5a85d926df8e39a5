"""URLs with credentials in them are refused before anything stores or shows them."""

import pytest

from imgrepl.cli.endpoints import EndpointOptions
from imgrepl.errors import Invalid
from imgrepl.model.region import Endpoint

LOGIN = "http://key:hunter2@127.0.0.1:9000"


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("s3://bucket", LOGIN),
        (f"{LOGIN}/bucket", None),
        (LOGIN, None),
        ("s3://key:hunter2@bucket/prefix", None),
    ],
)
def test_a_login_in_a_url_is_refused_and_not_shown(url: str, endpoint: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        EndpointOptions(endpoint=endpoint).endpoint_of(url)
    assert caught.value.code == "InvalidRegionUrl"
    assert "hunter2" not in f"{caught.value.message} {caught.value.target} {caught.value.hint}"


def test_a_login_in_a_new_endpoint_is_refused() -> None:
    with pytest.raises(Invalid):
        EndpointOptions(endpoint=LOGIN).overlaid(Endpoint(url="s3://bucket"))


def test_an_at_sign_behind_the_host_is_no_login() -> None:
    made = EndpointOptions(endpoint="http://host:9000").endpoint_of("s3://bucket/a@b")
    assert (made.url, made.endpoint_url) == ("s3://bucket/a@b", "http://host:9000")
