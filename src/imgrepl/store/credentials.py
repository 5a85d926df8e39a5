"""From an endpoint to a client that may talk to it.

botocore is imported where it is used: it costs a quarter of a second. One session serves the whole
process, since it holds the parsed service model: the first client costs 0.1 s, the next 5 ms.
"""

import base64
import configparser
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from imgrepl.errors import Invalid, NotAllowed
from imgrepl.model.region import Endpoint
from imgrepl.store.options import StoreOptions

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client

_SIGNING_REGION_DEFAULT = "us-east-1"
"""What servers that have no regions take."""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A key pair by value; never shown, logged or stored."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "Credentials(…)"


class S3Clients:
    """Makes clients and keeps them: endpoints that differ in their URL only share one.

    `environment` is where the variables of `credentials_env` and AWS's own are looked up.
    """

    def __init__(self, environment: Mapping[str, str], options: StoreOptions) -> None:
        self._environment = environment
        self._options = options
        self._clients: dict[tuple[str | None, ...], S3Client] = {}
        self._lock = threading.Lock()

    def client_of(self, endpoint: Endpoint) -> "S3Client":
        """The client for this endpoint.

        Raises `NotAllowed` (`CredentialsMissing`) where the reference leads to no credentials.
        """
        name = (
            endpoint.server,
            endpoint.signing_region,
            endpoint.addressing,
            endpoint.ca_file,
        )
        with self._lock:
            if name not in self._clients:
                self._clients[name] = _make_client(endpoint, self._environment, self._options)
            return self._clients[name]

    def close(self) -> None:
        """Closes every connection; the clients are of no use afterwards."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


def credentials_of(endpoint: Endpoint, environment: Mapping[str, str]) -> Credentials | None:
    """The key pair an endpoint refers to; None leaves the search to botocore (profile, role …).

    Raises `NotAllowed` (`CredentialsMissing`).
    """
    if endpoint.credentials_env:
        return _from_environment(endpoint.credentials_env, environment)
    if endpoint.credentials_file:
        return _from_file(Path(endpoint.credentials_file), endpoint.profile)
    if endpoint.profile is None and "AWS_ACCESS_KEY_ID" in environment:
        return _from_environment("AWS", environment)
    return None


def _from_environment(prefix: str, environment: Mapping[str, str]) -> Credentials:
    names = [f"{prefix}_ACCESS_KEY_ID", f"{prefix}_SECRET_ACCESS_KEY"]
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise _missing(f"not set in the environment: {', '.join(missing)}")
    return Credentials(
        access_key_id=environment[names[0]],
        secret_access_key=environment[names[1]],
        session_token=environment.get(f"{prefix}_SESSION_TOKEN") or None,
    )


def _from_file(path: Path, profile: str | None) -> Credentials:
    """From `profile`, else from `default`, else from the file's first section."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _missing(f"the credentials file {path} cannot be read: {error}") from error
    except configparser.Error as error:
        raise _missing(f"the credentials file {path} is no INI file") from error
    sections = parser.sections()
    section = profile or ("default" if "default" in sections else next(iter(sections), "default"))
    if section not in sections:
        raise _missing(f"the credentials file {path} has no section [{section}]")
    try:
        return Credentials(
            access_key_id=parser[section]["aws_access_key_id"],
            secret_access_key=parser[section]["aws_secret_access_key"],
            session_token=parser[section].get("aws_session_token"),
        )
    except KeyError as error:
        raise _missing(f"[{section}] of {path} has no {error.args[0]}") from error


def _missing(what: str) -> NotAllowed:
    return NotAllowed(
        what,
        code="CredentialsMissing",
        hint="give the region a profile, a credentials file or a prefix of environment variables",
    )


def _make_client(
    endpoint: Endpoint, environment: Mapping[str, str], options: StoreOptions
) -> "S3Client":
    from botocore.exceptions import BotoCoreError

    credentials = credentials_of(endpoint, environment)
    by_value: dict[str, Any] = _as_arguments(credentials) if credentials else {}
    try:
        session = _session(None if credentials else endpoint.profile)
        client = session.create_client(
            "s3",
            endpoint_url=endpoint.endpoint_url,
            region_name=_signing_region(endpoint, session),
            verify=endpoint.ca_file,
            config=_config(endpoint, options),
            **by_value,
        )
    except BotoCoreError as error:
        raise _missing(f"no client for {endpoint.url}: {error}") from error
    except ValueError as error:
        raise Invalid(
            f"{endpoint.endpoint_url!r} is no endpoint: {error}",
            code="InvalidPlaceUrl",
            target=endpoint.url,
            hint="an endpoint is http://HOST[:PORT] or https://HOST[:PORT]",
        ) from error
    client.meta.events.register("before-call.s3.DeleteObjects", _add_content_md5)
    client.meta.events.register("before-call.s3", _stay_here)
    return cast("S3Client", client)


def _as_arguments(credentials: Credentials) -> dict[str, Any]:
    return {
        "aws_access_key_id": credentials.access_key_id,
        "aws_secret_access_key": credentials.secret_access_key,
        "aws_session_token": credentials.session_token,
    }


@lru_cache(maxsize=16)
def _session(profile: str | None) -> "Session":
    """One session per profile for the whole process: it holds the parsed service model."""
    from botocore.session import Session

    return Session(profile=profile)


def _signing_region(endpoint: Endpoint, session: "Session") -> str:
    if endpoint.signing_region:
        return endpoint.signing_region
    configured = None if endpoint.endpoint_url else session.get_config_variable("region")
    return str(configured or _SIGNING_REGION_DEFAULT)


def _config(endpoint: Endpoint, options: StoreOptions) -> Any:  # noqa: ANN401 - botocore's own
    from botocore.config import Config

    addressing: Any = endpoint.addressing
    if addressing == "auto" and endpoint.endpoint_url:
        addressing = "path"
    return Config(
        signature_version="s3v4",  # else addresses are signed in the way of before 2014
        s3={"addressing_style": addressing, "payload_signing_enabled": False},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=options.connect_timeout_seconds,
        read_timeout=options.read_timeout_seconds,
        max_pool_connections=options.connections_max,
        tcp_keepalive=True,
    )


def _add_content_md5(params: dict[str, Any], **_event: object) -> None:
    """Older servers refuse DeleteObjects without Content-MD5, newer ones take it as well."""
    digest = hashlib.md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = base64.b64encode(digest).decode("ascii")


def _stay_here(params: dict[str, Any], **_event: object) -> None:
    """Tells botocore that a redirect was followed already, so it follows none.

    It would ask for the bucket's region by requests that are redirected in their turn, up to
    Python's recursion limit. We name the region to be set instead.
    """
    params["context"].setdefault("s3_redirect", {})["redirected"] = True
