"""From an endpoint to a store: URLs, credentials by reference, clients that are shared."""

import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from imgrepl.errors import Invalid, NotAllowed
from imgrepl.model.region import Endpoint
from imgrepl.store.credentials import Credentials, S3Clients, credentials_of
from imgrepl.store.directory import DirectoryStore
from imgrepl.store.opening import open_store
from imgrepl.store.options import StoreOptions
from imgrepl.store.protocols import Store
from imgrepl.store.s3 import S3Store
from servers import S3Server

_KEYS = "\naws_access_key_id = {}\naws_secret_access_key = half%secret\n"
ENVIRONMENT = {"EAST_ACCESS_KEY_ID": "id", "EAST_SECRET_ACCESS_KEY": "east-secret"}


def _open(endpoint: Endpoint, environment: Mapping[str, str] = ENVIRONMENT) -> Store:
    return open_store(endpoint, environment=environment, options=StoreOptions())


def _s3(**fields: str) -> Endpoint:
    merged: dict[str, str] = {
        "url": "s3://golden",
        "endpoint_url": "http://127.0.0.1:1",
        "credentials_env": "EAST",
        **fields,
    }
    return Endpoint(**merged)


def test_a_bucket_with_a_prefix(tmp_path: Path) -> None:
    store = _open(_s3(url="s3://golden/images/").below("r0"))
    assert isinstance(store, S3Store)
    assert (store.bucket, store.full_key("a/b")) == ("golden", "images/r0/a/b")
    assert store.url == "s3://golden/images/r0"
    assert not list(tmp_path.iterdir())


def test_an_endpoint_that_is_none_is_refused_with_what_one_looks_like() -> None:
    with pytest.raises(Invalid) as refused:
        _open(_s3(endpoint_url="null"))
    assert refused.value.code == "InvalidPlaceUrl"
    assert "'null'" in refused.value.message
    assert "http://HOST" in str(refused.value.hint)


def test_a_directory_whose_path_needs_quoting(tmp_path: Path) -> None:
    root = tmp_path / "golden images"
    store = _open(Endpoint(url=root.as_uri()))
    assert isinstance(store, DirectoryStore)
    store.put("k", b"x")
    assert (root / "k").read_bytes() == b"x"
    assert store.url == root.as_uri()


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///prefix",
        "s3://user@bucket",
        "s3://bucket?x=1",
        "s3://bucket#x",
        "s3://bucket/../other",
        "file:",
        "file://host/path",
        "file:///a/../b",
        "file:relative",
        "http://bucket",
        "bucket",
        "",
    ],
)
def test_a_url_that_is_no_place_is_refused_with_what_would_be_one(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        _open(Endpoint(url=url, credentials_env="EAST"))
    assert caught.value.code == "InvalidPlaceUrl"
    assert "s3://BUCKET" in f"{caught.value.hint}"


def test_places_of_one_server_and_account_share_a_client() -> None:
    clients = S3Clients(ENVIRONMENT, StoreOptions())
    one, two = clients.client_of(_s3()), clients.client_of(_s3(url="s3://other/prefix"))
    assert one is two
    assert clients.client_of(_s3(endpoint_url="http://127.0.0.1:2")) is not one
    clients.close()


def test_only_places_of_one_server_and_account_copy(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    store = _open(_s3())
    assert store.can_copy_from(_open(_s3(url="s3://other")))
    assert not store.can_copy_from(_open(_s3(endpoint_url="http://127.0.0.1:2")))
    assert not store.can_copy_from(_open(_s3(credentials_env="", credentials_file=str(file))))


@pytest.mark.parametrize(
    ("addressing", "endpoint_url", "style"),
    [
        ("auto", "http://127.0.0.1:1", "path"),
        ("virtual", "http://s3.example", "virtual"),
        ("path", "http://s3.example", "path"),
    ],
)
def test_servers_of_ones_own_are_addressed_by_path(
    addressing: str, endpoint_url: str, style: str
) -> None:
    clients = S3Clients(ENVIRONMENT, StoreOptions())
    client = clients.client_of(_s3(addressing=addressing, endpoint_url=endpoint_url))
    settings = client.meta.config.s3  # type: ignore[attr-defined]
    assert settings["addressing_style"] == style
    assert settings["payload_signing_enabled"] is False
    assert client.meta.config.retries["total_max_attempts"] == 1  # type: ignore[attr-defined]


def test_the_signing_region_is_the_one_set_or_one_that_any_server_takes() -> None:
    clients = S3Clients(ENVIRONMENT, StoreOptions())
    assert clients.client_of(_s3()).meta.region_name == "us-east-1"
    assert clients.client_of(_s3(signing_region="garage")).meta.region_name == "garage"


def test_credentials_come_from_the_variables_with_the_prefix() -> None:
    environment = {**ENVIRONMENT, "EAST_SESSION_TOKEN": "token", "AWS_ACCESS_KEY_ID": "other"}
    assert credentials_of(_s3(), environment) == Credentials(
        access_key_id="id", secret_access_key="east-secret", session_token="token"
    )


def test_without_a_reference_awss_own_variables_are_taken() -> None:
    environment = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "s"}
    assert credentials_of(Endpoint(url="s3://b"), environment) == Credentials(
        access_key_id="id", secret_access_key="s"
    )
    assert credentials_of(Endpoint(url="s3://b", profile="p"), environment) is None
    assert credentials_of(Endpoint(url="s3://b"), {}) is None


@pytest.mark.parametrize(
    ("text", "profile", "expected"),
    [
        (f"[a]{_KEYS.format(1)}", None, "1"),
        (
            f"[a]{_KEYS.format(1)}[default]{_KEYS.format(3)}",
            None,
            "3",
        ),
        (
            f"[default]{_KEYS.format(3)}[b]{_KEYS.format(5)}aws_session_token=7\n",
            "b",
            "5",
        ),
    ],
)
def test_a_credentials_file_gives_its_profile_default_or_first_section(
    tmp_path: Path, text: str, profile: str | None, expected: str
) -> None:
    file = tmp_path / "credentials"
    file.write_text(text)
    endpoint = Endpoint(url="s3://b", credentials_file=str(file), profile=profile)
    found = credentials_of(endpoint, {})
    assert found is not None
    assert found.access_key_id == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no section\nsecret-value",
        "[default]\naws_access_key_id=1\n",
        "[other]\naws_access_key_id=secret-value\n",
        "\xff",
    ],
)
def test_a_credentials_file_that_gives_none_is_named_and_its_content_is_not(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "credentials"
    file.write_bytes(text.encode("latin-1"))
    endpoint = Endpoint(url="s3://b", credentials_file=str(file))
    with pytest.raises(NotAllowed, match="credentials") as caught:
        credentials_of(endpoint, {})
    assert caught.value.code == "CredentialsMissing"
    assert str(file) in caught.value.message
    assert "secret-value" not in f"{caught.value.message} {caught.value.hint}"


def test_missing_references_are_named() -> None:
    with pytest.raises(NotAllowed, match="WEST_SECRET_ACCESS_KEY"):
        _open(_s3(credentials_env="WEST"))
    with pytest.raises(NotAllowed, match="/no/such/file"):
        _open(Endpoint(url="s3://b", credentials_file="/no/such/file"))
    with pytest.raises(NotAllowed, match="no-such-profile"):
        _open(Endpoint(url="s3://b", profile="no-such-profile"))


def test_credentials_do_not_show() -> None:
    shown = Credentials(access_key_id="id", secret_access_key="east-secret")
    assert "east-secret" not in f"{shown} {shown!r}"


def test_opening_makes_no_request_and_directories_do_not_load_botocore(tmp_path: Path) -> None:
    program = textwrap.dedent(
        f"""
        import sys
        from imgrepl.model.region import Endpoint
        from imgrepl.store.opening import open_store
        from imgrepl.store.options import StoreOptions
        from imgrepl.store.retrying import RetryingStore
        endpoint = Endpoint(url={tmp_path.as_uri()!r})
        open_store(endpoint, environment={{}}, options=StoreOptions()).put("k", b"x")
        assert not [name for name in sys.modules if name.split(".")[0] in ("boto3", "botocore")]
        """
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_server_that_is_down_can_be_opened() -> None:
    server = S3Server("none", "http://127.0.0.1:1")
    assert _open(server.endpoint("b"), server.environment).url == "s3://b"
